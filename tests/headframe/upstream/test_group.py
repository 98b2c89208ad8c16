"""`SourceGroup`: what it counts, whom it trusts, and how fast it is."""

import asyncio
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from headframe.chain.job import Job
from headframe.upstream.base import SourceState
from headframe.upstream.group import GroupOptions, SourceGroup
from headframe.upstream.strategy import FailoverStrategy
from tests.contracts.source import next_job, running
from tests.fakes.groups import failover
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
    async with asyncio.timeout(10):
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
            async with asyncio.timeout(10):
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


async def test_the_memory_of_whose_job_it_was_is_bounded(first: HandSource) -> None:
    group = SourceGroup([first], FailoverStrategy(), GroupOptions(backoff=quick))
    last: Job | None = None
    async with running(group):
        await first.wait_runs(1)
        for _ in range(8300):
            last = first.publish()
            serial = group.jobs.serial
            async with asyncio.timeout(10):
                await group.jobs.wait_newer(serial)
    assert last is not None
    assert len(group._owners) == 8192
    assert last.id in group._owners


async def test_every_source_is_told_of_with_its_own_trouble(
    first: HandSource, second: HandSource
) -> None:
    group = pair(first, second)
    assert [one.source for one in group.status.get().members] == ["first", "second"]
    async with running(group), asyncio.timeout(10):
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
