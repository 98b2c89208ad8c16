"""The node that each group of methods is tried on."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from headframe.node.service import NodeService
from tests.fakes.nodemethods import NOW
from tests.fakes.nodeparts import need_kernel


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[NodeService]:
    """A node with a new chain."""
    need_kernel()
    async with NodeService(tmp_path, wall=lambda: NOW) as opened:
        yield opened
