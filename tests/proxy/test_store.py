import sqlite3
from contextlib import closing
from pathlib import Path

from headframe.chain.share import Reason
from proxy.ledger import Ledger
from proxy.store import Figures, Rollup, Rollups, Store

ONE = Figures(offered=3, accepted=2, refused=1, acknowledged=1, work=2**70)


def rows(path: Path, table: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()


def test_totals_survive_a_restart(tmp_path: Path):
    path = tmp_path / "deep" / "proxy.sqlite"
    for start in range(3):
        store = Store(path)
        store.start()
        expected = Figures()
        for _ in range(start):
            expected += ONE
        assert store.totals.get("a", Figures()) == expected
        store.put([Rollup(100 + start, "a", ONE)])
        store.stop()
        assert store.problem == ""
    assert [row[0] for row in rows(path, "rollups")] == [100, 101, 102]
    assert rows(path, "totals") == [("a", 9, 6, 3, 3, str(3 * 2**70))]


def test_two_batches_of_one_minute_add_up(tmp_path: Path):
    path = tmp_path / "proxy.sqlite"
    store = Store(path)
    store.start()
    store.put([Rollup(7, "a", ONE), Rollup(7, "b", ONE)])
    store.put([Rollup(7, "a", ONE)])
    store.put([])
    store.stop()
    assert rows(path, "rollups") == [
        (7, "a", 6, 4, 2, 2, str(2**71)),
        (7, "b", 3, 2, 1, 1, str(2**70)),
    ]


def test_what_is_older_than_a_month_goes(tmp_path: Path):
    path = tmp_path / "proxy.sqlite"
    store = Store(path)
    store.start()
    store.put([Rollup(7, "a", ONE)])
    store.put([Rollup(7 + 60 * 24 * 30 + 1, "a", ONE)])
    store.stop()
    assert len(rows(path, "rollups")) == 1
    assert rows(path, "totals")[0][1] == 6


def test_a_disk_that_cannot_be_written_is_told_and_counted(tmp_path: Path):
    (tmp_path / "file").write_text("no folder")
    store = Store(tmp_path / "file" / "proxy.sqlite")
    store.start()
    store.put([Rollup(1, "a", ONE)])
    store.stop()
    assert "history is not written" in store.problem
    assert store.unwritten == 1


def test_a_broken_file_is_told_and_left_alone(tmp_path: Path):
    path = tmp_path / "proxy.sqlite"
    path.write_bytes(b"this is not a database, and longer than its header would be" * 20)
    before = path.read_bytes()
    store = Store(path)
    store.start()
    store.put([Rollup(1, "a", ONE)])
    store.stop()
    assert "not a database" in store.problem
    assert store.totals == {}
    assert path.read_bytes() == before


def test_a_disk_that_is_too_slow_costs_history_and_nothing_else(tmp_path: Path):
    store = Store(tmp_path / "proxy.sqlite", backlog=1)  # its thread does not run yet
    store.put([Rollup(1, "a", ONE)])
    store.put([Rollup(2, "a", ONE), Rollup(2, "b", ONE)])
    assert store.unwritten == 2
    assert "too slow" in store.problem


def test_minutes_hold_only_what_is_new():
    ledger = Ledger()
    rollups = Rollups(ledger)
    row = ledger.worker("a")
    ledger.worker("idle")
    ledger.keep(row, 10)
    assert rollups.cut(1) == [Rollup(1, "a", Figures(offered=1, accepted=1, work=10))]
    assert rollups.cut(2) == []
    ledger.refuse(row, Reason.STALE, 5)
    assert rollups.cut(3) == [Rollup(3, "a", Figures(offered=1, refused=1))]
