"""Measure kernels: hashes by CPU time, by wall time, and by cycles where those are counted.

CPU time is what counts on a machine that others use, too: it is the same however long the
threads had to wait. All kernels take turns, so a machine that grows warm is unfair to none.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Self

from miner.cycles import CycleCounter
from native import Kernel, StopFlag

__all__ = ["ROUNDS", "Speed", "measure_speeds"]

ROUNDS: Final = 3
"""Turns of each kernel."""
_SCAN_SECONDS: Final = 0.02
"""CPU time of a scan, about."""
_MOST_SECONDS: Final = 0.2
"""Wall time of a scan: what a GPU does takes hardly any CPU time."""
_FIRST_COUNT: Final = 1 << 10
_MOST_COUNT: Final = 1 << 31
_NEVER: Final = bytes(32)
"""A target that no hash meets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """How fast a kernel is in so many threads.

    Attributes:
        kernel: its name.
        versions: headers hashed at once.
        threads: threads at once.
        hashes: all of them together.
        wall_seconds: from the start of the first to the end of the last.
        cpu_seconds: of all threads together.
        cycles: of all threads together; `None` where they cannot be counted.
    """

    kernel: str
    versions: int
    threads: int
    hashes: int = 0
    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    cycles: int | None = 0

    @property
    def per_second(self) -> float:
        """Hashes in a second."""
        return self.hashes / self.wall_seconds

    @property
    def per_cpu_second(self) -> float:
        """Hashes in a second that a thread really ran."""
        return self.hashes / self.cpu_seconds

    @property
    def cycles_per_hash(self) -> float | None:
        """Core cycles for a hash, where they are counted."""
        return None if self.cycles is None else self.cycles / self.hashes

    def plus(self, other: Self) -> "Speed":
        """Add another turn of the same kernel."""
        unknown = self.cycles is None or other.cycles is None
        return Speed(
            kernel=self.kernel,
            versions=self.versions,
            threads=self.threads,
            hashes=self.hashes + other.hashes,
            wall_seconds=self.wall_seconds + other.wall_seconds,
            cpu_seconds=self.cpu_seconds + other.cpu_seconds,
            cycles=None if unknown else (self.cycles or 0) + (other.cycles or 0),
        )

    def as_row(self) -> dict[str, object]:
        """Return it as plain data."""
        return {
            "kernel": self.kernel,
            "versions": self.versions,
            "threads": self.threads,
            "hashes": self.hashes,
            "hashes_per_cpu_second": self.per_cpu_second,
            "hashes_per_second": self.per_second,
            "cycles_per_hash": self.cycles_per_hash,
        }


def measure_speeds(
    kernels: Sequence[Kernel],
    threads: Sequence[int],
    seconds: float,
    turned: Callable[[], object] = lambda: None,
) -> list[Speed]:
    """Let all kernels run in turn, `ROUNDS` times.

    Args:
        kernels: which ones.
        threads: for each number, every kernel runs in so many threads.
        seconds: wall time of each kernel and number of threads, all turns together.
        turned: called after each of the `ROUNDS * len(kernels) * len(threads)` turns.
    """
    cases = [(kernel, count) for kernel in kernels for count in threads]
    speeds = [Speed(kernel=k.name, versions=k.versions, threads=count) for k, count in cases]
    lengths = [_scan_length(kernel) for kernel, _ in cases]
    for _ in range(ROUNDS):
        for i, (kernel, count) in enumerate(cases):
            runs = [_Run(kernel, number, lengths[i]) for number in range(count)]
            speeds[i] = speeds[i].plus(_turn(runs, seconds / ROUNDS))
            turned()
    return speeds


def _scan_length(kernel: Kernel) -> int:
    """Find how many nonces take a while, so that calls cost nothing to speak of."""
    run, used = _Run(kernel, 0, _FIRST_COUNT), 0.0
    taken = 0.0
    while used < _SCAN_SECONDS / 2 and taken < _MOST_SECONDS / 2 and run.count < _MOST_COUNT:
        run.count *= 2
        start, begun = time.thread_time(), time.monotonic()
        run.scan()
        used, taken = time.thread_time() - start, time.monotonic() - begun
    return run.count


def _turn(runs: Sequence["_Run"], seconds: float) -> Speed:
    kernel, barrier = runs[0].kernel, threading.Barrier(len(runs))
    workers = [threading.Thread(target=run.run, args=(barrier, seconds)) for run in runs]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    cycles = [run.cycles for run in runs if run.cycles is not None]
    return Speed(
        kernel=kernel.name,
        versions=kernel.versions,
        threads=len(runs),
        hashes=sum(run.hashes for run in runs),
        wall_seconds=max(run.ended for run in runs) - min(run.started for run in runs),
        cpu_seconds=sum(run.cpu_seconds for run in runs),
        cycles=sum(cycles) if len(cycles) == len(runs) else None,
    )


class _Run:
    """One thread's part of a turn.

    Args:
        kernel: what hashes.
        number: the thread's, for headers of its own.
        count: nonces in a scan.
    """

    def __init__(self, kernel: Kernel, number: int, count: int) -> None:
        self.kernel = kernel
        self.count = count
        self._stop = StopFlag()
        self._heads = [bytes((number % 256, i)) + bytes(62) for i in range(kernel.versions)]
        self._first = 0
        self.hashes = 0
        self.cpu_seconds = 0.0
        self.started = self.ended = 0.0
        self.cycles: int | None = None

    def run(self, barrier: threading.Barrier, seconds: float) -> None:
        barrier.wait()
        with CycleCounter() as counter:
            self.started, used = time.monotonic(), time.thread_time()
            while time.monotonic() < self.started + seconds:
                self.scan()
                self.hashes += self.count * len(self._heads)
            self.cycles = counter.cycles
            self.cpu_seconds, self.ended = time.thread_time() - used, time.monotonic()

    def scan(self) -> None:
        if self._first + self.count > 1 << 32:
            self._first = 0
        self.kernel.scan(self._heads, bytes(12), _NEVER, self._first, self.count, self._stop)
        self._first += self.count
