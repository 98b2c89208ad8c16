"""A proxy with routes whose file is edited while rigs mine: the program, two pools, real rigs."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from headframe.chain.job import Job
from headframe.chain.share import Reason
from headframe.chain.target import MAX_TARGET, Target
from tests.fakes.pool import FakePool, Heard
from tests.fakes.ports import free_port
from tests.fakes.programs import Program, headframe, until
from tests.fakes.rig import Rig, connected

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

EASY = Target(MAX_TARGET >> 8)
TOKEN = "0123456789abcdef"


@pytest.fixture
async def pools() -> AsyncIterator[tuple[FakePool, FakePool]]:
    async with (
        FakePool(extranonce1=b"\x01\x02", size=8) as one,
        FakePool(extranonce1=b"\x03\x04", size=8) as two,
    ):
        one.new_block(target=EASY)
        two.new_block(target=EASY)
        yield one, two


class Desk:
    """A proxy, its file, and what it said of reloads."""

    def __init__(self, program: Program, file: Path) -> None:
        self.program = program
        self.file = file

    def reloads(self) -> list[dict[str, Any]]:
        lines = [json.loads(each) for each in self.program.log().splitlines() if each[:1] == "{"]
        names = {"config_reloaded", "config_not_reloaded"}
        return [line for line in lines if line["event"] in names]

    async def hang_up(self, text: str) -> dict[str, Any]:
        """Write the file, send SIGHUP, and return what the log says of it."""
        count = len(self.reloads())
        self.file.write_text(text)
        self.program.child.process.send_signal(signal.SIGHUP)
        await until(lambda: len(self.reloads()) > count, "a word on the reload", self.program)
        return self.reloads()[-1]

    async def call(self, name: str, token: str = TOKEN, **body: object) -> tuple[int, Any]:
        """Ask for an action over HTTP."""
        url = f"http://127.0.0.1:{self.program.web}/api/v1/{name}"
        headers = {"Authorization": f"Bearer {token}"}
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, headers=headers, json=body) as answer,
        ):
            return answer.status, await answer.json()

    async def rigs(self) -> dict[str, str]:
        """Which rig is on which route, by the status."""
        return {each["user"]: each["route"] for each in (await self.program.status())["rigs"]}


@asynccontextmanager
async def serving(folder: Path, text: str) -> AsyncIterator[Desk]:
    file = folder / "proxy.toml"
    file.write_text(text)
    async with headframe("proxy", "--config", str(file), folder=folder) as program:
        yield Desk(program, file)


def listener(name: str, port: int) -> str:
    return f'[[listeners]]\nname = "{name}"\nport = {port}\n'


def route(name: str, pool: FakePool, more: str = "") -> str:
    url = f"stratum+tcp://127.0.0.1:{pool.port}"
    return (
        f'[[routes]]\nname = "{name}"\n{more}'
        f'[[routes.upstreams]]\nurl = "{url}"\nuser = "{name}.site"\n'
    )


def rule(name: str, **fits: str) -> str:
    lines = "".join(f'{key} = "{value}"\n' for key, value in fits.items())
    return f'[[rules]]\nroute = "{name}"\n{lines}'


HEAD = f'[vardiff]\nstart = 4.6e-10\n[web]\ntoken = "{TOKEN}"\n'


async def mined(rig: Rig, pool: FakePool) -> Job:
    """Have a share of a rig reach a pool; return the job that it was for."""
    before = len(pool.heard.get())
    job = await rig.job()
    async with asyncio.timeout(60):
        while len(pool.heard.get()) == before:
            job = await rig.job()
            await rig.say(rig.find(job, at_most=EASY))
        await pool.wait_heard(before + 1)
    return job


def ensure_flawless(heard: Sequence[Heard]) -> None:
    assert {each.truth for each in heard} == {Reason.ACCEPTED}
    assert len({each.share for each in heard}) == len(heard), "no share twice"


async def test_rules_route_rigs_and_a_reload_moves_only_those_that_must(
    pools: tuple[FakePool, FakePool], tmp_path: Path
) -> None:
    one, two = pools
    front, back = free_port(), free_port()
    doors = listener("front", front) + listener("back", back)
    routes = route("a", one) + route(
        "b", two, 'names = { mode = "template", template = "b.{rig}" }\n'
    )
    by_login, by_door = rule("b", login="two.*"), rule("b", listener="back")
    async with serving(tmp_path, HEAD + doors + routes + by_login + by_door) as desk:
        async with (
            connected(front, "one.x", "two.x") as [stays, moves],
            connected(back, "three.x") as [third],
        ):
            await mined(stays, one)
            await mined(moves, two)
            await mined(third, two)
            await seen_at(desk, {"one.x": "a", "two.x": "b", "three.x": "b"})
            assert {each.worker for each in two.heard.get()} == {"b.x"}
            assert {each.worker for each in one.heard.get()} == {"a.site"}
            places = [each.core.extranonce1 for each in (stays, moves, third)]
            shown = stays.jobs.serial

            told = await desk.hang_up(HEAD + doors + routes + by_door)
            assert told["changed"] == "rules", told
            await until(lambda: moved(desk, "two.x", "a"), "the move", desk.program)
            await mined(moves, one)
            assert stays.jobs.serial == shown, "not even a job was shown again"
            assert [each.core.extranonce1 for each in (stays, moves, third)] == places
            assert not any(each.lost for each in (stays, moves, third))

            bad = await desk.hang_up(HEAD + doors + routes + rule("nowhere", login="x"))
            assert "no such route" in bad["error"]
            await seen_at(desk, {"one.x": "a", "two.x": "a", "three.x": "b"})

            desk.file.write_text(HEAD + listener("front", front) + route("a", one))
            status, answer = await desk.call("reload")
            assert (status, answer["needs_a_restart"]) == (200, []), answer
            assert "route b removed" in answer["changed"]
            await third.closed()
            await mined(stays, one)
            await mined(moves, one)
            assert (one.connections.get(), stays.lost, moves.lost) == (1, False, False)
        shares = (await desk.program.status())["pool"]
        assert shares["lost"] == 0
        assert not shares["refused"]
    ensure_flawless(one.heard.get())
    ensure_flawless(two.heard.get())


async def seen_at(desk: Desk, places: dict[str, str]) -> None:
    """Wait until the status tells these rigs on these routes: it looks once a second."""

    async def told() -> bool:
        return await desk.rigs() == places

    await until(told, f"the status to tell {places}", desk.program)


async def moved(desk: Desk, user: str, name: str) -> bool:
    return (await desk.rigs()).get(user) == name
