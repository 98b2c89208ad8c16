"""A group of sources that come, go and change places while it runs."""

import asyncio
import itertools
import random
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from headframe.chain.job import Job
from headframe.chain.share import Reason, Verdict
from headframe.upstream.group import GroupOptions, SourceGroup
from headframe.upstream.strategy import FailoverStrategy, QuotaStrategy
from tests.contracts.source import find_share, running
from tests.fakes.handsource import HandSource, quick, until_source


class Changing:
    """A group of hand sources that is rearranged by the names of its sources."""

    def __init__(self, *names: str, stable: float = 600, linger: float = 600) -> None:
        self.sources = {name: HandSource(name) for name in ("a", "b", "c")}
        self.options = GroupOptions(
            hold_seconds=600, stable_seconds=stable, linger_seconds=linger, backoff=quick
        )
        self.group = SourceGroup(
            [self.sources[name] for name in names], FailoverStrategy(), self.options
        )

    def rearrange(self, *names: str) -> None:
        sources = [self.sources[name] for name in names]
        self.group.rearrange(sources, FailoverStrategy(), self.options)

    async def work(self, name: str) -> Job:
        source = self.sources[name]
        await source.wait_runs(1)
        source.publish()
        return await until_source(self.group, name)

    async def until_members(self, *names: str) -> None:
        async with asyncio.timeout(20):
            async for status in self.group.status:
                if tuple(each.source for each in status.members) == names:
                    return

    def submit(self, job: Job) -> Verdict:
        verdicts: list[Verdict] = []
        self.group.submit(find_share(job), None, verdicts.append)
        (verdict,) = verdicts
        return verdict


async def test_a_source_that_stays_is_not_disturbed_when_others_come_and_go() -> None:
    hands = Changing("a", "b")
    async with running(hands.group):
        await hands.work("a")
        before = hands.group.jobs.serial
        for names in (("a", "c", "b"), ("a", "c"), ("a",), ("a", "b", "c")):
            hands.rearrange(*names)
            await hands.until_members(*names)
        assert hands.sources["a"].running
        assert hands.sources["a"].runs.get() == 1
        assert hands.group.jobs.serial == before
        assert not hands.sources["b"].runs.get()
        assert hands.group.status.get().switches == 0


async def test_a_source_that_is_put_first_is_used_as_soon_as_it_has_work() -> None:
    hands = Changing("a", "b")
    async with running(hands.group):
        await hands.work("a")
        hands.rearrange("b", "a")
        assert (await hands.work("b")).source == "b"
        hands.rearrange("c", "b", "a")
        assert (await hands.work("c")).source == "c"
        assert hands.sources["b"].running
        assert hands.group.status.get().source in {"b", "c"}


async def test_trust_in_a_source_that_was_put_first_ends_when_it_fails() -> None:
    hands = Changing("a")
    async with running(hands.group):
        await hands.work("a")
        hands.rearrange("b", "a")
        await hands.work("b")
        hands.sources["b"].fail()
        hands.sources["a"].publish()
        await until_source(hands.group, "a")
        hands.sources["b"].trouble = None
        await hands.sources["b"].wait_runs(hands.sources["b"].runs.get() + 1)
        hands.sources["b"].publish()
        newer = hands.sources["a"].publish()
        async with asyncio.timeout(20):
            while (job := hands.group.jobs.get()) is None or job.id != newer.id:
                await hands.group.jobs.wait_newer(hands.group.jobs.serial)


async def test_late_shares_of_a_removed_source_reach_it_while_another_is_used() -> None:
    hands = Changing("a")
    async with running(hands.group):
        old = await hands.work("a")
        hands.rearrange("b")
        await hands.sources["b"].wait_runs(1)
        assert hands.group.jobs.get() == old, "it is hashed on until the new one has work"
        assert hands.submit(old).reason is Reason.ACCEPTED
        hands.sources["a"].publish()
        new = await hands.work("b")
        assert new.source == "b"
        assert hands.submit(old).reason is Reason.ACCEPTED
        assert len(hands.sources["a"].heard) == 2
        assert hands.group.status.get().switches == 1


