"""The page in a real browser, over few rigs and many, with a history and actions."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from headframe.runtime.clock import wall_seconds
from headframe.runtime.web import Actions, Answer, WebServer
from headframe.runtime.web.common import RELOAD, Nothing
from proxy.access import BAN, KICK, KickAsked
from proxy.history import Batch, Figures, Rollup
from proxy.history_api import history_served
from proxy.history_file import HistoryFile
from proxy.rigview import RigView, rigs_served
from tests.fakes.browser import browsing
from tests.fakes.crowd import Crowd

pytestmark = pytest.mark.slow

TOKEN = "a token of the test"
MINUTES = 30
RIG = "farm.rig00002"

Evaluate = Callable[[str], Awaitable[Any]]


class Desk:
    """What the page asked to be changed."""

    def __init__(self) -> None:
        self.asked: list[object] = []

    async def act(self, given: object) -> Answer:
        self.asked.append(given)
        return Answer(details={"closed": 1})


def write_history(path: Path) -> None:
    """Let one rig have had 1 PH/s for half an hour, until two minutes ago."""
    first = wall_seconds() // 60 * 60 - (MINUTES + 2) * 60
    figures = Figures(offered=1, accepted=1, work_offered=60 * 10**15, work_accepted=60 * 10**15)
    with closing(HistoryFile.open(path)) as file:
        for minute in range(MINUTES):
            rollups = [Rollup(RIG, figures)]
            file.write([Batch(route="default", at=first + 60 * minute, rollups=rollups)])


@asynccontextmanager
async def opened(
    folder: Path, count: int, token: str = TOKEN, place: str = ""
) -> AsyncIterator[tuple[Evaluate, Desk]]:
    """Open the page of a proxy with so many rigs."""
    view, desk, path = RigView(Crowd(count)), Desk(), folder / "proxy.sqlite"
    write_history(path)
    server = WebServer(
        "127.0.0.1",
        0,
        status=lambda: {
            "program": "proxy",
            "rigs_total": count,
            "hashrate_hps": view.hps,
            "lifetime": {"problem": ""},
        },
        metrics=bytes,
        healthy=lambda: True,
        title="Headframe proxy",
        endpoints=[rigs_served(view), history_served(path)],
        actions=Actions({KICK: desk.act, BAN: desk.act, RELOAD: desk.act}, token),
        interval_seconds=0.2,
    )
    async with (
        asyncio.timeout(60),
        server,
        browsing(folder / "profile", server.url) as evaluate,
    ):
        await until(evaluate, "document.querySelector('#rigs-states button') !== null")
        await evaluate(f"location.hash = {place!r}")
        yield evaluate, desk


async def until(evaluate: Evaluate, condition: str) -> None:
    """Wait until something holds in the page."""
    await evaluate(
        f"new Promise(done => {{ const look = () => ({condition}) ? done() : setTimeout(look, 20);"
        " look(); })"
    )


def words(selector: str) -> str:
    return f"[...document.querySelectorAll({selector!r})].map(each => each.innerText)"


NAMES = "#rigs-table tbody td:first-child"


@pytest.mark.parametrize("count", [1, 50, 10_000])
async def test_rigs_are_shown_a_page_at_a_time(tmp_path: Path, count: int):
    async with opened(tmp_path, count) as (evaluate, _):
        await until(evaluate, f"{words(NAMES)}.length === {min(count, 50)}")
        assert (await evaluate(words("#rigs-states button")))[0] == f"all {count:,}".replace(
            ",", "\u202f"
        )
        assert await evaluate("document.getElementById('rigs-pages').hidden") is (count <= 50)
        await evaluate("document.querySelector('#rigs-table th button').click()")
        await until(evaluate, f"{words(NAMES)}[0] === 'farm.rig00000'")
        if count > 50:
            await evaluate("document.getElementById('rigs-after').click()")
            await until(evaluate, f"{words(NAMES)}[0] === 'farm.rig00050'")
            told = await evaluate("document.getElementById('rigs-place').innerText")
            assert told == "51 to 100 of 10\u202f000"


async def test_rigs_are_found_by_the_server(tmp_path: Path):
    async with opened(tmp_path, 10_000) as (evaluate, _):
        await evaluate(
            "{ const field = document.getElementById('rigs-search'); field.value = 'RIG0999';"
            " field.dispatchEvent(new Event('input')); }"
        )
        await until(evaluate, f"{words(NAMES)}.length === 10")
        await evaluate("[...document.querySelectorAll('#rigs-states button')].at(-1).click()")
        await until(evaluate, f"{words('#rigs-table tbody td.state')}.every(e => e === 'invalid')")
        assert 1 <= len(await evaluate(words(NAMES))) <= 2


async def test_one_rig_has_its_history_and_what_is_known_of_it(tmp_path: Path):
    async with opened(tmp_path, 50, place=f"#rig={RIG}") as (evaluate, desk):
        await until(evaluate, "document.querySelector('#rig-chart canvas') !== null")
        label = await evaluate("document.getElementById('rig-chart').ariaLabel")
        assert "between 0 H/s and 1 PH/s" in label, "it is silent since two minutes ago"
        await until(evaluate, f"{words('#rig-table tbody tr')}.length === 1")
        assert "known firmware: nerdminer" in await evaluate(words("#rig-notes li"))
        await evaluate("document.querySelector('#spans button:nth-child(2)').click()")
        await until(evaluate, "document.getElementById('chart').ariaLabel.includes('PH/s')")
        await evaluate("document.getElementById('rig-close').click()")
        await until(evaluate, "document.getElementById('rig').hidden")
    assert desk.asked == []


async def test_changes_need_the_token_that_is_typed_in(tmp_path: Path):
    said = "document.getElementById('operator-said').innerText"
    kick = "document.getElementById('rig-kick').click()"
    async with opened(tmp_path, 1, place="#rig=farm.rig00000") as (evaluate, desk):
        await until(evaluate, "!document.getElementById('rig-actions').hidden")
        await evaluate(kick)
        await until(evaluate, f"{said}.includes('Type the token')")
        for token, expected in (("wrong", "no valid token"), (TOKEN, "Connections closed: 1")):
            await evaluate(
                f"document.getElementById('operator-token').value = {token!r};"
                "document.querySelector('#operator-form button').click()"
            )
            await evaluate(kick)
            await until(evaluate, f"{said}.includes({expected!r})")
        await evaluate("document.getElementById('operator-reload').click()")
        await until(evaluate, f"{said}.startsWith('reload: done')")
    assert desk.asked == [KickAsked(user="farm.rig00000"), Nothing()]


async def test_nothing_to_change_is_shown_where_no_token_is_set(tmp_path: Path):
    async with opened(tmp_path, 1, token="", place="#rig=farm.rig00000") as (evaluate, _):
        await until(evaluate, f"{words('#rig-table tbody tr')}.length === 1")
        hidden = "['operator', 'rig-actions'].every(id => document.getElementById(id).hidden)"
        assert await evaluate(hidden) is True


async def test_all_that_can_be_used_can_be_reached_by_keyboard_and_has_a_name(tmp_path: Path):
    lacking = """[...document.querySelectorAll('button, input, select, a')]
        .filter(each => each.tabIndex !== 0 ||
            !(each.innerText || each.ariaLabel || each.labels?.length || each.value))
        .map(each => each.outerHTML)"""
    async with opened(tmp_path, 50) as (evaluate, _):
        await until(evaluate, f"{words(NAMES)}.length === 50")
        await evaluate("document.getElementById('operator').open = true")
        assert (
            await evaluate(
                lacking.replace(".filter(", ".filter(each => each.checkVisibility()).filter(")
            )
            == []
        )
