"""The page over time: events as they come, a program that goes and comes back, and speed."""

import asyncio
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from headframe.runtime.clock import wall_seconds
from headframe.runtime.events import EventRing
from headframe.runtime.web import WebServer
from tests.fakes.browser import Tab, browsing
from tests.fakes.pages import (
    RIG,
    TOKEN,
    Desk,
    happen,
    json_served,
    opened,
    serving,
    until,
    words,
)
from tests.fakes.ports import free_port
from tests.fakes.programs import headframe

pytestmark = pytest.mark.slow

EVENTS = "#events-table tbody tr"


def pick(field: str, value: str) -> str:
    return (
        f"{{ const field = document.getElementById('events-{field}'); field.value = {value!r};"
        " field.dispatchEvent(new Event('input')); }"
    )


async def test_events_come_by_themselves_the_newest_first(tmp_path: Path):
    ring = EventRing()
    happen(ring, "info", "rig_joined", rig=RIG)
    async with opened(tmp_path, ring=ring) as (tab, _):
        await until(tab, f"{words(EVENTS)}.length === 1")
        happen(ring, "warning", "source_lost", source="first", error="<b>refused</b>")
        await until(tab, f"{words(EVENTS)}.length === 2")
        newest = (await tab(words(EVENTS)))[0]
        assert "source lost" in newest
        assert "source=first error=<b>refused</b>" in newest
        await tab("location.hash = '#rig=" + RIG + "'")
        await until(tab, f"{words('#rig-events tbody tr')}.length === 1")
        assert "rig joined" in (await tab(words("#rig-events tbody tr")))[0]


async def test_events_are_found_by_level_kind_and_words(tmp_path: Path):
    ring = EventRing()
    for number in range(60):
        happen(ring, "info", "rig_left", rig=f"farm.{number}")
    happen(ring, "info", "block_found", height=7)
    happen(ring, "error", "connection_failed", source="spare")
    async with opened(tmp_path, ring=ring) as (tab, _):
        await until(tab, "document.getElementById('events-count').innerText === '62'")
        assert len(await tab(words(EVENTS))) == 6, "few at first"
        await tab("document.querySelector('#events .more').click()")
        assert len(await tab(words(EVENTS))) == 56
        for field, value, event in (
            ("level", "error", "connection failed"),
            ("kind", "blocks", "block found"),
            ("find", "FARM.42", "rig left"),
        ):
            await tab(pick(field, value))
            await until(tab, f"{words(EVENTS)}.length === 1")
            assert event in (await tab(words(EVENTS)))[0]
            await tab(pick(field, "info" if field == "level" else ""))


async def test_a_lost_connection_is_told_and_comes_back_by_itself(tmp_path: Path):
    ring, stale = EventRing(), "document.getElementById('stale')"
    happen(ring, "info", "rig_joined", rig=RIG)
    async with AsyncExitStack() as stack, AsyncExitStack() as first:
        server = await first.enter_async_context(serving(tmp_path, 1, Desk(), ring=ring))
        tab = await stack.enter_async_context(browsing(tmp_path / "profile", server.url))
        await until(tab, f"{words(EVENTS)}.length === 1")
        await first.aclose()
        await until(tab, f"!{stale}.hidden")
        told = await tab(f"{stale}.innerText")
        assert told.startswith("No connection to the program. The figures are those of ")
        assert "s ago" in told
        happen(ring, "info", "rig_left", rig=RIG)
        assert await tab("document.getElementById('ban').hidden") is False
        async with serving(tmp_path, 50, Desk(), token="", ring=ring, port=server.port):
            await until(tab, f"{stale}.hidden && {words(EVENTS)}.length === 2")
            await until(tab, "document.querySelector('#rigs-states button').innerText === 'all 50'")
            await until(tab, "document.getElementById('ban').hidden")  # it has no token now


