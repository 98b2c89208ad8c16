"""`Actions`: who may change what over HTTP."""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from structlog.testing import capture_logs

from headframe.runtime.errors import ConfigError
from headframe.runtime.reload import Commit, Reloader
from headframe.runtime.web import (
    Actions,
    Answer,
    Endpoint,
    Reply,
    WebServer,
    read_token,
    reloading,
)
from headframe.runtime.web.common import Nothing

TOKEN = "0123456789abcdef-ü"
RIGHT = {"Authorization": f"Bearer {TOKEN}"}


class Wish(msgspec.Struct, frozen=True):
    rig: str = ""


def endpoint(name: str) -> Endpoint:
    return Endpoint(
        path=f"/api/v1/{name}",
        method="POST",
        summary="Tidy",
        body=Wish,
        token=True,
        replies={200: Reply(what="Done.")},
    )


class Desk:
    """A program with one action."""

    def __init__(self) -> None:
        self.asked: list[Wish] = []
        self.error = ""

    async def act(self, given: Wish) -> Answer:
        self.asked.append(given)
        await asyncio.sleep(0)
        return Answer(error=self.error, what_to_do="look", details={"done": len(self.asked)})


@pytest.fixture
def desk() -> Desk:
    return Desk()


@asynccontextmanager
async def serving(desk: Desk, token: str = TOKEN) -> AsyncIterator[aiohttp.ClientSession]:
    server = WebServer(
        "127.0.0.1",
        0,
        status=dict,
        metrics=bytes,
        healthy=lambda: True,
        title="Test",
        actions=Actions({endpoint("tidy"): desk.act, endpoint("tidy/up"): desk.act}, token),
    )
    async with asyncio.timeout(60), server, aiohttp.ClientSession(server.url) as session:
        yield session


async def call(
    session: aiohttp.ClientSession, name: str = "tidy", **options: Any
) -> tuple[int, Any]:
    async with session.post(f"/api/v1/{name}", **options) as answer:
        assert answer.content_type == "application/json"
        return answer.status, await answer.json()


async def test_the_operator_may_act(desk: Desk) -> None:
    async with serving(desk) as session:
        assert await call(session, headers=RIGHT) == (200, {"done": 1})
        assert await call(session, headers=RIGHT, json={"rig": "a"}) == (200, {"done": 2})
        lower = {"authorization": f"bearer  {TOKEN} "}
        assert (await call(session, headers=lower))[0] == 200
        assert (await call(session, "tidy/up", headers=RIGHT))[0] == 200
    assert desk.asked == [Wish(), Wish("a"), Wish(), Wish()]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer 0123456789abcdef"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": TOKEN},
        {"Cookie": f"token={TOKEN}"},
    ],
)
async def test_a_stranger_may_not(desk: Desk, headers: dict[str, str]) -> None:
    with capture_logs() as logs:
        async with (
            serving(desk) as session,
            session.post("/api/v1/tidy", headers=headers) as answer,
        ):
            assert answer.status == 401
            assert answer.headers["WWW-Authenticate"] == "Bearer"
            assert "Bearer TOKEN" in (await answer.json())["error"]
    assert not desk.asked
    assert [log["event"] for log in logs] == ["action_refused"]
    assert TOKEN not in str(logs)


async def test_without_a_token_nobody_may_and_is_told_how_to_set_one(desk: Desk) -> None:
    async with serving(desk, token="") as session:
        for headers in ({}, {"Authorization": "Bearer "}, RIGHT):
            status, body = await call(session, headers=headers)
            assert status == 403
            assert "none is set" in body["error"]
            assert "web.token_file" in body["what_to_do"]
    assert not desk.asked


