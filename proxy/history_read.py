"""Reading the history: pieces of time by worker or by route, as CSV or JSON.

The file may be in use: it is opened for reading alone, and a proxy goes on writing.
Work is a text in JSON: it may be beyond 2^53, up to where readers keep whole numbers.
"""

import csv
import io
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal
from urllib.parse import quote

import msgspec

from headframe.runtime.errors import HeadframeError
from headframe.runtime.moments import stamp
from proxy.history_figures import COUNTS, REASONS, WORKS, Figures
from proxy.history_file import figures_from
from proxy.history_schema import COLUMNS, VERSION

__all__ = [
    "FIELDS",
    "HistoryError",
    "Query",
    "Record",
    "Step",
    "as_csv",
    "as_json",
    "read",
    "step_of",
]

Step = Literal["minute", "hour"]

_TABLES: Final[dict[Step, str]] = {"minute": "minutes", "hour": "hours"}
_REFUSALS: Final[dict[Step, str]] = {"minute": "minute_refusals", "hour": "hour_refusals"}
_KINDS: Final = {"worker": ("worker", "other"), "route": ("all",)}
_DAY: Final = 86_400
_COUNT_NAMES: Final = (*COUNTS[:2], "refused", *COUNTS[2:])
_WORK_NAMES: Final = (*WORKS[:2], "work_refused", *WORKS[2:])
FIELDS: Final = (
    "time",
    "route",
    "worker",
    *(f"shares_{name}" for name in _COUNT_NAMES),
    *_WORK_NAMES,
    *(f"shares_refused_{reason}" for reason in REASONS),
)
"""The columns of an export."""


class HistoryError(HeadframeError):
    """There is no history to read, or what is asked for cannot be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is asked for.

    Attributes:
        since: from then on, in seconds since 1970.
        until: up to then, that moment not included.
        step: minutes or hours.
        by: each worker, or routes as a whole.
        route: this one alone; `None` for all.
        worker: this one alone; `None` for all.
    """

    since: int
    until: int
    step: Step
    by: Literal["worker", "route"] = "worker"
    route: str | None = None
    worker: str | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """What a worker, or a route, did in a piece of time.

    Attributes:
        at: its beginning, in seconds since 1970.
        route: the route.
        worker: the worker; "" for the route as a whole, "(other)" for workers summed up.
        figures: what it did.
        refusals: the shares that were refused here, by reason.
    """

    at: int
    route: str
    worker: str
    figures: Figures
    refusals: Mapping[str, int]

    def values(self) -> tuple[str | int, ...]:
        """Return the columns of an export; work as a text."""
        counts = (getattr(self.figures, name) for name in _COUNT_NAMES)
        works = (str(getattr(self.figures, name)) for name in _WORK_NAMES)
        reasons = (self.refusals.get(reason, 0) for reason in REASONS)
        return (stamp(self.at), self.route, self.worker, *counts, *works, *reasons)


def step_of(since: int, until: int) -> Step:
    """Choose minutes for up to a day, and hours for more."""
    return "minute" if until - since <= _DAY else "hour"


def read(path: Path, query: Query) -> Iterator[Record]:
    """Read records by time; the file stays open while they are read.

    Raises:
        HistoryError: there is no history, or it cannot be read.
    """
    if not path.is_file():
        raise HistoryError(f"there is no history at {path}: has a proxy run with this state_dir?")
    try:
        uri = f"file:{quote(str(path.absolute()))}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=5.0)) as db:
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version != VERSION:
                raise HistoryError(
                    f"{path} is of version {version}, this release reads {VERSION}: start the "
                    "proxy once, which brings an older one up to date"
                )
            yield from _records(db, query)
    except sqlite3.Error as error:
        raise HistoryError(f"{path} cannot be read: {error}") from None


def _records(db: sqlite3.Connection, query: Query) -> Iterator[Record]:
    kinds = _KINDS[query.by]
    wanted = f"at >= ? AND at < ? AND kind IN ({', '.join('?' * len(kinds))})"
    values: list[object] = [query.since, query.until, *kinds]
    for column in ("route", "worker"):
        value = getattr(query, column)
        if value is not None:
            wanted += f" AND {column} = ?"
            values.append(value)
    table = _TABLES[query.step]
    refusals = _Refusals(db, _REFUSALS[query.step], query)
    for at, name, route, kind, worker, *row in db.execute(
        f"SELECT at, name, route, kind, worker, {', '.join(COLUMNS)} FROM {table} "  # noqa: S608
        f"JOIN names ON names.id = name WHERE {wanted} ORDER BY at, route, kind, worker",
        values,
    ):
        shown = "(other)" if kind == "other" else worker
        yield Record(at, route, shown, figures_from(row), refusals.of(at, name))


class _Refusals:
    """The refused shares by reason, read along with the pieces of time that they belong to."""

    def __init__(self, db: sqlite3.Connection, table: str, query: Query) -> None:
        self._rows = db.execute(
            f"SELECT at, name, reason, shares FROM {table} "  # noqa: S608
            "WHERE at >= ? AND at < ? ORDER BY at",
            (query.since, query.until),
        )
        self._next: tuple[int, int, str, int] | None = self._rows.fetchone()
        self._at = -1
        self._found: dict[int, dict[str, int]] = {}

    def of(self, at: int, name: int) -> Mapping[str, int]:
        """Return those of a name in a piece of time; times must not go back."""
        if at != self._at:
            self._at, self._found = at, {}
            while self._next is not None and self._next[0] <= at:
                time, whose, reason, shares = self._next
                if time == at:
                    self._found.setdefault(whose, {})[reason] = shares
                self._next = self._rows.fetchone()
        return self._found.get(name, {})


def as_csv(records: Iterable[Record]) -> Iterator[str]:
    """Write records as CSV, line by line, with a line of headings."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(FIELDS)
    for record in records:
        yield _taken(buffer)
        time, route, worker, *figures = record.values()
        writer.writerow([time, _harmless(str(route)), _harmless(str(worker)), *figures])
    yield _taken(buffer)


def as_json(records: Iterable[Record]) -> Iterator[str]:
    """Write records as a JSON array, one object a line."""
    before = "[\n"
    for record in records:
        line = msgspec.json.encode(dict(zip(FIELDS, record.values(), strict=True)))
        yield f"{before}{line.decode()}"
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"


def _taken(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text


def _harmless(name: str) -> str:
    """Keep a spreadsheet from taking a name, which a stranger may choose, for a formula."""
    return f"'{name}" if name[:1] in {"=", "+", "-", "@", "\t", "\r"} else name
