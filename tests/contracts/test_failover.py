"""Failover: over sources worked by hand, and over real pools."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from headframe.chain.job import Job, JobId, Lineage, SourceId
from headframe.chain.share import Reason, Share, Verdict
from headframe.stratum.sv1.client import ClientOptions
from headframe.upstream.base import SourceState, UnreachableError
from headframe.upstream.endpoint import Endpoint
from headframe.upstream.group import SourceGroup
from headframe.upstream.stratum import StratumOptions, StratumSource
from tests.contracts.source import (
    Answers,
    SourceContract,
    SourceRig,
    find_share,
    next_job,
    running,
)
from tests.fakes.groups import failover
from tests.fakes.handsource import HandSource, quick, until_source
from tests.fakes.pool import FakePool


@pytest.fixture
def first() -> HandSource:
    return HandSource("first")


@pytest.fixture
def second() -> HandSource:
    return HandSource("second")


@pytest.fixture
def both(first: HandSource, second: HandSource) -> SourceGroup:
    return failover(
        [first, second], hold_seconds=20, linger_seconds=20, stable_seconds=0, backoff=quick
    )


async def test_the_next_source_waits_until_the_one_before_failed(
    both: SourceGroup, first: HandSource, second: HandSource
) -> None:
    async with running(both):
        await first.wait_runs(1)
        job = first.publish()
        shown = await next_job(both)
        assert (shown.id, shown.source) == (job.id, "first")
        assert second.runs.get() == 0

        first.fail()
        await second.wait_runs(1)
        assert both.jobs.get() == shown  # held over the switch
        assert both.status.get().state is SourceState.DEGRADED
        second.publish()
        later = await until_source(both, "second")
        assert later.epoch > shown.epoch
        assert both.status.get().source == "second"
        assert both.status.get().state is SourceState.ACTIVE


async def test_the_first_is_taken_again_when_it_is_back_and_late_shares_find_their_pool(
    both: SourceGroup, first: HandSource, second: HandSource
) -> None:
    async with running(both):
        await first.wait_runs(1)
        first.fail()
        await second.wait_runs(1)
        backup = second.publish(epoch=40)
        on_backup = await until_source(both, "second")

        first.trouble = None
        await first.wait_runs(first.runs.get() + 1)
        first.publish(epoch=3)
        back = await until_source(both, "first")
        assert back.epoch > on_backup.epoch  # though the source's own is smaller
        assert second.running  # for a while
        answers = Answers()
        late = Share(job_id=backup.id, extranonce=b"", ntime=0, nonce=0, version=0)
        both.submit(late, "rig", answers.done)
        assert answers.verdicts == [Verdict(reason=Reason.ACCEPTED)]
        assert second.heard == [(late, "rig")]
        assert first.heard == []


async def test_a_source_that_is_not_needed_any_more_is_let_go(
    first: HandSource, second: HandSource
) -> None:
    both = failover(
        [first, second], hold_seconds=20, linger_seconds=0.01, stable_seconds=0, backoff=quick
    )
    async with running(both):
        await first.wait_runs(1)
        first.fail()
        await second.wait_runs(1)
        second.publish()
        await until_source(both, "second")
        first.trouble = None
        await first.wait_runs(first.runs.get() + 1)
        first.publish()
        await until_source(both, "first")
        async with asyncio.timeout(20):
            while second.running:
                await second.jobs.wait_newer(second.jobs.serial)
        assert both.status.get().source == "first"

        second_runs = second.runs.get()
        first.fail()  # and it is wanted once more
        await second.wait_runs(second_runs + 1)


async def test_a_source_wanted_again_within_its_linger_time_goes_on(
    both: SourceGroup, first: HandSource, second: HandSource
) -> None:
    async with running(both):
        await first.wait_runs(1)
        first.fail()
        await second.wait_runs(1)
        second.publish()
        await until_source(both, "second")
        first.trouble = None
        await first.wait_runs(first.runs.get() + 1)
        first.publish()
        await until_source(both, "first")
        first.fail()
        again = await until_source(both, "second")
        assert second.runs.get() == 1
        assert again.epoch == 3


async def test_without_any_source_the_job_is_held_and_then_there_is_none(
    first: HandSource,
) -> None:
    alone = failover([first], hold_seconds=0.1, backoff=quick)
    async with running(alone):
        await first.wait_runs(1)
        first.publish(generation=7)
        job = await next_job(alone)
        first.status.set(replace(first.status.get(), generation=8))
        first.fail(UnreachableError("the cable is out"))
        await first.wait_runs(2)
        assert alone.jobs.get() == job
        with capture_logs() as logs:
            async with asyncio.timeout(20):
                assert await alone.jobs.wait_newer(alone.jobs.serial) is None
                while alone.status.get().state is SourceState.DEGRADED:
                    await alone.status.wait_newer(alone.status.serial)
        assert "work_ended" in [log["event"] for log in logs]
        assert alone.status.get().generation == 8  # who holds the job can tell that it is dead
        assert alone.status.get().detail == "the cable is out"

        first.trouble = None
        await first.wait_runs(first.runs.get() + 1)
        first.publish()
        assert (await next_job(alone)).epoch == 2


async def test_it_tries_for_ever_and_says_so_once(first: HandSource) -> None:
    alone = failover([first], backoff=quick)
    first.trouble = UnreachableError("nobody there")
    with capture_logs() as logs:
        async with running(alone):
            await first.wait_runs(5)
            first.trouble = UnreachableError("somebody, but no pool")
            await first.wait_runs(10)
    said = [log["error"] for log in logs if log["event"] == "source_lost"]
    assert said == ["nobody there", "somebody, but no pool"]


async def test_a_bug_in_one_source_does_not_end_the_others(
    both: SourceGroup, first: HandSource, second: HandSource
) -> None:
    first.trouble = ZeroDivisionError("a bug")
    with capture_logs() as logs:
        async with running(both):
            await second.wait_runs(1)
            second.publish()
            await until_source(both, "second")
    assert "source_broke" in [log["event"] for log in logs]


async def test_a_third_source_waits_for_the_second(first: HandSource, second: HandSource) -> None:
    third = HandSource("third")
    three = failover([first, second, third], backoff=quick)
    async with running(three):
        await first.wait_runs(1)
        first.fail()
        await second.wait_runs(1)
        assert third.runs.get() == 0
        second.fail()
        await third.wait_runs(1)
        third.publish()
        await until_source(three, "third")


async def test_shares_of_unknown_jobs_are_refused(both: SourceGroup) -> None:
    answers = Answers()
    stranger = Share(job_id=JobId(5), extranonce=b"", ntime=0, nonce=0, version=0)
    both.submit(stranger, None, answers.done)
    assert answers.verdicts == [Verdict(reason=Reason.UNKNOWN_JOB)]


def test_at_least_one_source() -> None:
    with pytest.raises(ValueError, match="at least one"):
        failover([])


def pool_source(name: str, port: int, ids: Iterator[int]) -> StratumSource:
    options = StratumOptions(
        endpoint=Endpoint(scheme="stratum+tcp", host="127.0.0.1", port=port),
        tls=None,
        client=ClientOptions(user="u"),
    )
    return StratumSource(options, lineage=Lineage(SourceId(name), ids))


@pytest.fixture
async def pools() -> AsyncIterator[tuple[FakePool, FakePool]]:
    async with FakePool() as main, FakePool(extranonce1=b"\x99" * 4) as backup:
        main.new_block()
        backup.new_block()
        yield main, backup


class TestContract(SourceContract):
    @pytest.fixture
    async def rig(self, pools: tuple[FakePool, FakePool]) -> SourceRig:
        async def advance() -> None:
            for pool in pools:
                pool.new_block()

        async def break_off() -> None:
            await pools[0].go_away()
            await pools[0].come_back()

        ids = itertools.count(1)
        source = failover(
            [pool_source("main", pools[0].port, ids), pool_source("backup", pools[1].port, ids)],
            stable_seconds=0,
            backoff=quick,
        )
        return SourceRig(source, advance, break_off)


async def test_over_two_pools_one_of_which_dies_and_comes_back(
    pools: tuple[FakePool, FakePool],
) -> None:
    main, backup = pools
    ids = itertools.count(1)
    source = failover(
        [pool_source("main", main.port, ids), pool_source("backup", backup.port, ids)],
        stable_seconds=0,
        backoff=quick,
    )

    async def submit(job: Job) -> Verdict:
        answers = Answers()
        source.submit(find_share(job), None, answers.done)
        return await answers.one()

    async with running(source):
        before = await until_source(source, "main")
        assert (await submit(before)).reason is Reason.ACCEPTED
        await main.go_away()
        between = await until_source(source, "backup")
        assert (await submit(between)).reason is Reason.ACCEPTED
        assert (await submit(before)).reason is Reason.LOST
        await main.come_back()
        after = await until_source(source, "main")
        assert (await submit(after)).reason is Reason.ACCEPTED
        assert (await submit(between)).reason is Reason.ACCEPTED  # the backup lingers
    assert len(main.heard.get()) == 2
    assert len(backup.heard.get()) == 2
    assert before.epoch < between.epoch < after.epoch
    assert len({before.id, between.id, after.id}) == 3
