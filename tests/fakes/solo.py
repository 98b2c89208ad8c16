"""A `GbtSource` that is alone in its process: with the one who delivers its blocks."""

from typing import Any

from headframe.upstream.access import NodeAccess
from headframe.upstream.blocks import BlockFeed
from headframe.upstream.dispatch import Dispatch
from headframe.upstream.gbt import GbtSource
from headframe.upstream.gbt_options import GbtOptions
from headframe.upstream.journal import Journal
from headframe.upstream.node import NodeRpc
from headframe.upstream.tasks import run_together

__all__ = ["SoloSource"]


class SoloSource(GbtSource):
    """Delivers its blocks to its own node, while it runs.

    Args:
        options: what to mine.
        rpc: the node.
        journal: found blocks.
        more: whatever else a `GbtSource` takes.
    """

    def __init__(self, options: GbtOptions, *, rpc: NodeRpc, journal: Journal, **more: Any) -> None:
        self._dispatch = Dispatch(journal, feed=BlockFeed())
        super().__init__(options, rpc=rpc, delivery=self._dispatch, **more)
        access = NodeAccess(url=rpc.url, user=rpc._user, password=rpc._password, cookie=rpc._cookie)
        self._dispatch.set_nodes({"node": access})

    async def run(self) -> None:
        await run_together(super().run(), self._dispatch.run())