async def test_the_miners_chart_begins_with_its_history(tmp_path: Path):
    now = wall_seconds() // 60 * 60
    rows = [
        {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now - 60 * ago)),
            "device": "",
            "hashes": str(60 * 5 * 10**6),
            "hashrate_hps": 5e6,
            "shares_accepted": 3,
            "shares_refused": 1,
            "work_accepted": str(9 * 10**8),
        }
        for ago in range(40, 0, -1)
    ]
    told = {"from": now - 3600, "to": now, "step": "minute", "more": False, "rows": rows}
    status = {"program": "miner", "hashrate_hps": 4e6, "devices": [], "shares": {"accepted": 120}}
    server = WebServer(
        "127.0.0.1",
        0,
        status=lambda: status,
        metrics=bytes,
        healthy=lambda: True,
        title="Headframe miner",
        endpoints=[json_served("/api/v1/history", told)],
        ring=EventRing(),
        interval_seconds=0.2,
    )
    async with server, browsing(tmp_path / "profile", server.url) as tab:
        label = "document.querySelector('#chart .plot').ariaLabel"
        await until(tab, f"{label}.includes('4 MH/s at the end, between 4 MH/s and 5 MH/s')")
        await until(tab, "document.getElementById('efficiency-now').innerText === '75.0 %'")
        spans = await tab(words("#spans button"))
        assert spans == ["1 hour", "6 hours", "1 day"], "a day is kept"


async def test_a_real_proxy_tells_its_page_everything(tmp_path: Path):
    (tmp_path / "token").write_text(TOKEN)
    rigs = free_port()
    settings = ("--url", f"stratum+tcp://127.0.0.1:{free_port()}", "--user", "account")
    listen = ("--listen", f"127.0.0.1:{rigs}", "--set", f"web.token_file={tmp_path / 'token'}")
    async with (
        headframe("proxy", *settings, *listen, folder=tmp_path) as proxy,
        browsing(tmp_path / "profile", f"http://127.0.0.1:{proxy.web}/") as tab,
    ):
        _, writer = await asyncio.open_connection("127.0.0.1", rigs)
        await until(tab, f"{words('#rigs-states button')}.includes('connecting 1')")
        await until(tab, f"{words(EVENTS)}.some(words => words.includes('proxy ready'))")
        await until(tab, "!document.getElementById('detail').hidden")  # there is no such pool
        await until(tab, f"{words('#spans button')}.length === 5")
        await tab(f"sessionStorage.setItem('headframe-token', {TOKEN!r})")
        await until(tab, "!document.getElementById('ban').hidden")
        await tab("document.getElementById('ban').click()")
        await tab("document.querySelector('#ask-fields input').value = '127.0.0.1'")
        await tab("document.getElementById('ask-yes').click()")
        await until(tab, f"{words('#bans-table tbody tr')}.length === 1")
        await until(tab, f"{words('#rigs-states button')}.includes('connecting 0')")
        await until(tab, f"{words(EVENTS)}.some(words => words.includes('address banned'))")
        writer.close()


async def busy(tab: Tab) -> float:
    """Return the seconds that the page's thread has worked."""
    told = (await tab.call("Performance.getMetrics"))["metrics"]
    return float(next(each["value"] for each in told if each["name"] == "TaskDuration"))


async def test_ten_thousand_rigs_are_painted_and_updated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    async with opened(tmp_path, 10_000) as (tab, _):
        await until(tab, f"{words('#rigs-table tbody tr')}.length === 50")
        listed = await tab("performance.now()")
        await until(tab, "performance.getEntriesByType('paint').length > 0")
        paint = await tab("performance.getEntriesByType('paint')[0].startTime")
        await tab.call("Performance.enable")
        before, start = await busy(tab), await tab("performance.now()")
        await until(tab, f"performance.now() > {start} + 3000")
        spent, seconds = await busy(tab) - before, (await tab("performance.now()") - start) / 1000
        with capsys.disabled():
            print(  # noqa: T201 - figures for whoever reads the run
                f"first paint {paint:.0f} ms, rigs listed within {listed:.0f} ms, "
                f"{1000 * spent / seconds / 5:.1f} ms for each of 5 updates a second"
            )
        assert await tab(f"{words('#rigs-table tbody tr')}.length") == 50
