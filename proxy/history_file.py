"""The history's file: what is written to it, read back at a start, and thrown away in time.

Used by one thread at a time; every write is one transaction, all or nothing.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from proxy.history import Batch, Rollup
from proxy.history_figures import COUNTS, Figures, Parts, refusals_in
from proxy.history_schema import COLUMNS, LOW_BITS, migrate, split, summed, upsert

__all__ = ["HISTORY", "HistoryFile", "Kept", "Retention", "figures_from"]

HISTORY: Final = "proxy.sqlite"
"""Its name in the state folder."""

_HOUR: Final = 3600
_MINUTE: Final = 60
_ADD_MINUTE: Final = upsert("minutes", ("at", "name"))
_ADD_HOUR: Final = upsert("hours", ("at", "name"))
_ADD_TOTAL: Final = upsert("totals", ("name",))
_PART_COLUMNS: Final = ("shares", "work_hi", "work_lo")
_ADD_PART: Final = upsert("parts", ("name", "part"), _PART_COLUMNS)
_REFUSALS: Final = {"minutes": "minute_refusals", "hours": "hour_refusals"}
_ADD_REFUSALS: Final = {
    table: upsert(refusals, ("at", "name", "reason"), ("shares",))
    for table, refusals in _REFUSALS.items()
}
_NONE: Final = Figures()
_ALL, _WORKER, _OTHER = "all", "worker", "other"
_MOST_IDS: Final = 20_000
"""Names whose numbers are remembered."""
_AT_ONCE: Final = 500
"""Names given up in one go; SQLite takes so many parameters in any build."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How much is kept.

    Attributes:
        minutes_hours: how long each minute is kept.
        hours_days: how long each hour is kept.
        most_rows: rows kept of either; the oldest go first.
        most_workers: workers, of all routes, with totals of their own; of those above, the
            longest unseen are summed up.
    """

    minutes_hours: int = 48
    hours_days: int = 400
    most_rows: int = 4_000_000
    most_workers: int = 50_000


@dataclass(frozen=True, slots=True)
class Kept:
    """Totals of a worker.

    Attributes:
        worker: its name; "" with `summed_up`.
        summed_up: these are the workers whose own totals were given up.
        seen: when it did something last, in seconds since 1970.
        figures: what it did.
        parts: of them.
    """

    worker: str
    summed_up: bool
    seen: int
    figures: Figures
    parts: Parts


class HistoryFile:
    """An open database.

    Args:
        db: the connection; its transactions are begun here alone.
        migrated_from: the version that it had; 0 for a new one.
    """

    def __init__(self, db: sqlite3.Connection, migrated_from: int) -> None:
        self.migrated_from = migrated_from
        self._db = db
        self._ids: dict[tuple[str, str, str], int] = {}

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open or make it.

        Raises:
            OSError: its folder cannot be made.
            sqlite3.Error: it cannot be used.
            TooNewError: a newer release wrote it.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(path, timeout=5.0, isolation_level=None, check_same_thread=False)
        try:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
            return cls(db, migrate(db))
        except BaseException:
            db.close()
            raise

    def close(self) -> None:
        """Close it."""
        self._db.close()

    def begin_run(self) -> bool:
        """Take note that a run begins; say whether the last one ended in good order."""
        meta = dict(self._db.execute("SELECT key, value FROM meta"))
        clean = not meta.get("running")
        with self._transaction() as db:
            db.execute("INSERT OR REPLACE INTO meta VALUES ('running', 1)")
            db.execute(
                "INSERT OR REPLACE INTO meta VALUES ('cut_short', ?)",
                (int(meta.get("cut_short", 0)) + (not clean),),
            )
        return clean

    def end_run(self) -> None:
        """Take note that it ends in good order."""
        with self._transaction() as db:
            db.execute("INSERT OR REPLACE INTO meta VALUES ('running', 0)")

    def meta(self, key: str) -> int:
        """Read a number of the file as a whole; 0 when it was never written."""
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return 0 if row is None else int(row[0])

    def adopt(self, route: str) -> None:
        """Give what an older release kept without a route to this one, if that has nothing."""
        with self._transaction() as db:
            db.execute(
                "UPDATE names SET route = ?1 WHERE route = '' "
                "AND NOT EXISTS (SELECT 1 FROM names WHERE route = ?1)",
                (route,),
            )

    def write(self, batches: Iterable[Batch]) -> None:
        """Add to minutes, hours and totals, all or nothing."""
        if len(self._ids) > _MOST_IDS:
            self._ids.clear()
        with self._transaction() as db:
            newest = 0
            for batch in batches:
                newest = max(newest, batch.at)
                self._write(db, batch)
            db.execute("INSERT OR REPLACE INTO meta VALUES ('written_at', ?)", (newest,))

    def totals(self, route: str) -> Iterator[Kept]:
        """Read the totals of a route's workers; the route as a whole is not among them."""
        parts: dict[int, Parts] = {}
        for name, part, shares, high, low in self._db.execute(
            "SELECT name, part, shares, work_hi, work_lo FROM parts "
            "JOIN names ON names.id = name WHERE route = ?",
            (route,),
        ):
            parts.setdefault(name, {})[part] = (shares, (high << LOW_BITS) + low)
        for name, kind, worker, seen, *row in self._db.execute(
            f"SELECT id, kind, worker, seen, {', '.join(COLUMNS)} FROM names "  # noqa: S608
            "JOIN totals ON totals.name = names.id WHERE route = ? AND kind != ? ORDER BY seen",
            (route, _ALL),
        ):
            yield Kept(worker, kind == _OTHER, seen, figures_from(row), parts.get(name, {}))

    def route_parts(self, route: str) -> Parts:
        """Read what is counted of a route alone, such as `blocks.found`."""
        rows = self._db.execute(
            "SELECT part, shares, work_hi, work_lo FROM parts "
            "JOIN names ON names.id = name WHERE route = ? AND kind = ?",
            (route, _ALL),
        )
        return {part: (shares, (high << LOW_BITS) + low) for part, shares, high, low in rows}

    def prune(self, now: int, retention: Retention) -> None:
        """Throw away what is older, or more, than is to be kept; `now` since 1970."""
        ages = {
            "minutes": retention.minutes_hours * _HOUR,
            "hours": retention.hours_days * 24 * _HOUR,
        }
        for table, age in ages.items():
            with self._transaction() as db:
                for each in (table, _REFUSALS[table]):
                    db.execute(f"DELETE FROM {each} WHERE at < ?", (now - age,))  # noqa: S608
                self._cut_to(db, table, retention.most_rows)
        self._give_up_names(retention.most_workers)

    def _cut_to(self, db: sqlite3.Connection, table: str, most: int) -> None:
        """Drop the oldest times until no more rows than that are left."""
        (count,) = db.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608
        if count > most:
            (at,) = db.execute(
                f"SELECT at FROM {table} ORDER BY at LIMIT 1 OFFSET ?",  # noqa: S608
                (count - most - 1,),
            ).fetchone()
            for each in (table, _REFUSALS[table]):
                db.execute(f"DELETE FROM {each} WHERE at <= ?", (at,))  # noqa: S608

    def _give_up_names(self, most: int) -> None:
        """Sum up the workers that were not seen for longest, if there are too many."""
        (count,) = self._db.execute(
            "SELECT count(*) FROM names WHERE kind = ?", (_WORKER,)
        ).fetchone()
        excess = self._db.execute(
            "SELECT route, id FROM names WHERE kind = ? ORDER BY seen LIMIT ?",
            (_WORKER, max(count - most, 0)),
        ).fetchall()
        by_route: dict[str, list[int]] = {}
        for route, name in excess:
            by_route.setdefault(route, []).append(name)
        for route, names in by_route.items():
            for first in range(0, len(names), _AT_ONCE):
                self._sum_up(route, names[first : first + _AT_ONCE])

    def _sum_up(self, route: str, names: Sequence[int]) -> None:
        """Add names to the `other` of their route, and forget them."""
        which = f"name IN ({', '.join('?' * len(names))})"
        with self._transaction() as db:
            other = self._id(db, route, _OTHER, "")
            for table, key in (("minutes", "at"), ("hours", "at"), ("totals", "")):
                group = f"GROUP BY {key}" if key else ""
                columns = f"{key}, {summed()}" if key else summed()
                found = db.execute(
                    f"SELECT {columns} FROM {table} WHERE {which} {group}",  # noqa: S608
                    names,
                ).fetchall()
                keys = (key, "name") if key else ("name",)
                rows = [(row[0], other, *row[1:]) if key else (other, *row) for row in found]
                db.executemany(upsert(table, keys), rows)
            found = db.execute(
                f"SELECT part, {summed(_PART_COLUMNS)} FROM parts WHERE {which} GROUP BY part",  # noqa: S608
                names,
            ).fetchall()
            db.executemany(_ADD_PART, [(other, *row) for row in found])
            for table, refusals in _REFUSALS.items():
                found = db.execute(
                    f"SELECT at, reason, SUM(shares) FROM {refusals} WHERE {which} "  # noqa: S608
                    "GROUP BY at, reason",
                    names,
                ).fetchall()
                rows = [(at, other, reason, shares) for at, reason, shares in found]
                db.executemany(_ADD_REFUSALS[table], rows)
            for table in ("minutes", "hours", "totals", "parts", *_REFUSALS.values()):
                db.execute(f"DELETE FROM {table} WHERE {which}", names)  # noqa: S608
            db.execute(f"DELETE FROM names WHERE {which.replace('name', 'id', 1)}", names)  # noqa: S608
        self._ids.clear()

    def _write(self, db: sqlite3.Connection, batch: Batch) -> None:
        whole = _whole(batch)
        rollups = [(_WORKER, rollup) for rollup in batch.rollups]
        rows: list[tuple[int, ...]] = []
        parts: list[tuple[object, ...]] = []
        refusals: list[tuple[object, ...]] = []
        for kind, rollup in [*rollups, (_ALL, whole)]:
            name = self._id(db, batch.route, kind, rollup.worker)
            rows.append((name, *_columns_of(rollup.figures)))
            parts += [
                (name, part, shares, *split(work)) for part, (shares, work) in rollup.parts.items()
            ]
            refusals += [(name, *refusal) for refusal in refusals_in(rollup.parts).items()]
        minute, hour = batch.at - batch.at % _MINUTE, batch.at - batch.at % _HOUR
        db.executemany(_ADD_MINUTE, [(minute, *row) for row in rows])
        db.executemany(_ADD_HOUR, [(hour, *row) for row in rows])
        for table, at in (("minutes", minute), ("hours", hour)):
            db.executemany(_ADD_REFUSALS[table], [(at, *row) for row in refusals])
        db.executemany(_ADD_TOTAL, rows)
        db.executemany(_ADD_PART, parts)
        db.executemany("UPDATE names SET seen = ? WHERE id = ?", [(minute, row[0]) for row in rows])

    def _id(self, db: sqlite3.Connection, route: str, kind: str, worker: str) -> int:
        key = (route, kind, worker)
        known = self._ids.get(key)
        if known is None:
            find = "SELECT id FROM names WHERE route = ? AND kind = ? AND worker = ?"
            row = db.execute(find, key).fetchone()
            if row is None:
                db.execute("INSERT INTO names (route, kind, worker) VALUES (?, ?, ?)", key)
                row = db.execute(find, key).fetchone()
            known = self._ids[key] = int(row[0])
        return known

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Begin, and commit or take back; then names that were made in it are forgotten."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield self._db
            self._db.execute("COMMIT")
        except BaseException:
            self._ids.clear()
            if self._db.in_transaction:
                with suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
            raise


def _columns_of(figures: Figures) -> tuple[int, ...]:
    """Write figures as `COLUMNS` wants them."""
    values = figures.values()
    columns = list(values[: len(COUNTS)])
    for work in values[len(COUNTS) :]:
        columns += split(work)
    return tuple(columns)


def _whole(batch: Batch) -> Rollup:
    """Add up what all workers of a route did."""
    whole = Rollup("", Figures.sum(rollup.figures for rollup in batch.rollups), batch.parts)
    return sum((Rollup("", _NONE, each.parts) for each in batch.rollups if each.parts), whole)


def figures_from(row: Sequence[int]) -> Figures:
    """Read figures out of `COLUMNS`, summed up or not."""
    counts = row[: len(COUNTS)]
    halves = row[len(COUNTS) :]
    pairs = zip(halves[::2], halves[1::2], strict=True)
    return Figures(*counts, *((high << LOW_BITS) + low for high, low in pairs))
