"""The page in a real browser, over few rigs and many, with a history and actions."""

import json
from pathlib import Path

import pytest

from tests.fakes.browser import Tab
from tests.fakes.pages import RIG, TOKEN, opened, until, words

pytestmark = pytest.mark.slow

NAMES = "#rigs-table tbody td:first-child"
KICK = "document.getElementById('rig-kick').click()"
SAID = "document.getElementById('toast').innerText"


@pytest.mark.parametrize("count", [1, 50, 10_000])
async def test_rigs_are_shown_a_page_at_a_time(tmp_path: Path, count: int):
    async with opened(tmp_path, count) as (tab, _):
        await until(tab, f"{words(NAMES)}.length === {min(count, 50)}")
        told = f"all {count:,}".replace(",", "\u202f")
        assert (await tab(words("#rigs-states button")))[0] == told
        assert await tab("document.getElementById('rigs-pages').hidden") is (count <= 50)
        await tab("document.querySelector('#rigs-table th button').click()")
        await until(tab, f"{words(NAMES)}[0] === 'farm.rig00000'")
        if count > 50:
            await tab("document.getElementById('rigs-after').click()")
            await until(tab, f"{words(NAMES)}[0] === 'farm.rig00053'")
            place = await tab("document.getElementById('rigs-place').innerText")
            assert place == "51 to 100 of 10\u202f000"


async def test_the_states_have_the_words_of_operators(tmp_path: Path):
    async with opened(tmp_path, 50) as (tab, _):
        await until(tab, f"{words(NAMES)}.length === 50")
        told = [each.rpartition(" ") for each in await tab(words("#rigs-states button"))]
        assert [state for state, _, _ in told] == [
            "all",
            "connecting",
            "hashing",
            "silent",
            "invalid only",
        ]
        assert sum(int(count) for _, _, count in told[1:]) == 50
        nameless = f"{words(NAMES)}.filter(name => name === 'no name yet').length === 3"
        await until(tab, nameless)


async def test_rigs_are_found_by_the_server(tmp_path: Path):
    async with opened(tmp_path, 10_000) as (tab, _):
        await tab(
            "{ const field = document.getElementById('rigs-search'); field.value = 'RIG0999';"
            " field.dispatchEvent(new Event('input')); }"
        )
        await until(tab, f"{words(NAMES)}.length === 9")
        await tab("[...document.querySelectorAll('#rigs-states button')].at(-1).click()")
        bad = "#rigs-table tbody td.state"
        await until(tab, f"{words(bad)}.every(each => each === 'invalid only')")
        assert 1 <= len(await tab(words(NAMES))) <= 2


@pytest.mark.parametrize(
    ("field", "value", "found"), [("route", "lease", 16), ("listener", "container", 10)]
)
async def test_rigs_are_picked_by_route_and_listener(
    tmp_path: Path, field: str, value: str, found: int
):
    async with opened(tmp_path, 50) as (tab, _):
        await until(tab, f"{words(NAMES)}.length === 50")
        await tab(
            f"{{ const list = document.getElementById('rigs-{field}'); list.value = {value!r};"
            " list.dispatchEvent(new Event('change')); }"
        )
        await until(tab, f"{words(NAMES)}.length === {found}")


async def test_one_rig_has_its_history_and_what_is_known_of_it(tmp_path: Path):
    async with opened(tmp_path, 50, place=f"#rig={RIG}") as (tab, desk):
        await until(tab, "document.querySelector('#rig-chart canvas') !== null")
        label = await tab("document.querySelector('#rig-chart .plot').ariaLabel")
        assert "between 0 H/s and 1 PH/s" in label, "it is silent since two minutes ago"
        sums = await tab("document.getElementById('rig-sums').innerText")
        assert "270 good shares" in sums
        assert sums.endswith("30 refused (10.0 %), stale 30")
        await until(tab, f"{words('#rig-table tbody tr')}.length === 1")
        notes = await tab(words("#rig-notes li"))
        assert "known firmware: nerdminer" in notes
        assert "came to the listener hall" in notes
        await tab("document.getElementById('rig-close').click()")
        await until(tab, "!document.getElementById('rig').open && location.hash === ''")
    assert desk.asked == []


async def test_the_chart_begins_with_what_was_kept(tmp_path: Path):
    async with opened(tmp_path) as (tab, _):
        label = "document.querySelector('#chart .plot').ariaLabel"
        await until(tab, f"{label}.includes('1 PH/s')")
        await until(tab, "document.getElementById('efficiency-now').innerText === '90.0 %'")
        await tab("document.querySelector('#spans button:last-child').click()")
        await until(tab, "document.querySelector('#chart').innerText.includes('nothing is kept')")
        pressed = "document.querySelector('#spans [aria-pressed=true]').innerText"
        assert await tab(pressed) == "30 days"


