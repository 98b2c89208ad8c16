import asyncio
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from headframe.chain.share import proof_of
from miner.devices.choice import WRONG_LIMIT, KernelChoice
from miner.devices.manners import Manners
from miner.devices.threads import ThreadedDevice
from native import Kernel, ScanResult, StopFlag, kernels
from tests.contracts.device import hashing
from tests.fakes.device import LyingKernel, WaitingKernel
from tests.fakes.source import NEVER, make_job

NOW = 1_700_000_000


def device_of(*ranked: Kernel, threads: int = 1) -> ThreadedDevice:
    choice = KernelChoice([*ranked, kernels()[-1]], lambda kernel: None)
    return ThreadedDevice("test:0", threads, choice, clock=lambda: NOW)


async def begun(kernel: WaitingKernel, times: int = 1) -> None:
    for _ in range(times):
        assert await asyncio.to_thread(kernel.began.acquire, timeout=20)


async def test_a_new_epoch_ends_the_scan_in_flight() -> None:
    kernel = WaitingKernel()
    async with hashing(device_of(kernel), make_job()) as harness:
        await begun(kernel)
        harness.jobs.set(make_job(epoch=2, prev_hash=b"\x02" * 32))
        await begun(kernel)
    assert kernel.scans[1][0][4:36] == b"\x02" * 32


async def test_no_work_ends_the_scan_in_flight() -> None:
    kernel = WaitingKernel()
    device = device_of(kernel)
    async with hashing(device, make_job()) as harness:
        await begun(kernel)
        harness.jobs.set(None)
        async with asyncio.timeout(20):
            while device.stats.hashes == 0:  # the scan that was in flight is counted
                await asyncio.sleep(0)
        assert len(kernel.scans) == 1


async def test_another_job_of_the_same_epoch_waits_for_the_end_of_the_scan() -> None:
    kernel = WaitingKernel()
    async with hashing(device_of(kernel), make_job(prev_hash=b"\x01" * 32)) as harness:
        await begun(kernel)
        harness.jobs.set(make_job(prev_hash=b"\x02" * 32))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not kernel.began.acquire(timeout=0.02), "the scan in flight was cut short"
        kernel.let_go.set()
        await begun(kernel)
        assert kernel.scans[1][0][4:36] == b"\x02" * 32


async def test_a_job_of_another_source_ends_the_scan_in_flight() -> None:
    kernel = WaitingKernel()
    async with hashing(device_of(kernel), make_job()) as harness:
        await begun(kernel)
        harness.jobs.set(make_job(source="other"))
        await begun(kernel)


async def test_it_ends_while_threads_are_in_the_middle_of_a_scan() -> None:
    kernel = WaitingKernel()
    async with hashing(device_of(kernel, threads=3), make_job()):
        await begun(kernel, 3)
    assert not [t for t in threading.enumerate() if t.name.startswith("test:0")]


async def test_each_thread_has_a_slice_of_its_own() -> None:
    kernel = WaitingKernel()
    async with hashing(device_of(kernel, threads=3), make_job()):
        await begun(kernel, 3)
    assert len(set(kernel.scans)) == 3


async def test_a_job_without_room_is_left_to_the_first_thread() -> None:
    kernel = WaitingKernel()
    async with hashing(device_of(kernel, threads=3), make_job(size=0, mask=0)):
        await begun(kernel)
        assert not kernel.began.acquire(timeout=0.02)
    assert len(kernel.scans) == 1


async def test_four_versions_go_to_a_kernel_for_four_while_each_thread_has_two_bits() -> None:
    four, one = WaitingKernel("four", versions=4), WaitingKernel("one")
    device = device_of(four, one, threads=2)
    async with hashing(device, make_job(mask=0xE000, size=0)) as harness:
        await begun(four, 2)
        assert [len(heads) for heads in four.scans] == [4, 4]
        assert device.stats.kernel == "four"
        harness.jobs.set(make_job(mask=0x6000, size=0, epoch=2))
        await begun(one, 2)
        assert [len(heads) for heads in one.scans] == [1, 1]
        assert device.stats.kernel == "one"


async def test_a_kernel_that_lies_is_retired_and_the_next_finds_true_nonces() -> None:
    device = device_of(LyingKernel("liar"))
    job = make_job()
    async with hashing(device, job) as harness:
        await harness.until(WRONG_LIMIT)
        for solution in harness.solutions[:WRONG_LIMIT]:
            assert solution.kernel == "liar"
            device.wrong(solution)
        assert device.stats.wrong == WRONG_LIMIT
        assert device.stats.retired == 1
        assert device.stats.kernel == kernels()[-1].name
        async with asyncio.timeout(20):
            while not any(s.kernel != "liar" for s in harness.solutions):
                await harness.count.wait_newer(harness.count.serial)
    honest = next(s for s in harness.solutions if s.kernel != "liar")
    assert proof_of(job, honest.work.share(honest.head, honest.nonce)) <= job.target


class BrokenKernel(LyingKernel):
    def scan(
        self,
        heads: Sequence[bytes],
        tail12: bytes,
        target: bytes,
        first: int,
        count: int,
        stop: StopFlag,
    ) -> ScanResult:
        raise MemoryError("no more")


