"""The miner's own rows of the API."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from headframe.runtime.web.openapi import describe
from headframe.upstream.options import PoolsSettings, StrategyName, UpstreamSettings
from headframe.upstream.roster import Roster
from miner.api import ENDPOINTS, actions_of, endpoints_of
from miner.cgapi.service import ApiService
from miner.config import ApiSettings
from miner.history import MinerHistory
from tests.contracts.source import running
from tests.fakes.pool import FakePool
from tests.fakes.webapi import TOKEN, operator, serving_rows


def service_of(
    folder: Path, *upstreams: UpstreamSettings, strategy: StrategyName = StrategyName.FAILOVER
) -> ApiService:
    pools = PoolsSettings(stable_seconds=600, strategy=strategy)
    roster = Roster(upstreams, pools, ids=count(1), journal=folder / "blocks", home=folder)
    return ApiService(ApiSettings(), roster)


def nowhere(name: str) -> UpstreamSettings:
    return UpstreamSettings(url="stratum+tcp://127.0.0.1:1", user="u", name=name)


@asynccontextmanager
async def asking(service: ApiService) -> AsyncIterator[Any]:
    rows = [*endpoints_of(MinerHistory(), service)]
    async with asyncio.timeout(60):
        async with serving_rows(rows, actions_of(None, service, TOKEN)) as session:
            yield session


async def switch(session: Any, pool: str) -> tuple[int, Any]:
    body = {"pool": pool}
    async with session.post("/api/v1/pools/switch", json=body, headers=operator) as answer:
        return answer.status, await answer.json()


async def listed(session: Any) -> Any:
    async with session.get("/api/v1/pools") as answer:
        [route] = (await answer.json())["routes"]
        return route


async def in_use(session: Any, pool: str) -> None:
    while (await listed(session))["in_use"] != pool:
        await asyncio.sleep(0.02)


async def test_another_pool_is_preferred_and_keeps_its_number(tmp_path: Path) -> None:
    async with asyncio.timeout(60), FakePool() as one, FakePool() as two:
        for pool in (one, two):
            pool.new_block()
        first, spare = (
            UpstreamSettings(url=f"stratum+tcp://127.0.0.1:{pool.port}", user="u", name=name)
            for name, pool in (("first", one), ("spare", two))
        )
        service = service_of(tmp_path, first, spare)
        async with running(service.roster.group), asking(service) as session:
            await in_use(session, "first")
            assert await switch(session, "spare") == (
                200,
                {"route": "", "pool": "spare", "order": ["spare", "first"], "in_use": "first"},
            )
            await in_use(session, "spare")
            told = await listed(session)
            assert (told["route"], told["preferred"], told["switchable"]) == ("", "spare", True)
            views = service.pools.view(())
            assert [(each.status.source, each.priority) for each in views] == [
                ("first", 1),
                ("spare", 0),
            ]
            assert (await switch(session, "first"))[0] == 200
            await in_use(session, "first")


@pytest.mark.parametrize(
    ("pool", "strategy", "error"),
    [
        ("third", StrategyName.FAILOVER, "there is no upstream 'third'"),
        ("spare", StrategyName.QUOTA, "the strategy is quota"),
    ],
)
async def test_what_cannot_be_switched_to_is_told(
    tmp_path: Path, pool: str, strategy: StrategyName, error: str
) -> None:
    service = service_of(tmp_path, nowhere("first"), nowhere("spare"), strategy=strategy)
    async with asking(service) as session:
        status, told = await switch(session, pool)
        assert status == 422
        assert error in told["error"]
        assert told["what_to_do"]
        assert (await listed(session))["preferred"] == "first"


async def test_a_pool_that_cannot_be_used_any_more_changes_nothing(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("hunter2")
    spare = UpstreamSettings(
        url="stratum+tcp://127.0.0.1:2", user="u", name="spare", password_file=str(secret)
    )
    service = service_of(tmp_path, nowhere("first"), spare)
    secret.unlink()
    async with asking(service) as session:
        status, told = await switch(session, "spare")
        assert (status, told["error"]) == (422, "it could not be done")
        assert (await listed(session))["preferred"] == "first"


def test_what_is_served_is_in_the_list_that_the_docs_are_made_of(tmp_path: Path) -> None:
    service = service_of(tmp_path, nowhere("first"))
    rows = [*endpoints_of(MinerHistory(), service), *actions_of(None, service, "").rows()]
    served = {(each.endpoint.method, each.endpoint.path) for each in rows}
    listed = {(each.method, each.path) for each in ENDPOINTS}
    assert served - listed == {("GET", "/api/v1/actions")}
    assert listed - served == {("POST", "/api/v1/reload")}
    assert [each.endpoint.path for each in endpoints_of(MinerHistory(), None)] == [
        "/api/v1/history"
    ]
    assert len([*actions_of(None, None, "").rows()]) == 1


def test_schemas_of_different_types_have_different_names() -> None:
    names = list(describe("x", "1", ENDPOINTS)["components"]["schemas"])
    assert not [name for name in names if "_" in name or "." in name]
