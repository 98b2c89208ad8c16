"""`GET /api/v1/history`: the history over HTTP, as JSON or CSV.

Parameters, all by choice: `from`, `to` (as `parse_time` reads them; the last hour by
default), `step` (minute, hour), `by` (worker, route), `route`, `worker`, `format` (json,
csv), `limit` (rows; 10,000 by default, 100,000 at most).
"""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import islice
from pathlib import Path
from typing import Any, Final

import msgspec
from aiohttp import web

from headframe.runtime.clock import wall_seconds
from proxy.history_read import (
    FIELDS,
    HistoryError,
    Query,
    Record,
    as_csv,
    parse_time,
    read,
    step_of,
)

__all__ = ["history_handler"]

_MOST_ROWS: Final = 100_000
_KNOWN: Final = frozenset(
    {"from", "to", "step", "by", "route", "worker", "format", "limit"},
)


class _Asked(msgspec.Struct, frozen=True, kw_only=True, rename={"since": "from", "until": "to"}):
    """The parameters, checked."""

    since: str = "1h"
    until: str = "0s"
    step: str = ""
    by: str = "worker"
    route: str | None = None
    worker: str | None = None
    format: str = "json"
    limit: int = 10_000


def history_handler(
    path: Path, wall: Callable[[], int] = wall_seconds
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Make the handler; `path` is the history's file."""

    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            asked, query = _parse(dict(request.query), wall())
            return await asyncio.to_thread(_answer, path, asked, query)
        except HistoryError as error:
            return web.json_response({"error": str(error)}, status=422)

    return handle


def _parse(given: dict[str, str], now: int) -> tuple[_Asked, Query]:
    """Check what was asked for.

    Raises:
        HistoryError: something of it cannot be.
    """
    unknown = given.keys() - _KNOWN
    if unknown:
        raise HistoryError(f"unknown: {', '.join(sorted(unknown))}; known: {sorted(_KNOWN)}")
    try:
        asked = msgspec.convert(given, _Asked, strict=False)
    except msgspec.ValidationError as error:
        raise HistoryError(str(error)) from None
    since, until = parse_time(asked.since, now), parse_time(asked.until, now)
    for name, value, allowed in (
        ("step", asked.step, ("minute", "hour", "")),
        ("by", asked.by, ("worker", "route")),
        ("format", asked.format, ("json", "csv")),
    ):
        if value not in allowed:
            raise HistoryError(f"{name} is {value!r}: expected one of {', '.join(allowed[:2])}")
    if not 1 <= asked.limit <= _MOST_ROWS:
        raise HistoryError(f"limit is {asked.limit}: expected 1 to {_MOST_ROWS}")
    fields: dict[str, Any] = {"step": asked.step or step_of(since, until), "by": asked.by}
    return asked, Query(since=since, until=until, route=asked.route, worker=asked.worker, **fields)


def _answer(path: Path, asked: _Asked, query: Query) -> web.Response:
    found = list(islice(read(path, query), asked.limit + 1))
    more = len(found) > asked.limit
    del found[asked.limit :]
    if asked.format == "csv":
        text = "".join(as_csv(found))
        return web.Response(text=text, content_type="text/csv", headers=_told(more=more))
    body = {
        "from": query.since,
        "to": query.until,
        "step": query.step,
        "more": more,
        "rows": [_plain(record) for record in found],
    }
    return web.Response(body=msgspec.json.encode(body), content_type="application/json")


def _told(*, more: bool) -> dict[str, str]:
    return {"Headframe-More": "true"} if more else {}


def _plain(record: Record) -> dict[str, str | int]:
    return dict(zip(FIELDS, record.values(), strict=True))
