import asyncio
import importlib.resources
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import structlog
from aiohttp import web

from headframe.runtime.errors import ListenError, PortInUseError
from headframe.runtime.web import Actions, Answer, Endpoint, Served, WebServer, common
from headframe.runtime.web import server as server_module
from tests.fakes.browser import browsing

HOST = "127.0.0.1"
STATUS: dict[str, object] = {
    "program": "proxy",
    "hashrate_hps": 1.5,
    "upstream": {"url": "http://user:hunter2@node:18443", "password": "hunter2"},
}


@asynccontextmanager
async def serving(**options: Any) -> AsyncIterator[tuple[WebServer, aiohttp.ClientSession]]:
    parts: dict[str, Any] = {
        "status": lambda: STATUS,
        "metrics": lambda: b"# HELP a_total A.\n# TYPE a_total counter\na_total 1.0\n",
        "healthy": lambda: True,
        "title": "Proxy <north>",
        "interval_seconds": 0.01,
    }
    async with (
        asyncio.timeout(60),
        WebServer(HOST, 0, **{**parts, **options}) as server,
        aiohttp.ClientSession(server.url) as session,
    ):
        yield server, session


def fail(*_args: object) -> Any:
    raise ZeroDivisionError("hunter2")


async def test_the_page_has_the_title_as_text():
    async with serving() as (_, session), session.get("/") as answer:
        assert answer.status == 200
        assert answer.content_type == "text/html"
        page = await answer.text()
    assert "<title>Proxy &lt;north&gt;</title>" in page
    assert "{{" not in page


async def test_all_files_the_page_asks_for_are_served_and_no_others():
    static = importlib.resources.files("headframe.runtime.web") / "static"
    names = {each.name for each in static.iterdir()} - {"index.html"}
    assert names == set(server_module.STATIC_TYPES)
    async with serving() as (_, session):
        for name, content_type in server_module.STATIC_TYPES.items():
            async with session.get(f"/static/{name}") as answer:
                assert answer.status == 200
                assert answer.content_type == content_type
        for path in ("/static/", "/static", "/static/index.html", "/static/../server.py", "/x"):
            async with session.get(path) as answer:
                assert answer.status == 404


async def test_the_status_is_json_without_secrets():
    async with serving() as (_, session), session.get("/api/v1/status") as answer:
        assert answer.content_type == "application/json"
        text = await answer.text()
    assert "hunter2" not in text
    assert json.loads(text) == {
        "program": "proxy",
        "hashrate_hps": 1.5,
        "upstream": {"url": "http://***@node:18443", "password": "***"},
    }


async def test_metrics_come_as_prometheus_text():
    async with serving() as (_, session), session.get("/metrics") as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=")
        assert "a_total 1.0" in await answer.text()


@pytest.mark.parametrize(("healthy", "status"), [(True, 200), (False, 503)])
async def test_health_is_a_status_code(healthy: bool, status: int):
    async with serving(healthy=lambda: healthy) as (_, session), session.get("/healthz") as answer:
        assert answer.status == status


async def test_events_bring_the_newest_status_again_and_again():
    turns = iter(range(1000))
    async with (
        serving(status=lambda: {"turn": next(turns)}) as (_, session),
        session.get("/api/v1/events") as answer,
    ):
        assert answer.content_type == "text/event-stream"
        events: list[int] = []
        while len(events) < 3:
            line = (await answer.content.readline()).decode().strip()
            if line:
                events.append(json.loads(line.removeprefix("data: "))["turn"])
    assert events == sorted(set(events))


async def test_open_pages_share_one_event_and_do_not_hold_up_the_end():
    calls: list[int] = []

    def status() -> dict[str, object]:
        calls.append(1)
        return {}

    async with serving(status=status, interval_seconds=3600) as (_, session):
        answers = [await session.get("/api/v1/events") for _ in range(5)]
        for answer in answers:
            assert await answer.content.readline() == b"data: {}\n"
    assert len(calls) == 1
    for answer in answers:
        answer.close()


async def test_there_is_a_limit_to_open_pages():
    async with serving(most_streams=1) as (_, session), session.get("/api/v1/events") as first:
        await first.content.readline()
        async with session.get("/api/v1/events") as second:
            assert second.status == 503


async def test_a_reader_that_leaves_frees_its_place():
    async with serving(most_streams=1) as (server, session):
        async with session.get("/api/v1/events") as first:
            await first.content.readline()
            first.close()
        while server._stream._open:
            await asyncio.sleep(0)
        async with session.get("/api/v1/events") as second:
            assert second.status == 200


@pytest.mark.parametrize("path", ["/", "/api/v1/status", "/metrics", "/healthz", "/nowhere"])
async def test_a_strangers_name_is_not_answered(path: str):
    async with (
        serving() as (_, session),
        session.get(path, headers={"Host": "evil.example"}) as answer,
    ):
        assert answer.status == 403
        assert "allowed_hosts" in await answer.text()


