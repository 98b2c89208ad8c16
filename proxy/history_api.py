"""`GET /api/v1/history`: the history over HTTP, as JSON or CSV."""

import asyncio
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec

from headframe.runtime.clock import wall_seconds
from headframe.runtime.http import web
from headframe.runtime.moments import MomentError
from headframe.runtime.web import Endpoint, Problem, Reply, Served, given, respond
from headframe.runtime.web.span import SpanAsked, csv_response
from proxy.history_read import (
    FIELDS,
    HistoryError,
    Query,
    Record,
    as_csv,
    read,
    step_of,
)

__all__ = ["HISTORY", "HistoryAsked", "HistoryPage", "HistoryRow", "history_served"]

Meta = msgspec.Meta

_MOST_ROWS: Final = 100_000
Name = Annotated[str, Meta(max_length=500)]


class HistoryAsked(SpanAsked, frozen=True, kw_only=True):
    """Parameters of the history."""

    step: Annotated[
        Literal["minute", "hour", ""],
        Meta(description="How long a row is; by default minutes for up to a day."),
    ] = ""
    by: Annotated[
        Literal["worker", "route"], Meta(description="A row for each of these, and for each step.")
    ] = "worker"
    route: Annotated[Name | msgspec.UnsetType, Meta(description="This route alone.")] = (
        msgspec.UNSET
    )
    worker: Annotated[Name | msgspec.UnsetType, Meta(description="This worker alone.")] = (
        msgspec.UNSET
    )
    format: Literal["json", "csv"] = "json"
    limit: Annotated[int, Meta(ge=1, le=_MOST_ROWS, description="Rows at most.")] = 10_000


def _kind_of(column: str) -> object:
    if column == "time":
        return Annotated[str, Meta(description="The beginning, in UTC.")]
    if column.startswith("shares_"):
        return Annotated[int, Meta(ge=0)]
    if column.startswith("work_"):
        return Annotated[
            str, Meta(description="Expected hashes; may be beyond 2^53.", pattern="^[0-9]+$")
        ]
    return str


HistoryRow = msgspec.defstruct(
    "HistoryRow", [(name, _kind_of(name)) for name in FIELDS], frozen=True, kw_only=True
)
"""What a worker, or a route, did in a piece of time: a row of an export."""


class HistoryPage(
    msgspec.Struct, frozen=True, kw_only=True, rename={"since": "from", "until": "to"}
):
    """A part of the history; work is a text, as it may be beyond what JSON's readers take."""

    since: Annotated[int, Meta(description="In seconds since 1970.")]
    until: Annotated[int, Meta(description="Likewise; not included.")]
    step: Literal["minute", "hour"]
    more: Annotated[bool, Meta(description="There are more rows than `limit`.")]
    rows: Annotated[
        tuple[HistoryRow, ...],  # type: ignore[valid-type] # made of the export's columns
        Meta(description="By time; nothing done, no row."),
    ]


HISTORY: Final = Endpoint(
    path="/api/v1/history",
    summary="What workers and routes did, by minute or hour",
    details="Kept on disk over restarts; minutes and hours for as long as the settings say. "
    "As CSV with `format=csv`; then the header `Headframe-More: true` tells of more rows. "
    "`headframe export` reads the same from the file.",
    query=HistoryAsked,
    replies={
        200: Reply(what="The rows.", kind=HistoryPage, media=("application/json", "text/csv"))
    },
    example="?from=6h&by=route",
)


def history_served(path: Path, wall: Callable[[], int] = wall_seconds) -> Served:
    """Make the row of `/api/v1/history`; `path` is the history's file."""

    async def handle(_request: web.Request, asked: HistoryAsked) -> web.StreamResponse:
        try:
            return await asyncio.to_thread(_answer, path, asked, _query(asked, wall()))
        except (HistoryError, MomentError) as error:
            raise Problem(422, str(error)) from None

    return Served(HISTORY, handle)


def _query(asked: HistoryAsked, now: int) -> Query:
    """Make the query.

    Raises:
        MomentError: a time is none.
    """
    since, until = asked.seconds(now)
    fields: dict[str, Any] = {"step": asked.step or step_of(since, until), "by": asked.by}
    return Query(
        since=since, until=until, route=given(asked.route), worker=given(asked.worker), **fields
    )


def _answer(path: Path, asked: HistoryAsked, query: Query) -> web.Response:
    found = list(islice(read(path, query), asked.limit + 1))
    more = len(found) > asked.limit
    del found[asked.limit :]
    if asked.format == "csv":
        text = "".join(as_csv(found))
        return csv_response(text, more=more)
    page = HistoryPage(
        since=query.since,
        until=query.until,
        step=query.step,
        more=more,
        rows=tuple(_plain(record) for record in found),
    )
    return respond(page)


def _plain(record: Record) -> msgspec.Struct:
    return HistoryRow(**dict(zip(FIELDS, record.values(), strict=True)))
