"""The engine: a source's jobs to the devices, what they find back to the source.

The only place where the two meet. A device's claim is checked with hashlib before it
leaves; a block is sent whatever else is wrong with it.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final

from headframe.chain.job import Job
from headframe.chain.share import Checked, Reason, Share, Verdict, check
from headframe.runtime.clock import monotonic, wall_seconds
from headframe.runtime.latest import Latest
from headframe.runtime.logs import get_logger
from headframe.upstream.base import JobSource
from headframe.upstream.blockdesk import BlockDesk
from miner.account import Account
from miner.devices.base import Device, Solution
from miner.fleet import Fleet
from miner.stats import MinerStats

__all__ = ["Engine"]

_MOST_SEEN: Final = 1 << 16
"""Proofs remembered to find duplicates: minutes of the fastest test chain, days of a pool."""

log = get_logger(__name__)


class Engine:
    """Runs devices on a source's jobs.

    Args:
        source: run by the caller, longer than the engine.
        devices: what hashes; each has its own slice of every job.
        stats: what is counted.
        now: seconds since 1970.
        clock: seconds that never go back.
    """

    def __init__(
        self,
        source: JobSource,
        devices: Fleet,
        stats: MinerStats,
        *,
        now: Callable[[], int] = wall_seconds,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._source = source
        self._devices = devices
        self._now = now
        self._seen: dict[int, None] = {}
        self._account = Account(stats, clock=clock, now=now, height=self._height)
        self.pending: Latest[int] = Latest(0)
        """Shares without a verdict; set with each share and each verdict."""

    async def run(self) -> None:
        """Let the devices hash until cancelled; they have stopped when it returns."""
        await self._devices.run(self._source.jobs, self.found)

    def hear_of_blocks(self, desk: BlockDesk) -> None:
        """Let counters, page and metrics have what becomes of found blocks."""
        self._account.hear_of_blocks(desk)

    async def drain(self, seconds: float) -> None:
        """Wait for the verdicts of shares in flight, at most this long."""
        try:
            async with asyncio.timeout(seconds):
                async for count in self.pending:
                    if not count:
                        return
        except TimeoutError:
            log.warning("shares_unanswered", shares=self.pending.get())

    def found(self, device: Device, solution: Solution) -> None:
        """Judge a device's claim, and send it if it is good."""
        job, share = solution.work.job, solution.work.share(solution.head, solution.nonce)
        # A machine whose clock is years behind mines well: the job brings the time along.
        checked = check(job, share, now=max(self._now(), job.ntime))
        if checked.proof > max(job.target, job.block_target):
            self._account.wrong()
            device.wrong(solution)
            return
        cause = self._unfit(job, checked)
        if cause is None:
            self._submit(job, share, checked)
            self._account.gone(solution.found_at)
            return
        self._account.dropped(cause, checked.reason)

    def _unfit(self, job: Job, checked: Checked) -> str | None:
        """Say why a share is not sent; a block always is, but once."""
        if checked.proof in self._seen:
            return "duplicate"
        self._seen[checked.proof] = None
        if len(self._seen) > _MOST_SEEN:
            del self._seen[next(iter(self._seen))]
        if checked.block:
            return None
        if checked.reason is not Reason.ACCEPTED:
            return "invalid"
        return "stale" if self._dead(job) else None

    def _dead(self, job: Job) -> bool:
        status, newest = self._source.status.get(), self._source.jobs.get()
        if status.source == job.source and job.generation < status.generation:
            return True
        return (
            newest is not None
            and newest.source == job.source
            and job.generation < newest.generation
        )

    def _submit(self, job: Job, share: Share, checked: Checked) -> None:
        answered = self._account.sent(job, checked)
        self.pending.set(self.pending.get() + 1)
        self._source.submit(share, None, partial(self._done, answered))

    def _done(self, answered: Callable[[Verdict], None], verdict: Verdict) -> None:
        answered(verdict)
        self.pending.set(self.pending.get() - 1)

    def _height(self) -> int | None:
        return self._source.status.get().height