async def test_an_allowed_name_is_answered():
    async with (
        serving(allowed_hosts=["page.example"]) as (_, session),
        session.get("/", headers={"Host": "page.example"}) as answer,
    ):
        assert answer.status == 200


@pytest.mark.parametrize("path", ["/", "/static/app.js", "/api/v1/status", "/nowhere"])
async def test_every_answer_carries_the_security_headers(path: str):
    async with serving() as (_, session), session.get(path) as answer:
        for name, value in server_module.SECURITY_HEADERS.items():
            assert answer.headers[name] == value
        assert "unsafe" not in answer.headers["Content-Security-Policy"]


async def test_nothing_can_be_written():
    async with serving() as (_, session):
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            async with session.request(method, "/api/v1/status") as answer:
                assert answer.status == 405


@pytest.mark.parametrize(
    ("part", "path"),
    [("status", "/api/v1/status"), ("metrics", "/metrics"), ("healthy", "/healthz")],
)
async def test_a_bug_in_the_program_is_logged_and_not_shown(part: str, path: str):
    with structlog.testing.capture_logs() as logged:
        async with serving(**{part: fail}) as (_, session), session.get(path) as answer:
            assert answer.status == 500
            assert "hunter2" not in await answer.text()
    assert [line["event"] for line in logged] == ["page_failed"]


async def test_a_port_in_use_is_one_line():
    async with serving() as (server, _):
        other = WebServer(
            HOST,
            server.port,
            status=dict,
            metrics=bytes,
            healthy=bool,
            title="x",
        )
        with pytest.raises(PortInUseError, match=f"{HOST}:{server.port} is in use"):
            async with other:
                pass


async def test_an_address_of_another_machine_is_one_line():
    server = WebServer("192.0.2.1", 0, status=dict, metrics=bytes, healthy=bool, title="x")
    with pytest.raises(ListenError, match=r"no address 192\.0\.2\.1"):
        async with server:
            pass


async def test_the_url_is_one_that_a_browser_here_can_open():
    async with serving() as (server, _):
        assert server.url == f"http://{HOST}:{server.port}/"
        everywhere = WebServer("0.0.0.0", 0, status=dict, metrics=bytes, healthy=bool, title="x")
        async with everywhere:
            assert everywhere.url == f"http://127.0.0.1:{everywhere.port}/"


@pytest.mark.slow
async def test_a_browser_draws_the_figures_and_runs_no_strangers_markup(tmp_path: Path):
    status = {
        "program": "proxy",
        "hashrate_hps": 46_200_000.0,
        "hashrate_5s_hps": 47e6,
        "hashrate_15m_hps": 45e6,
        "best_difficulty": 2500,
        "job_age_seconds": 12.3,
        "pools": [
            {"source": "first", "state": "down", "detail": "first is gone", "in_use": False},
            {"source": "spare", "state": "active", "in_use": True, "answer_seconds": 0.0123},
        ],
        "upstream": {"source": "node", "state": "active", "height": 7, "detail": ""},
        "shares": {"accepted": 12345, "rejected": 67, "by_reason": {"stale": 40, "other": 27}},
        "blocks": {"accepted": 1, "list": [{"height": 7, "hash": "00ab", "verdict": "accepted"}]},
        "routes": [
            {"name": "default", "upstream": {"source": "first", "state": "down"}, "forwarded": 3},
            {"name": "farm-b", "upstream": {"source": "spare", "state": "active"}},
        ],
        "rigs_total": 1,
        "devices": [],
    }
    name = "<img src=x onerror='document.title=1'>"
    row = {"name": name, "hashrate_hps": 5, "route": "farm-b", "state": "hashing"}
    listed = {"total": 1, "found": 1, "offset": 0, "limit": 50, "rigs": [row]}

    async def list_rigs(_request: web.Request, _asked: None) -> web.Response:
        return web.json_response({**listed, "by_state": {"hashing": 1, "silent": 0}})

    rigs_row = Endpoint(path="/api/v1/rigs", summary="Rigs", lenient=True, replies={})

    drawn = """new Promise(done => {
        const is = selector => document.querySelector(selector);
        const look = () => is("#rigs td") && is("#chart canvas")
            ? done(Object.fromEntries([...document.querySelectorAll(".card:not([hidden])")]
                .map(each => [each.id, each.innerText])))
            : setTimeout(look, 20);
        look();
    })"""
    async with (
        serving(status=lambda: status, endpoints=[Served(rigs_row, list_rigs)]) as (server, _),
        asyncio.timeout(60),
        browsing(tmp_path / "profile", server.url) as evaluate,
    ):
        cards = await evaluate(drawn)
        assert await evaluate("document.title") == "46.2 MH/s \u2013 Proxy <north>"
        assert await evaluate("document.querySelectorAll('main img').length") == 0
        assert await evaluate("document.getElementById('state').innerText") == "active"
    assert "46.2 MH/s" in cards["tile-hashrate"]
    assert "5 s: 47.0 MH/s · 15 min: 45.0 MH/s" in cards["tile-hashrate"].replace("\u00a0", " ")
    assert "12\u202f345" in cards["tile-shares"]
    assert "67 rejected (0.54 %)" in cards["tile-shares"]
    assert "spare\n\nnewest job 12 s ago" in cards["tile-upstream"]
    assert "Best share\n2.5 k" in cards["upstream"]
    assert "Newest job\n12 s ago" in cards["upstream"]
    assert "Height\n7" in cards["upstream"]
    assert "spare\tactive\tyes" in cards["pools"]
    assert "12.3 ms" in cards["pools"]
    assert cards["pools"].index("first") < cards["pools"].index("spare"), "by preference"
    assert cards["shares"].index("stale") < cards["shares"].index("other")
    assert "accepted" in cards["blocks"]
    assert "<img src=x onerror='document.title=1'>" in cards["rigs"]
    assert "farm-b" in cards["rigs"]
    assert "silent 0" in cards["rigs"]
    assert "default\tfirst\tdown" in cards["routes"]
    assert "no device is at work" in cards["devices"]