async def test_shares_are_told_by_reason(tmp_path: Path):
    async with opened(tmp_path) as (tab, _):
        await until(tab, f"{words('#shares-table tbody tr')}.length === 3")
        rows = await tab(words("#shares-table tbody tr"))
        assert [row.split("\t")[:2] for row in rows] == [
            ["stale", "the proxy"],
            ["duplicate", "the proxy"],
            ["stale", "the upstream"],
        ]
        assert [row.split("\t")[3:] for row in rows] == [
            ["90", "9 %"],
            ["10", "1 %"],
            ["1", "0.1 %"],
        ]
        column = "#shares-table tbody td:nth-child(3)"
        await until(tab, f"{words(column)}.join() === '30,0,–'")  # noqa: RUF001 - no hyphen
        assert "1 hour" in await tab(words("#shares-table th"))
        label = "document.querySelector('#shares-chart .plot').ariaLabel"
        await until(tab, f"{label} === 'Shares refused here, by reason: stale up to 1 a min'")
        assert await tab(words("#shares-chart .legend span")) == ["stale"]


async def confirm(tab: Tab, token: str | None = None) -> None:
    if token is not None:
        await tab(f"document.getElementById('ask-token').value = {token!r}")
    await tab("document.getElementById('ask-yes').click()")


async def test_changes_need_the_token_that_is_typed_in(tmp_path: Path):
    problem = "document.getElementById('ask-problem').innerText"
    async with opened(tmp_path, place="#rig=farm.rig00000") as (tab, desk):
        await until(tab, "document.querySelector('#rig-kick:not([hidden]):enabled') !== null")
        await tab(KICK)
        await until(tab, "document.getElementById('ask').open")
        title = await tab("document.getElementById('ask-title').innerText")
        assert title == "Send farm.rig00000 away?"
        await confirm(tab, "wrong")
        await until(tab, f"{problem}.startsWith('Not done.')")
        assert desk.asked == []
        await confirm(tab, TOKEN)
        await until(tab, f"{SAID}.includes('Connections closed: 1')")
        assert await tab("document.getElementById('ask').open") is False
        kept = await tab("JSON.stringify([{...sessionStorage}, {...localStorage}])")
        assert json.loads(kept) == [{"headframe-token": TOKEN}, {}]
        await tab("document.getElementById('reload').click()")
        assert await tab("document.getElementById('ask-token-row').hidden") is True
        await confirm(tab)
        await until(tab, f"{problem} === 'Not done. proxy.toml:3: bogus: mend it'")
        await tab("document.getElementById('forget').click()")
        assert await tab("sessionStorage.length") == 0
    assert desk.asked == [("kick", {"user": "farm.rig00000", "address": None}), ("reload", {})]


async def test_an_address_is_banned_and_let_in_again(tmp_path: Path):
    async with opened(tmp_path, place="#rig=farm.rig00000") as (tab, desk):
        await tab(f"sessionStorage.setItem('headframe-token', {TOKEN!r})")
        await until(tab, "document.querySelector('#rig-ban:not([hidden]):enabled') !== null")
        await tab("document.getElementById('rig-ban').click()")
        assert await tab("document.querySelector('#ask-fields input').value") == "10.0.0.0"
        await tab("document.querySelector('#ask-fields select').value = '600'")
        await confirm(tab)
        await until(tab, f"{SAID}.startsWith('Ban: done')")
        await tab("document.getElementById('rig-close').click()")
        lift = "document.querySelectorAll('#bans-table tbody button:not([hidden])')"
        await until(tab, f"{lift}.length === 1")
        await tab(f"{lift}[0].click()")
        await confirm(tab)
        await until(tab, f"{words('#bans-table tbody tr')}.length === 1")
    assert desk.asked == [
        ("ban", {"address": "10.0.0.0", "seconds": 600, "why": "by the operator"}),
        ("unban", {"address": "192.0.2.7"}),
    ]


async def test_another_upstream_is_switched_to(tmp_path: Path):
    button = "#pools-table tbody button:not([hidden])"
    async with opened(tmp_path) as (tab, desk):
        await tab(f"sessionStorage.setItem('headframe-token', {TOKEN!r})")
        await until(tab, f"document.querySelectorAll({button!r}).length === 1")
        assert await tab(f"document.querySelector({button!r}).ariaLabel") == "Switch to spare"
        await tab(f"document.querySelector({button!r}).click()")
        await confirm(tab)
        await until(tab, f"{SAID}.includes('In use until it has work: first')")
        await until(tab, f"document.querySelector({button!r})?.ariaLabel === 'Switch to first'")
    assert desk.asked == [("pools/switch", {"pool": "spare"})]


async def test_nothing_to_change_is_shown_where_no_token_is_set(tmp_path: Path):
    async with opened(tmp_path, token="", place="#rig=farm.rig00000") as (tab, _):
        await until(tab, f"{words('#rig-table tbody tr')}.length === 1")
        await until(tab, "!document.getElementById('changes-how').hidden")
        shown = """['rig-kick', 'rig-ban', 'ban', 'reload', 'forget'].filter(
            id => !document.getElementById(id).hidden)"""
        assert await tab(shown) == []
        buttons = "[...document.querySelectorAll('tbody button:not([hidden])')].length"
        assert await tab(buttons) == 0
