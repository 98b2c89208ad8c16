import sqlite3
import threading
from contextlib import closing
from pathlib import Path

from headframe.chain.share import Reason, Verdict
from proxy.history import Batch, Rollup, Rollups
from proxy.history_figures import Figures
from proxy.ledger import Ledger, Tally
from proxy.store import Store

ONE = Figures(offered=3, accepted=2, kept=2, work_offered=2**70, work_accepted=2**69)


def batch(at: int, worker: str = "a", figures: Figures = ONE) -> Batch:
    return Batch(route="", at=at, rollups=[Rollup(worker, figures)])


def offered(path: Path, table: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(
            f"SELECT worker, offered FROM {table} JOIN names ON names.id = name "
            "WHERE kind = 'worker' ORDER BY 1, 2"
        ).fetchall()


def a_run(path: Path) -> tuple[Store, Ledger, Rollups]:
    store = Store(path, wall=lambda: 0)
    store.start()
    ledger = Ledger()
    rollups = Rollups(ledger)
    store.restore(ledger, rollups, 0.0)
    return store, ledger, rollups


def test_books_go_on_after_a_restart(tmp_path: Path):
    path = tmp_path / "deep" / "proxy.sqlite"
    for start in range(3):
        store, ledger, rollups = a_run(path)
        assert ledger.total.offered == Tally(2 * start, 2 * start * 2**70)
        row = ledger.worker("a")
        ledger.keep(row, 2**70)
        ledger.send(row, 2**70, 5)
        ledger.answer(row, Verdict(reason=Reason.ACCEPTED), 5, rescued=False)
        ledger.blocks_accepted += 1
        ledger.verify()
        store.put(rollups.cut(60 * start, 0.0))
        store.stop()
        assert store.problem == ""
        assert store.stats.history_ends_cut_short == 0
    assert ledger.workers["a"].pool.acknowledged == Tally(3, 15)
    assert ledger.blocks_accepted == 3
    assert offered(path, "totals") == [("a", 6)]
    assert offered(path, "minutes") == [("a", 2)] * 3


def test_workers_not_seen_for_long_get_no_row_at_a_start(tmp_path: Path):
    store, *_ = a_run(tmp_path / "proxy.sqlite")
    store.put(batch(0, "gone"))
    store.put(batch(7200, "here"))
    store.stop()
    store, ledger, _ = a_run(tmp_path / "proxy.sqlite")
    store.stop()
    assert set(ledger.workers) == {"here"}
    assert ledger.idle.offered == Tally(3, 2**70)
    assert ledger.total.offered == Tally(6, 2**71)
    ledger.verify()


def test_a_restart_after_a_crash_is_told_and_counted(tmp_path: Path):
    path = tmp_path / "proxy.sqlite"
    crashed, ledger, rollups = a_run(path)
    row = ledger.worker("a")
    ledger.send(row, 7, 9)
    crashed.put(rollups.cut(60, 0.0))
    while not offered(path, "totals"):
        threading.Event().wait(0.001)
    store, ledger, rollups = a_run(path)  # the first one never said goodbye
    assert store.stats.history_ends_cut_short == 1
    ledger.verify()
    assert ledger.workers["a"].pool.lost == Tally(1, 9), "the answer was never heard"
    store.put(rollups.cut(120, 0.0))
    store.stop()
    crashed.stop()
    store, ledger, _ = a_run(path)
    store.stop()
    assert ledger.workers["a"].pool.lost == Tally(1, 9)
    assert store.stats.history_ends_cut_short == 1


def test_a_disk_that_cannot_be_written_is_told_and_counted(tmp_path: Path):
    (tmp_path / "file").write_text("no folder")
    store, *_ = a_run(tmp_path / "file" / "proxy.sqlite")
    store.put(batch(1))
    store.stop()
    assert "history is not written" in store.problem
    assert store.stats.history_shares_unwritten == 3
    assert store.stats.history_writable == 0
    assert store.stats.history_write_failures >= 1


def test_what_could_not_be_written_is_written_later(tmp_path: Path):
    blocked = tmp_path / "blocked"
    blocked.write_text("no folder")
    path = blocked / "proxy.sqlite"
    store, *_ = a_run(path)
    store.put(batch(60))
    store.put(batch(120))
    while store.stats.history_write_failures < 2:
        threading.Event().wait(0.001)
    blocked.unlink()
    store.put(batch(180, "b"))
    store.stop()
    assert store.problem == ""
    assert store.stats.history_shares_unwritten == 0
    assert offered(path, "totals") == [("a", 6), ("b", 3)]
    assert offered(path, "minutes") == [("a", 6), ("b", 3)], "all in the minute that it was written"


def test_a_broken_file_is_told_and_left_alone(tmp_path: Path):
    path = tmp_path / "proxy.sqlite"
    path.write_bytes(b"this is not a database, and longer than its header would be" * 20)
    before = path.read_bytes()
    store, ledger, _ = a_run(path)
    store.put(batch(1))
    store.stop()
    assert "not a database" in store.problem
    assert ledger.total.offered == Tally()
    assert path.read_bytes() == before


def test_a_file_of_a_newer_release_is_left_alone(tmp_path: Path):
    path = tmp_path / "proxy.sqlite"
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")
    store, *_ = a_run(path)
    store.put(batch(1))
    store.stop()
    assert "its version is 99" in store.problem


def test_a_thread_that_is_behind_is_seen(tmp_path: Path):
    store = Store(
        tmp_path / "proxy.sqlite", backlog=2, wall=lambda: 0
    )  # its thread does not run yet
    store.put(Batch(route="", at=0, rollups=[]))
    store.put(batch(1))
    behind = [store.full]
    store.put(batch(2))
    behind.append(store.full)
    store.start()
    store.stop()
    assert [*behind, store.full] == [False, True, False]
    assert offered(tmp_path / "proxy.sqlite", "totals") == [("a", 6)]


def test_old_minutes_are_thrown_away(tmp_path: Path):
    path = tmp_path / "proxy.sqlite"
    store = Store(path, wall=lambda: 49 * 3600)
    store.start()
    store.put(batch(0))
    store.put(batch(48 * 3600))
    store.stop()
    assert offered(path, "minutes") == [("a", 3)]
    assert offered(path, "hours") == [("a", 3)] * 2
