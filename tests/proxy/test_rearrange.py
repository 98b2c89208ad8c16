import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from headframe.runtime.errors import ConfigError
from headframe.runtime.settings import load
from headframe.runtime.settings_fields import all_keys
from proxy.building import Builder
from proxy.config import ProxyConfig
from proxy.doors import Doors
from proxy.rearrange import LIVE, Rearrangement
from proxy.routing import Routing

POOL = '{ url = "stratum+tcp://127.0.0.1:1", user = "u" }'
FRONT = '[[listeners]]\nname = "front"\nport = 0\n'
BASE = f"upstreams = [{POOL}]\n{FRONT}"
ROUTE = f'[[routes]]\nname = "b"\nupstreams = [{POOL}]\n'


class Desk:
    """A proxy without work, and its settings."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = self.read(BASE)
        self.builder = Builder(self.config, folder)
        self.routing: Routing = self.builder.routing(self.config)
        self.doors = Doors(self.routing)
        self.rearrangement = Rearrangement(self.builder, self.routing, self.doors)

    def read(self, text: str) -> ProxyConfig:
        file = self.folder / "proxy.toml"
        file.write_text(text)
        return load(ProxyConfig, path=file)

    async def put(self, text: str) -> list[str]:
        return [*(await self.rearrangement.prepare(self.read(text)))()]


@asynccontextmanager
async def desk(folder: Path) -> AsyncIterator[Desk]:
    one = Desk(folder)
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


async def test_what_hubs_are_told_changes_in_place(tmp_path: Path):
    async with desk(tmp_path) as one:
        hub = one.routing.first
        await one.put(f"grace_seconds = 7\n{BASE}")
        assert one.routing.first is hub
        assert hub.settings.grace_seconds == 7


def test_all_that_is_live_is_a_setting():
    assert set(LIVE) <= {key for key, _ in all_keys(ProxyConfig)}
