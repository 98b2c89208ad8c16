"""A device that finds what a test tells it to, and kernels that misbehave on request."""

import asyncio
import threading
from collections.abc import Sequence

from headframe.chain.job import Job, Slice
from headframe.runtime.latest import Latest
from miner.devices.base import DeviceStats, Found, SliceOf, Solution, Work
from miner.space import SearchSpace
from native import Kernel, ScanResult, StopFlag, kernels

__all__ = ["FakeDevice", "LyingKernel", "RollingKernel", "WaitingKernel", "solve"]


class FakeDevice:
    """Meets `Device`; keeps what it was told.

    Attributes:
        slices: its slice of each job that it saw.
        blamed: solutions that were found to be wrong.
        found: what to call with a solution, once it runs.
    """

    def __init__(self, name: str = "fake:0") -> None:
        self.name = name
        self.stats = DeviceStats(kernel="fake")
        self.slices: list[Slice | None] = []
        self.blamed: list[Solution] = []
        self.running = asyncio.Event()
        self.found: Found = self.blamed.append

    async def run(self, jobs: Latest[Job | None], slice_of: SliceOf, found: Found) -> None:
        self.found = found
        async for job in jobs:
            if job is not None:
                self.slices.append(slice_of(job))
            self.running.set()

    def wrong(self, solution: Solution) -> None:
        self.blamed.append(solution)


def solve(job: Job, *, skip: int = 0, slice_: Slice = Slice()) -> Solution:  # noqa: B008 # frozen
    """Find a true solution of an easy job with the reference kernel, after `skip` others."""
    work = SearchSpace(job, slice_).next(job.ntime)
    assert isinstance(work, Work)
    heads, tail = work.encode()
    target = max(job.target, job.block_target).to_bytes(32, "little")
    first = 0
    while True:
        result = kernels()[-1].scan(heads, tail, target, first, 4096, StopFlag())
        if len(result.hits) > skip:
            head, nonce = result.hits[skip]
            return Solution(work=work, head=head, nonce=nonce, kernel="reference")
        skip -= len(result.hits)
        first = result.next


class LyingKernel:
    """Claims the first nonce of each scan, which is nearly always wrong."""

    lanes = 1

    def __init__(self, name: str, versions: int = 1) -> None:
        self.name = name
        self.versions = versions

    def scan(
        self,
        heads: Sequence[bytes],
        tail12: bytes,
        target: bytes,
        first: int,
        count: int,
        stop: StopFlag,
    ) -> ScanResult:
        return ScanResult(((0, first),), first + count)


class RollingKernel:
    """A sound kernel for four versions at once, made of one that takes any number of heads.

    Attributes:
        scans: how often it was used.
    """

    lanes = 1
    versions = 4

    def __init__(self, inner: Kernel, name: str = "rolling") -> None:
        self.name = name
        self.scans = 0
        self._inner = inner

    def scan(
        self,
        heads: Sequence[bytes],
        tail12: bytes,
        target: bytes,
        first: int,
        count: int,
        stop: StopFlag,
    ) -> ScanResult:
        assert len(set(heads)) == 4, "a kernel for four versions is wasted on fewer"
        assert len({head[4:] for head in heads}) == 1, "they differ in their version alone"
        self.scans += 1
        return self._inner.scan(heads, tail12, target, first, count, stop)


class WaitingKernel:
    """Scans nothing until its flag is set; tells when it began, and counts how often.

    Attributes:
        began: set at the start of each scan.
        scans: the flags and heads of all scans so far.
    """

    lanes = 1

    def __init__(self, name: str = "waiting", versions: int = 1) -> None:
        self.name = name
        self.versions = versions
        self.began = threading.Semaphore(0)
        self.let_go = threading.Event()
        self.scans: list[tuple[bytes, ...]] = []

    def scan(
        self,
        heads: Sequence[bytes],
        tail12: bytes,
        target: bytes,
        first: int,
        count: int,
        stop: StopFlag,
    ) -> ScanResult:
        self.scans.append(tuple(heads))
        self.began.release()
        while not stop.is_set and not self.let_go.wait(0.001):
            pass
        return ScanResult((), first + 1)