async def test_after_its_time_to_linger_a_removed_source_is_gone_with_its_job() -> None:
    hands = Changing("a", linger=0.01)
    hands.sources["a"].status.set(replace(hands.sources["a"].status.get(), connects=3))
    with capture_logs() as logs:
        async with running(hands.group):
            old = await hands.work("a")
            hands.rearrange("b")
            async with asyncio.timeout(20):
                async for job in hands.group.jobs:
                    if job is None:
                        break
            assert not hands.sources["a"].running
            assert hands.submit(old).reason is Reason.UNKNOWN_JOB
            await hands.work("b")
            assert hands.group.status.get().connects == 3
            assert hands.group.status.get().switches == 1
    (ended,) = [log for log in logs if log["event"] == "work_ended"]
    assert ended["why"] == "its source was removed"


async def test_a_source_without_a_connection_is_gone_at_once() -> None:
    hands = Changing("a", "b", linger=600)
    async with running(hands.group):
        await hands.sources["a"].wait_runs(1)
        hands.sources["a"].fail()
        await hands.work("b")
        before = hands.sources["b"].runs.get()
        hands.rearrange("b")
        async with asyncio.timeout(20):
            while hands.group._leaving:
                await asyncio.sleep(0)
        runs = hands.sources["a"].runs.get()
        hands.sources["b"].publish()
        assert hands.sources["a"].runs.get() == runs
        assert hands.sources["b"].runs.get() == before


async def test_a_group_may_be_rearranged_before_and_after_it_runs() -> None:
    hands = Changing("a")
    hands.rearrange("b")
    assert [each.source for each in hands.group.status.get().members] == ["b"]
    async with running(hands.group):
        await hands.work("b")
        assert not hands.sources["a"].runs.get()
        hands.rearrange("c")
        await hands.sources["c"].wait_runs(1)
    assert not hands.group._leaving
    assert not hands.group._owners
    hands.rearrange("a")
    async with running(hands.group):
        await hands.work("a")


async def test_another_strategy_takes_effect_at_once() -> None:
    hands = Changing("a", "b")
    async with running(hands.group):
        await hands.work("a")
        hands.group.rearrange(
            [hands.sources["a"], hands.sources["b"]], QuotaStrategy([0, 1], 60), hands.options
        )
        await hands.work("b")
        assert hands.sources["a"].running


def test_a_group_is_never_rearranged_to_nothing() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Changing("a").rearrange()


@pytest.mark.parametrize("seed", range(8))
async def test_whatever_happens_every_share_is_answered_and_nothing_falls(seed: int) -> None:
    chance = random.Random(seed)
    hands = Changing("a", stable=0.0, linger=0.001)
    verdicts: list[Verdict] = []
    jobs: list[Job] = []
    connects = sent = 0
    async with running(hands.group):
        await hands.sources["a"].wait_runs(1)
        tasks = len(asyncio.all_tasks())
        for _ in range(150):
            names = chance.sample(["a", "b", "c"], chance.randint(1, 3))
            source = hands.sources[chance.choice(["a", "b", "c"])]
            match chance.randrange(4):
                case 0:
                    hands.rearrange(*names)
                case 1 if source.running:
                    source.publish(epoch=chance.randrange(3))
                case 2:
                    source.fail()
                    source.trouble = None
                    before = source.status.get()
                    source.status.set(replace(before, connects=before.connects + 1))
                case _:
                    await asyncio.sleep(0.002)
            if (job := hands.group.jobs.get()) is not None:
                jobs.append(job)
                hands.group.submit(find_share(job), None, verdicts.append)
                sent += 1
            assert len(verdicts) == sent
            await asyncio.sleep(0)
            assert hands.group.status.get().connects >= connects
            connects = hands.group.status.get().connects
        hands.rearrange("b")
        async with asyncio.timeout(20):
            while hands.group._leaving:
                await asyncio.sleep(0)
            while not hands.sources["b"].running:
                await asyncio.sleep(0)
        assert [name for name, each in hands.sources.items() if each.running] == ["b"]
        assert len(asyncio.all_tasks()) == tasks, "nothing is left behind"
    assert all(old.epoch <= new.epoch for old, new in itertools.pairwise(jobs))
    assert not hands.group._leaving
