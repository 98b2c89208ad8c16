import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from headframe.chain.share import Reason
from proxy.history import Batch, Rollup, Rollups
from proxy.history_figures import Figures
from proxy.history_file import HistoryFile, Retention
from proxy.ledger import Ledger

HOUR = 3600
ONE = Figures(offered=3, accepted=2, kept=2, work_offered=2**70, work_accepted=2**69)


def batch(at: int, *workers: str, route: str = "") -> Batch:
    return Batch(route=route, at=at, rollups=[Rollup(worker, ONE) for worker in workers])


@pytest.fixture
def file(tmp_path: Path):
    with closing(HistoryFile.open(tmp_path / "deep" / "proxy.sqlite")) as opened:
        yield opened


def shown(folder: Path, table: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(folder / "deep" / "proxy.sqlite")) as db:
        return db.execute(
            f"SELECT at, route, kind, worker, offered FROM {table} "
            "JOIN names ON names.id = name ORDER BY 1, 2, 3, 4"
        ).fetchall()


def refusals(folder: Path, table: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(folder / "deep" / "proxy.sqlite")) as db:
        return db.execute(
            f"SELECT at, kind, reason, shares FROM {table} "
            "JOIN names ON names.id = name ORDER BY 1, 2, 3"
        ).fetchall()


def test_minutes_and_hours_and_totals_add_up(file, tmp_path):
    file.write([batch(HOUR, "a", "b"), batch(HOUR, "a", route="north")])
    file.write([batch(HOUR + 59, "a")])
    file.write([batch(HOUR + 60, "a")])
    assert shown(tmp_path, "minutes") == [
        (HOUR, "", "all", "", 9),
        (HOUR, "", "worker", "a", 6),
        (HOUR, "", "worker", "b", 3),
        (HOUR, "north", "all", "", 3),
        (HOUR, "north", "worker", "a", 3),
        (HOUR + 60, "", "all", "", 3),
        (HOUR + 60, "", "worker", "a", 3),
    ]
    assert [row[4] for row in shown(tmp_path, "hours")] == [12, 9, 3, 3, 3]
    totals = {each.worker: each for each in file.totals("")}
    assert totals["a"].figures == ONE + ONE + ONE
    assert totals["a"].seen == HOUR + 60
    assert [each.figures for each in file.totals("north")] == [ONE]
    assert list(file.totals("south")) == []


def test_reasons_and_blocks_are_kept_with_the_totals(file):
    ledger = Ledger()
    rollups = Rollups(ledger)
    for _ in range(2):
        ledger.refuse(ledger.worker("a"), Reason.STALE, 2**60)
        ledger.blocks_found += 1
        file.write([rollups.cut(0, 0.0)])
    (kept,) = file.totals("")
    assert kept.parts == {"refused.stale": (2, 2**61)}
    assert file.route_parts("") == {"refused.stale": (2, 2**61), "blocks.found": (2, 0)}


def test_a_write_that_fails_leaves_nothing_behind(file):
    file.write([batch(0, "a")])
    too_much = Batch(route="", at=0, rollups=[Rollup("b", Figures(work_lost=2**200))])
    with pytest.raises(OverflowError):
        file.write([batch(0, "new"), too_much])
    assert [each.worker for each in file.totals("")] == ["a"]
    file.write([batch(0, "new")])
    assert [each.worker for each in file.totals("")] == ["a", "new"]


def test_what_is_old_goes(file, tmp_path):
    retention = Retention(minutes_hours=48, hours_days=400)
    old, now = 400 * 24 * HOUR, 800 * 24 * HOUR
    for at in (old - HOUR, old, now - 48 * HOUR - 60, now - 48 * HOUR):
        file.write([batch(at, "a")])
    file.prune(now, retention)
    assert [row[0] for row in shown(tmp_path, "minutes")] == [now - 48 * HOUR] * 2
    assert [row[0] for row in shown(tmp_path, "hours")][:2] == [old] * 2
    (kept,) = file.totals("")
    assert kept.figures.offered == 12


