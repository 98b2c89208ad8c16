"""The history's tables in SQLite, and how those of older versions become these.

`minutes` and `hours` hold what a worker did in that piece of time (`at`: seconds since 1970,
its beginning), `totals` what it did in all; `parts` splits the totals further, by reason, and
`minute_refusals` and `hour_refusals` split the shares that were refused here, where any were.
A name of the kind `all` is a route as a whole, `other` its workers whose own rows were
given up, so that all of a route's other rows add up to `all`.

Work outgrows SQLite's whole numbers, so it stands in two columns: work = hi * 2^40 + lo.
Sums of either column over some million rows are exact.
"""

import sqlite3
from collections.abc import Callable
from typing import Final

from proxy.history_figures import COUNTS, WORKS

__all__ = ["COLUMNS", "LOW_BITS", "VERSION", "TooNewError", "migrate", "split", "summed", "upsert"]

VERSION: Final = 3
LOW_BITS: Final = 40
_LOW: Final = (1 << LOW_BITS) - 1
_WORK_COLUMNS: Final = tuple(f"{name}_{half}" for name in WORKS for half in ("hi", "lo"))
COLUMNS: Final = (*COUNTS, *_WORK_COLUMNS)
"""The figures of a row, as columns."""


class TooNewError(Exception):
    """A newer release wrote the file."""


def _figures_sql() -> str:
    return ", ".join(f"{name} INTEGER NOT NULL DEFAULT 0" for name in COLUMNS)


