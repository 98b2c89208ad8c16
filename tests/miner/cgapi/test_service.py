"""The API over real sockets and a real roster; the whole miner is in test_app and in system."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from headframe.runtime.errors import ConfigError, PortInUseError
from headframe.upstream.options import PoolsSettings, StrategyName, UpstreamSettings
from headframe.upstream.roster import Roster
from miner.cgapi.service import ApiService
from miner.config import DEFAULT_API_PORT, ApiSettings
from tests.fakes.cgminer import STATUS, ask_json

UPSTREAMS = [UpstreamSettings(url=f"stratum+tcp://127.0.0.1:{n}", user="u") for n in (1, 2)]


class Desk:
    """A service, and what was asked of the miner."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.ended = 0
        pools = PoolsSettings(strategy=StrategyName.ROTATE)
        self.roster = Roster(UPSTREAMS, pools, ids=itertools.count(1), journal=folder / "blocks")
        self.service = ApiService(ApiSettings(**{"port": 0, **settings}), self.roster)

    def end(self) -> None:
        self.ended += 1

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[int]:
        async with asyncio.timeout(60), AsyncExitStack() as stack:
            place = await self.service.serve(stack, lambda: STATUS, self.end)
            yield int(place.rpartition(":")[2] or 0)


async def test_anybody_on_this_machine_may_read_by_default(tmp_path: Path) -> None:
    async with Desk(tmp_path).serving() as port:
        answer = await ask_json(port, "summary+config+pools")
        assert answer["summary"][0]["SUMMARY"][0]["Accepted"] == 12
        assert answer["config"][0]["CONFIG"][0]["Strategy"] == "Rotate"
        urls = [each["URL"] for each in answer["pools"][0]["POOLS"]]
        assert urls == [each.url for each in UPSTREAMS], "those in force, not those of the status"


async def test_nobody_may_write_by_default(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    async with desk.serving() as port:
        for command in ("quit", "switchpool", "privileged"):
            assert (await ask_json(port, command, "1"))["STATUS"][0]["Code"] == 45
    assert desk.ended == 0
    assert list(desk.roster.settings) == UPSTREAMS


async def test_who_may_write_changes_the_upstreams(tmp_path: Path) -> None:
    desk = Desk(tmp_path, write=("127.0.0.1",))
    async with desk.serving() as port:
        with capture_logs() as logs:
            assert (await ask_json(port, "switchpool", "1"))["STATUS"][0]["Code"] == 27
        assert list(desk.roster.settings) == UPSTREAMS[::-1]
        assert desk.roster.pools.strategy is StrategyName.ROTATE
        assert [each["event"] for each in logs] == ["api_changed_pools"]
        assert (await ask_json(port, "quit"))["STATUS"] == "BYE"
    assert desk.ended == 1


async def test_it_can_be_off(tmp_path: Path) -> None:
    async with Desk(tmp_path, enabled=False).serving() as port:
        assert port == 0


async def test_a_taken_port_of_its_own_is_an_error(tmp_path: Path) -> None:
    async with Desk(tmp_path).serving() as port:
        with pytest.raises(PortInUseError):
            async with Desk(tmp_path, port=port).serving():
                pass


async def test_the_usual_port_being_taken_is_told_and_mining_goes_on(tmp_path: Path) -> None:
    first, second = Desk(tmp_path, port=None), Desk(tmp_path, port=None)
    with capture_logs() as logs:
        async with first.serving() as port, second.serving() as none:
            assert port in {DEFAULT_API_PORT, 0}, "0: another program has it"
            assert none == 0
    assert "api_not_served" in [each["event"] for each in logs]


def test_who_may_ask_is_looked_at_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^api\.write: 'everybody' is no"):
        Desk(tmp_path, write=("everybody",))
