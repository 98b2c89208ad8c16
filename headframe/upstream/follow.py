"""`Follower`: looks after blocks that were accepted, until they are deep in the chain.

A node's "accepted" is not the end: another block of the same height may win. Whenever a
node's tip has changed, each block is looked up; one that left the best chain is orphaned,
one that came back is confirmed again. What was found out is in the journal, so a restart
goes on where it was.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Final

from headframe.chain.hashes import hash_to_hex
from headframe.runtime.logs import get_logger
from headframe.upstream.base import UpstreamError
from headframe.upstream.blocks import BlockEvent, BlockEventKind, BlockFeed
from headframe.upstream.journal import Journal
from headframe.upstream.journal_lines import BlockRecord
from headframe.upstream.node import NodeRpc, RpcError

__all__ = ["DEFAULT_DEPTH", "Follower"]

_log = get_logger(__name__)

DEFAULT_DEPTH: Final = 100
"""Confirmations after which a coinbase may be spent; no reorganisation goes as deep."""
_NOT_FOUND: Final = -5


class Follower:
    """Follows the blocks of a journal.

    Args:
        nodes: says who is asked. A block is on the best chain if it is for one of them.
        journal: which blocks, and where it is written down.
        feed: told what happens to them.
        depth: confirmations after which a block is followed no further; 0: none ever is.
        poll_seconds: time between two looks at the tips.
    """

    def __init__(
        self,
        nodes: Callable[[], Sequence[NodeRpc]],
        journal: Journal,
        *,
        feed: BlockFeed,
        depth: int = DEFAULT_DEPTH,
        poll_seconds: float = 5.0,
    ) -> None:
        self._nodes = nodes
        self._journal = journal
        self._feed = feed
        self._depth = depth
        self._poll_seconds = poll_seconds
        self._news = asyncio.Event()
        self._seen: object = None
        feed.watch(self._on_event)

    async def run(self) -> None:
        """Follow until cancelled; a node that is away is asked again."""
        while True:
            self._news.clear()
            followed = self._journal.followed() if self._depth > 0 else ()
            self._feed.stats.blocks_followed = len(followed)
            if not followed:
                await self._news.wait()
                continue
            await self._look(followed)
            self._feed.stats.blocks_followed = len(self._journal.followed())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._poll_seconds):
                    await self._news.wait()

    def follow_until(self, depth: int) -> None:
        """Follow blocks to another depth from now on; 0: none."""
        self._depth = depth
        self._seen = None
        self._news.set()

    def _on_event(self, event: BlockEvent) -> None:
        if event.block.followed and event.kind in _BEGINNINGS:
            self._news.set()

    async def _look(self, followed: Sequence[BlockRecord]) -> None:
        """Look every block up, unless nothing can have changed."""
        tips = [(node, await _tip_of(node)) for node in self._nodes()]
        state = ([tip for _, tip in tips], [block.hash for block in followed])
        if state == self._seen:
            return
        heights = [(node, tip[1]) for node, tip in tips if tip is not None]
        sure = True
        for block in followed:
            sure &= await self._look_up(block, heights)
        self._seen = state if sure else None

    async def _look_up(self, block: BlockRecord, heights: Sequence[tuple[NodeRpc, int]]) -> bool:
        """Ask the nodes where a block stands; false if that must be asked again."""
        depths = [await _depth_of(block, node, height) for node, height in heights]
        known = [depth for depth in depths if depth is not None]
        if known:
            self._note(block, max(known), max(height for _, height in heights))
        return len(known) == len(depths)

    def _note(self, block: BlockRecord, depth: int, height: int) -> None:
        """Write down what is new, and tell it.

        Args:
            block: as it was known.
            depth: its confirmations now; 0: it is not on the best chain.
            height: of the highest tip.
        """
        if depth == 0 and not block.orphaned:
            self._journal.moved(block.hash, confirmations=0)
            self._say(BlockEventKind.ORPHANED, block)
        elif depth > 0 and block.orphaned:
            self._journal.moved(block.hash, confirmations=depth)
            self._say(BlockEventKind.CONFIRMED, block)
        elif depth != block.confirmations:
            self._journal.deepened(block.hash, depth)
        if height - block.height + 1 >= self._depth and (depth == 0 or depth >= self._depth):
            self._journal.settled(block.hash, confirmations=depth)
            self._say(BlockEventKind.SETTLED, block)

    def _say(self, kind: BlockEventKind, block: BlockRecord) -> None:
        now = self._journal.record(block.hash) or block
        say = _log.warning if kind is BlockEventKind.ORPHANED else _log.info
        say(
            _SAID[kind],
            source=now.source,
            height=now.height,
            hash=hash_to_hex(now.hash),
            confirmations=now.confirmations,
        )
        self._feed.tell(kind, now)


_SAID: Final = {
    BlockEventKind.ORPHANED: "block_orphaned",
    BlockEventKind.CONFIRMED: "block_confirmed",
    BlockEventKind.SETTLED: "block_settled",
}
_BEGINNINGS: Final = frozenset({BlockEventKind.ACCEPTED, BlockEventKind.REFUSED})


async def _tip_of(node: NodeRpc) -> tuple[str, int] | None:
    """Ask for a node's tip: hash and height; `None` if it is away."""
    try:
        tip = await node.call("getbestblockhash")
        header = await node.call("getblockheader", tip)
        return str(tip), int(header["height"])
    except (UpstreamError, TypeError, KeyError, ValueError):
        return None


async def _depth_of(block: BlockRecord, node: NodeRpc, height: int) -> int | None:
    """Ask for a block's confirmations at a node with a tip of that height.

    Returns:
        0: its best chain has another block there. `None`: it cannot tell.
    """
    try:
        header = await node.call("getblockheader", hash_to_hex(block.hash))
        return max(int(header["confirmations"]), 0)
    except RpcError as error:  # a node that is past this height goes without the block
        return 0 if error.code == _NOT_FOUND and height >= block.height else None
    except (UpstreamError, TypeError, KeyError, ValueError):
        return None
