"""`SourceGroup`: what it counts, whom it trusts, and how fast it is."""

import asyncio
import itertools
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from headframe.chain.job import Job, JobId, SplitCoinbase
from headframe.chain.network import Network
from headframe.chain.share import Reason, Share, Verdict
from headframe.upstream.base import SourceState
from headframe.upstream.failovers import Failover, FailoverReason
from headframe.upstream.group import GroupOptions, SourceGroup
from headframe.upstream.payees import Payee
from headframe.upstream.strategy import FailoverStrategy
from tests.contracts.source import next_job, running
from tests.fakes.groups import failover, rotate
from tests.fakes.handsource import HandSource, quick, until_source


@pytest.fixture
def first() -> HandSource:
    return HandSource("first")


@pytest.fixture
def second() -> HandSource:
    return HandSource("second")


def pair(first: HandSource, second: HandSource, stable: float = 0.0) -> SourceGroup:
    options = GroupOptions(hold_seconds=20, stable_seconds=stable, backoff=quick)
    return SourceGroup([first, second], FailoverStrategy(), options)


async def until_idle_over(group: SourceGroup) -> float:
    async with asyncio.timeout(20):
        async for status in group.status:
            if status.idle_seconds > 0 and status.state is SourceState.ACTIVE:
                return status.idle_seconds
    raise AssertionError("unreachable: the cell never ends")


async def test_a_switch_is_counted_with_the_time_that_it_lost(
    first: HandSource, second: HandSource
) -> None:
    group = pair(first, second)
    loop = asyncio.get_running_loop()
    with capture_logs() as logs:
        async with running(group):
            await first.wait_runs(1)
            first.publish()
            await next_job(group)
            assert (group.status.get().switches, group.status.get().idle_seconds) == (0, 0)
            began = loop.time()
            first.fail()
            await second.wait_runs(1)
            assert loop.time() - began < 1  # the next one is started at once
            second.publish()
            idle = await until_idle_over(group)
            assert idle <= loop.time() - began
            assert group.status.get().switches == 1
    said = [log for log in logs if log["event"] == "source_chosen"]
    assert [log["source"] for log in said] == ["first", "second"]
    assert said[1]["idle_seconds"] == round(idle, 3)


async def test_with_a_hot_standby_no_time_is_lost(first: HandSource, second: HandSource) -> None:
    group = failover([first, second], standby=True, backoff=quick)
    async with running(group):
        await first.wait_runs(1)
        first.publish()
        await second.wait_runs(1)
        ready = second.publish()
        assert (await next_job(group)).source == "first"
        first.fail()
        assert (await until_source(group, "second")).id == ready.id
        while group.status.get().source != "second":
            await group.status.wait_newer(group.status.serial)
        assert group.status.get().switches == 1
        assert group.status.get().idle_seconds == 0


async def test_a_source_that_comes_and_goes_does_not_pull_us_to_and_fro(
    first: HandSource, second: HandSource
) -> None:
    group = pair(first, second, stable=600)
    async with running(group):
        await first.wait_runs(1)
        first.publish()
        await next_job(group)
        first.fail()
        await second.wait_runs(1)
        second.publish()
        await until_source(group, "second")
        for _ in range(5):
            runs = first.runs.get()
            first.trouble = None
            await first.wait_runs(runs + 1)
            first.publish()
            newer = second.publish()
            async with asyncio.timeout(20):
                while (job := group.jobs.get()) is None or job.id != newer.id:
                    await group.jobs.wait_newer(group.jobs.serial)
            first.fail()
        assert group.status.get().switches == 1


async def test_a_source_that_fails_soon_after_each_return_must_prove_itself_for_longer(
    first: HandSource, second: HandSource
) -> None:
    group = pair(first, second, stable=0.02)
    waits = []
    loop = asyncio.get_running_loop()
    async with running(group):
        await first.wait_runs(1)
        first.publish()
        await next_job(group)
        first.fail()
        await second.wait_runs(1)
        second.publish()
        await until_source(group, "second")
        for _ in range(2):
            runs = first.runs.get()
            first.trouble = None
            await first.wait_runs(runs + 1)
            first.publish()
            began = loop.time()
            await until_source(group, "first")
            waits.append(loop.time() - began)
            first.fail()
            await until_source(group, "second")
    assert waits[0] >= 0.04 - 0.001
    assert waits[1] >= 0.08 - 0.001


