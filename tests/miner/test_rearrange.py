"""`Rearrangement`: new settings for a miner that runs."""

import asyncio
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest

from headframe.runtime.errors import ConfigError
from headframe.upstream.roster import Roster
from headframe.upstream.settings import UpstreamSettings
from miner.config import MinerConfig
from miner.devices import detect
from miner.fleet import Fleet
from miner.rearrange import LIVE, Rearrangement

POOL = UpstreamSettings(url="stratum+tcp://127.0.0.1:1", user="u", name="one")
OTHER = UpstreamSettings(url="stratum+tcp://127.0.0.1:2", user="u", name="two")
CONFIG = MinerConfig(upstreams=(POOL,), devices=("python", "cpu"), threads=1, kernel="python")


class Desk:
    """A miner's changeable parts, not running."""

    def __init__(self, folder: Path) -> None:
        self.roster = Roster(
            CONFIG.upstreams, CONFIG.pools, ids=count(1), journal=folder / "blocks", home=folder
        )
        self.fleet = Fleet(detect(CONFIG.devices, CONFIG.wishes()))
        self.rearrangement = Rearrangement(CONFIG, self.roster, self.fleet)

    async def change(self, **changes: Any) -> list[str]:
        config = msgspec.structs.replace(CONFIG, **changes)
        return [*(await self.rearrangement.prepare(config))()]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


async def test_the_same_settings_change_nothing(desk: Desk) -> None:
    before = desk.fleet.wanted
    assert await desk.change() == []
    assert desk.fleet.wanted == before


async def test_upstreams_change_and_devices_do_not_notice(desk: Desk) -> None:
    before = desk.fleet.wanted
    assert await desk.change(upstreams=(OTHER, POOL)) == ["two added"]
    assert desk.fleet.wanted is before
    members = desk.roster.group.status.get().members
    assert [each.source for each in members] == ["two", "one"]


async def test_a_device_changes_and_the_others_do_not_notice(desk: Desk) -> None:
    python, cpu = desk.fleet.wanted
    assert await desk.change(threads=2) == []
    assert desk.fleet.wanted[0] is python
    assert desk.fleet.wanted[1] is not cpu
    second = desk.fleet.wanted[1]
    await desk.change(threads=2, log=CONFIG.log)
    assert desk.fleet.wanted == (python, second), "the change is known, and made once"
    await desk.change(devices=("python",), threads=2)
    assert [*desk.fleet.wanted] == [python]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"upstreams": ()}, "no upstream"),
        ({"upstreams": (POOL, POOL)}, "two upstreams are called 'one'"),
        ({"devices": ("toaster",)}, "'toaster'"),
        ({"kernel": "shiny"}, "shiny"),
        ({"pin": "4096"}, "pin = '4096'"),
    ],
)
async def test_what_cannot_work_changes_neither_pools_nor_devices(
    desk: Desk, changes: dict[str, Any], words: str
) -> None:
    before = desk.fleet.wanted
    with pytest.raises(ConfigError, match=words):
        await desk.change(**{"upstreams": (OTHER,), "threads": 3, **changes})
    assert desk.fleet.wanted is before
    async with asyncio.timeout(20):
        assert await desk.change() == []


def test_what_may_change_are_settings() -> None:
    assert {*LIVE} <= {*MinerConfig.__struct_fields__}
