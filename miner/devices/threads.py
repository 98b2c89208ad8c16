"""`ThreadedDevice`: threads that scan, each its own part of the job.

What the event loop tells a thread is one reference (`_task`), set before the thread is
woken; what a thread tells the loop goes through `loop.call_soon_threadsafe` and nothing
else. So there are no locks. The kernels release the interpreter while they scan.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from headframe.chain.job import Job, Slice
from headframe.runtime.clock import wall_seconds
from headframe.runtime.latest import Latest
from headframe.runtime.logs import get_logger
from miner.devices.base import DeviceStats, Found, SliceOf, Solution, Work
from miner.devices.choice import KernelChoice
from miner.devices.manners import Manners, Pace
from miner.space import Dry, SearchSpace, join, slices
from native import Kernel, StopFlag

__all__ = ["ThreadedDevice"]

_NONCES: Final = 1 << 32
_AIM_SECONDS: Final = 0.075
"""CPU time of a scan: in the middle of 50 to 100 ms, which is long against what a scan costs
in Python and short against anything that people notice."""
_FIRST_COUNT: Final = 1 << 12
"""Nonces of the first scan: some 10 ms even for the reference kernel."""
_MOST_GROWTH: Final = 8
_REPORT_SECONDS: Final = 0.25
"""How long a scan that found nothing may wait to be counted. Each report wakes the event
loop while the thread holds the interpreter's lock: the fewer the better."""
_MOST_REPORTS: Final = 2
"""Reports that the loop has not seen yet. A thread waits beyond that, or a chain
where every second hash is a hit would bury the loop."""

log = get_logger(__name__)


@dataclass(slots=True, eq=False)
class _Start:
    """When the first thread began to hash a job, in monotonic seconds; 0.0 before.

    Any thread writes it: two that do so at once differ by microseconds.
    """

    job: Job
    at: float = 0.0
    told: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class _Task:
    """What a thread shall search: compared by identity, so that each one given is new."""

    job: Job
    slice_: Slice
    kernel: Kernel
    start: _Start


@dataclass(frozen=True, slots=True)
class _Report:
    """What a thread did since its last report."""

    hashes: int
    solutions: tuple[Solution, ...]


