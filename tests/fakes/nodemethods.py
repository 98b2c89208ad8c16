"""The embedded node's RPC methods, called without a socket: for the tests of each group."""

from typing import Any

import pytest

from headframe.node.errors import RpcError
from headframe.node.methods import METHODS
from headframe.node.methods.params import bind
from headframe.node.service import NodeService

__all__ = ["NOW", "call", "refusal"]

NOW = 1_750_000_000
"""The node's clock, in seconds since 1970."""


async def call(node: NodeService, name: str, *params: object) -> Any:
    """Call a method; its result."""
    method = METHODS[name]
    return await method.handler(node, *bind(method, params))


async def refusal(node: NodeService, name: str, *params: object) -> tuple[int, str]:
    """Call a method that must be refused; the error's code and words."""
    with pytest.raises(RpcError) as caught:
        await call(node, name, *params)
    return int(caught.value.code), caught.value.message
