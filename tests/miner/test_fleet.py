"""`Fleet`: who hashes which part of a job when devices come and go."""

import asyncio
import itertools
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from headframe.chain.job import Job, Slice
from headframe.chain.share import Share
from headframe.runtime.latest import Latest
from miner.devices.base import Device, Solution
from miner.devices.cpu import CpuDevice
from miner.fleet import Fleet
from native import kernels
from tests.fakes.device import FakeDevice
from tests.fakes.source import make_job

NOW = 1_700_000_000
Jobs = Latest[Job | None]


class Recorder:
    """Keeps the shares that devices claim, in order."""

    def __init__(self) -> None:
        self.shares: Latest[tuple[tuple[str, Share], ...]] = Latest(())

    def found(self, device: Device, solution: Solution) -> None:
        share = solution.work.share(solution.head, solution.nonce)
        self.shares.set((*self.shares.get(), (device.name, share)))

    async def wait(self, name: str, count: int) -> list[Share]:
        async with asyncio.timeout(30):
            async for shares in self.shares:
                mine = [share for who, share in shares if who == name]
                if len(mine) >= count:
                    return mine
        raise AssertionError("unreachable: the cell never ends")


@asynccontextmanager
async def running(fleet: Fleet, jobs: Jobs, heard: Recorder | None = None) -> AsyncIterator[None]:
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        task = tasks.create_task(fleet.run(jobs, (heard or Recorder()).found))
        yield
        task.cancel()


async def until_posted(fleet: Fleet, *devices: FakeDevice) -> None:
    """Wait until these are the fleet, and all of them run."""
    while list(fleet) != list(devices):
        await asyncio.sleep(0)
    for device in devices:
        await device.running.wait()


def fakes(*names: str) -> list[FakeDevice]:
    return [FakeDevice(name) for name in names]


def test_it_reads_like_a_list() -> None:
    one, two = fakes("a:0", "b:0")
    fleet = Fleet([one, two])
    assert len(fleet) == 2
    assert [*fleet] == [fleet[0], fleet[1]] == [*fleet[:]] == [one, two]
    assert fleet.wanted == (one, two)


async def test_a_device_that_stays_goes_on_in_its_slice_and_nobody_else_gets_it() -> None:
    one, two, three = fakes("a:0", "b:0", "c:0")
    jobs: Jobs = Latest(make_job())
    fleet = Fleet([one, two])
    async with running(fleet, jobs):
        await until_posted(fleet, one, two)
        fleet.change([three, one])
        await until_posted(fleet, three, one)
        assert one.slices == [Slice(prefix=b"\0")], "it was not even asked to look again"
        assert two.slices == [Slice(prefix=b"\1")]
        assert three.slices == [Slice(prefix=b"\2")], "its predecessor has searched the other"


async def test_slots_come_round_and_are_never_shared() -> None:
    lasting, *others = fakes("a:0", *[f"b:{i}" for i in range(300)])
    jobs: Jobs = Latest(make_job())
    fleet = Fleet([lasting, others[0]])
    async with running(fleet, jobs):
        for other in others:
            fleet.change([lasting, other])
            await until_posted(fleet, lasting, other)
    prefixes = [other.slices[0].prefix for other in others if other.slices[0] is not None]
    assert b"\0" not in prefixes, "that is still the first device's"
    assert len({*prefixes[:255]}) == 255
    assert prefixes[255] == prefixes[0]
    assert lasting.slices == [Slice(prefix=b"\0")]


@pytest.mark.parametrize("size", [0, 1, 2])
async def test_where_there_is_little_room_all_share_the_running_job_anew(size: int) -> None:
    one, two = fakes("a:0", "b:0")
    jobs: Jobs = Latest(make_job(size=size))
    fleet = Fleet([one])
    async with running(fleet, jobs):
        await until_posted(fleet, one)
        assert one.slices == [Slice()]
        one.running.clear()
        fleet.change([one, two])
        await until_posted(fleet, one, two)
        (mine, others) = one.slices[-1], two.slices[-1]
        assert mine is not None
        assert others is not None
        assert mine != others
        assert (mine.prefix, mine.version_fixed) != (others.prefix, others.version_fixed)
        one.running.clear()
        fleet.change([one])
        await until_posted(fleet, one)
        assert one.slices[-1] == Slice()