async def test_a_source_that_lost_its_work_without_failing_is_not_waited_for(
    first: HandSource, second: HandSource
) -> None:
    group = pair(first, second)
    async with running(group):
        await first.wait_runs(1)
        first.publish()
        await next_job(group)
        first.jobs.set(None)  # as in a redirect that tells us to wait
        await second.wait_runs(1)
        assert first.running


async def test_connections_are_counted_over_all_sources_and_never_fall(
    first: HandSource, second: HandSource
) -> None:
    group = pair(first, second)
    async with running(group):
        await first.wait_runs(1)
        first.status.set(replace(first.status.get(), connects=7, redirects=2))
        first.publish()
        await next_job(group)
        first.fail()
        await second.wait_runs(1)
        second.status.set(replace(second.status.get(), connects=1))
        second.publish()
        await until_source(group, "second")
        while group.status.get().source != "second":
            await group.status.wait_newer(group.status.serial)
        assert group.status.get().connects == 8
        assert group.status.get().redirects == 2


async def until_counted(group: SourceGroup, switches: int) -> list[Failover]:
    async with asyncio.timeout(20):
        while group.status.get().switches < switches:
            await group.status.wait_newer(group.status.serial)
    return [row for row in group.status.get().failovers if row.count]


async def test_each_switch_tells_from_whom_to_whom_and_why(
    first: HandSource, second: HandSource
) -> None:
    group = pair(first, second)
    lost = Failover(first.name, second.name, FailoverReason.LOST, 1)
    back = Failover(second.name, first.name, FailoverReason.PREFERRED, 1)
    async with running(group):
        await first.wait_runs(1)
        first.publish()
        await next_job(group)
        first.fail()
        await second.wait_runs(1)
        second.publish()
        assert await until_counted(group, 1) == [lost]
        first.trouble = None
        await first.wait_runs(2)
        first.publish()
        assert await until_counted(group, 2) == [lost, back]
        options = GroupOptions(hold_seconds=20, stable_seconds=0, linger_seconds=0, backoff=quick)
        group.rearrange([second], FailoverStrategy(), options)
        second.publish()
        removed = Failover(first.name, second.name, FailoverReason.REMOVED, 1)
        assert await until_counted(group, 3) == [lost, back, removed]


async def test_turns_are_told_from_losses(first: HandSource, second: HandSource) -> None:
    group = rotate([first, second], turn_seconds=0.02, backoff=quick)
    async with running(group):
        await first.wait_runs(1)
        await second.wait_runs(1)
        first.publish()
        second.publish()
        rows = await until_counted(group, 2)
    assert {row.reason for row in rows} == {FailoverReason.TURN}
    assert {(row.before, row.after) for row in rows} == {
        (first.name, second.name),
        (second.name, first.name),
    }


async def test_the_memory_of_whose_job_it_was_is_bounded() -> None:
    first = PayingHand("first")
    group = SourceGroup([first], FailoverStrategy(), GroupOptions(backoff=quick))
    async with running(group):
        await first.wait_runs(1)
        first.publish()
        job = await next_job(group)
        first.ids = itertools.count(job.id + 1)
        for _ in range(65_536):
            last = group.paying(job, SOMEBODY)
        assert last is not None
        assert len(group._owners) == 65_536
        assert answer_to(group, job).reason is Reason.UNKNOWN_JOB
        assert answer_to(group, last).reason is Reason.ACCEPTED


async def test_every_source_is_told_of_with_its_own_trouble(
    first: HandSource, second: HandSource
) -> None:
    group = pair(first, second)
    assert [one.source for one in group.status.get().members] == ["first", "second"]
    async with running(group), asyncio.timeout(20):
        await first.wait_runs(1)
        first.publish()
        await until_source(group, "first")
        await until_told(group, ["active", "idle"])
        assert [one.in_use for one in group.status.get().members] == [True, False]
        assert [one.rank for one in group.status.get().members] == [1, 2]
        first.fail()
        await second.wait_runs(1)
        second.publish()
        await until_source(group, "second")
        await until_told(group, ["active", "active"])  # a HandSource never says that it is down
        members = group.status.get().members
        assert [one.in_use for one in members] == [False, True]
        assert members[0].detail == "first is gone"
        assert [one.members for one in members] == [(), ()]


