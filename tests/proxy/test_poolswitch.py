"""The proxy's upstreams over its API: over real pools, and with more than one connection."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from headframe.runtime.web import Actions
from headframe.upstream.options import PoolsSettings, StrategyName, UpstreamSettings
from proxy.building import Builder
from proxy.config import ProxyConfig
from proxy.poolswitch import SWITCH, pools_served, switching
from proxy.routing import Routing
from proxy.tables import RouteSettings
from tests.fakes.pool import FakePool
from tests.fakes.proxying import proxying
from tests.fakes.webapi import TOKEN, operator, serving_rows

STABLE = PoolsSettings(stable_seconds=600)


@asynccontextmanager
async def pools(*names: str) -> AsyncIterator[dict[str, UpstreamSettings]]:
    async with asyncio.timeout(60), FakePool() as one, FakePool() as two:
        for pool in (one, two):
            pool.new_block()
        yield {
            name: UpstreamSettings(url=f"stratum+tcp://127.0.0.1:{pool.port}", user="u", name=name)
            for name, pool in zip(names, (one, two), strict=True)
        }


@asynccontextmanager
async def running(config: ProxyConfig, folder: Path) -> AsyncIterator[Routing]:
    routing = Builder(config, folder).routing(config)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(routing.run())
        yield routing
        task.cancel()


async def switch(routing: Routing, **body: Any) -> tuple[int, Any]:
    actions = Actions({SWITCH: switching(routing)}, TOKEN)
    async with (
        serving_rows([], actions) as session,
        session.post("/api/v1/pools/switch", json=body, headers=operator) as answer,
    ):
        return answer.status, await answer.json()


async def listed(routing: Routing) -> Any:
    async with (
        serving_rows([pools_served(routing)]) as session,
        session.get("/api/v1/pools") as answer,
    ):
        return (await answer.json())["routes"]


async def in_use(routing: Routing, route: str, pool: str) -> None:
    while True:
        rows = {row["route"]: row for row in await listed(routing)}
        if rows[route]["in_use"] == pool:
            return
        await asyncio.sleep(0.02)


async def test_another_pool_is_preferred_and_taken_at_once(tmp_path: Path) -> None:
    async with pools("first", "spare") as given:
        config = ProxyConfig(upstreams=tuple(given.values()), pools=STABLE)
        async with running(config, tmp_path) as routing:
            await in_use(routing, "default", "first")
            with capture_logs() as logs:
                status, told = await switch(routing, pool="spare")
            assert (status, told) == (
                200,
                {
                    "route": "default",
                    "pool": "spare",
                    "order": ["spare", "first"],
                    "in_use": "first",
                },
            )
            assert [log["pool"] for log in logs if log["event"] == "pool_preferred"] == ["spare"]
            await in_use(routing, "default", "spare")
            [row] = await listed(routing)
            assert row["preferred"] == "spare"
            assert [pool["pool"] for pool in row["pools"]] == ["spare", "first"]
            assert (await switch(routing, pool="first"))[0] == 200
            await in_use(routing, "default", "first")


async def test_a_pool_is_found_on_its_route_and_the_others_stay(tmp_path: Path) -> None:
    async with pools("a1", "b1") as given:
        more = UpstreamSettings(url="stratum+tcp://127.0.0.1:1", user="u", name="b2")
        config = ProxyConfig(
            routes=(
                RouteSettings(name="a", upstreams=(given["a1"],)),
                RouteSettings(name="b", upstreams=(given["b1"], more)),
            ),
            pools=STABLE,
        )
        async with running(config, tmp_path) as routing:
            await in_use(routing, "b", "b1")
            status, told = await switch(routing, pool="b2")
            assert (status, told["route"], told["order"]) == (200, "b", ["b2", "b1"])
            rows = {row["route"]: row["preferred"] for row in await listed(routing)}
            assert rows == {"a": "a1", "b": "b2"}
            await in_use(routing, "b", "b1")  # the other one is down


async def test_further_connections_of_the_route_follow(tmp_path: Path) -> None:
    async with pools("first", "spare") as given:
        config = ProxyConfig(upstreams=tuple(given.values()), pools=STABLE)
        async with running(config, tmp_path) as routing:
            await in_use(routing, "default", "first")
            shards = routing.routes["default"].shards
            assert shards is not None
            shard = shards._another()
            assert shard is not None
            await switch(routing, pool="spare")
            [opened] = shards._open.values()
            assert opened.roster is not None
            assert [each.name for each in opened.roster.settings] == ["spare#2", "first#2"]


@pytest.mark.parametrize(
    ("pool", "error", "what_to_do"),
    [
        ("third", "there is no upstream 'third'", "known: first, spare"),
        ("spare", "route default: the strategy is rotate", "settings"),
    ],
)
async def test_what_cannot_be_switched_to_is_told(
    tmp_path: Path, pool: str, error: str, what_to_do: str
) -> None:
    upstreams = tuple(
        UpstreamSettings(url="stratum+tcp://127.0.0.1:1", user="u", name=name)
        for name in ("first", "spare")
    )
    config = ProxyConfig(upstreams=upstreams, pools=PoolsSettings(strategy=StrategyName.ROTATE))
    routing = Builder(config, tmp_path).routing(config)
    status, told = await switch(routing, pool=pool)
    assert status == 422
    assert error in told["error"]
    assert what_to_do in told["what_to_do"]
    [row] = await listed(routing)
    assert (row["switchable"], row["preferred"]) == (False, "first")


async def test_a_secret_that_is_gone_is_told_and_nothing_changes(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("hunter2")
    first = UpstreamSettings(url="stratum+tcp://127.0.0.1:1", user="u", name="first")
    spare = UpstreamSettings(
        url="stratum+tcp://127.0.0.1:2", user="u", name="spare", password_file=str(secret)
    )
    config = ProxyConfig(upstreams=(first, spare))
    routing = Builder(config, tmp_path).routing(config)
    secret.unlink()
    status, told = await switch(routing, pool="spare")
    assert status == 422
    assert "password" in told["error"]
    assert "hunter2" not in str(told)
    [row] = await listed(routing)
    assert row["preferred"] == "first"


async def test_a_source_without_settings_has_nothing_to_switch() -> None:
    async with proxying() as proxy:
        status, told = await switch(proxy.routing, pool="x")
        assert (status, told["what_to_do"]) == (422, "none can be switched to here")
        [row] = await listed(proxy.routing)
        assert not row["switchable"]


async def test_strangers_switch_nothing(tmp_path: Path) -> None:
    async with proxying() as proxy:
        actions = Actions({SWITCH: switching(proxy.routing)}, TOKEN)
        async with (
            serving_rows([], actions) as session,
            session.post("/api/v1/pools/switch", json={"pool": "x"}) as answer,
        ):
            assert answer.status == 401
            assert set(await answer.json()) == {"error", "what_to_do"}