class _ScanThread:
    """One thread; everything public is called on the event loop.

    Args:
        place: its place among the device's threads, and their name.
        manners: what it may take of the machine.
        clock: seconds since 1970, for `ntime`.
        report: takes a report, on the event loop; the thread goes on meanwhile.
        fail: takes what ended the thread by mistake.
    """

    def __init__(
        self,
        place: tuple[int, str],
        manners: Manners,
        clock: Callable[[], int],
        report: Callable[[_Report], None],
        fail: Callable[[Exception], None],
    ) -> None:
        self._index, self._name = place
        self._manners = manners
        self._clock = clock
        self._report = report
        self._fail = fail
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._stop = StopFlag()
        self._wake = threading.Event()
        self._room = threading.Semaphore(_MOST_REPORTS)
        self._quit = threading.Event()
        self._task: _Task | None = None
        # From here on the thread's own:
        self._current: _Task | None = None
        self._space: SearchSpace | None = None
        self._work: Work | None = None
        self._heads: tuple[bytes, ...] = ()
        self._tail = b""
        self._nonce = 0
        self._count = _FIRST_COUNT
        self._unreported = 0
        self._reported_at = 0.0

    def start(self) -> None:
        self._thread.start()

    def give(self, task: _Task | None, *, at_once: bool) -> None:
        """Set what to search; `at_once` ends the scan in flight."""
        self._task = task
        self._wake.set()
        if at_once:
            self._stop.set()

    def close(self) -> None:
        """Let the thread end within a millisecond or two."""
        self._quit.set()
        self._stop.set()
        self._wake.set()
        self._room.release()

    def join(self) -> None:
        self._thread.join()

    def _run(self) -> None:
        try:
            self._manners.adopt(self._name, self._index)
            pace = Pace(self._manners.duty_percent)
            while True:
                # First clear, then read: what is set after the read ends the scan or the
                # sleep at once, what was set before is seen.
                self._stop.clear()
                self._wake.clear()
                task = self._task
                if self._quit.is_set():
                    self._tell()
                    return
                if task is None:
                    self._tell()
                    self._wake.wait()
                else:
                    self._step(task)
                    pace.pause(self._quit)
        except Exception as error:  # noqa: BLE001 # the thread's root: told to who owns it
            self._loop.call_soon_threadsafe(self._fail, error)

    def _step(self, task: _Task) -> None:
        space = self._space_of(task)
        if self._work is None:
            work = space.next(self._clock())
            if isinstance(work, Dry):
                self._rest(work)
                return
            self._work = work
            self._heads, self._tail = work.encode()
            self._nonce = 0
        self._scan(task, self._work)

    def _space_of(self, task: _Task) -> SearchSpace:
        if self._space is None or task is not self._current:
            space = SearchSpace(task.job, task.slice_, versions=task.kernel.versions)
            if self._space is not None:
                space.follow(self._space)
            if self._current is None or self._current.kernel is not task.kernel:
                self._count = _FIRST_COUNT  # another kernel may be a thousand times slower
            self._current, self._space, self._work = task, space, None
        return self._space

    def _rest(self, dry: Dry) -> None:
        self._tell()
        seconds = None if dry.until is None else max(dry.until - self._clock(), 0)
        self._wake.wait(seconds)

    def _scan(self, task: _Task, work: Work) -> None:
        kernel, first = task.kernel, self._nonce
        target = max(task.job.target, task.job.block_target).to_bytes(32, "little")
        count = min(self._count, _NONCES - first)
        started, used = time.monotonic(), time.thread_time()
        if not task.start.at:
            task.start.at = started
        result = kernel.scan(self._heads, self._tail, target, first, count, self._stop)
        if result.next - first == self._count:
            self._adapt(time.thread_time() - used, time.monotonic() - started)
        ended = time.monotonic() if result.hits else 0.0
        self._nonce = result.next
        if result.next == _NONCES:
            self._work = None
        solutions = tuple(
            Solution(work=work, head=head, nonce=nonce, kernel=kernel.name, found_at=ended)
            for head, nonce in result.hits
        )
        self._unreported += (result.next - first) * len(self._heads)
        if solutions or time.monotonic() - self._reported_at > _REPORT_SECONDS:
            self._tell(solutions)

    def _tell(self, solutions: tuple[Solution, ...] = ()) -> None:
        """Report what was done; waits while the loop has not seen the last reports."""
        if not self._unreported:
            return
        report = _Report(hashes=self._unreported, solutions=solutions)
        self._unreported, self._reported_at = 0, time.monotonic()
        if not self._quit.is_set():  # the loop waits for this thread then
            self._room.acquire()
        self._loop.call_soon_threadsafe(self._deliver, report)

    def _adapt(self, cpu_seconds: float, wall_seconds: float) -> None:
        """Choose how many nonces the next scan shall try, by what the last one took."""
        most = self._manners.scan_seconds
        scale = min(_AIM_SECONDS / max(cpu_seconds, 1e-6), most / max(wall_seconds, 1e-6))
        wanted = max(self._count * scale, 256)
        self._count = round(min(wanted, self._count * _MOST_GROWTH, _NONCES))

    def _deliver(self, report: _Report) -> None:
        try:
            self._report(report)
        finally:
            self._room.release()


