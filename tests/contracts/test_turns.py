"""Quota and rotation: the laws of a source, and turns over real pools."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from headframe.chain.job import Lineage, SourceId
from headframe.chain.share import Reason
from headframe.stratum.sv1.client import ClientOptions
from headframe.upstream.base import JobSource
from headframe.upstream.endpoint import Endpoint
from headframe.upstream.stratum import StratumOptions, StratumSource
from tests.contracts.source import (
    Answers,
    SourceContract,
    SourceRig,
    find_share,
    running,
)
from tests.fakes.groups import quota, rotate
from tests.fakes.handsource import HandSource, quick, until_source
from tests.fakes.pool import FakePool

PATIENT: dict[str, Any] = {"stable_seconds": 0, "backoff": quick}


@pytest.fixture
async def pools() -> AsyncIterator[tuple[FakePool, FakePool]]:
    async with FakePool() as one, FakePool(extranonce1=b"\x99" * 4) as other:
        one.new_block()
        other.new_block()
        yield one, other


def members(pools: tuple[FakePool, FakePool]) -> list[StratumSource]:
    ids = itertools.count(1)
    return [
        StratumSource(
            StratumOptions(
                endpoint=Endpoint(scheme="stratum+tcp", host="127.0.0.1", port=pool.port),
                tls=None,
                client=ClientOptions(user="u"),
            ),
            lineage=Lineage(SourceId(name), ids),
        )
        for name, pool in zip(("one", "other"), pools, strict=True)
    ]


def rig_of(
    pools: tuple[FakePool, FakePool], make: Callable[[list[StratumSource]], JobSource]
) -> SourceRig:
    async def advance() -> None:
        for pool in pools:
            pool.new_block()

    async def break_off() -> None:
        for pool in pools:
            await pool.go_away()
            await pool.come_back()

    # One alone: which of two would be used first is chance, and the laws follow one.
    return SourceRig(make(members(pools)[:1]), advance, break_off)


class TestQuotaContract(SourceContract):
    @pytest.fixture
    async def rig(self, pools: tuple[FakePool, FakePool]) -> SourceRig:
        return rig_of(pools, lambda some: quota(some, [1], turn_seconds=600, **PATIENT))


class TestRotateContract(SourceContract):
    @pytest.fixture
    async def rig(self, pools: tuple[FakePool, FakePool]) -> SourceRig:
        return rig_of(pools, lambda some: rotate(some, turn_seconds=600, **PATIENT))


@pytest.mark.parametrize(
    "make",
    [
        lambda some: quota(some, [1, 1], turn_seconds=0.05, **PATIENT),
        lambda some: rotate(some, turn_seconds=0.05, **PATIENT),
    ],
)
async def test_shares_of_each_turn_reach_their_own_pool(
    pools: tuple[FakePool, FakePool], make: Callable[[list[StratumSource]], JobSource]
) -> None:
    group = make(members(pools))
    answers = []
    async with running(group):
        for name in ("one", "other", "one"):
            job = await until_source(group, name)
            answers.append(Answers())
            group.submit(find_share(job, start=1000 * len(answers)), None, answers[-1].done)
        verdicts = [await each.one() for each in answers]
        assert group.status.get().switches >= 2
        assert group.status.get().idle_seconds == 0
    assert {verdict.reason for verdict in verdicts} == {Reason.ACCEPTED}
    assert [len(pool.heard.get()) for pool in pools] == [2, 1]
    assert [pool.connections.get() for pool in pools] == [1, 1]  # nobody was cut off


async def test_who_is_lost_in_its_turn_is_replaced_at_once() -> None:
    one, other = HandSource("one"), HandSource("other")
    group = quota([one, other], [5, 1], turn_seconds=600, **PATIENT)
    async with running(group):
        await one.wait_runs(1)
        await other.wait_runs(1)
        one.publish()
        other.publish()
        await until_source(group, "one")
        one.fail()
        await until_source(group, "other")
        assert group.status.get().idle_seconds == 0


async def test_the_seconds_of_a_rotation_go_on_after_a_restart() -> None:
    one, other = HandSource("one"), HandSource("other")
    group = rotate([one, other], turn_seconds=0.02, **PATIENT)
    for runs in (1, 2):
        async with running(group):
            await one.wait_runs(runs)
            await other.wait_runs(runs)
            one.publish()
            other.publish()
            async with asyncio.timeout(20):
                await until_source(group, "one")
                await until_source(group, "other")