def test_the_size_is_bounded(file, tmp_path):
    for minute in range(10):
        file.write([batch(minute * 60, "a", "b")])
    file.prune(600, Retention(most_rows=7))
    assert [row[0] for row in shown(tmp_path, "minutes")] == [480] * 3 + [540] * 3
    assert len(shown(tmp_path, "hours")) == 3


def test_refusals_by_reason_go_with_their_minutes_and_hours(file, tmp_path):
    def refused(at: int) -> Batch:
        rollup = Rollup(
            "a", Figures(offered=1), {"refused.stale": (1, 0), "upstream.stale": (1, 0)}
        )
        return Batch(route="", at=at, rollups=[rollup])

    now = 800 * 24 * HOUR
    for at in (now - 500 * 24 * HOUR, now - 49 * HOUR, now - HOUR):
        file.write([refused(at)])
    file.prune(now, Retention())
    assert [row[0] for row in refusals(tmp_path, "minute_refusals")] == [now - HOUR] * 2
    assert {row[0] for row in refusals(tmp_path, "hour_refusals")} == {now - 49 * HOUR, now - HOUR}
    file.write([refused(now)])
    file.prune(now, Retention(most_rows=2))
    for table in ("minute_refusals", "hour_refusals"):
        assert {row[0] for row in refusals(tmp_path, table)} == {now}


def test_workers_that_are_too_many_are_summed_up(file, tmp_path):
    for minute in range(6):
        file.write([batch(minute * 60, f"w{minute}"), batch(minute * 60, "x", route="north")])
    ledger = Ledger()
    rollups = Rollups(ledger)
    ledger.refuse(ledger.worker("w0"), Reason.STALE, 5)
    cut = rollups.cut(0, 0.0)
    file.write([cut])
    file.prune(600, Retention(most_workers=3))
    kept = list(file.totals(""))
    assert {each.worker for each in kept if not each.summed_up} == {"w4", "w5"}
    (other,) = [each for each in kept if each.summed_up]
    assert other.figures.offered == 13
    assert other.figures.work_offered == 4 * 2**70 + 5
    assert other.parts == {"refused.stale": (1, 5)}
    assert [row for row in shown(tmp_path, "minutes") if row[2] == "other"] == [
        (minute * 60, "", "other", "", 3 + (minute == 0)) for minute in range(4)
    ]
    for table, at in (("minute_refusals", 0), ("hour_refusals", 0)):
        assert refusals(tmp_path, table) == [(at, "all", "stale", 1), (at, "other", "stale", 1)]
    file.write([batch(660, "w0")])
    assert {each.worker: each.figures for each in file.totals("")}["w0"] == ONE, "it begins anew"


def test_an_end_without_a_goodbye_is_noticed(tmp_path):
    path = tmp_path / "proxy.sqlite"
    ends = [True, False, True, False, False]
    for number, clean in enumerate([True, *ends[:-1]]):
        with closing(HistoryFile.open(path)) as file:
            assert file.begin_run() is clean, number
            file.write([batch(number * 60, "a")])
            if ends[number]:
                file.end_run()
    with closing(HistoryFile.open(path)) as file:
        assert file.meta("cut_short") == 2
        assert file.meta("written_at") == 240
        assert file.meta("unheard of") == 0


def test_what_has_no_route_is_given_to_one_that_has_nothing(tmp_path):
    with closing(HistoryFile.open(tmp_path / "proxy.sqlite")) as file:
        file.write([batch(0, "a")])
        file.adopt("default")
        assert [each.worker for each in file.totals("default")] == ["a"]
        file.write([batch(0, "b")])
        file.adopt("default")
        assert [each.worker for each in file.totals("default")] == ["a"]
        assert [each.worker for each in file.totals("")] == ["b"]
