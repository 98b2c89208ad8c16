"""Whole proxies that open more upstream connections, and proxies behind proxies."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from headframe.chain.job import SplitCoinbase
from headframe.chain.share import Reason
from headframe.chain.target import MAX_TARGET
from headframe.runtime.settings import load
from proxy.app import Ready, run
from proxy.config import ProxyConfig
from proxy.routetable import route_figures, routes_of
from proxy.space import SpaceSettings
from proxy.vardiff import Bounds
from tests.fakes.overpools import over_pools
from tests.fakes.pool import FakePool
from tests.fakes.proxying import rig_settings
from tests.fakes.rig import Rig, connected

ANY = rig_settings(
    start=MAX_TARGET, bounds=Bounds(per_minute=20, easiest=MAX_TARGET, hardest=MAX_TARGET)
)
"""Every hash is a share."""


@asynccontextmanager
async def proxy_over(port: int, folder: Path, *overrides: str) -> AsyncIterator[Ready]:
    """Run a whole proxy over a pool on this port."""
    base = [
        f"upstreams.0.url=stratum+tcp://me@127.0.0.1:{port}",
        f"state_dir={folder}",
        "listeners.0.port=0",
        "web.port=0",
        "vardiff.start=4.6e-10",
    ]
    config = load(ProxyConfig, overrides=[*base, *overrides])
    up: asyncio.Future[Ready] = asyncio.get_running_loop().create_future()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(run(config, ready=up.set_result))
        async with asyncio.timeout(20):
            ready = await up
        try:
            yield ready
        finally:
            task.cancel()


def port_of(ready: Ready) -> int:
    return int(ready.stratum_url.rpartition(":")[2])


def prefixes(rigs: list[Rig]) -> set[bytes]:
    """Return what each rig has ahead of its own extranonce bytes."""
    found = set()
    for rig in rigs:
        job = rig.jobs.get()
        assert job is not None
        assert isinstance(job.commitment, SplitCoinbase)
        found.add(job.commitment.prefix)
    return found


@pytest.mark.parametrize(
    ("overrides", "connections"),
    [
        (["extranonce.rigs_per_connection=2"], 3),
        (["extranonce.slice_size=1", "extranonce.slice_end=2"], 3),
        ([], 1),
    ],
)
async def test_rigs_spread_over_as_many_connections_as_they_need(
    tmp_path: Path, overrides: list[str], connections: int
) -> None:
    async with FakePool(size=8) as pool, AsyncExitStack() as stack:
        pool.new_block()
        # As a pool that gives each connection an extranonce of its own, another proxy.
        front = await stack.enter_async_context(over_pools(pool.port, rigs=ANY))
        ready = await stack.enter_async_context(proxy_over(front.port, tmp_path, *overrides))
        rigs: list[Rig] = []
        for number in range(5):
            rigs += await stack.enter_async_context(connected(port_of(ready), f"rig{number}"))
            await rigs[-1].job()
        assert len(front.hub.guests) == connections
        [told] = routes_of(ready.routing, {})
        [figures] = route_figures(ready.routing, {}).values()
        assert (told.connections, figures.connections) == (5, 5)
        assert len(prefixes(rigs)) == len(rigs)
        for rig in rigs:
            assert (await rig.say(rig.find(await rig.job()))).reason is Reason.ACCEPTED
        heard = await pool.wait_heard(len(rigs))
        assert not pool.wrong
        assert len({each.share.extranonce for each in heard}) == len(rigs)


async def test_every_connection_fails_over_by_itself(tmp_path: Path) -> None:
    async with (
        FakePool(extranonce1=b"one!", size=8) as one,
        FakePool(extranonce1=b"two!", size=8) as two,
        AsyncExitStack() as stack,
    ):
        one.new_block()
        two.new_block()
        first = AsyncExitStack()
        front = await first.enter_async_context(over_pools(one.port, rigs=ANY))
        spare = await stack.enter_async_context(over_pools(two.port, rigs=ANY))
        options = [
            f"upstreams.1.url=stratum+tcp://me@127.0.0.1:{spare.port}",
            "pools.standby=true",
            "extranonce.rigs_per_connection=1",
        ]
        ready = await stack.enter_async_context(proxy_over(front.port, tmp_path, *options))
        rigs: list[Rig] = []
        for number in range(3):
            rigs += await stack.enter_async_context(connected(port_of(ready), f"rig{number}"))
            await rigs[-1].job()
        await spare.until(lambda: len(spare.hub.guests) == 3)
        await first.aclose()
        for rig in rigs:
            job = await rig.job()
            while b"two!" not in prefixes([rig]).pop():
                job = await rig.job(after=job)
            assert (await rig.say(rig.find(job))).reason is Reason.ACCEPTED
        heard = await two.wait_heard(3)
        assert not two.wrong
        assert len({each.share.extranonce for each in heard}) == 3
        assert not any(rig.lost for rig in rigs)


async def test_a_pool_without_room_to_share_serves_one_rig_on_each_connection(
    tmp_path: Path,
) -> None:
    async with FakePool(size=4) as pool, AsyncExitStack() as stack:
        pool.new_block()
        front = await stack.enter_async_context(over_pools(pool.port, rigs=ANY))  # leaves 2 bytes
        ready = await stack.enter_async_context(
            proxy_over(front.port, tmp_path, "extranonce.rigs_per_connection=1")
        )
        rigs: list[Rig] = []
        for number in range(3):
            rigs += await stack.enter_async_context(connected(port_of(ready), f"rig{number}"))
            job = await rigs[-1].job()
            assert job.extranonce_size == 2
        assert len(front.hub.guests) == 3
        for rig in rigs:
            assert (await rig.say(rig.find(await rig.job()))).reason is Reason.ACCEPTED
        await pool.wait_heard(3)
        assert not pool.wrong


@pytest.mark.parametrize(
    ("spaces", "left"),
    [
        ([None, None], 2),
        ([SpaceSettings(rollable=6), None, None], 2),
        ([SpaceSettings(slice_size=1), SpaceSettings(slice_size=1, rollable=3), None], 2),
    ],
)
async def test_proxies_behind_proxies_hand_all_shares_on(
    spaces: list[SpaceSettings | None], left: int
) -> None:
    async with FakePool(size=8) as pool, AsyncExitStack() as stack:
        pool.new_block()
        port = pool.port
        for space in spaces:
            leg = await stack.enter_async_context(over_pools(port, rigs=ANY, space=space))
            port = leg.port
        rigs = await stack.enter_async_context(connected(port, "one", "two", "three"))
        for _ in range(3):
            for rig in rigs:
                job = await rig.job()
                assert job.extranonce_size == left
                assert (await rig.say(rig.find(job))).reason is Reason.ACCEPTED
        heard = await pool.wait_heard(9)
        assert not pool.wrong
        assert len({each.share.extranonce[:-left] for each in heard}) == len(rigs)


async def test_three_proxies_work_as_they_come(tmp_path: Path) -> None:
    """The third finds 2 bytes, too few to share, and opens a connection for each rig."""
    async with FakePool(size=8) as pool, AsyncExitStack() as stack:
        pool.new_block()
        port = pool.port
        for number in range(3):
            folder = tmp_path / str(number)
            port = port_of(await stack.enter_async_context(proxy_over(port, folder)))
        rigs: list[Rig] = []
        for number in range(3):
            rigs += await stack.enter_async_context(connected(port, f"rig{number}"))
            await rigs[-1].job()
        for rig in rigs:
            assert (await rig.say(rig.find(await rig.job()))).reason is Reason.ACCEPTED
        heard = await pool.wait_heard(3)
        assert not pool.wrong
        assert len({each.share.extranonce[:-2] for each in heard}) == len(rigs)


async def test_a_third_proxy_says_what_to_do_where_there_is_no_room_for_it() -> None:
    async with FakePool(size=8) as pool, AsyncExitStack() as stack:
        pool.new_block()
        port = pool.port
        for _ in range(2):
            port = (await stack.enter_async_context(over_pools(port, rigs=ANY))).port
        third = await stack.enter_async_context(over_pools(port, rigs=ANY))
        await third.until(lambda: third.hub.problem != "")
        assert "extranonce.rollable = 6" in third.hub.problem
        assert "rigs_per_connection = 1" in third.hub.problem
