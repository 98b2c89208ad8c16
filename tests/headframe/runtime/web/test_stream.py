"""The event stream: status and the log's events, pushed to many readers."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from headframe.runtime.events import EventRing
from headframe.runtime.web import WebServer

FIRST = 1000


@pytest.fixture
def ring() -> EventRing:
    return EventRing(10, first=lambda: FIRST)


def tell(ring: EventRing, name: str, level: str = "info") -> None:
    ring(None, level, {"event": name, "level": level, "logger": "x", "timestamp": "2026"})


class Reader:
    """Reads messages as browsers do."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._content = answer.content

    async def lines(self) -> list[str]:
        """Return the next message."""
        lines: list[str] = []
        while line := (await self._content.readline()).decode().rstrip("\n"):
            lines.append(line)
        return lines

    async def event(self) -> tuple[int, dict[str, Any]]:
        """Return the next event of the log, with its id."""
        while True:
            lines = await self.lines()
            if lines[0] == "event: log":
                told = json.loads(lines[2].removeprefix("data: "))
                return int(lines[1].removeprefix("id: ")), told

    async def names(self, count: int) -> list[str]:
        """Return the names of the next events."""
        return [(await self.event())[1]["event"] for _ in range(count)]


@asynccontextmanager
async def reading(
    ring: EventRing,
    query: str = "",
    headers: Mapping[str, str] | None = None,
    quiet_seconds: float = 15.0,
) -> AsyncIterator[Reader]:
    server = WebServer(
        "127.0.0.1",
        0,
        status=lambda: {"up": True},
        metrics=bytes,
        healthy=bool,
        title="x",
        ring=ring,
        interval_seconds=0.01,
    )
    server._stream.quiet_seconds = quiet_seconds
    async with (
        asyncio.timeout(60),
        server,
        aiohttp.ClientSession(server.url) as session,
        session.get(f"/api/v1/events{query}", headers=headers) as answer,
    ):
        assert answer.status == 200
        yield Reader(answer)


async def test_events_of_the_log_come_between_those_of_the_status(ring: EventRing):
    async with reading(ring) as reader:
        assert await reader.lines() == ['data: {"up":true}']
        tell(ring, "rig_joined")
        serial, told = await reader.event()
        assert serial == told["serial"] == FIRST
        assert told["event"] == "rig_joined"
        assert await reader.lines() == ['data: {"up":true}']


async def test_a_reader_hears_from_now_on_or_from_where_it_says(ring: EventRing):
    for name in "abc":
        tell(ring, name)
    async with reading(ring) as reader:
        await reader.lines()
        tell(ring, "d")
        assert await reader.names(1) == ["d"]
    async with reading(ring, "?after=0") as reader:
        assert await reader.names(4) == ["a", "b", "c", "d"]
    async with reading(ring, f"?after={FIRST}") as reader:
        assert await reader.names(3) == ["b", "c", "d"]


async def test_a_reader_that_connects_again_goes_on_where_it_was(ring: EventRing):
    for name in "abc":
        tell(ring, name)
    again = {"Last-Event-ID": str(FIRST + 1)}
    async with reading(ring, "?after=0", again) as reader:
        assert await reader.names(1) == ["c"]
        tell(ring, "d")
        assert await reader.names(1) == ["d"]


@pytest.mark.parametrize("last", ["", "-1", "x", "9" * 50, "\u0663"])
async def test_an_id_that_is_none_of_ours_is_passed_over(ring: EventRing, last: str):
    tell(ring, "a")
    async with reading(ring, "?after=0", {"Last-Event-ID": last}) as reader:
        assert await reader.names(1) == ["a"]


async def test_after_a_restart_all_is_told_that_is_new(ring: EventRing):
    tell(ring, "a")
    before = EventRing(10, first=lambda: FIRST + 5_000)
    tell(before, "z")
    async with reading(ring, headers={"Last-Event-ID": str(before.newest)}) as reader:
        assert await reader.names(1) == ["a"]


async def test_a_reader_may_ask_for_warnings_alone(ring: EventRing):
    tell(ring, "a")
    tell(ring, "b", "warning")
    tell(ring, "c", "error")
    async with reading(ring, "?after=0&level=warning") as reader:
        assert await reader.names(2) == ["b", "c"]
        tell(ring, "d")
        tell(ring, "e", "error")
        assert await reader.names(1) == ["e"]


async def test_without_the_status_silence_is_broken_by_comments(ring: EventRing):
    async with reading(ring, "?status=false", quiet_seconds=0.02) as reader:
        assert await reader.lines() == [":"]
        tell(ring, "a")
        lines = await reader.lines()
        while lines == [":"]:
            lines = await reader.lines()
        assert lines[0] == "event: log"


@pytest.mark.parametrize("query", ["?after=-1", "?after=x", "?level=debug", "?status=2", "?a=1"])
async def test_what_cannot_be_is_refused(ring: EventRing, query: str):
    server = WebServer("127.0.0.1", 0, status=dict, metrics=bytes, healthy=bool, title="x")
    async with (
        asyncio.timeout(60),
        server,
        aiohttp.ClientSession(server.url) as session,
        session.get(f"/api/v1/events{query}") as answer,
    ):
        assert answer.status == 422
        assert set(await answer.json()) == {"error", "what_to_do"}


async def test_a_reader_that_takes_nothing_is_let_go(ring: EventRing):
    server = WebServer(
        "127.0.0.1",
        0,
        status=lambda: {"much": "x" * 4_000_000},
        metrics=bytes,
        healthy=bool,
        title="x",
        ring=ring,
        interval_seconds=0.01,
        most_streams=1,
    )
    server._stream.patience_seconds = 0.2
    async with asyncio.timeout(60), server:
        _, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1024)
        writer.write(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        while not server._stream._open:
            await asyncio.sleep(0.01)
        while server._stream._open:
            await asyncio.sleep(0.01)
        writer.close()
