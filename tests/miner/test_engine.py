import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from headframe.chain.job import Job, JobId, Slice
from headframe.chain.share import Reason, Share, Verdict, proof_of
from headframe.chain.target import MAX_TARGET, Target
from headframe.runtime.latest import Latest
from miner.devices.base import Device, Solution
from miner.devices.choice import WRONG_LIMIT
from miner.devices.cpu import CpuDevice
from miner.devices.python import PythonDevice
from miner.engine import Engine
from miner.fleet import Fleet
from miner.space import slices
from miner.stats import MinerStats
from native import Kernel, kernels
from tests.fakes.device import FakeDevice, LyingKernel, RollingKernel, solve
from tests.fakes.source import EASY, NEVER, FakeSource, make_job

NOW = 1_700_000_000
YES = Verdict(reason=Reason.ACCEPTED)


def engine_of(source: FakeSource, *devices: Device, now: int = NOW) -> tuple[Engine, MinerStats]:
    stats = MinerStats()
    return Engine(source, Fleet(devices), stats, now=lambda: now, clock=lambda: 0.0), stats


@asynccontextmanager
async def running(engine: Engine) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(engine.run())
        yield
        task.cancel()


async def test_a_true_share_goes_to_the_source_and_its_verdict_is_counted() -> None:
    job, device = make_job(), FakeDevice()
    source = FakeSource(job, YES)
    engine, stats = engine_of(source, device)
    solution = solve(job)
    engine.found(device, solution)
    assert source.submitted == [(solution.work.share(solution.head, solution.nonce), None)]
    assert stats.shares_accepted == 1
    assert engine.pending.get() == 0


async def test_each_device_has_its_own_slice() -> None:
    job = make_job()
    devices = [FakeDevice(f"fake:{i}") for i in range(3)]
    engine, _ = engine_of(FakeSource(job), *devices)
    async with running(engine), asyncio.timeout(20):
        for device in devices:
            await device.running.wait()
    assert [device.slices for device in devices] == [[part] for part in slices(job, 3)]


async def test_a_job_without_room_goes_to_the_first_device_alone() -> None:
    devices = [FakeDevice(f"fake:{i}") for i in range(2)]
    engine, _ = engine_of(FakeSource(make_job(size=0, mask=0)), *devices)
    async with running(engine), asyncio.timeout(20):
        for device in devices:
            await device.running.wait()
    assert [device.slices for device in devices] == [[Slice()], [None]]


def test_a_wrong_nonce_is_blamed_on_the_device_and_not_sent() -> None:
    job, device = make_job(), FakeDevice()
    source = FakeSource(job, YES)
    engine, stats = engine_of(source, device)
    good = solve(job)
    wrong = next(
        bad
        for bad in (replace(good, nonce=nonce) for nonce in range(good.nonce, good.nonce + 100))
        if proof_of(job, bad.work.share(0, bad.nonce)) > EASY
    )
    engine.found(device, wrong)
    assert device.blamed == [wrong]
    assert stats.nonces_wrong == 1
    assert not source.submitted


def test_a_share_is_sent_once_even_if_its_job_was_told_twice() -> None:
    job, device = make_job(), FakeDevice()
    source = FakeSource(job, YES)
    engine, stats = engine_of(source, device)
    solution = solve(job)
    again = replace(solution, work=replace(solution.work, job=make_job()))
    engine.found(device, solution)
    engine.found(device, again)
    assert len(source.submitted) == 1
    assert stats.shares_dropped["duplicate"] == 1


def stale_after_a_new_job(source: FakeSource) -> None:
    source.jobs.set(make_job(generation=2, epoch=2))


def stale_after_the_connection(source: FakeSource) -> None:
    source.kill_jobs()


@pytest.mark.parametrize("kill", [stale_after_a_new_job, stale_after_the_connection])
def test_a_share_of_a_dead_job_is_dropped_and_counted(kill: object) -> None:
    job, device = make_job(), FakeDevice()
    source = FakeSource(job, YES)
    engine, stats = engine_of(source, device)
    assert callable(kill)
    kill(source)
    engine.found(device, solve(job))
    assert not source.submitted
    assert stats.shares_dropped["stale"] == 1


def test_a_block_of_a_dead_job_is_sent_all_the_same() -> None:
    job, device = make_job(block_target=EASY), FakeDevice()
    source = FakeSource(job, Verdict(reason=Reason.STALE, detail="too late", block=True))
    engine, stats = engine_of(source, device)
    source.kill_jobs()
    engine.found(device, solve(job))
    assert len(source.submitted) == 1
    assert stats.blocks_found == 1
    assert stats.shares_rejected[Reason.STALE] == 1


