import csv
import json
from contextlib import closing
from pathlib import Path

from click.testing import CliRunner, Result

from headframe.cli import main
from proxy.history import Batch, Rollup
from proxy.history_figures import Figures
from proxy.history_file import HISTORY, HistoryFile


def export(folder: Path, *args: str) -> Result:
    return CliRunner().invoke(main, ["export", "--state-dir", str(folder), *args])


def filled(folder: Path) -> Path:
    with closing(HistoryFile.open(folder / HISTORY)) as file:
        for at in (86_400, 90_000):
            rollups = [Rollup(name, Figures(offered=1, work_offered=2**70)) for name in "ab"]
            file.write([Batch(route="default", at=at, rollups=rollups)])
    return folder


def test_csv_goes_to_the_output(tmp_path: Path):
    done = export(filled(tmp_path), "--from", "1970-01-02", "--to", "1970-01-03")
    assert done.exit_code == 0
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert [(row["time"], row["worker"]) for row in rows] == [
        ("1970-01-02T00:00:00Z", "a"),
        ("1970-01-02T00:00:00Z", "b"),
        ("1970-01-02T01:00:00Z", "a"),
        ("1970-01-02T01:00:00Z", "b"),
    ]


def test_json_goes_to_a_file_while_another_writes(tmp_path: Path):
    out = tmp_path / "out.json"
    args = ["--from", "1970-01-01", "--format", "json", "--by", "route", "--output", str(out)]
    with closing(HistoryFile.open(filled(tmp_path) / HISTORY)) as writing:
        writing.write([Batch(route="north", at=172_800, rollups=[])])
        assert export(tmp_path, *args).exit_code == 0
    rows = json.loads(out.read_text())
    assert [row["route"] for row in rows] == ["default", "default", "north"]
    assert rows[0]["work_offered"] == str(2**71)


def test_what_cannot_be_is_one_line(tmp_path: Path):
    for args, words in (
        (["--from", "soon"], "is no time"),
        ([], "there is no history at"),
    ):
        done = export(tmp_path, *args)
        assert done.exit_code != 0
        assert words in done.stderr
        assert "Traceback" not in done.stderr
    done = export(filled(tmp_path), "--output", str(tmp_path / "no" / "file"))
    assert done.exit_code == 1
    assert "No such file" in done.stderr
