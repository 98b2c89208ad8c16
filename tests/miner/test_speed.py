import threading
import time
from collections.abc import Sequence

import pytest

from miner.speed import ROUNDS, Speed, measure_speeds
from native import ScanResult, StopFlag, kernels


class SleepyKernel:
    """Takes a known time for each nonce, and hardly any of the CPU's.

    Attributes:
        heads: how many it was given, in each scan.
        threads: that called it.
    """

    name = "sleepy"
    lanes = 1

    def __init__(self, versions: int = 1) -> None:
        self.versions = versions
        self.heads: set[int] = set()
        self.threads: set[int] = set()

    def scan(
        self,
        heads: Sequence[bytes],
        tail12: bytes,
        target: bytes,
        first: int,
        count: int,
        stop: StopFlag,
    ) -> ScanResult:
        assert len(tail12) == 12
        assert target == bytes(32), "hits would only be in the way"
        self.heads.add(len(heads))
        self.threads.add(threading.get_ident())
        assert first + count <= 1 << 32
        time.sleep(0.002)
        return ScanResult((), first + count)


def test_a_turn_of_each_is_told() -> None:
    turns: list[None] = []
    chosen = [kernels()[0], kernels()[-1]]
    speeds = measure_speeds(chosen, [1, 2], 0.03, lambda: turns.append(None))
    assert len(turns) == ROUNDS * 4
    assert [(s.kernel, s.threads) for s in speeds] == [
        (kernel.name, threads) for kernel in chosen for threads in (1, 2)
    ]


def test_hashes_are_counted_over_the_time_that_they_took() -> None:
    (speed,) = measure_speeds([kernels()[0]], [1], 0.15)
    assert speed.wall_seconds >= 0.15
    assert 0 < speed.cpu_seconds <= speed.wall_seconds * 1.01
    assert speed.per_second == speed.hashes / speed.wall_seconds
    assert speed.per_cpu_second >= speed.per_second * 0.99
    assert speed.as_row()["hashes_per_cpu_second"] == speed.per_cpu_second


def test_every_version_counts_and_threads_run_at_once() -> None:
    kernel = SleepyKernel(versions=4)
    one, three = measure_speeds([kernel], [1, 3], 0.03)
    assert kernel.heads == {4}
    assert one.versions == three.versions == 4
    assert one.hashes % 4 == three.hashes % 4 == 0
    assert len(kernel.threads) >= 3


def speed_of(cycles: int | None) -> Speed:
    return Speed(
        kernel="k",
        versions=1,
        threads=1,
        hashes=100,
        wall_seconds=2.0,
        cpu_seconds=1.0,
        cycles=cycles,
    )


@pytest.mark.parametrize(
    ("first", "second", "both", "per_hash"),
    [(1000, 3000, 4000, 20.0), (None, 3000, None, None), (1000, None, None, None)],
)
def test_turns_add_up(
    first: int | None, second: int | None, both: int | None, per_hash: float | None
) -> None:
    total = speed_of(first).plus(speed_of(second))
    assert (total.hashes, total.wall_seconds, total.cpu_seconds) == (200, 4.0, 2.0)
    assert total.per_second == 50.0
    assert total.per_cpu_second == 100.0
    assert total.cycles == both
    assert total.cycles_per_hash == per_hash