async def test_a_page_of_a_stranger_gets_no_leave_to_ask(desk: Desk) -> None:
    preflight = {
        "Origin": "https://stranger.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    async with serving(desk) as session:
        async with session.options("/api/v1/tidy", headers=preflight) as answer:
            assert answer.status == 405
            assert not [name for name in answer.headers if name.startswith("Access-Control")]
        async with session.post("/api/v1/tidy", headers={**RIGHT, "Host": "a.example"}) as answer:
            assert answer.status == 403
    assert not desk.asked


async def test_reading_does_nothing(desk: Desk) -> None:
    async with serving(desk) as session, session.get("/api/v1/tidy", headers=RIGHT) as answer:
        assert answer.status == 405
    assert not desk.asked


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b'"text"', b"[" * 100_000])
async def test_a_body_that_is_no_object_is_refused(desk: Desk, body: bytes) -> None:
    async with serving(desk) as session:
        status, answer = await call(session, headers=RIGHT, data=body)
    assert (status, answer["error"]) == (400, "the body must be a JSON object, or empty")
    assert "openapi.json" in answer["what_to_do"]
    assert not desk.asked


@pytest.mark.parametrize(
    ("body", "error", "what_to_do"),
    [
        (b'{"rigs": 1}', "there is no field 'rigs'", "known: rig"),
        (b'{"rig": 1}', "rig: expected `str`, got `int`", "openapi.json"),
    ],
)
async def test_a_field_that_cannot_be_is_told(
    desk: Desk, body: bytes, error: str, what_to_do: str
) -> None:
    async with serving(desk) as session:
        status, answer = await call(session, headers=RIGHT, data=body)
    assert (status, answer["error"]) == (422, error)
    assert what_to_do in answer["what_to_do"]
    assert not desk.asked


async def test_a_body_without_end_is_not_read_to_its_end(desk: Desk) -> None:
    async with serving(desk) as session:
        status, answer = await call(session, headers=RIGHT, data=io.BytesIO(b" " * (2 << 20)))
    assert (status, answer["error"]) == (413, "the body is too large")
    assert not desk.asked


async def test_what_could_not_be_done_is_said(desk: Desk) -> None:
    desk.error = "miner.toml:3: no setting 'thread'"
    async with serving(desk) as session:
        told = {"error": desk.error, "what_to_do": "look", "done": 1}
        assert await call(session, headers=RIGHT) == (422, told)


def test_a_token_is_given_directly_or_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    assert read_token(TOKEN, "") == read_token("", str(file)) == TOKEN
    assert read_token("", "") == ""
    with pytest.raises(ConfigError, match="give one of them"):
        read_token(TOKEN, str(file))
    with pytest.raises(ConfigError, match="has 5 characters: give 16 or more") as caught:
        read_token("short", "")
    assert "short" not in str(caught.value)


class Settings(msgspec.Struct, frozen=True):
    threads: int = 1
    port: int = 1


async def prepare(settings: Settings) -> Commit:
    if settings.threads < 0:
        raise ConfigError("miner.toml:1: threads = -1: expected 0 or more")
    return lambda: ["and more"]


async def test_settings_are_read_again_on_demand() -> None:
    file = [Settings(threads=-1), Settings(threads=2, port=2)]
    reloader = Reloader(
        Settings(), read=lambda: file.pop(0), prepare=prepare, live=["threads"], file="miner.toml"
    )
    reload = reloading(reloader)
    assert await reload(Nothing()) == Answer(
        error="miner.toml:1: threads = -1: expected 0 or more",
        what_to_do="mend the settings; nothing changed",
    )
    assert await reload(Nothing()) == Answer(
        details={
            "file": "miner.toml",
            "changed": ("threads: 1 -> 2", "and more"),
            "needs_a_restart": ("port",),
        }
    )


@pytest.mark.parametrize("token", ["", TOKEN])
async def test_which_actions_there_are_is_told_without_the_token(desk: Desk, token: str) -> None:
    async with serving(desk, token) as session, session.get("/api/v1/actions") as answer:
        assert await answer.json() == {"actions": ["tidy", "tidy/up"], "usable": bool(token)}