async def test_a_thread_that_breaks_ends_the_device_with_the_error() -> None:
    device = device_of(BrokenKernel("broken"), threads=2)
    with pytest.raises(ExceptionGroup) as caught:
        async with hashing(device, make_job()), asyncio.timeout(20):
            await asyncio.get_running_loop().create_future()
    assert caught.group_contains(MemoryError, match="no more")
    assert device.stats.state == "failed"


class RecordingKernel(LyingKernel):
    """Pretends to be fast, and keeps the length of its scans."""

    def __init__(self) -> None:
        super().__init__("recording")
        self.counts: list[int] = []
        self.ranges: list[tuple[int, int]] = []

    def scan(
        self,
        heads: Sequence[bytes],
        tail12: bytes,
        target: bytes,
        first: int,
        count: int,
        stop: StopFlag,
    ) -> ScanResult:
        self.counts.append(count)
        self.ranges.append((first, first + count))
        return ScanResult((), first + count)


async def test_the_length_of_a_scan_grows_and_never_passes_the_last_nonce() -> None:
    kernel = RecordingKernel()
    device = device_of(kernel)
    async with hashing(device, make_job(target=NEVER)), asyncio.timeout(20):
        while device.stats.hashes < 1 << 34:
            await asyncio.sleep(0)
    assert kernel.counts[0] < kernel.counts[1] < kernel.counts[2]
    assert max(end for _, end in kernel.ranges) == 1 << 32
    ends = [end % (1 << 32) for _, end in kernel.ranges]
    assert [first for first, _ in kernel.ranges[1:]] == ends[:-1], "no gap and no overlap"


class LookingKernel(WaitingKernel):
    """Keeps what the system says of the threads that scan; takes some of the CPU's time."""

    def __init__(self, busy_seconds: float = 0.0) -> None:
        super().__init__()
        self.busy_seconds = busy_seconds
        self.names: set[str] = set()
        self.nices: set[int] = set()

    def scan(
        self,
        heads: Sequence[bytes],
        tail12: bytes,
        target: bytes,
        first: int,
        count: int,
        stop: StopFlag,
    ) -> ScanResult:
        self.names.add(Path("/proc/thread-self/comm").read_text().strip())
        self.nices.add(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        start = time.thread_time()
        while time.thread_time() - start < self.busy_seconds:
            pass
        self.began.release()
        return ScanResult((), first + 1)


async def test_its_threads_have_names_and_the_lowest_priority() -> None:
    kernel = LookingKernel()
    async with hashing(device_of(kernel, threads=2), make_job(target=NEVER)):
        await begun(kernel, 2)
        async with asyncio.timeout(20):
            while len(kernel.names) < 2:
                await asyncio.sleep(0)
    assert kernel.names == {"test:0/0", "test:0/1"}
    assert kernel.nices == {19}


async def test_a_thread_that_rests_for_its_duty_ends_at_once() -> None:
    kernel = LookingKernel(busy_seconds=0.2)
    choice = KernelChoice([kernel, kernels()[-1]], lambda kernel: None)
    device = ThreadedDevice("test:0", 1, choice, Manners(duty_percent=1))
    async with hashing(device, make_job(target=NEVER)):
        await begun(kernel)
        assert not kernel.began.acquire(timeout=0.05), "it rests for twenty seconds"
        start = time.monotonic()
    assert time.monotonic() - start < 10


async def test_when_time_has_run_out_it_rests_until_there_is_more() -> None:
    kernel = RecordingKernel()
    now = [NOW]
    device = ThreadedDevice(
        "test:0", 1, KernelChoice([kernel], lambda k: None), clock=lambda: now[0]
    )
    job = make_job(size=0, mask=0, target=NEVER)
    async with hashing(device, job), asyncio.timeout(30):
        while device.stats.hashes < 61 << 32:
            await asyncio.sleep(0)
        assert device.stats.hashes == 61 << 32
        now[0] += 1
        while device.stats.hashes < 62 << 32:
            await asyncio.sleep(0)


async def test_the_time_from_a_jobs_arrival_to_its_first_hash_is_noted_once_a_job() -> None:
    kernel = kernels()[-1]
    device = device_of(kernel, threads=2)
    before = time.monotonic()
    async with hashing(device, make_job(target=NEVER, received_at=before)) as harness:
        async with asyncio.timeout(20):
            while not device.stats.first_hashes:
                await asyncio.sleep(0)
        [first] = device.stats.first_hashes
        assert 0 < first < time.monotonic() - before
        hashes = device.stats.hashes
        harness.jobs.set(make_job(target=NEVER))  # nobody noted when this one came
        async with asyncio.timeout(20):
            while device.stats.hashes < hashes + 20_000:
                await asyncio.sleep(0)
    assert [*device.stats.first_hashes] == [first]


async def test_what_is_found_has_the_time_of_its_finding() -> None:
    before = time.monotonic()
    async with hashing(device_of(kernels()[-1]), make_job()) as harness:
        await harness.until(1)
        assert before < harness.solutions[0].found_at <= time.monotonic()