async def until_told(group: SourceGroup, states: list[str]) -> None:
    """Wait until the sources have these states, and the status is of the one in use."""
    async for status in group.status:
        job = group.jobs.get()
        told = [one.state.value for one in status.members]
        if told == states and job is not None and status.source == job.source:
            return


def test_a_group_has_at_least_one_source() -> None:
    with pytest.raises(ValueError, match="at least one"):
        SourceGroup([], FailoverStrategy(), GroupOptions())


SOMEBODY = Payee(address="a", script=b"\x51", networks=frozenset(Network))


class PayingHand(HandSource):
    """Makes jobs for payees; they are the same but for their ids."""

    ids = itertools.count(1_000_000)

    def paying(self, job: Job, payee: Payee) -> Job | None:
        assert payee is SOMEBODY
        return replace(job, id=JobId(next(self.ids))) if self.running else None


def answer_to(group: SourceGroup, job: Job) -> Verdict:
    heard: list[Verdict] = []
    share = Share(job_id=job.id, extranonce=b"", ntime=job.ntime, nonce=0, version=job.version)
    group.submit(share, None, heard.append)
    return heard[0]


async def test_a_payees_job_is_of_the_source_that_made_the_other(second: HandSource) -> None:
    first = PayingHand("first")
    group = pair(first, second)
    async with running(group):
        await first.wait_runs(1)
        first.publish(epoch=7)
        job = await next_job(group)
        other = group.paying(job, SOMEBODY)
        assert other is not None
        assert (other.source, other.epoch) == (first.name, job.epoch)
        assert answer_to(group, other).reason is Reason.ACCEPTED
        assert first.heard[0][0].job_id == other.id
        first.fail()
        await second.wait_runs(1)
        second.publish()
        pools = await until_source(group, "second")
        assert group.paying(job, SOMEBODY) is None  # its source says so
        assert group.paying(pools, SOMEBODY) is None  # a pool pays by its own books
        assert group.paying(replace(job, id=JobId(-5)), SOMEBODY) is None


async def test_a_source_that_stays_on_an_old_block_is_not_used_until_it_has_caught_up(
    first: HandSource, second: HandSource
) -> None:
    group = failover([first, second], standby=True, backoff=quick, lag_seconds=0.02)
    with capture_logs() as logs:
        async with running(group):
            await first.wait_runs(1)
            first.publish(**on("x", 800_001))
            await second.wait_runs(1)
            second.publish(**on("x", 800_001))
            await until_active(group, 1)
            second.publish(**on("y", 800_002))
            assert (await until_source(group, "second")).prev_hash[:1] == b"y"
            [lagging, _] = group.status.get().members
            assert (lagging.state, lagging.in_use) == (SourceState.DEGRADED, False)
            assert "first is behind: its work is for block 800001" in lagging.detail
            assert first.running
            assert FailoverReason.LOST in {row.reason for row in group.status.get().failovers}
            group.rearrange([first, second], FailoverStrategy(standby=True), GroupOptions())
            first.publish(**on("y", 800_002))
            await until_active(group, 0)
    said = [log["event"] for log in logs if log["event"] != "source_chosen"]
    assert said == ["source_lost", "source_caught_up"]


async def until_active(group: SourceGroup, place: int) -> None:
    """Wait until the group has seen a source's job, and finds no fault with it."""
    async with asyncio.timeout(20):
        async for status in group.status:
            member = status.members[place]
            if member.state is SourceState.ACTIVE and not member.detail:
                return


def on(block: str, height: int) -> dict[str, Any]:
    """What a job has that builds on a block of that name."""
    start = bytes.fromhex("0100000001" + "00" * 32 + "ffffffff2003")  # BIP 34
    prefix = start + height.to_bytes(3, "little")
    commitment = SplitCoinbase(prefix=prefix, suffix=b"", path=(), extranonce_size=8)
    return {"prev_hash": block.encode().ljust(32, b"\0"), "commitment": commitment}
