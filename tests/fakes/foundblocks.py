"""Made-up found blocks, and what is needed to send them on their way in a test."""

import asyncio
from collections.abc import Callable

from headframe.chain.hashes import sha256d
from headframe.chain.job import SourceId
from headframe.runtime.retry import Backoff
from headframe.upstream.blocks import BlockEvent, BlockFeed
from headframe.upstream.journal import FoundBlock

__all__ = ["NODE", "Told", "block", "quick", "until"]

NODE = SourceId("node")


def block(number: int, source: SourceId = NODE) -> FoundBlock:
    """A block of that height; no node would take it."""
    raw = bytes([number]) * 100
    return FoundBlock(source=source, height=number, hash=sha256d(raw[:80]), raw=raw)


def quick() -> Backoff:
    return Backoff(0.001, 0.001)


class Told:
    """A feed, and what was told on it."""

    def __init__(self, feed: BlockFeed | None = None) -> None:
        self.feed = feed or BlockFeed()
        self.events: list[BlockEvent] = []
        self._came = asyncio.Event()
        self.feed.watch(self._on_event)

    def _on_event(self, event: BlockEvent) -> None:
        self.events.append(event)
        self._came.set()

    @property
    def words(self) -> list[tuple[str, int]]:
        """What happened, and to the block of which height."""
        return [(event.kind.value, event.block.height) for event in self.events]

    def feed_verdicts(self) -> dict[str, int]:
        """How many blocks got which verdict."""
        return {reason: count for reason, count in self.feed.stats.blocks_judged.items() if count}

    async def wait(self, kind: str, height: int) -> BlockEvent:
        """Wait until something has happened to a block; the newest such event."""
        async with asyncio.timeout(30):
            while (kind, height) not in self.words:
                self._came.clear()
                await self._came.wait()
        return next(
            event
            for event in reversed(self.events)
            if (event.kind.value, event.block.height) == (kind, height)
        )


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until something is so."""
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.001)
