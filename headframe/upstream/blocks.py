"""`BlockFeed`: what becomes of found blocks, told to whoever shows, counts or books it.

A block's own `done` is called once, perhaps with `PENDING`. What comes later (the verdict
of a node that was away, a reorganisation) and what became of blocks of an earlier run is
told here. The feed also holds the counters, which both programs export.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from headframe.chain.share import Reason
from headframe.runtime.logs import get_logger
from headframe.runtime.metrics import by_label, counter, gauge
from headframe.upstream.journal_lines import BlockRecord

__all__ = ["BlockEvent", "BlockEventKind", "BlockFeed", "BlockStats"]

_log = get_logger(__name__)


class BlockEventKind(StrEnum):
    """What happened to a block; the values are those of the web hook."""

    FOUND = "found"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    ORPHANED = "orphaned"
    """It is not on the best chain any more."""
    CONFIRMED = "confirmed"
    """It is on the best chain, after it was not."""
    SETTLED = "settled"
    """It is deep enough in the chain, or too deep beside it, to be followed further."""
    LOST = "lost"
    """A pool's block that could not be sent to it, and cannot be any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockEvent:
    """Something that happened to a block.

    Attributes:
        kind: what.
        block: how it stands now.
    """

    kind: BlockEventKind
    block: BlockRecord


_VERDICTS: Final = tuple(reason for reason in Reason if reason not in {Reason.PENDING, Reason.LOST})


@dataclass(slots=True, kw_only=True)
class BlockStats:
    """Counters of what became of blocks."""

    blocks_judged: dict[str, int] = by_label(
        "Found blocks that have their verdict, those of earlier runs included.",
        "reason",
        _VERDICTS,
    )
    blocks_waiting: int = gauge("Found blocks that no node has given a verdict on yet.")
    blocks_followed: int = gauge("Accepted blocks that are not deep in the chain yet.")
    blocks_orphaned: int = counter("Times that a block of ours left the best chain.")
    blocks_confirmed: int = counter("Times that a block of ours came back to the best chain.")
    blocks_settled: int = counter("Blocks of ours that are deep in the chain for good.")
    block_candidates_kept: int = counter(
        "Shares for a pool that are blocks and could not be sent at once."
    )
    block_candidates_resent: int = counter("Those of them that were sent later.")
    block_candidates_lost: int = counter(
        "Those of them that the pool cannot be sent any more; their data is in the journal."
    )
    block_hook_calls: int = counter("Calls of the web hook that it took.")
    block_hook_failures: int = counter("Events that the web hook was not told of, after all tries.")


Listener = Callable[[BlockEvent], None]


class BlockFeed:
    """Passes on what happens to blocks; belongs to one event loop."""

    def __init__(self) -> None:
        self.stats = BlockStats()
        self._listeners: list[Listener] = []

    def watch(self, listener: Listener) -> None:
        """Let a function hear of all that happens from now on."""
        self._listeners.append(listener)

    def tell(self, kind: BlockEventKind, block: BlockRecord) -> None:
        """Count what happened, and pass it on; a listener's fault stops nobody else."""
        self._count(kind, block)
        event = BlockEvent(kind=kind, block=block)
        for listener in self._listeners:
            try:
                listener(event)
            except Exception:  # noqa: BLE001 # a fault in a listener must not cost the block
                _log.exception("block_listener_broke", event_kind=kind.value)

    def _count(self, kind: BlockEventKind, block: BlockRecord) -> None:
        stats = self.stats
        match kind:
            case BlockEventKind.ACCEPTED | BlockEventKind.REFUSED:
                stats.blocks_judged[block.reason] += 1
            case BlockEventKind.ORPHANED:
                stats.blocks_orphaned += 1
            case BlockEventKind.CONFIRMED:
                stats.blocks_confirmed += 1
            case BlockEventKind.SETTLED:
                stats.blocks_settled += block.confirmations > 0
            case BlockEventKind.LOST:
                stats.block_candidates_lost += 1
            case BlockEventKind.FOUND:
                pass
