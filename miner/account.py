"""`Account`: what became of each share, counted, and told where it is worth a line."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from headframe.chain.hashes import hash_to_hex
from headframe.chain.job import Job
from headframe.chain.share import Checked, Reason, Verdict
from headframe.chain.target import MAX_TARGET, difficulty_from_target, work_of
from headframe.runtime.logs import get_logger
from headframe.upstream.blockdesk import BlockDesk
from headframe.upstream.blocks import BlockEvent, BlockEventKind
from headframe.upstream.journal_lines import BlockRecord
from miner.sparing import Sparing
from miner.stats import BlockRow, MinerStats

__all__ = ["Account"]

log = get_logger(__name__)

_ADVICE: Final = {
    Reason.LOW_DIFFICULTY: "the pool wants harder shares than it told us of",
    Reason.UNAUTHORIZED: "check user and password",
    Reason.BAD_VERSION: "the pool does not take rolled versions: try version_mask = 0",
}
"""What to do about a refusal, where there is something."""


_MOST_WAITING: Final = 1024
"""Blocks whose verdict is waited for; more are only shown."""


class Account:
    """Keeps `MinerStats` about shares.

    Args:
        stats: where it is counted.
        clock: seconds that never go back.
        now: seconds since 1970.
        height: the height being worked on, where it is known.
    """

    def __init__(
        self,
        stats: MinerStats,
        *,
        clock: Callable[[], float],
        now: Callable[[], int],
        height: Callable[[], int | None],
    ) -> None:
        self._stats = stats
        self._clock = clock
        self._now = now
        self._height = height
        self._sparing = Sparing()
        self._best = MAX_TARGET + 1
        self._waiting: dict[str, _Sent] = {}  # blocks without a verdict, by display hash

    def wrong(self) -> None:
        """Count a nonce that hashlib refuses."""
        self._stats.nonces_wrong += 1

    def dropped(self, cause: str, reason: Reason) -> None:
        """Count a share that is not sent; see `miner.stats.DROPPED`."""
        self._stats.shares_dropped[cause] += 1
        say = log.error if cause == "invalid" else log.debug
        say("share_dropped", cause=cause, reason=str(reason))

    def sent(self, job: Job, checked: Checked) -> Callable[[Verdict], None]:
        """Count a share that goes out.

        Returns:
            What to call with its verdict.
        """
        self._stats.shares_submitted += 1
        if checked.proof < self._best:
            self._best = checked.proof
            self._stats.best_difficulty = float(difficulty_from_target(max(checked.proof, 1)))
        return partial(self._answered, _Sent(job, checked, self._clock(), self._height()))

    def gone(self, found_at: float) -> None:
        """Note that a share has left.

        Args:
            found_at: when its device found it, by the same clock; 0.0 where that is unknown.
        """
        if found_at:
            taken = self._clock() - found_at
            self._stats.share_latency["found_to_sent"].observe(taken)

    def _answered(self, sent: "_Sent", verdict: Verdict) -> None:
        if verdict.reason not in {Reason.LOST, Reason.PENDING}:  # then nobody has answered
            taken = self._clock() - sent.at
            self._stats.share_latency["sent_to_verdict"].observe(taken)
        job = sent.job
        self._stats.pools.answered(job.source, verdict, work_of(job.target), self._now())
        block = sent.is_block(verdict)
        if block:
            self._stats.blocks_found += 1
            self._stats.blocks.append(
                BlockRow(
                    height=sent.height,
                    hash=sent.hash,
                    time=self._now(),
                    verdict=str(verdict.reason),
                )
            )
        self._count(sent, verdict, block=block)

    def _count(self, sent: "_Sent", verdict: Verdict, *, block: bool) -> None:
        match verdict.reason:
            case Reason.ACCEPTED:
                self._accepted(sent, verdict, block=block)
            case Reason.LOST:
                self._stats.shares_lost += 1
            case Reason.PENDING:
                self._wait_for(sent)
            case _:
                self._rejected(sent, verdict, block=block)

    def hear_of_blocks(self, desk: BlockDesk) -> None:
        """Take what becomes of blocks after their first answer, and of an earlier run's."""
        self._stats.block_stats = desk.feed.stats
        for record in desk.journal.records():
            self._show(record)
        desk.feed.watch(self._hear)

    def _hear(self, event: BlockEvent) -> None:
        record = event.block
        shown = hash_to_hex(record.hash)
        if event.kind is BlockEventKind.FOUND:  # what becomes of it is told where that happens
            log.info("block_found", source=record.source, height=record.height, hash=shown)
            return
        sent = self._waiting.pop(shown, None)
        if sent is not None:
            self._stats.shares_pending = len(self._waiting)
            verdict = Verdict(reason=record.reason, detail=record.detail, block=True)
            self._count(sent, verdict, block=True)
        elif event.kind is BlockEventKind.ACCEPTED and self._verdict_of(shown) != "accepted":
            self._stats.blocks_accepted += 1  # an earlier run's, or another node took it
        self._show(record)

    def _wait_for(self, sent: "_Sent") -> None:
        self._waiting[sent.hash] = sent
        if len(self._waiting) > _MOST_WAITING:
            del self._waiting[next(iter(self._waiting))]
        self._stats.shares_pending = len(self._waiting)

    def _verdict_of(self, shown: str) -> str:
        return next((row.verdict for row in self._stats.blocks if row.hash == shown), "")

    def _show(self, record: BlockRecord) -> None:
        """Put a block into the list, or what is new of it."""
        shown, rows = hash_to_hex(record.hash), self._stats.blocks
        for place, row in enumerate(rows):
            if row.hash == shown:
                rows[place] = replace(row, verdict=record.state)
                return
        rows.append(
            BlockRow(height=record.height, hash=shown, time=record.found_at, verdict=record.state)
        )

    def _accepted(self, sent: "_Sent", verdict: Verdict, *, block: bool) -> None:
        self._stats.shares_accepted += 1
        self._stats.work_accepted += work_of(sent.job.target)
        if not block:
            log.debug("share_accepted", pool=sent.job.source)
            return
        self._stats.blocks_accepted += 1
        if not verdict.block:  # a source that submits blocks itself has told already
            log.info("block_accepted", hash=sent.hash, height=sent.height, pool=sent.job.source)

    def _rejected(self, sent: "_Sent", verdict: Verdict, *, block: bool) -> None:
        reason = verdict.reason
        self._stats.shares_rejected[reason] += 1
        about = {"pool": sent.job.source, "reason": str(reason), "words": verdict.detail}
        if block:
            if not verdict.block:
                log.error("block_rejected", hash=sent.hash, height=sent.height, **about)
            return
        count = self._sparing.say(reason, self._clock())
        if count is not None:
            advice = {"advice": _ADVICE[reason]} if reason in _ADVICE else {}
            log.warning("share_rejected", count=count, **about, **advice)


@dataclass(frozen=True, slots=True)
class _Sent:
    """A share without a verdict."""

    job: Job
    checked: Checked
    at: float
    height: int | None

    def is_block(self, verdict: Verdict) -> bool:
        """Tell whether this was a block, as far as a miner can know.

        On chains that are easier than the pool's shares every share would be one; what
        the pool makes of it there (it may pace the chain) it does not say.
        """
        told = verdict.block or verdict.reason is Reason.PENDING
        return told or (self.checked.block and self.job.block_target != self.job.target)

    @property
    def hash(self) -> str:
        """The header's hash in display order."""
        return hash_to_hex(self.checked.proof.to_bytes(32, "little"))
