"""A job source that works, fails and comes back when a test says so."""

import asyncio
from dataclasses import replace

from headframe.chain.job import Job, SourceId
from headframe.chain.share import Reason, Share, Verdict
from headframe.runtime.latest import Latest
from headframe.runtime.retry import Backoff
from headframe.upstream.base import (
    Done,
    JobSource,
    SourceState,
    SourceStatus,
    UnreachableError,
)
from tests.fakes.source import make_job

__all__ = ["HandSource", "quick", "until_source"]


def quick() -> Backoff:
    return Backoff(0.001, 0.001)


class HandSource:
    """A source that works, fails and comes back when a test says so."""

    def __init__(self, name: str) -> None:
        self.name = SourceId(name)
        self.jobs: Latest[Job | None] = Latest(None)
        self.status = Latest(
            SourceStatus(source=self.name, url=f"hand://{name}", state=SourceState.DOWN)
        )
        self.runs = Latest(0)
        self.running = False
        self.heard: list[tuple[Share, str | None]] = []
        self.trouble: Exception | None = None
        self._end = asyncio.Event()

    async def run(self) -> None:
        self.runs.set(self.runs.get() + 1)
        self.running = True
        self._end.clear()
        try:
            if self.trouble is None:
                await self._end.wait()
            raise self.trouble or UnreachableError(f"{self.name} is gone")
        finally:
            self.running = False
            self.jobs.set(None)

    def publish(self, epoch: int = 0, **changes: object) -> Job:
        job = make_job(source=self.name, epoch=epoch, **changes)  # type: ignore[arg-type]
        self.status.set(replace(self.status.get(), state=SourceState.ACTIVE))
        self.jobs.set(job)
        return job

    def fail(self, trouble: Exception | None = None) -> None:
        self.trouble = trouble or UnreachableError(f"{self.name} is gone")
        self._end.set()

    def submit(self, share: Share, worker: str | None, done: Done) -> None:
        self.heard.append((share, worker))
        done(Verdict(reason=Reason.ACCEPTED if self.running else Reason.LOST))

    async def wait_runs(self, count: int) -> None:
        async with asyncio.timeout(20):
            while self.runs.get() < count:
                await self.runs.wait_newer(self.runs.serial)


async def until_source(group: JobSource, name: str) -> Job:
    """Wait for a job of that source."""
    async with asyncio.timeout(20):
        async for job in group.jobs:
            if job is not None and job.source == name:
                return job
    raise AssertionError("unreachable: the cell never ends")
