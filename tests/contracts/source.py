"""What every job source must do: one suite, run over each implementation.

A test module subclasses `SourceContract` as `Test...` and provides the fixture `rig`: a
`SourceRig` that holds a source whose upstream works.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from headframe.chain.job import Job, JobId
from headframe.chain.share import NO_PROOF, Reason, Share, Verdict, proof_of
from headframe.upstream.base import JobSource, SourceState
from headframe.upstream.journal import Journal

__all__ = [
    "Answers",
    "SourceContract",
    "SourceRig",
    "find_share",
    "next_job",
    "running",
    "until_resolved",
]

PATIENCE_SECONDS = 30


@dataclass(frozen=True)
class SourceRig:
    """A source, and what a test does to its upstream.

    Attributes:
        source: not running yet; its upstream works.
        advance: lets the upstream find a block, so that a new generation begins.
        break_off: lets the upstream go away, and come back for a later `run`.
        connects: connections that two runs make.
    """

    source: JobSource
    advance: Callable[[], Awaitable[None]]
    break_off: Callable[[], Awaitable[None]]
    connects: int = 2


@dataclass
class Answers:
    """Counts what `done` was called with."""

    verdicts: list[Verdict] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)

    def done(self, verdict: Verdict) -> None:
        self.verdicts.append(verdict)
        self.came.set()

    async def one(self) -> Verdict:
        """Wait for the verdict; there is just one."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self.came.wait()
        (verdict,) = self.verdicts
        return verdict


@asynccontextmanager
async def running(source: JobSource) -> AsyncIterator[asyncio.Task[None]]:
    """Run a source for the length of a block; what `run` raises comes out of the task."""
    task: asyncio.Task[None]
    async with asyncio.TaskGroup() as group:

        async def run() -> None:
            await source.run()

        task = group.create_task(run())
        yield task
        task.cancel()


async def next_job(source: JobSource, after: Job | None = None) -> Job:
    """Wait for a job, newer than the given one."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        async for job in source.jobs:
            if job is not None and (after is None or job.id != after.id):
                return job
    raise AssertionError("unreachable: the cell never ends")


def find_share(job: Job, *, start: int = 0) -> Share:
    """Search a share that meets the job's target; a few hashes on an easy job."""
    for nonce in range(start, start + 1_000_000):
        share = Share(
            job_id=job.id,
            extranonce=nonce.to_bytes(job.extranonce_size, "big"),
            ntime=job.ntime,
            nonce=nonce,
            version=job.version,
        )
        if proof_of(job, share) <= job.target:
            return share
    raise AssertionError("the job is too hard for a test")


async def until_resolved(journal: Path) -> None:
    """Wait until the journal on disk holds no block without a verdict."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (await asyncio.to_thread(Journal, journal, wall=lambda: 0)).sources():
            pass


class SourceContract:
    """The laws of `JobSource`."""

    async def test_a_good_share_is_accepted_and_answered_once(self, rig: SourceRig) -> None:
        answers = Answers()
        async with running(rig.source):
            job = await next_job(rig.source)
            rig.source.submit(find_share(job), None, answers.done)
            verdict = await answers.one()
        assert verdict.reason is Reason.ACCEPTED
        assert len(answers.verdicts) == 1

    async def test_a_share_of_a_job_nobody_made_is_refused_once(self, rig: SourceRig) -> None:
        answers = Answers()
        async with running(rig.source):
            job = await next_job(rig.source)
            stranger = replace(find_share(job), job_id=JobId(2**40))
            rig.source.submit(stranger, None, answers.done)
            verdict = await answers.one()
        assert verdict.reason in {Reason.UNKNOWN_JOB, Reason.STALE}
        assert len(answers.verdicts) == 1

    async def test_serials_never_fall_and_ids_are_never_reused(self, rig: SourceRig) -> None:
        seen: list[Job] = []
        for _ in range(2):
            async with running(rig.source):
                job = await next_job(rig.source, seen[-1] if seen else None)
                seen.append(job)
                for _ in range(2):
                    await rig.advance()
                    async with asyncio.timeout(PATIENCE_SECONDS):
                        while job.prev_hash == seen[-1].prev_hash:
                            job = await next_job(rig.source, job)
                    seen.append(job)
        pairs = list(itertools.pairwise(seen))
        assert len({job.id for job in seen}) == len(seen)
        assert all(new.id > old.id for old, new in pairs)
        assert all(new.epoch >= old.epoch for old, new in pairs)
        assert all(new.generation >= old.generation for old, new in pairs)
        moved = [(old, new) for old, new in pairs if old.prev_hash != new.prev_hash]
        assert len(moved) >= 4
        assert all(new.epoch > old.epoch for old, new in moved)
        assert all(new.generation > old.generation for old, new in moved)
        assert rig.source.status.get().generation >= seen[-1].generation

    async def test_what_is_pending_is_answered_when_run_ends(self, rig: SourceRig) -> None:
        answers = Answers()
        async with running(rig.source):
            job = await next_job(rig.source)
            shares = [find_share(job, start=start) for start in (0, 1000, 2000)]
            for share in shares:
                rig.source.submit(share, None, answers.done)
        assert len(answers.verdicts) == 3
        kinds = {verdict.reason for verdict in answers.verdicts}
        assert kinds <= {Reason.ACCEPTED, Reason.LOST, Reason.PENDING, Reason.STALE}

    async def test_a_share_is_answered_when_nothing_runs(self, rig: SourceRig) -> None:
        before, after = Answers(), Answers()
        dummy = Share(job_id=JobId(2**40), extranonce=b"", ntime=0, nonce=0, version=0)
        rig.source.submit(dummy, None, before.done)
        async with running(rig.source):
            job = await next_job(rig.source)
        rig.source.submit(find_share(job), None, after.done)
        assert len(before.verdicts) == len(after.verdicts) == 1
        assert before.verdicts[0].reason is not Reason.ACCEPTED

    async def test_without_an_upstream_there_is_no_work_and_run_may_be_called_again(
        self, rig: SourceRig
    ) -> None:
        assert rig.source.jobs.get() is None
        assert rig.source.status.get().state is SourceState.DOWN
        for _ in range(2):
            async with running(rig.source):
                await next_job(rig.source)
                assert rig.source.status.get().state is SourceState.ACTIVE
            assert rig.source.jobs.get() is None
            assert rig.source.status.get().state is SourceState.DOWN
        assert rig.source.status.get().connects == rig.connects

    async def test_an_upstream_that_went_away_is_used_again(self, rig: SourceRig) -> None:
        first: Job | None = None
        async with running(rig.source):
            first = await next_job(rig.source)
        await rig.break_off()
        async with running(rig.source):
            second = await next_job(rig.source, first)
        assert second.id > first.id
        assert second.epoch >= first.epoch
        assert second.generation >= first.generation

    async def test_a_job_stands_on_its_own(self, rig: SourceRig) -> None:
        async with running(rig.source):
            job = await next_job(rig.source)
        assert job.source == rig.source.status.get().source
        assert job.extranonce_size > 0
        assert proof_of(job, find_share(job)) <= job.target < NO_PROOF
