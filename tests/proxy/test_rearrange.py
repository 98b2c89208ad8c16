import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from headframe.runtime.errors import ConfigError
from headframe.runtime.settings import load
from headframe.runtime.settings_fields import all_keys
from headframe.upstream.blockdesk import DeskOptions
from proxy.building import Builder
from proxy.chronicle import Chronicle
from proxy.config import ProxyConfig
from proxy.doors import Doors
from proxy.leftovers import Leftovers
from proxy.rearrange import LIVE, Rearrangement
from proxy.routing import Routing
from proxy.store import Store
from tests.proxy.test_hub import Guest

POOL = '{ url = "stratum+tcp://127.0.0.1:1", user = "u" }'
FRONT = '[[listeners]]\nname = "front"\nport = 0\n'
BASE = f"upstreams = [{POOL}]\n{FRONT}"
ROUTE = f'[[routes]]\nname = "b"\nupstreams = [{POOL}]\n'


class Desk:
    """A proxy without work, and its settings."""

    def __init__(self, folder: Path, text: str = BASE) -> None:
        self.folder = folder
        self.config = self.read(text)
        self.builder = Builder(self.config, folder)
        self.routing: Routing = self.builder.routing(self.config)
        self.doors = Doors(self.routing)
        self.chronicle = Chronicle(self.routing, Store(folder / "history.sqlite"))
        self.leftovers = Leftovers(folder, self.routing, DeskOptions())
        self.rearrangement = Rearrangement(
            self.builder, self.routing, self.doors, self.chronicle, self.leftovers
        )

    def read(self, text: str) -> ProxyConfig:
        file = self.folder / "proxy.toml"
        file.write_text(text)
        return load(ProxyConfig, path=file)

    async def put(self, text: str) -> list[str]:
        return [*(await self.rearrangement.prepare(self.read(text)))()]


@asynccontextmanager
async def desk(folder: Path) -> AsyncIterator[Desk]:
    async with running(Desk(folder)) as one:
        yield one


@asynccontextmanager
async def running(one: Desk) -> AsyncIterator[Desk]:
    (await one.doors.prepare(one.config.all_listeners(), {}))()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(one.routing.run())
        yield one
        await one.doors.close()
        task.cancel()


async def test_routes_rules_and_listeners_change(tmp_path: Path):
    async with desk(tmp_path) as one:
        assert await one.put(BASE) == []
        rules = '[[rules]]\nroute = "b"\nlogin = "x"\n'
        back = '[[listeners]]\nname = "back"\nport = 0\n'
        words = await one.put(BASE + back + ROUTE + rules)
        assert words == ["route b added", "rules", "listener back opened"]
        assert list(one.routing.routes) == ["default", "b"]
        assert len(one.routing.router.rules) == 1
        words = await one.put(BASE + ROUTE.replace(":1", ":2"))
        assert words == [
            "route b: b/127.0.0.1:1 removed",
            "route b: b/127.0.0.1:2 added",
            "rules",
            "listener back closed",
        ]
        assert await one.put(BASE) == ["route b removed"]
        assert list(one.routing.routes) == ["default"]


async def test_what_is_new_of_a_route_is_told(tmp_path: Path):
    async with running(Desk(tmp_path, BASE + ROUTE)) as one:
        more = "max_rigs = 3\nverdict = 'pool'\nnames.mode = 'passthrough'\n"
        words = ["route b: names", "route b: verdict: None -> pool", "route b: max_rigs: None -> 3"]
        assert await one.put(BASE + ROUTE + more) == words
        assert one.routing.routes["b"].hub.settings.max_rigs == 3
        assert await one.put(BASE + ROUTE + more.replace("3", "2")) == ["route b: max_rigs: 3 -> 2"]


async def test_settings_that_cannot_work_change_nothing(tmp_path: Path):
    async with desk(tmp_path) as one:
        before = (one.routing.routes, one.routing.router, one.doors.listeners)
        for bad in (
            BASE + '[[rules]]\nroute = "nowhere"\n',
            BASE + ROUTE + f'[[listeners]]\nname = "x"\nport = {one.doors.listeners[0].port}\n',
        ):
            with pytest.raises(ConfigError):
                await one.put(bad)
        assert (one.routing.routes, one.routing.router, one.doors.listeners) == before
        assert await one.put(BASE + ROUTE) == ["route b added"]


async def test_new_upstreams_are_those_of_every_connection(tmp_path: Path):
    terms = f"{BASE}[extranonce]\nrigs_per_connection = 1\n"
    one = Desk(tmp_path, terms)
    async with running(one):
        route = one.routing.routes["default"]
        assert route.shards is not None
        route.hub.join(Guest())
        async with asyncio.timeout(20):
            while (other := route.pick(None)) is route.hub:
                await asyncio.sleep(0)  # it has not begun to run
        other.join(Guest())
        assert [hub.source.status.get().source for hub in route.hubs] == [
            "127.0.0.1:1",
            "127.0.0.1:1#2",
        ]
        await one.put(terms.replace(":1", ":2"))
        for hub, name in zip(route.hubs, ("127.0.0.1:2", "127.0.0.1:2#2"), strict=True):
            async for status in hub.source.status:
                if [each.source for each in status.members] == [name]:
                    break
    assert route.hubs == (route.hub,)


async def test_what_hubs_are_told_changes_in_place(tmp_path: Path):
    async with desk(tmp_path) as one:
        hub = one.routing.first
        await one.put(f"grace_seconds = 7\n{BASE}")
        assert one.routing.first is hub
        assert hub.settings.grace_seconds == 7


def test_all_that_is_live_is_a_setting():
    assert set(LIVE) <= {key for key, _ in all_keys(ProxyConfig)}


async def test_bans_change(tmp_path: Path):
    async with desk(tmp_path) as one:
        assert await one.put('bans = ["192.0.2.0/24"]\n' + BASE) == ["bans"]
        assert one.routing.bans.find("192.0.2.9", 0.0) is not None
        with pytest.raises(ConfigError, match="bans: 'home' does not appear"):
            await one.put('bans = ["home"]\n' + BASE)
        assert one.routing.bans.find("192.0.2.9", 0.0) is not None
        assert await one.put(BASE) == ["bans"]


async def test_what_is_done_for_blocks_changes_in_place(tmp_path: Path):
    async with desk(tmp_path) as one:
        route = one.routing.routes["default"]
        assert route.roster is not None
        roster = route.roster

        def nodes() -> int:
            return len(roster.desk.dispatch.clients)

        assert nodes() == 0
        node = 'submit_to = ["bitcoind+http://u:p@127.0.0.1:1"]'
        await one.put(f"{BASE}[blocks]\n{node}\n")
        assert nodes() == 1
        with pytest.raises(ConfigError, match="hook is no URL"):
            await one.put(f'{BASE}[blocks]\nhook = "nonsense"\n')
        assert nodes() == 1
        await one.put(f'{BASE}[blocks]\nhook = "http://127.0.0.1:1/"\n')
        assert nodes() == 0
