"""`Member`: a source that is run while it is wanted, and let go."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from headframe.upstream.member import GroupOptions, Member
from tests.fakes.handsource import HandSource, quick


@pytest.fixture
def source() -> HandSource:
    return HandSource("pool")


@pytest.fixture
def changed() -> asyncio.Event:
    return asyncio.Event()


@pytest.fixture
def member(source: HandSource, changed: asyncio.Event) -> Member:
    return Member(source, GroupOptions(linger_seconds=0.01, backoff=quick), changed)


@asynccontextmanager
async def tended(member: Member) -> AsyncIterator["asyncio.Task[None]"]:
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        task = tasks.create_task(member.tend())
        yield task
        task.cancel()


async def test_it_runs_only_while_it_is_wanted(member: Member, source: HandSource) -> None:
    async with tended(member):
        assert not source.runs.get()
        member.turn(on=True)
        await source.wait_runs(1)
        member.turn(on=False)
        while source.running:
            await asyncio.sleep(0)
        member.turn(on=True)
        await source.wait_runs(2)


async def test_one_that_is_wanted_again_in_time_keeps_its_connection(
    source: HandSource, changed: asyncio.Event
) -> None:
    member = Member(source, GroupOptions(linger_seconds=600, backoff=quick), changed)
    async with tended(member):
        member.turn(on=True)
        await source.wait_runs(1)
        member.turn(on=False)
        member.turn(on=True)
        assert source.running
        assert source.runs.get() == 1


async def test_work_wakes_the_group(
    member: Member, source: HandSource, changed: asyncio.Event
) -> None:
    async with tended(member):
        member.turn(on=True)
        await source.wait_runs(1)
        changed.clear()
        source.publish()
        await changed.wait()
        assert member.has_work
        assert member.name == "pool"


async def test_the_same_trouble_is_said_once(member: Member, source: HandSource) -> None:
    with capture_logs() as logs:
        async with tended(member):
            member.turn(on=True)
            await source.wait_runs(1)
            source.fail()
            await source.wait_runs(4)
    assert [log["event"] for log in logs] == ["source_lost"]
    assert member.standing(0).out


async def test_a_dismissed_one_lingers_and_ends(member: Member, source: HandSource) -> None:
    async with tended(member) as task:
        member.turn(on=True)
        await source.wait_runs(1)
        member.dismiss()
        assert source.running, "shares in flight get their answers"
        await task
        assert not source.running


async def test_a_dismissed_one_that_does_not_run_ends_at_once(
    source: HandSource, changed: asyncio.Event
) -> None:
    member = Member(source, GroupOptions(linger_seconds=600, backoff=quick), changed)
    async with tended(member) as task:
        await asyncio.sleep(0)
        member.dismiss()
        await task
    assert not source.runs.get()


async def test_one_that_was_dismissed_before_it_began_never_runs(
    member: Member, source: HandSource
) -> None:
    member.dismiss()
    member.turn(on=True)
    async with asyncio.timeout(20):
        await member.tend()
    assert not source.runs.get()


async def test_a_dismissed_one_that_fails_is_not_tried_again_and_has_nothing_to_linger_for(
    source: HandSource, changed: asyncio.Event
) -> None:
    member = Member(source, GroupOptions(linger_seconds=600, backoff=quick), changed)
    async with tended(member) as task:
        member.turn(on=True)
        await source.wait_runs(1)
        member.dismiss()
        source.fail()
        await task
    assert source.runs.get() == 1


def test_trust_replaces_the_time_of_probation(member: Member) -> None:
    assert member.standing(0).probation_seconds == 60
    member.trusted = True
    assert member.standing(0).probation_seconds == 0
