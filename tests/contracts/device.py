"""What every device must do: one suite, run over each implementation.

A test module subclasses `DeviceContract` as `Test...` and provides the fixture `device`.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from headframe.chain.job import Job, JobId, Slice
from headframe.chain.share import proof_of
from headframe.chain.target import MAX_TARGET
from headframe.runtime.latest import Latest
from miner.devices.base import Device, SliceOf, Solution
from tests.fakes.source import EASY, NEVER, make_job

__all__ = ["DeviceContract", "Harness", "hashing"]


@dataclass
class Harness:
    """A device at work, and what it found."""

    device: Device
    jobs: Latest[Job | None]
    solutions: list[Solution] = field(default_factory=list)
    count: Latest[int] = field(default_factory=lambda: Latest(0))

    def found(self, solution: Solution) -> None:
        self.solutions.append(solution)
        self.count.set(len(self.solutions))

    async def until(self, count: int) -> None:
        """Wait until so many solutions were found."""
        async with asyncio.timeout(20):
            async for now in self.count:
                if now >= count:
                    return

    async def until_of(self, job: Job) -> None:
        """Wait for a solution of that job."""
        async with asyncio.timeout(20):
            async for _ in self.count:
                if self.solutions and self.solutions[-1].work.job is job:
                    return


def everything(job: Job) -> Slice | None:
    del job
    return Slice()


@asynccontextmanager
async def hashing(
    device: Device, job: Job | None, slice_of: SliceOf = everything
) -> AsyncIterator[Harness]:
    """Run a device on a cell with that job."""
    harness = Harness(device, Latest(job))
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(device.run(harness.jobs, slice_of, harness.found))
        try:
            yield harness
        finally:
            task.cancel()


class DeviceContract:
    """The laws of `miner.devices.base.Device`."""

    async def test_every_claim_meets_the_target_of_its_job(self, device: Device) -> None:
        job = make_job(target=EASY)
        async with hashing(device, job) as harness:
            await harness.until(20)
        for solution in harness.solutions:
            assert solution.work.job is job
            assert proof_of(job, solution.work.share(solution.head, solution.nonce)) <= EASY
            assert solution.kernel == device.stats.kernel

    async def test_no_header_is_claimed_twice(self, device: Device) -> None:
        async with hashing(device, make_job()) as harness:
            await harness.until(50)
        shares = [s.work.share(s.head, s.nonce) for s in harness.solutions]
        assert len(set(shares)) == len(shares)

    async def test_a_block_is_claimed_even_when_the_share_target_is_harder(
        self, device: Device
    ) -> None:
        async with hashing(device, make_job(target=NEVER, block_target=EASY)) as harness:
            await harness.until(1)

    async def test_it_stays_in_its_slice(self, device: Device) -> None:
        mine = Slice(prefix=b"\xab\xcd", version_fixed=0x2000, version_taken=0x6000)
        async with hashing(device, make_job(), lambda job: mine) as harness:
            await harness.until(20)
        for solution in harness.solutions:
            assert solution.work.extranonce[:2] == b"\xab\xcd"
            assert solution.work.versions[solution.head] & 0x6000 == 0x2000

    async def test_it_rests_without_a_job_and_without_a_slice(self, device: Device) -> None:
        room: list[Slice] = []
        async with hashing(device, None, lambda job: room[0] if room else None) as harness:
            await asyncio.sleep(0)
            assert device.stats.state == "idle"
            harness.jobs.set(make_job())
            await asyncio.sleep(0)
            assert device.stats.state == "idle"
            room.append(Slice())
            harness.jobs.set(make_job())
            await harness.until(1)
            assert device.stats.state == "hashing"
            harness.jobs.set(None)
            await asyncio.sleep(0)
            assert device.stats.state == "idle"
        assert device.stats.state == "idle"

    async def test_a_new_epoch_is_taken_up(self, device: Device) -> None:
        async with hashing(device, make_job(target=NEVER)) as harness:
            await self._warm(device)
            job = make_job(epoch=2)
            harness.jobs.set(job)
            await harness.until_of(job)

    async def test_another_job_of_the_same_epoch_is_taken_up(self, device: Device) -> None:
        async with hashing(device, make_job(target=NEVER)) as harness:
            await self._warm(device)
            job = make_job()
            harness.jobs.set(job)
            await harness.until_of(job)

    async def test_of_a_job_told_again_nothing_is_searched_twice(self, device: Device) -> None:
        job = make_job()
        async with hashing(device, job) as harness:
            await harness.until(5)
            again = replace(job, id=JobId(job.id + 1_000_000))
            harness.jobs.set(again)
            await harness.until_of(again)
            await harness.until(len(harness.solutions) + 20)
        proofs = [proof_of(job, s.work.share(s.head, s.nonce)) for s in harness.solutions]
        assert len(set(proofs)) == len(proofs)

    async def test_no_hit_is_dropped_when_every_hash_is_one(self, device: Device) -> None:
        job = make_job(target=MAX_TARGET, mask=0, size=0)
        async with hashing(device, job) as harness:
            await harness.until(1000)
        nonces: dict[int, list[int]] = {}
        for solution in harness.solutions:
            nonces.setdefault(solution.work.ntime, []).append(solution.nonce)
        for found in nonces.values():
            assert found == list(range(len(found)))

    async def test_no_hit_of_any_version_is_dropped(self, device: Device) -> None:
        async with hashing(device, make_job(target=MAX_TARGET)) as harness:
            await harness.until(1000)
        nonces: dict[tuple[object, ...], list[int]] = {}
        for s in harness.solutions:
            header = (s.work.extranonce, s.work.versions[s.head], s.work.ntime)
            nonces.setdefault(header, []).append(s.nonce)
        for found in nonces.values():
            assert found == list(range(len(found)))
        assert {header[1] for header in nonces} <= {
            version for s in harness.solutions for version in s.work.versions
        }

    async def test_every_version_that_goes_together_has_its_hits(self, device: Device) -> None:
        async with hashing(device, make_job(target=EASY)) as harness:
            await harness.until(60)
        width = max(len(s.work.versions) for s in harness.solutions)
        # Of 60 hits none falls on one of four versions once in 10 million times.
        assert {s.head for s in harness.solutions} == set(range(width))

    async def test_it_counts_its_hashes(self, device: Device) -> None:
        before = device.stats.hashes
        async with hashing(device, make_job()) as harness:
            await harness.until(30)
        # One hash in 256 is a hit: 30 hits in fewer than 1000 hashes never happen.
        assert device.stats.hashes - before > 1000
        assert device.stats.solutions >= 30

    async def test_a_space_without_room_ends_in_rest_and_goes_on_with_the_next_job(
        self, device: Device
    ) -> None:
        gone = make_job(ntime=1, ntime_min=1, ntime_max=1, target=NEVER)
        async with hashing(device, gone, lambda job: Slice(prefix=bytes(8))) as harness:
            job = make_job()
            harness.jobs.set(job)
            await harness.until_of(job)

    async def test_its_threads_end_with_it(self, device: Device) -> None:
        def mine() -> Iterator[str]:
            return (t.name for t in threading.enumerate() if t.name.startswith(device.name))

        async with hashing(device, make_job(target=NEVER)):
            await self._warm(device)
            assert list(mine())
        assert not list(mine())

    async def test_it_may_run_again(self, device: Device) -> None:
        for _ in range(2):
            async with hashing(device, make_job()) as harness:
                await harness.until(3)

    async def _warm(self, device: Device) -> None:
        """Wait until the device's scans have found their length, by its own counter."""
        start = device.stats.hashes
        async with asyncio.timeout(20):
            while device.stats.hashes == start:
                await asyncio.sleep(0)