def test_a_block_is_sent_even_when_it_is_no_share() -> None:
    job, device = make_job(target=NEVER, block_target=EASY), FakeDevice()
    source = FakeSource(job, YES)
    engine, stats = engine_of(source, device)
    engine.found(device, solve(job))
    assert stats.blocks_accepted == 1
    assert not device.blamed


def test_a_job_of_another_source_is_not_dead_because_a_new_one_has_taken_over() -> None:
    job, device = make_job(source="first", generation=1), FakeDevice()
    source = FakeSource(make_job(source="second", generation=9), YES)
    source.report(source="second", generation=9)
    engine, stats = engine_of(source, device)
    engine.found(device, solve(job))
    assert stats.shares_accepted == 1


def outside_the_mask(solution: Solution) -> Solution:
    work = solution.work
    return replace(solution, work=replace(work, job=replace(work.job, version_mask=0)))


def test_a_share_that_breaks_its_jobs_rules_is_our_mistake_and_not_sent() -> None:
    job, device = make_job(mask=0x2000), FakeDevice()
    source = FakeSource(job, YES)
    engine, stats = engine_of(source, device)
    slice_ = Slice(version_fixed=0x2000, version_taken=0x2000)
    engine.found(device, outside_the_mask(solve(job, slice_=slice_)))
    assert not source.submitted
    assert stats.shares_dropped["invalid"] == 1


def test_a_clock_that_is_years_behind_costs_no_share() -> None:
    job, device = make_job(), FakeDevice()
    source = FakeSource(job, YES)
    engine, stats = engine_of(source, device, now=0)
    engine.found(device, solve(job))
    assert stats.shares_accepted == 1


async def test_the_end_waits_for_shares_in_flight() -> None:
    job, device = make_job(), FakeDevice()
    source = FakeSource(job)
    engine, stats = engine_of(source, device)
    engine.found(device, solve(job))
    engine.found(device, solve(job, skip=1))
    assert engine.pending.get() == 2
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(engine.drain(20))
        await asyncio.sleep(0)
        for done in source.pending:
            assert not waiting.done()
            done(YES)
    assert stats.shares_accepted == 2


async def test_the_end_does_not_wait_for_ever() -> None:
    job, device = make_job(), FakeDevice()
    engine, _ = engine_of(FakeSource(job), device)
    engine.found(device, solve(job))
    await engine.drain(0.01)
    assert engine.pending.get() == 1


async def test_it_mines_with_a_real_device() -> None:
    job = make_job()
    source = FakeSource(job, YES)
    enough = asyncio.Event()
    source.on_submit = lambda share: enough.set() if len(source.submitted) >= 10 else None
    engine, stats = engine_of(source, PythonDevice(clock=lambda: NOW))
    async with running(engine), asyncio.timeout(20):
        await enough.wait()
    assert stats.shares_accepted >= 10
    assert stats.nonces_wrong == 0
    assert all(proof_of(job, share) <= job.target for share, _ in source.submitted)


ROLLING = [RollingKernel(kernels()[0]), *(k for k in kernels() if k.versions == 4)]
"""A stand-in that is always there, and the kernels that really share work among versions."""


def rolling_device(threads: int = 2) -> tuple[CpuDevice, RollingKernel]:
    rolling = RollingKernel(kernels()[0])
    return CpuDevice("cpu:0", threads, [rolling, *kernels()], clock=lambda: NOW), rolling


async def mined(
    source: FakeSource,
    jobs: Sequence[Job],
    each: int,
    *,
    seen: Callable[[Sequence[Share]], bool] = lambda shares: True,
) -> list[Share]:
    """Wait until each of the jobs, shown one after another, has so many shares; return all.

    Args:
        source: the source that the engine under test works for.
        jobs: shown one after another.
        each: shares wanted of each of them.
        seen: what must be true of all shares beside their number.
    """
    heard = Latest(0)
    source.on_submit = lambda share: heard.set(heard.get() + 1)
    for job in jobs:
        source.jobs.set(job)
        async with asyncio.timeout(30):
            async for _ in heard:
                shares = [share for share, _ in source.submitted]
                if sum(share.job_id == job.id for share in shares) >= each and seen(shares):
                    break
    return [share for share, _ in source.submitted]


