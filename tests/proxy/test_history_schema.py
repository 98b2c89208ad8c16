import sqlite3
from contextlib import closing

import pytest

from proxy.history import Batch, Rollup
from proxy.history_figures import Figures
from proxy.history_file import HistoryFile, figures_from
from proxy.history_schema import COLUMNS, VERSION, TooNewError, migrate, split, upsert

VERSION_1 = """
CREATE TABLE rollups (
    minute INTEGER NOT NULL, worker TEXT NOT NULL, offered INTEGER NOT NULL,
    accepted INTEGER NOT NULL, refused INTEGER NOT NULL, acknowledged INTEGER NOT NULL,
    work TEXT NOT NULL, PRIMARY KEY (minute, worker)
) WITHOUT ROWID;
CREATE TABLE totals (
    worker TEXT PRIMARY KEY, offered INTEGER NOT NULL, accepted INTEGER NOT NULL,
    refused INTEGER NOT NULL, acknowledged INTEGER NOT NULL, work TEXT NOT NULL
) WITHOUT ROWID;
INSERT INTO rollups VALUES (59, 'a', 2, 2, 0, 1, '100'),
    (61, 'a', 7, 5, 2, 1, '1208925819614629174706176'),
    (61, 'b', 1, 1, 0, 0, '3');
INSERT INTO totals VALUES ('a', 9, 7, 2, 2, '1208925819614629174706276'), ('b', 1, 1, 0, 0, '3'),
    ('long gone', 4, 4, 0, 4, '44');
PRAGMA user_version = 1;
"""


def test_a_new_database_has_the_newest_version():
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        assert migrate(db) == 0
        assert migrate(db) == VERSION


def test_one_of_a_newer_release_is_left_alone():
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        db.execute(f"PRAGMA user_version = {VERSION + 1}")
        with pytest.raises(
            TooNewError, match=f"its version is {VERSION + 1}, this release knows {VERSION}"
        ):
            migrate(db)


def test_work_beyond_64_bits_adds_up_exactly():
    add = upsert("totals", ("name",), ("offered", "work_offered_hi", "work_offered_lo"))
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        migrate(db)
        works = [2**100 - 1, 2**40 - 1, 1, 2**40, 7 * 2**80 + 12345]
        for work in works:
            db.execute(add, (1, 1, *split(work)))
        row = db.execute(f"SELECT {', '.join(COLUMNS)} FROM totals").fetchone()
    figures = figures_from(row)
    assert figures == Figures(offered=5, work_offered=sum(works))


def test_what_an_older_release_kept_is_taken_over(tmp_path):
    path = tmp_path / "proxy.sqlite"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(VERSION_1)
    with closing(HistoryFile.open(path)) as file:
        assert file.migrated_from == 1
        kept = {each.worker: each for each in file.totals("")}
    assert set(kept) == {"a", "b", "long gone"}
    figures = kept["a"].figures
    assert (figures.offered, figures.accepted, figures.refused) == (9, 7, 2)
    assert figures.work_accepted == 2**80 + 100
    assert (figures.kept, figures.forwarded, figures.acknowledged) == (5, 2, 2)
    assert kept["a"].seen == 3600, "the hour it was seen in last"
    with closing(sqlite3.connect(path)) as db:
        shown = (
            "SELECT at, kind, worker, offered FROM {} JOIN names ON names.id = name "
            "ORDER BY 1, 2, 3"
        )
        assert db.execute(shown.format("hours")).fetchall() == [
            (0, "all", "", 2),
            (0, "worker", "a", 2),
            (3600, "all", "", 8),
            (3600, "worker", "a", 7),
            (3600, "worker", "b", 1),
        ]
        assert len(db.execute(shown.format("minutes")).fetchall()) == 5
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
        assert not any(name.endswith("_1") and "autoindex" not in name for name in tables)
    with closing(HistoryFile.open(path)) as file:
        assert file.migrated_from == VERSION


def test_a_migration_that_fails_changes_nothing(tmp_path):
    path = tmp_path / "proxy.sqlite"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(VERSION_1.replace("'44'", "'no number'"))
    with pytest.raises(ValueError, match="no number"):
        HistoryFile.open(path)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
        assert db.execute("SELECT count(*) FROM rollups").fetchone() == (3,)


def test_one_without_refusals_by_reason_is_given_room_for_them(tmp_path):
    path = tmp_path / "proxy.sqlite"
    rollup = Rollup("a", Figures(offered=1), {"refused.stale": (1, 0)})
    with closing(HistoryFile.open(path)) as file:
        file.write([Batch(route="r", at=60, rollups=[rollup])])
    with closing(sqlite3.connect(path)) as db:
        db.executescript(
            "DROP TABLE minute_refusals; DROP TABLE hour_refusals; PRAGMA user_version = 2"
        )
    with closing(HistoryFile.open(path)) as file:
        assert file.migrated_from == 2
        file.write([Batch(route="r", at=60, rollups=[rollup])])
        assert [each.figures.offered for each in file.totals("r")] == [2]
    with closing(sqlite3.connect(path)) as db:
        found = db.execute("SELECT at, reason, shares FROM minute_refusals").fetchall()
    assert found == [(60, "stale", 1)] * 2, "of the worker, and of the route as a whole"