class ThreadedDevice:
    """A device of `threads` threads with one choice of kernels; meets `Device`.

    Args:
        name: unique in the process.
        threads: how many; each takes a core.
        kernels: what hashes.
        manners: what the threads may take of the machine.
        clock: seconds since 1970, for `ntime`.
    """

    def __init__(
        self,
        name: str,
        threads: int,
        kernels: KernelChoice,
        manners: Manners = Manners(),  # noqa: B008 # frozen
        clock: Callable[[], int] = wall_seconds,
    ) -> None:
        self.name = name
        self.stats = DeviceStats(kernel=kernels.best(4).name)
        self._size = threads
        self._kernels = kernels
        self._manners = manners
        self._clock = clock
        self._threads: Sequence[_ScanThread] = ()
        self._job: Job | None = None
        self._start: _Start | None = None
        self._slice_of: SliceOf = _nothing
        self._found: Found = _ignore

    async def run(self, jobs: Latest[Job | None], slice_of: SliceOf, found: Found) -> None:
        """Hash until cancelled; see `Device.run`. The threads have ended when it returns."""
        failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._slice_of, self._found, self._job = slice_of, found, None
        self._threads = [
            _ScanThread(
                (i, f"{self.name}/{i}"), self._manners, self._clock, self._take, _failing(failure)
            )
            for i in range(self._size)
        ]
        try:
            for thread in self._threads:
                thread.start()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._follow(jobs))
                tasks.create_task(_raise_of(failure))
        finally:
            for thread in self._threads:
                thread.close()
            for thread in self._threads:
                thread.join()
            broken = failure.done() and not failure.cancelled()
            self.stats.state = "failed" if broken else "idle"

    def wrong(self, solution: Solution) -> None:
        """Count a wrong nonce; retire the kernel after a few, for the next in the table."""
        self.stats.wrong += 1
        log.error("wrong_nonce", device=self.name, kernel=solution.kernel, nonce=solution.nonce)
        if self._kernels.wrong(solution.kernel):
            self.stats.retired += 1
            log.error("kernel_retired", device=self.name, kernel=solution.kernel)
            self._assign(at_once=True)

    async def _follow(self, jobs: Latest[Job | None]) -> None:
        async for job in jobs:
            at_once = _must_switch(self._job, job)
            self._job = job
            self._assign(at_once=at_once)

    def _assign(self, *, at_once: bool) -> None:
        """Give every thread its part of the running job."""
        tasks = self._split(self._job) if self._job is not None else []
        self.stats.state = "hashing" if tasks else "idle"
        if tasks:
            self.stats.kernel = tasks[0].kernel.name
        for i, thread in enumerate(self._threads):
            thread.give(tasks[i] if i < len(tasks) else None, at_once=at_once)

    def _split(self, job: Job) -> list[_Task]:
        mine = self._slice_of(job)
        if mine is None:
            return []
        narrowed = job.narrow(mine, target=job.target, id=job.id)
        parts = slices(narrowed, self._size)
        left = narrowed.version_mask & ~parts[0].version_taken
        kernel = self._kernels.best(1 << left.bit_count())
        if self._start is None or self._start.job is not job:
            self._start = _Start(job)
        return [_Task(job, join(mine, part), kernel, self._start) for part in parts]

    def _take(self, report: _Report) -> None:
        start = self._start
        if start is not None and start.at and not start.told:
            start.told = True
            if start.job.received_at:
                self.stats.first_hashes.append(start.at - start.job.received_at)
        self.stats.hashes += report.hashes
        self.stats.solutions += len(report.solutions)
        for solution in report.solutions:
            self._found(solution)


def _must_switch(old: Job | None, new: Job | None) -> bool:
    if old is None or new is None:
        return True
    return (old.source, old.epoch) != (new.source, new.epoch)


def _failing(failure: asyncio.Future[None]) -> Callable[[Exception], None]:
    def fail(error: Exception) -> None:
        if not failure.done():
            failure.set_exception(error)

    return fail


async def _raise_of(failure: asyncio.Future[None]) -> None:
    await failure


def _nothing(job: Job) -> Slice | None:
    del job
    return None


def _ignore(solution: Solution) -> None:
    del solution