_SCHEMA: Final = f"""
CREATE TABLE names (
    id INTEGER PRIMARY KEY, route TEXT NOT NULL, kind TEXT NOT NULL, worker TEXT NOT NULL,
    seen INTEGER NOT NULL DEFAULT 0, UNIQUE (route, kind, worker)
);
CREATE TABLE minutes (
    at INTEGER NOT NULL, name INTEGER NOT NULL, {_figures_sql()}, PRIMARY KEY (at, name)
) WITHOUT ROWID;
CREATE TABLE hours (
    at INTEGER NOT NULL, name INTEGER NOT NULL, {_figures_sql()}, PRIMARY KEY (at, name)
) WITHOUT ROWID;
CREATE TABLE totals (name INTEGER PRIMARY KEY, {_figures_sql()});
CREATE TABLE parts (
    name INTEGER NOT NULL, part TEXT NOT NULL, shares INTEGER NOT NULL DEFAULT 0,
    work_hi INTEGER NOT NULL DEFAULT 0, work_lo INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (name, part)
) WITHOUT ROWID;
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""
_REFUSALS: Final = """
CREATE TABLE minute_refusals (
    at INTEGER NOT NULL, name INTEGER NOT NULL, reason TEXT NOT NULL,
    shares INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (at, name, reason)
) WITHOUT ROWID;
CREATE TABLE hour_refusals (
    at INTEGER NOT NULL, name INTEGER NOT NULL, reason TEXT NOT NULL,
    shares INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (at, name, reason)
) WITHOUT ROWID;
"""


def split(work: int) -> tuple[int, int]:
    """Cut work into its two columns."""
    return work >> LOW_BITS, work & _LOW


def upsert(table: str, keys: tuple[str, ...], columns: tuple[str, ...] = COLUMNS) -> str:
    """Make the statement that adds figures to a row, or makes the row; keys come first."""
    sets = [_added(name) for name in columns]
    places = ", ".join("?" * (len(keys) + len(columns)))
    return (
        f"INSERT INTO {table} ({', '.join((*keys, *columns))}) VALUES ({places}) "  # noqa: S608
        f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {', '.join(sets)}"
    )


def _added(name: str) -> str:
    """Add to a column; what goes beyond the low half of work is carried to the high half."""
    if name.endswith("_lo"):
        return f"{name} = ({name} + excluded.{name}) & {_LOW}"
    if name.endswith("_hi"):
        low = name.removesuffix("hi") + "lo"
        carried = f"(({low} + excluded.{low}) >> {LOW_BITS})"
        return f"{name} = {name} + excluded.{name} + {carried}"
    return f"{name} = {name} + excluded.{name}"


def summed(columns: tuple[str, ...] = COLUMNS) -> str:
    """Make the list of columns that adds rows up."""
    return ", ".join(f"SUM({name})" for name in columns)


def migrate(db: sqlite3.Connection) -> int:
    """Bring a database to this version, all or nothing.

    Returns:
        The version that it had; 0 for a new one.

    Raises:
        TooNewError: it is of a newer version; it is left alone.
        sqlite3.Error: it cannot be read or written.
    """
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    if version > VERSION:
        raise TooNewError(
            f"its version is {version}, this release knows {VERSION}: use the newer release, "
            "or another state_dir"
        )
    if version == VERSION:
        return version
    with db:
        db.execute("BEGIN IMMEDIATE")
        for step in _STEPS[version]:
            step(db)
        db.execute(f"PRAGMA user_version = {VERSION}")
    return version


def _create(db: sqlite3.Connection) -> None:
    for statement in filter(str.strip, _SCHEMA.split(";")):
        db.execute(statement)
    _split_refusals(db)


def _split_refusals(db: sqlite3.Connection) -> None:
    """Make what version 2 lacked; of its pieces of time no reasons are known."""
    for statement in filter(str.strip, _REFUSALS.split(";")):
        db.execute(statement)


def _put_old_tables_aside(db: sqlite3.Connection) -> None:
    db.execute("ALTER TABLE rollups RENAME TO rollups_1")
    db.execute("ALTER TABLE totals RENAME TO totals_1")


def _fill_from_version_1(db: sqlite3.Connection) -> None:
    """Version 1 knew no routes, kept text for work, and less of the pool's leg.

    What the pool acknowledged counts as all that went up, and refused shares weigh nothing.
    """
    db.execute(
        "INSERT INTO names (route, kind, worker) SELECT DISTINCT '', 'worker', worker FROM "
        "(SELECT worker FROM totals_1 UNION SELECT worker FROM rollups_1)"
    )
    db.execute("INSERT INTO names (route, kind, worker) VALUES ('', 'all', '')")
    ids = dict(db.execute("SELECT worker, id FROM names WHERE kind = 'worker'"))
    (whole,) = db.execute("SELECT id FROM names WHERE kind = 'all'").fetchone()
    works = ("work_offered_hi", "work_offered_lo", "work_accepted_hi", "work_accepted_lo")
    columns = (*COUNTS[:5], *works)
    about = "worker, offered, accepted, refused, acknowledged, work"
    for worker, *figures in db.execute(f"SELECT {about} FROM totals_1").fetchall():  # noqa: S608
        for name in (ids[worker], whole):
            db.execute(upsert("totals", ("name",), columns), (name, *_old_row(figures)))
    for minute, worker, *figures in db.execute(
        f"SELECT minute, {about} FROM rollups_1"  # noqa: S608
    ).fetchall():
        at, row = minute * 60, _old_row(figures)
        for table, start in (("minutes", at), ("hours", at - at % 3600)):
            for name in (ids[worker], whole):
                db.execute(upsert(table, ("at", "name"), columns), (start, name, *row))
    db.execute("UPDATE names SET seen = coalesce((SELECT max(at) FROM hours WHERE name = id), 0)")
    db.execute("DROP TABLE rollups_1")
    db.execute("DROP TABLE totals_1")


def _old_row(figures: list[int | str]) -> tuple[int, ...]:
    offered, accepted, _, acknowledged, work = (int(value) for value in figures)
    high, low = split(work)
    kept = accepted - acknowledged
    return (offered, accepted, kept, acknowledged, acknowledged, high, low, high, low)


_STEPS: Final[dict[int, tuple[Callable[[sqlite3.Connection], None], ...]]] = {
    0: (_create,),
    1: (_put_old_tables_aside, _create, _fill_from_version_1),
    2: (_split_refusals,),
}
