"""History on disk: per-minute figures and totals, in SQLite, written by one thread.

The disk may be slow, full or gone: then history has gaps, which are counted and told,
and mining goes on. Nothing here is waited for by anything that handles shares. Found
blocks do not depend on this; they have a journal of their own, in `upstream`.
"""

import queue
import sqlite3
import threading
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Final, Self

from headframe.runtime.logs import get_logger
from proxy.ledger import Ledger, Row

__all__ = ["Figures", "Rollup", "Rollups", "Store"]

log = get_logger(__name__)

_BACKLOG: Final = 60
"""Minutes that may wait for the disk."""
_KEEP_MINUTES: Final = 60 * 24 * 30
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS rollups (
    minute INTEGER NOT NULL, worker TEXT NOT NULL, offered INTEGER NOT NULL,
    accepted INTEGER NOT NULL, refused INTEGER NOT NULL, acknowledged INTEGER NOT NULL,
    work TEXT NOT NULL, PRIMARY KEY (minute, worker)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS totals (
    worker TEXT PRIMARY KEY, offered INTEGER NOT NULL, accepted INTEGER NOT NULL,
    refused INTEGER NOT NULL, acknowledged INTEGER NOT NULL, work TEXT NOT NULL
) WITHOUT ROWID;
PRAGMA user_version = 1;
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """What is kept of a worker.

    Attributes:
        offered: shares it sent.
        accepted: those that were good.
        refused: those that were not.
        acknowledged: shares that the upstream accepted.
        work: hashes that its good shares stand for.
    """

    offered: int = 0
    accepted: int = 0
    refused: int = 0
    acknowledged: int = 0
    work: int = 0

    @classmethod
    def of(cls, row: Row) -> Self:
        """Take them from the books."""
        return cls(
            offered=row.offered.shares,
            accepted=row.accepted.shares,
            refused=row.refused_total.shares,
            acknowledged=row.pool.acknowledged.shares,
            work=row.accepted.work,
        )

    def __add__(self, other: "Figures") -> "Figures":
        return Figures(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def __sub__(self, other: "Figures") -> "Figures":
        return Figures(*(a - b for a, b in zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True, slots=True)
class Rollup:
    """What a worker did in a minute.

    Attributes:
        minute: since 1970.
        worker: its name.
        figures: of this minute alone.
    """

    minute: int
    worker: str
    figures: Figures


class Rollups:
    """Cuts the books, which only grow, into minutes.

    Args:
        ledger: the books.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._before: dict[str, Figures] = {}

    def cut(self, minute: int) -> list[Rollup]:
        """Return what every worker did since the last cut; idle ones are left out."""
        rollups = []
        for name, row in self._ledger.workers.items():
            now = Figures.of(row)
            news = now - self._before.get(name, Figures())
            if news != Figures():
                self._before[name] = now
                rollups.append(Rollup(minute, name, news))
        return rollups


class Store:
    """The database and its thread.

    Args:
        path: the file; its folder is made if need be.
        backlog: batches that may wait for the disk; more are dropped and counted.
    """

    def __init__(self, path: Path, *, backlog: int = _BACKLOG) -> None:
        self._path = path
        self._queue: queue.Queue[Sequence[Rollup] | None] = queue.Queue(backlog)
        self._thread = threading.Thread(target=self._run, name="store", daemon=True)
        self.problem = ""
        """What is wrong with the disk, for people; "" when all is well."""
        self.unwritten = 0
        """Rollups that were not written."""
        self.totals: dict[str, Figures] = {}
        """By worker, from before this start; complete once `start` returns."""

    def start(self) -> None:
        """Read the totals, and begin to write; a broken file is told, not raised."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with closing(self._connect()) as db:
                columns = ", ".join(field.name for field in fields(Figures))
                for worker, *values in db.execute(f"SELECT worker, {columns} FROM totals"):  # noqa: S608 - our own column names
                    self.totals[worker] = Figures(*(int(value) for value in values))
        except (OSError, sqlite3.Error, ValueError) as error:
            self._trouble(error, 0)
        self._thread.start()

    def put(self, rollups: Sequence[Rollup]) -> None:
        """Hand over what is to be written; never waits."""
        if not rollups:
            return
        try:
            self._queue.put_nowait(rollups)
        except queue.Full:
            self._trouble(OSError("the disk is too slow"), len(rollups))

    def stop(self, timeout_seconds: float = 5.0) -> None:
        """Write what is left, as far as the time allows."""
        with suppress(queue.Full):
            self._queue.put(None, timeout=timeout_seconds)
        self._thread.join(timeout_seconds)

    def _run(self) -> None:
        while (rollups := self._queue.get()) is not None:
            try:
                with closing(self._connect()) as db, db:
                    _write(db, rollups)
            except (OSError, sqlite3.Error, ValueError) as error:
                self._trouble(error, len(rollups))
            else:
                self.problem = ""

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, timeout=5.0)
        try:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
            db.executescript(_SCHEMA)
        except sqlite3.Error:
            db.close()
            raise
        return db

    def _trouble(self, error: Exception, count: int) -> None:
        self.unwritten += count
        text = f"history is not written to {self._path}: {error}"
        if text != self.problem:
            log.warning("store_failed", detail=text)
        self.problem = text


def _write(db: sqlite3.Connection, rollups: Sequence[Rollup]) -> None:
    """Add a batch to the minutes and to the totals, both or neither."""
    for rollup in rollups:
        old = _figures(
            db,
            "SELECT offered, accepted, refused, acknowledged, work FROM rollups "
            "WHERE minute = ? AND worker = ?",
            (rollup.minute, rollup.worker),
        )
        db.execute(
            "INSERT OR REPLACE INTO rollups VALUES (?, ?, ?, ?, ?, ?, ?)",
            (rollup.minute, rollup.worker, *_row(old + rollup.figures)),
        )
        old = _figures(
            db,
            "SELECT offered, accepted, refused, acknowledged, work FROM totals WHERE worker = ?",
            (rollup.worker,),
        )
        db.execute(
            "INSERT OR REPLACE INTO totals VALUES (?, ?, ?, ?, ?, ?)",
            (rollup.worker, *_row(old + rollup.figures)),
        )
    newest = max(rollup.minute for rollup in rollups)
    db.execute("DELETE FROM rollups WHERE minute < ?", (newest - _KEEP_MINUTES,))


def _figures(db: sqlite3.Connection, query: str, keys: tuple[object, ...]) -> Figures:
    found = db.execute(query, keys).fetchone()
    return Figures() if found is None else Figures(*(int(value) for value in found))


def _row(figures: Figures) -> tuple[int | str, ...]:
    """Write figures for the database; work outgrows its 64-bit numbers, so it is text."""
    *counts, work = astuple(figures)
    return (*counts, str(work))