async def test_the_same_devices_again_change_nothing() -> None:
    one, two = fakes("a:0", "b:0")
    jobs: Jobs = Latest(make_job(size=0))
    fleet = Fleet([one, two])
    async with running(fleet, jobs):
        await until_posted(fleet, one, two)
        fleet.change([one, two])
        await asyncio.sleep(0)
        jobs.set(make_job(size=0))
        while len(two.slices) < 2:
            await asyncio.sleep(0)
        assert len(one.slices) == 2


async def test_a_successor_takes_over_the_counters_of_its_name() -> None:
    old, gone, new, back = fakes("a:0", "b:0", "a:0", "b:0")
    fleet = Fleet([old, gone])
    async with running(fleet, Latest(None)):
        await until_posted(fleet, old, gone)
        old.stats.hashes, old.stats.wrong = 1000, 2
        gone.stats.hashes, gone.stats.retired, gone.stats.solutions = 50, 1, 7
        fleet.change([new])
        await until_posted(fleet, new)
        assert (new.stats.hashes, new.stats.wrong) == (1000, 2)
        new.stats.hashes += 1
        fleet.change([new, back])
        await until_posted(fleet, new, back)
        assert new.stats.hashes == 1001
        assert (back.stats.hashes, back.stats.retired, back.stats.solutions) == (50, 1, 7)


async def test_threads_that_replace_others_hash_nothing_twice() -> None:
    job = make_job()
    jobs: Jobs = Latest(job)

    def cpu(threads: int) -> CpuDevice:
        return CpuDevice("cpu:0", threads, [kernels()[-1]], clock=lambda: NOW)

    heard, fleet = Recorder(), Fleet([cpu(1)])
    async with running(fleet, jobs, heard):
        for threads in (2, 3, 1):
            await heard.wait("cpu:0", len(heard.shares.get()) + 100)
            fleet.change([cpu(threads)])
            while [*fleet] != [*fleet.wanted]:
                await asyncio.sleep(0)
        await heard.wait("cpu:0", len(heard.shares.get()) + 100)
    shares = [share for _, share in heard.shares.get()]
    assert len({*shares}) == len(shares) >= 400


async def test_what_a_device_fails_with_comes_out() -> None:
    class Broken(FakeDevice):
        async def run(self, *_parts: object) -> None:
            raise ZeroDivisionError

    with pytest.raises(ExceptionGroup) as caught:
        await Fleet([Broken()]).run(Latest(None), Recorder().found)
    assert caught.group_contains(ZeroDivisionError)


def overlap(one: Slice, other: Slice) -> bool:
    """Tell whether two slices have a header in common."""
    shorter, longer = sorted((one.prefix, other.prefix), key=len)
    both = one.version_taken & other.version_taken
    return longer.startswith(shorter) and not (one.version_fixed ^ other.version_fixed) & both


@pytest.mark.parametrize("seed", range(8))
async def test_no_two_devices_ever_have_a_header_in_common(seed: int) -> None:
    chance = random.Random(seed)
    pool = fakes(*[f"a:{i}" for i in range(6)])
    jobs: Jobs = Latest(None)
    fleet = Fleet(pool[:1])
    async with running(fleet, jobs):
        await until_posted(fleet, pool[0])
        tasks = len(asyncio.all_tasks())
        for _ in range(60):
            if chance.random() < 0.5:
                size, mask = chance.choice([0, 1, 2, 3, 8]), chance.choice([0, 0x6000, 0x1FFFE000])
                jobs.set(make_job(size=size, mask=mask))
            else:
                fleet.change(chance.sample(pool, chance.randint(1, 6)))
            for _ in range(50):  # until all have heard of it
                await asyncio.sleep(0)
            assert [*fleet] == [*fleet.wanted]
            if jobs.get() is None:
                continue
            parts = [each for device in pool if device in fleet for each in device.slices[-1:]]
            given = [part for part in parts if part is not None]
            assert given, "somebody hashes"
            pairs = itertools.combinations(given, 2)
            assert not [pair for pair in pairs if overlap(*pair)]
        fleet.change(pool[-1:])
        for _ in range(50):
            await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) == tasks, "nothing is left behind"
