"""What every program answers, over a real server."""

import json
from typing import Any

import msgspec
import pytest

from headframe import __version__
from headframe.runtime.events import RECENT
from headframe.runtime.web.common import PAGE, files_of, status_of
from tests.fakes.webapi import serving_rows


class Told(msgspec.Struct):
    """What a program tells."""

    program: str


async def ask(path: str) -> tuple[int, Any]:
    async with serving_rows() as session, session.get(path) as answer:
        return answer.status, json.loads(await answer.text())


async def test_the_description_is_of_what_is_served() -> None:
    status, told = await ask("/api/v1/openapi.json")
    assert status == 200
    assert told["info"] == {**told["info"], "title": "Test", "version": __version__}
    assert set(told["paths"]) == {
        "/",
        "/static/{name}",
        "/metrics",
        "/healthz",
        "/api/v1/status",
        "/api/v1/events",
        "/api/v1/log",
        "/api/v1/openapi.json",
        "/api/v1/actions",
    }


async def test_the_log_tells_what_was_told_last() -> None:
    line = {"event": "source_lost", "level": "warning", "logger": "x", "timestamp": "2026"}
    before = RECENT.newest
    RECENT(None, "warning", {**line, "source": "a"})
    RECENT(None, "warning", {**line, "source": "b"})
    status, told = await ask(f"/api/v1/log?after={before}&limit=1")
    assert status == 200
    assert [event["fields"] for event in told["events"]] == [{"source": "a"}]
    assert told["more"]
    assert told["newest"] == RECENT.newest
    status, told = await ask("/api/v1/log?limit=1&level=warning")
    assert [event["fields"] for event in told["events"]] == [{"source": "b"}]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "level=debug", "after=-1", "after=x", "since=1"]
)
async def test_what_cannot_be_asked_of_the_log_is_told(query: str) -> None:
    status, told = await ask(f"/api/v1/log?{query}")
    assert status == 422
    assert query.partition("=")[0] in told["error"]


async def test_nobody_needs_to_ask_whether_something_may_be_changed() -> None:
    assert await ask("/api/v1/actions") == (200, {"actions": [], "usable": False})


def test_the_status_is_described_by_its_type() -> None:
    assert status_of(Told).replies[200].kind is Told
    assert status_of(None).replies[200].kind == dict[str, Any]


def test_the_files_of_the_page_are_named() -> None:
    assert files_of(["a.js"]).places == {"name": ("a.js",)}
    assert PAGE.lenient
