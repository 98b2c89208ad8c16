"""A job source that a test holds in its hands, and jobs to feed it with."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from itertools import count

from headframe.chain.job import BIP320_MASK, FixedRoot, Job, JobId, SourceId, SplitCoinbase
from headframe.chain.share import Reason, Share, Verdict
from headframe.chain.target import MAX_TARGET, Target
from headframe.runtime.latest import Latest
from headframe.upstream.base import Done, SourceState, SourceStatus

__all__ = ["EASY", "NEVER", "FakeSource", "make_job"]

_IDS = count(1)
EASY = Target(MAX_TARGET >> 8)
"""One hash in 256 meets it."""
NEVER = Target(1)
"""No hash will meet it."""


def make_job(
    *,
    size: int = 8,
    mask: int = BIP320_MASK,
    target: Target = EASY,
    block_target: Target = NEVER,
    **changes: object,
) -> Job:
    """Make a job with that much room; anything else as in `Job`."""
    commitment = SplitCoinbase(
        prefix=b"\x01\x00\x00\x00 coinbase",
        suffix=b"rest",
        path=(b"\x05" * 32,),
        extranonce_size=size,
    )
    job = Job(
        id=JobId(next(_IDS)),
        source=SourceId("fake"),
        version=0x20000000 & ~mask,
        version_mask=mask,
        prev_hash=b"\x07" * 32,
        nbits=0x1D00FFFF,
        ntime=1_700_000_000,
        ntime_min=1_700_000_000,
        ntime_max=1_700_007_000,
        commitment=commitment if size else FixedRoot(value=b"\x09" * 32),
        target=target,
        block_target=block_target,
        epoch=1,
        generation=1,
    )
    return replace(job, **changes)  # type: ignore[arg-type] # a test's own business


class FakeSource:
    """Meets `JobSource`; keeps what it was given and answers as it is told.

    Attributes:
        submitted: every share with the worker it was sent for.
        verdict: what `submit` answers at once; `None` keeps the share pending.
        pending: the `done` of shares that wait for an answer.
        on_submit: called with each share, after it was answered.
        ended: set when `run` has ended.
    """

    def __init__(self, job: Job | None = None, verdict: Verdict | None = None) -> None:
        self._jobs: Latest[Job | None] = Latest(job)
        self._status = Latest(
            SourceStatus(
                source=SourceId("fake"),
                url="stratum+tcp://fake:3333",
                state=SourceState.ACTIVE,
                generation=job.generation if job else 0,
            )
        )
        self.submitted: list[tuple[Share, str | None]] = []
        self.pending: list[Done] = []
        self.verdict = verdict
        self.on_submit: Callable[[Share], None] = lambda share: None
        self.ended = asyncio.Event()

    @property
    def jobs(self) -> Latest[Job | None]:
        return self._jobs

    @property
    def status(self) -> Latest[SourceStatus]:
        return self._status

    async def run(self) -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.ended.set()
            for done in self.pending:
                done(Verdict(reason=Reason.LOST))
            self.pending.clear()

    def submit(self, share: Share, worker: str | None, done: Done) -> None:
        self.submitted.append((share, worker))
        if self.verdict is None:
            self.pending.append(done)
        else:
            done(self.verdict)
        self.on_submit(share)

    def kill_jobs(self) -> None:
        """Let every job so far be dead, with no new one yet, as when a connection ends."""
        status = self._status.get()
        self._jobs.set(None)
        self._status.set(
            replace(status, state=SourceState.DOWN, generation=status.generation + 1, detail="gone")
        )

    def report(self, **changes: object) -> None:
        """Set the status, changed in these fields."""
        self._status.set(replace(self._status.get(), **changes))  # type: ignore[arg-type]
