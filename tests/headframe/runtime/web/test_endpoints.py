"""Rows of the API's table: what is asked is checked by the types that describe it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal

import msgspec
import pytest
from aiohttp import web

from headframe.runtime.web import Endpoint, Problem, Reply, Served, WebServer, respond
from tests.fakes.webapi import serving_rows

Meta = msgspec.Meta


class Asked(msgspec.Struct, frozen=True, kw_only=True, rename={"since": "from"}):
    since: str = "1h"
    limit: Annotated[int, Meta(ge=1, le=9)] = 5
    kind: Literal["a", "b"] | msgspec.UnsetType = msgspec.UNSET
    user: str | msgspec.UnsetType = msgspec.UNSET
    desc: bool = False


def row(**more: Any) -> Served:
    endpoint = Endpoint(
        path="/api/v1/things", summary="Things", replies={200: Reply(what="They.")}, **more
    )

    async def handle(_request: web.Request, asked: Asked | None) -> web.Response:
        return respond({"asked": msgspec.to_builtins(asked)})

    return Served(endpoint, handle)


@asynccontextmanager
async def asking(query: str, served: Served) -> AsyncIterator[tuple[int, Any]]:
    async with (
        serving_rows([served]) as session,
        session.get(f"/api/v1/things{query}") as answer,
    ):
        yield answer.status, await answer.json()


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        ("", {"from": "1h", "limit": 5, "desc": False}),
        ("?from=2h&limit=9&kind=b&desc=1", {"from": "2h", "limit": 9, "kind": "b", "desc": True}),
        ("?user=null", {"from": "1h", "limit": 5, "user": "null", "desc": False}),
        ("?desc=true&from=", {"from": "", "limit": 5, "desc": True}),
    ],
)
async def test_parameters_are_read_by_their_types(query: str, asked: dict[str, object]) -> None:
    async with asking(query, row(query=Asked)) as (status, told):
        assert (status, told) == (200, {"asked": asked})


@pytest.mark.parametrize(
    ("query", "error", "what_to_do"),
    [
        ("?form=x", "there is no parameter 'form'", "known: from, limit, kind, user, desc"),
        ("?limit=0", "limit: expected `int` >= 1", "expected 1 to 9"),
        ("?limit=ten", "limit: expected `int`, got `str`", "expected 1 to 9"),
        ("?limit=1&limit=2", "limit is given twice", "once"),
        ("?kind=null", "kind: invalid enum value 'null'", "expected one of a, b"),
        ("?kind=c", "kind: invalid enum value 'c'", "expected one of a, b"),
        ("?desc=perhaps", "desc: expected `bool`", "GET /api/v1/openapi.json"),
    ],
)
async def test_what_does_not_fit_is_refused_with_what_would(
    query: str, error: str, what_to_do: str
) -> None:
    async with asking(query, row(query=Asked)) as (status, told):
        assert status == 422
        assert error in told["error"]
        assert what_to_do in told["what_to_do"]


async def test_where_there_are_no_parameters_none_is_taken() -> None:
    async with asking("?a=1", row()) as (status, told):
        assert (status, told["what_to_do"]) == (422, "there are none here")
    async with asking("?a=1", row(lenient=True)) as (status, told):
        assert (status, told) == (200, {"asked": None})


@pytest.mark.parametrize("path", ["/nowhere", "/api/v1/", "/api/v1/things/", "/%00", "/static/%ff"])
async def test_paths_that_lead_nowhere_are_told_in_the_same_shape(path: str) -> None:
    async with serving_rows([row()]) as session, session.get(path) as answer:
        assert answer.status == 404
        assert set(await answer.json()) == {"error", "what_to_do"}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
async def test_methods_that_are_not_there_are_told_likewise(method: str) -> None:
    async with (
        serving_rows([row()]) as session,
        session.request(method, "/api/v1/things") as answer,
    ):
        assert answer.status == 405
        assert answer.headers["Allow"] == "GET, HEAD"
        assert (await answer.json())["what_to_do"] == "use GET, HEAD"


async def test_what_cannot_be_found_out_is_a_problem_and_no_traceback() -> None:
    async def fail(_request: web.Request, _asked: None) -> web.Response:
        raise ZeroDivisionError("hunter2")

    async def refuse(_request: web.Request, _asked: None) -> web.Response:
        raise Problem(503, "not now", "later")

    for handler, status, error in ((fail, 500, "internal error"), (refuse, 503, "not now")):
        async with asking("", Served(row().endpoint, handler)) as (got, told):
            assert (got, told["error"]) == (status, error)
            assert "hunter2" not in str(told)


@pytest.mark.parametrize(
    "garbage", [b"\x16\x03\x01\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"BREW / HTTP/1.1\r\n\r\n"]
)
async def test_what_is_no_request_brings_no_traceback(garbage: bytes) -> None:
    server = WebServer("127.0.0.1", 0, status=dict, metrics=bytes, healthy=bool, title="x")
    async with asyncio.timeout(60), server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(garbage)
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.split()[1] == b"400"
        assert b"Traceback" not in answer
        writer.close()
