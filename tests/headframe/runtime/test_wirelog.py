import datetime
import json
import stat
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from headframe.runtime.errors import ConfigError
from headframe.runtime.wirelog import WireLog, wire_log_at


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def lines_of(path: Path) -> list[Any]:
    return [each.get("line", each.get("event")) for each in records(path)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "wire.jsonl"


def test_every_line_has_time_connection_leg_peer_and_direction(path: Path) -> None:
    log = WireLog(path)
    tap = log.open("pool.example:3333", "192.0.2.1:3333")
    tap.said(b'{"id":1,"method":"mining.subscribe","params":[]}\n')
    tap.heard(b'{"id":1,"resu')
    other = log.open("rig", "192.0.2.9:5555")
    tap.heard(b'lt":null}\r\n{"id":2}\n')
    tap.over()
    other.heard(b"\xff\xfe\nno end")
    other.over()
    log.close()
    found = records(path)
    for each in found:
        when = datetime.datetime.fromisoformat(each.pop("time"))
        assert abs((datetime.datetime.now(datetime.UTC) - when).total_seconds()) < 600
    first = {"connection": 1, "leg": "pool.example:3333", "peer": "192.0.2.1:3333"}
    second = {"connection": 2, "leg": "rig", "peer": "192.0.2.9:5555"}
    assert found == [
        {**first, "event": "opened"},
        {**first, "direction": "out", "line": '{"id":1,"method":"mining.subscribe","params":[]}'},
        {**second, "event": "opened"},
        {**first, "direction": "in", "line": '{"id":1,"result":null}'},
        {**first, "direction": "in", "line": '{"id":2}'},
        {**first, "event": "closed"},
        {**second, "direction": "in", "hex": "fffe"},
        {**second, "direction": "in", "line": "no end", "cut": True},
        {**second, "event": "closed"},
    ]


@pytest.mark.parametrize(
    "line",
    [
        '{"id":3,"method":"mining.authorize","params":["me.rig","hunter2"]}',
        '{"id":3,"method":"mining.authorize","params":["me.rig","hunter2","hunter2"]}',
        '{"id":3,"method":"mining.authorize","params":{"me.rig":"hunter2"}}',
        '{"id":3,"method":"mining.\\u0061uthorize","params":["me.rig","hunter2"]}',
        '[{"id":3,"method":"mining.authorize","params":["me.rig","hunter2"]}]',
        '{"id":3,"method":"mining.authorize","params":["me.rig","hunter2"',
        '{"id":3,"result":"see http://me.rig:hunter2@pool.example/"}',
        "socks5://me.rig:hunter2@h:1",
    ],
)
def test_passwords_are_taken_out(path: Path, line: str) -> None:
    log = WireLog(path)
    tap = log.open("rig", "h:1")
    tap.heard(line[:40].encode())
    tap.heard(f"{line[40:]}\n".encode())
    log.close()
    text = path.read_text()
    assert "hunter2" not in text
    (record,) = [each for each in records(path) if "line" in each]
    assert record["redacted"] is True


def test_a_setting_names_the_file_or_nothing(path: Path) -> None:
    assert wire_log_at("") is None
    log = wire_log_at(str(path))
    assert log is not None
    log.close()
    assert path.exists()


def test_logins_are_kept(path: Path) -> None:
    log = WireLog(path)
    log.open("p", "h:1").said(b'{"id":3,"method":"mining.authorize","params":["me.rig","x"]}\n')
    log.close()
    assert json.loads(records(path)[1]["line"])["params"] == ["me.rig", "***"]


def test_a_file_that_has_grown_is_put_aside_and_few_are_kept(path: Path) -> None:
    log = WireLog(path, largest_bytes=1000, keep=2)
    tap = log.open("p", "h:1")
    for number in range(100):
        tap.heard(b"line %d\n" % number)
    log.close()
    files = sorted(each.name for each in path.parent.iterdir())
    assert files == ["wire.jsonl", "wire.jsonl.1", "wire.jsonl.2"]
    assert all(each.stat().st_size <= 1000 for each in path.parent.iterdir())
    order = [path.with_name("wire.jsonl.2"), path.with_name("wire.jsonl.1"), path]
    told = [line for file in order for line in lines_of(file)]
    assert told[-1] == "line 99"
    assert told == [f"line {number}" for number in range(100 - len(told), 100)], "in order"


def test_none_need_be_kept(path: Path) -> None:
    log = WireLog(path, largest_bytes=300, keep=0)
    for number in range(20):
        log.open("p", "h:1").heard(b"line %d\n" % number)
    log.close()
    assert [each.name for each in path.parent.iterdir()] == ["wire.jsonl"]
    assert path.stat().st_size <= 300


def test_it_goes_on_where_it_ended_and_is_for_its_owner_alone(path: Path) -> None:
    for number in (1, 2):
        log = WireLog(path)
        log.open("p", "h:1").heard(b"run %d\n" % number)
        log.close()
    assert lines_of(path) == ["opened", "run 1", "opened", "run 2"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_line_without_end_is_written_in_parts(path: Path) -> None:
    log = WireLog(path)
    tap = log.open("p", "h:1")
    for _ in range(3):
        tap.heard(b"x" * 700_000)
    tap.over()
    log.close()
    assert [len(each.get("line", "")) for each in records(path)] == [0, 1_400_000, 700_000, 0]


def test_what_the_disk_is_too_slow_for_is_left_out_and_counted(path: Path) -> None:
    path.parent.mkdir()
    log = WireLog(path, most_waiting=1)
    tap = log.open("p", "h:1")
    for number in range(20_000):
        tap.heard(b"line %d\n" % number)
    log.close()
    left_out = sum(each.get("pieces", 0) for each in records(path))
    written = sum("line" in each or each.get("event") == "opened" for each in records(path))
    assert left_out + written == 20_001


def test_a_place_that_cannot_be_written_is_told_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"wire log .* cannot be written"):
        WireLog(tmp_path / "file" / "wire.jsonl")
    with pytest.raises(ConfigError, match="Is a directory"):
        WireLog(tmp_path)


def test_a_disk_that_is_full_is_told_once_and_stops_nothing() -> None:
    with capture_logs() as told:
        log = WireLog(Path("/dev/full"), largest_bytes=1 << 30)
        tap = log.open("p", "h:1")
        for _ in range(10):
            tap.heard(b"x" * 100_000 + b"\n")
        log.close()
    assert [each["event"] for each in told] == ["wire_log_failed"]