@pytest.mark.parametrize(
    ("target", "each"),
    [
        (MAX_TARGET, 2000),  # a hash in one, and more hits than a scan can return
        (Target(MAX_TARGET >> 1), 2000),  # regtest
        (Target((1 << 255) + 12345), 2000),
        (EASY, 500),
        (Target(MAX_TARGET >> 13), 60),
    ],
)
@pytest.mark.parametrize("rolling", ROLLING, ids=lambda kernel: kernel.name)
async def test_rolled_versions_are_right_on_every_target(
    target: Target, each: int, rolling: Kernel
) -> None:
    job = make_job(target=target)
    device = CpuDevice("cpu:0", 2, [rolling, *kernels()], clock=lambda: NOW)
    source = FakeSource(None, YES)
    engine, stats = engine_of(source, device)
    async with running(engine):
        shares = await mined(source, [job], each)
    assert device.stats.kernel == rolling.name
    assert stats.nonces_wrong == stats.shares_dropped["invalid"] == device.stats.wrong == 0
    assert all(proof_of(job, share) <= target for share in shares)
    assert len(set(shares)) == len(shares)
    assert {share.version & ~job.version_mask for share in shares} == {job.version}
    assert len({share.version for share in shares}) >= 4


async def test_a_mask_that_changes_under_way_changes_the_kernel_and_every_share_keeps_to_it() -> (
    None
):
    masks = [0x1FFFE000, 0x6000, 0x2000, 0, 0x6000, 0x1FFFE000]
    first = make_job(mask=masks[0])
    # As our Stratum client tells it: a new id, and a new epoch when bits go.
    jobs = [
        replace(first, id=JobId(first.id + 10_000 + i), version_mask=mask, epoch=1 + i)
        for i, mask in enumerate(masks)
    ]
    source, (device, rolling) = FakeSource(None, YES), rolling_device(threads=1)
    engine, stats = engine_of(source, device)
    used = []
    async with running(engine):
        for job in jobs:
            counts: list[int] = []

            def later(_: Sequence[Share], counts: list[int] = counts) -> bool:
                counts.append(rolling.scans)  # from the first on, no scan is of the job before
                return len(counts) > 40

            await mined(source, [job], 1, seen=later)
            used.append((device.stats.kernel == "rolling", counts[-1] > counts[0]))
    assert used == [(mask.bit_count() >= 2,) * 2 for mask in masks]
    mask_of = {job.id: job.version_mask for job in jobs}
    for share, _ in source.submitted:
        assert not (share.version ^ first.version) & ~mask_of[share.job_id]
    assert stats.nonces_wrong == stats.shares_dropped["invalid"] == 0


async def test_with_two_bits_and_no_other_room_threads_that_leave_too_few_hash_plainly() -> None:
    job = make_job(mask=0x6000, size=0)
    source, (device, rolling) = FakeSource(None, YES), rolling_device(threads=2)
    engine, stats = engine_of(source, device)

    def by_both_threads(shares: Sequence[Share]) -> bool:
        return {share.version & 0x6000 for share in shares} >= {0, 0x4000}

    async with running(engine):
        await mined(source, [job], 100, seen=by_both_threads)
    assert not rolling.scans
    assert stats.nonces_wrong == 0


async def test_a_lying_kernel_is_retired_and_mining_goes_on_with_the_next() -> None:
    device = CpuDevice("cpu:0", 2, [LyingKernel("liar", versions=4), *kernels()], clock=lambda: NOW)
    source = FakeSource(None, YES)
    engine, stats = engine_of(source, device)
    with capture_logs() as lines:
        async with running(engine):
            shares = await mined(source, [make_job()], 20)
    assert len(shares) >= 20
    assert device.stats.retired == 1
    assert device.stats.kernel == kernels()[0].name
    assert stats.nonces_wrong == device.stats.wrong >= WRONG_LIMIT
    told = [line for line in lines if line["event"] == "kernel_retired"]
    assert [(line["log_level"], line["kernel"]) for line in told] == [("error", "liar")]


def test_only_so_many_proofs_are_remembered() -> None:
    job, device = make_job(), FakeDevice()
    engine, _ = engine_of(FakeSource(job, YES), device)
    engine._seen = dict.fromkeys(range(-(1 << 16), 0))
    engine.found(device, solve(job))
    assert len(engine._seen) == 1 << 16
    assert -(1 << 16) not in engine._seen, "the oldest is forgotten"
