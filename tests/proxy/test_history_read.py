import csv
import io
import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from proxy.history import Batch, Rollup
from proxy.history_figures import REASONS, Figures
from proxy.history_file import HistoryFile, Retention
from proxy.history_read import (
    FIELDS,
    HistoryError,
    Query,
    Record,
    as_csv,
    as_json,
    read,
    step_of,
)
from proxy.history_schema import VERSION

HOUR = 3600
BIG = 2**90 + 1
FIGURES = Figures(5, 4, 1, 3, 1, 1, 1, BIG, BIG - 5, 300, 100, 100, 100)


def batch(at: int, *workers: str, route: str = "default") -> Batch:
    return Batch(route=route, at=at, rollups=[Rollup(worker, FIGURES) for worker in workers])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with closing(HistoryFile.open(tmp_path / "proxy.sqlite")) as file:
        file.write([batch(0, "a", "=b()"), batch(0, "a", route="north")])
        file.write([batch(60, "a")])
        file.write([batch(HOUR, "a")])
    return tmp_path / "proxy.sqlite"


def told(path: Path, **changes: object) -> list[tuple[int, str, str, int]]:
    fields = {"since": 0, "until": 10 * HOUR, "step": "minute"} | changes
    records = read(path, Query(**fields))  # type: ignore[arg-type] # a test's own business
    return [(each.at, each.route, each.worker, each.figures.offered) for each in records]


def test_minutes_hours_routes_and_workers(path):
    minutes = told(path)
    assert minutes == [
        (0, "default", "=b()", 5),
        (0, "default", "a", 5),
        (0, "north", "a", 5),
        (60, "default", "a", 5),
        (HOUR, "default", "a", 5),
    ]
    assert told(path, step="hour", route="default", worker="a") == [
        (0, "default", "a", 10),
        (HOUR, "default", "a", 5),
    ]
    assert told(path, by="route", until=60) == [(0, "default", "", 10), (0, "north", "", 5)]
    assert told(path, since=60, until=61) == [(60, "default", "a", 5)]
    assert told(path, worker="nobody") == []


def test_workers_summed_up_are_told_as_others(path):
    with closing(HistoryFile.open(path)) as file:
        file.prune(60, Retention(most_workers=0))
    assert told(path, until=60) == [(0, "default", "(other)", 10), (0, "north", "(other)", 5)]


def test_csv_is_read_back_with_exact_work(path):
    records = read(path, Query(since=0, until=60, step="minute", route="default"))
    rows = list(csv.DictReader(io.StringIO("".join(as_csv(records)))))
    assert list(rows[0]) == list(FIELDS)
    assert rows[0]["time"] == "1970-01-01T00:00:00Z"
    assert [row["worker"] for row in rows] == ["'=b()", "a"], "no formula for a spreadsheet"
    assert rows[1]["shares_refused"] == "1"
    assert int(rows[1]["work_offered"]) == BIG
    assert rows[1]["work_refused"] == "5"


def test_json_has_work_as_texts(path):
    text = "".join(as_json(read(path, Query(since=0, until=61, step="minute", worker="a"))))
    rows = json.loads(text)
    assert len(rows) == 3
    assert rows[0]["work_accepted"] == str(BIG - 5)
    assert rows[0]["shares_lost"] == 1
    assert json.loads("".join(as_json([]))) == []
    assert "".join(as_csv([])) == ",".join(FIELDS) + "\n"


def test_a_day_is_told_in_minutes_and_more_in_hours():
    assert step_of(0, 86_400) == "minute"
    assert step_of(0, 86_401) == "hour"


def test_what_cannot_be_read_is_told(tmp_path):
    with pytest.raises(HistoryError, match="there is no history at"):
        told(tmp_path / "none.sqlite")
    (tmp_path / "bad.sqlite").write_text("no database, that much is sure, and long enough" * 9)
    with pytest.raises(HistoryError, match="cannot be read"):
        told(tmp_path / "bad.sqlite")
    (tmp_path / "empty.sqlite").write_bytes(b"")
    with pytest.raises(HistoryError, match=f"is of version 0, this release reads {VERSION}"):
        told(tmp_path / "empty.sqlite")


def test_refused_shares_are_told_by_reason(tmp_path):
    def refused(**reasons: int) -> Rollup:
        parts = {f"refused.{reason}": (shares, 0) for reason, shares in reasons.items()}
        return Rollup("a", Figures(offered=sum(reasons.values())), parts)

    with closing(HistoryFile.open(tmp_path / "proxy.sqlite")) as file:
        file.write([Batch(route="r", at=0, rollups=[refused(stale=2)])])
        file.write([Batch(route="r", at=59, rollups=[refused(stale=1, duplicate=4)])])
        file.write([batch(60, "a", "b", route="r")])
        file.write([Batch(route="r", at=120, rollups=[refused(bad_version=9)])])

    def records(**changes: Any) -> list[Record]:
        fields: dict[str, Any] = {"since": 0, "until": HOUR, "step": "minute"}
        return list(read(tmp_path / "proxy.sqlite", Query(**fields | changes)))

    for changes in ({}, {"by": "route"}, {"worker": "a"}):
        told = {each.at: each.refusals for each in records(**changes) if each.worker != "b"}
        assert told == {0: {"stale": 3, "duplicate": 4}, 60: {}, 120: {"bad_version": 9}}
    assert [each.refusals for each in records(since=60, by="route")] == [{}, {"bad_version": 9}]
    (hour,) = records(step="hour", by="route")
    row = dict(zip(FIELDS, hour.values(), strict=True))
    shown = {name.removeprefix("shares_refused_"): row[name] for name in FIELDS[-len(REASONS) :]}
    assert {name: count for name, count in shown.items() if count} == {
        "stale": 3,
        "duplicate": 4,
        "bad_version": 9,
    }
    assert row["shares_refused"] == 18, "two more, of which no reason is known"