NOT_OURS = {"uplot.min.js", "uplot.min.css", "NOTICE"}
"""As they were released: checked for requests of their own, below."""


def page_sources() -> dict[str, str]:
    static = importlib.resources.files("headframe.runtime.web") / "static"
    ours = {each.name: each for each in static.iterdir() if each.name not in NOT_OURS}
    return {name: each.read_text(encoding="utf-8") for name, each in ours.items()}


@pytest.mark.parametrize("name", sorted(page_sources()))
def test_the_page_sets_text_only_and_fetches_nothing_from_elsewhere(name: str):
    source = page_sources()[name]
    for way in ("innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "Function("):
        assert way not in source
    outside = re.findall(r"""(?:https?:)?//[\w.-]+\.\w+[^\s"']*""", source)
    assert [url for url in outside if "www.w3.org" not in url] == []


def test_what_is_not_ours_is_named_with_its_licence_and_fetches_nothing():
    static = importlib.resources.files("headframe.runtime.web") / "static"
    script = (static / "uplot.min.js").read_text(encoding="utf-8")
    for way in ("fetch(", "XMLHttpRequest", "WebSocket", "import(", "innerHTML", "eval("):
        assert way not in script
    assert "url(" not in (static / "uplot.min.css").read_text(encoding="utf-8")
    release = re.search(r"\(v([\d.]+)\)", script)
    assert release is not None
    notice = (static / "NOTICE").read_text(encoding="utf-8")
    assert f"uPlot {release[1]}" in notice
    assert "MIT License" in notice


def test_the_page_has_no_inline_script_or_style_which_its_own_policy_forbids():
    page = page_sources()["index.html"]
    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=", page) == []


def test_every_element_that_the_script_looks_for_is_in_the_page():
    sources = page_sources()
    wanted = {name for each in sources.values() for name in re.findall(r'\bat\("([^"]+)"\)', each)}
    filled = re.findall(r'fillTable\("([^"]+)"', sources["app.js"])
    wanted |= set(filled) | {f"{each}-count" for each in filled}
    there = set(re.findall(r'\bid="([^"]+)"', sources["index.html"]))
    assert wanted <= there
    assert len(wanted) > 15


class Told(msgspec.Struct):
    """What a program tells."""

    program: str


async def test_the_schema_of_the_status_is_served_where_there_is_one():
    async with serving(schema=Told) as (_, session), session.get("/api/v1/schema") as answer:
        assert answer.status == 200
        assert answer.content_type == "application/schema+json"
        assert json.loads(await answer.text())["title"] == "Told"
    async with serving() as (_, session), session.get("/api/v1/schema") as answer:
        assert answer.status == 404


async def test_every_route_is_in_the_description_and_the_reverse():
    async def answer(_request: web.Request, _asked: object) -> web.Response:
        return web.Response()

    async def act(_asked: object) -> Answer:
        return Answer()

    rigs = Endpoint(path="/api/v1/rigs", summary="Rigs", replies={})
    actions = Actions({common.RELOAD: act}, "")
    more = {"endpoints": [Served(rigs, answer)], "actions": actions, "hints": lambda: 1}
    async with serving(schema=Told, **more) as (server, session):
        async with session.get("/api/v1/openapi.json") as got:
            paths = json.loads(await got.text())["paths"]
        assert server._runner is not None
        app = server._runner.app
        assert isinstance(app, web.Application)
        routes = {
            (route.method.lower(), route.resource.canonical)
            for route in app.router.routes()
            if route.resource is not None and route.method != "HEAD"
        }
    assert routes == {(method, path) for path, each in paths.items() for method in each}
    assert len(routes) == 14
