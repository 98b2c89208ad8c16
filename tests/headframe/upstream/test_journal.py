"""The journal of found blocks, its crashes and its disks."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from headframe.chain.hashes import hash_to_hex, sha256d
from headframe.chain.job import SourceId
from headframe.chain.share import Reason, Verdict
from headframe.upstream.journal import FoundBlock, Journal
from headframe.upstream.journal_lines import CandidateLine

NODE, OTHER = SourceId("node"), SourceId("other")
ACCEPTED = Verdict(reason=Reason.ACCEPTED, block=True)


def block(number: int, source: SourceId = NODE) -> FoundBlock:
    raw = bytes([number]) * 100
    return FoundBlock(source=source, height=number, hash=sha256d(raw[:80]), raw=raw)


def opened(path: Path) -> Journal:
    return Journal(path, wall=lambda: 1_700_000_000)


def test_a_block_without_a_verdict_is_there_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "blocks.jsonl"
    journal = opened(path)
    assert journal.found(block(1))
    assert journal.found(block(2, OTHER))
    assert journal.found(block(3))
    journal.resolved(block(1).hash, ACCEPTED)

    again = opened(path)
    assert again.unresolved(NODE) == (block(3),)
    assert again.unresolved(OTHER) == (block(2, OTHER),)
    assert again.sources() == {NODE, OTHER}
    assert again.path == path


def test_the_file_is_for_people_too_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "blocks.jsonl"
    journal = opened(path)
    journal.found(block(7))
    journal.resolved(block(7).hash, Verdict(reason=Reason.STALE, detail="inconclusive"), node="far")
    found, verdict = (json.loads(line) for line in path.read_text().splitlines())
    assert found == {
        "event": "found",
        "hash": hash_to_hex(block(7).hash),
        "height": 7,
        "source": "node",
        "time": 1_700_000_000,
        "block": "07" * 100,
    }
    assert verdict == {
        "event": "verdict",
        "hash": hash_to_hex(block(7).hash),
        "time": 1_700_000_000,
        "reason": "stale",
        "detail": "inconclusive",
        "node": "far",
        "height": 7,
        "source": "node",
        "found": 1_700_000_000,
    }
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_verdict_for_a_block_nobody_found_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "blocks.jsonl"
    opened(path).resolved(block(1).hash, ACCEPTED)
    assert not path.exists()


@pytest.mark.parametrize("cut", [1, 30, 200])
def test_a_line_cut_short_costs_that_line_alone(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "blocks.jsonl"
    journal = opened(path)
    journal.found(block(1))
    whole = path.stat().st_size
    journal.found(block(2))
    os.truncate(path, whole + cut)

    with capture_logs() as logs:
        again = opened(path)
    assert again.unresolved(NODE) == (block(1),)
    (warning,) = logs
    assert (warning["event"], warning["line"]) == ("block_journal_line_ignored", 2)

    again.found(block(3))  # must not grow on to the broken line
    with capture_logs():
        assert opened(path).unresolved(NODE) == (block(1), block(3))


def test_lines_that_make_no_sense_are_reported_and_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "blocks.jsonl"
    opened(path).found(block(1))
    bad_hash = path.read_bytes().replace(hash_to_hex(block(1).hash).encode(), b"xyz")
    path.write_bytes(
        path.read_bytes() + b'\n\n{"event":"party"}\n' + b"\x00" * 10 + b"\n" + bad_hash
    )
    with capture_logs() as logs:
        assert opened(path).unresolved(NODE) == (block(1),)
    assert [log["line"] for log in logs] == [4, 5, 6]


def test_a_last_line_that_lacks_only_its_end_counts(tmp_path: Path) -> None:
    path = tmp_path / "blocks.jsonl"
    opened(path).found(block(1))
    os.truncate(path, path.stat().st_size - 1)
    journal = opened(path)
    assert journal.unresolved(NODE) == (block(1),)
    journal.found(block(2))
    assert opened(path).unresolved(NODE) == (block(1), block(2))


def test_a_full_disk_says_so_and_keeps_the_block_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "blocks.jsonl"
    journal = opened(path)
    path.symlink_to("/dev/full")
    with capture_logs() as logs:
        assert journal.found(block(1)) is False
    assert journal.unresolved(NODE) == (block(1),)
    (error,) = (log for log in logs if log["event"] == "block_journal_not_written")
    assert error["log_level"] == "error"
    assert "No space left" in error["error"]
    assert error["block"] == hash_to_hex(block(1).hash)

    path.unlink()  # there is room again
    assert journal.found(block(2)) is True
    assert opened(path).unresolved(NODE) == (block(2),)


def test_a_disk_that_cannot_be_waited_for_is_an_error_that_is_told(tmp_path: Path) -> None:
    path = tmp_path / "blocks.jsonl"
    journal = opened(path)
    assert journal.note(block(1)) is True
    assert journal.holds(block(1).hash)
    path.rename(tmp_path / "elsewhere")
    with capture_logs() as logs:
        assert journal.sync() is False
    assert [log["event"] for log in logs] == ["block_journal_not_synced"]


def test_a_journal_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    with capture_logs() as logs:
        journal = opened(tmp_path)  # a folder
        assert journal.found(block(1)) is False
    assert [log["event"] for log in logs] == [
        "block_journal_not_read",
        "block_journal_not_written",
    ]


def test_after_a_failed_write_the_next_line_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "here" / "blocks.jsonl"
    path.parent.write_bytes(b"")  # a file where the folder should be
    journal = opened(path)
    with capture_logs():
        assert journal.found(block(1)) is False
    path.parent.unlink()
    assert journal.found(block(2)) is True
    assert opened(path).unresolved(NODE) == (block(2),)


def test_a_large_file_is_begun_anew_with_what_has_no_verdict(tmp_path: Path) -> None:
    path = tmp_path / "blocks.jsonl"
    journal = opened(path)
    for number in range(1, 9):
        journal.found(block(number))
        if number != 4:
            journal.resolved(block(number).hash, ACCEPTED)
            journal.settled(block(number).hash, confirmations=100)
    before = path.read_bytes()

    again = Journal(path, wall=lambda: 5, large_bytes=len(before))
    assert again.unresolved(NODE) == (block(4),)
    assert path.stat().st_size < len(before) / 4
    assert path.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "blocks.jsonl.old").read_bytes() == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["blocks.jsonl", "blocks.jsonl.old"]

    # A process that has had the file open all the time goes on in the new one.
    journal.found(block(9))
    assert opened(path).unresolved(NODE) == (block(4), block(9))
    assert (tmp_path / "blocks.jsonl.old").read_bytes() == before

    Journal(path, wall=lambda: 5, large_bytes=1)  # and once more, over the old one
    assert opened(path).unresolved(NODE) == (block(4), block(9))


def test_a_file_begun_anew_between_opening_and_locking_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "blocks.jsonl"
    opened(path).found(block(1))
    holder = os.open(path, os.O_RDONLY)
    fcntl.flock(holder, fcntl.LOCK_EX)
    waiting = opened(path)
    thread = threading.Thread(target=waiting.found, args=(block(2),))
    thread.start()
    for _ in range(1000):  # until it has opened the old file; where that shows in /proc
        if f"{os.fstat(holder).st_ino}" in _waiting_locks():
            break
        thread.join(timeout=0.005)
    path.rename(tmp_path / "moved")
    os.close(holder)
    thread.join(timeout=20)
    assert opened(path).unresolved(NODE) == (block(2),)
    assert opened(tmp_path / "moved").unresolved(NODE) == (block(1),)


def _waiting_locks() -> str:
    """Lines of the kernel's list of locks that somebody waits for."""
    locks = Path("/proc/locks")
    lines = locks.read_text().splitlines() if locks.exists() else []
    return "\n".join(line for line in lines if "->" in line)


_FINDER = """
import sys
from pathlib import Path
from headframe.chain.hashes import sha256d
from headframe.chain.job import SourceId
from headframe.upstream.journal import FoundBlock, Journal
from headframe.upstream.journal_lines import CandidateLine
journal = Journal(Path(sys.argv[1]), wall=lambda: 1700000000)
raw = bytes([9]) * 100
journal.found(FoundBlock(source=SourceId("node"), height=9, hash=sha256d(raw[:80]), raw=raw))
print("found", flush=True)
sys.stdin.read()
"""


def test_kill_minus_9_loses_nothing_that_was_found(tmp_path: Path) -> None:
    path = tmp_path / "blocks.jsonl"
    with subprocess.Popen(
        [sys.executable, "-c", _FINDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"found\n"
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=20)
    assert opened(path).unresolved(NODE) == (block(9),)


def test_what_becomes_of_a_block_is_there_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "blocks.jsonl"
    journal = opened(path)
    for number in (1, 2, 3, 4):
        journal.found(block(number))
    journal.resolved(block(1).hash, ACCEPTED, node="near")
    journal.resolved(block(2).hash, ACCEPTED)
    journal.resolved(block(3).hash, Verdict(reason=Reason.STALE, detail="inconclusive"))
    journal.resolved(block(4).hash, Verdict(reason=Reason.OTHER, detail="bad-cb-amount"))
    journal.deepened(block(1).hash, 7)
    journal.moved(block(2).hash, confirmations=0)
    journal.moved(block(3).hash, confirmations=2)
    assert [(each.height, each.confirmations) for each in journal.records()] == [
        (1, 7),
        (2, 0),
        (3, 2),
        (4, 0),
    ]
    for again in (journal, opened(path)):
        assert [each.state for each in again.records()] == [
            "accepted",
            "orphaned",
            "accepted",
            "other",
        ]
        assert [each.height for each in again.followed()] == [1, 2, 3]
        assert again.record(block(1).hash).node == "near"  # type: ignore[union-attr]

    journal.moved(block(2).hash, confirmations=1)  # and back again
    journal.settled(block(3).hash, confirmations=0)
    again = opened(path)
    assert [each.state for each in again.records()] == ["accepted", "accepted", "stale", "other"]
    assert [each.height for each in again.followed()] == [1, 2]


def test_a_file_begun_anew_keeps_the_blocks_that_are_followed(tmp_path: Path) -> None:
    path = tmp_path / "blocks.jsonl"
    journal = opened(path)
    for number in (1, 2, 3):
        journal.found(block(number))
        journal.resolved(block(number).hash, ACCEPTED, node="near")
    journal.moved(block(2).hash, confirmations=0)
    journal.settled(block(3).hash, confirmations=100)
    known = journal.followed()

    assert Journal(path, wall=lambda: 5, large_bytes=1).followed() == known
    assert [json.loads(line)["event"] for line in path.read_text().splitlines()] == [
        "verdict",
        "verdict",
        "orphaned",
    ]


def test_a_journal_of_before_blocks_were_followed_is_read(tmp_path: Path) -> None:
    path = tmp_path / "blocks.jsonl"
    one, two = (hash_to_hex(block(number).hash) for number in (1, 2))
    lines = [
        {"event": "found", "hash": one, "height": 1, "source": "node", "time": 9, "block": "01"},
        {"event": "verdict", "hash": one, "time": 10, "reason": "accepted", "detail": ""},
        {"event": "verdict", "hash": two, "time": 10, "reason": "accepted", "detail": ""},
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    journal = opened(path)
    assert journal.unresolved() == ()
    (record,) = journal.records()
    assert (record.height, record.found_at, record.state, record.followed) == (
        1,
        9,
        "accepted",
        True,
    )


def test_only_the_newest_blocks_are_remembered_but_none_without_a_verdict_is_forgotten(
    tmp_path: Path,
) -> None:
    path = tmp_path / "blocks.jsonl"
    lines = []
    for number in range(1200):
        shown = f"{number:064x}"
        lines.append(
            {"event": "found", "hash": shown, "height": number, "source": "n", "time": 1}
            | {"block": "00"}
        )
        if number > 5:
            lines.append({"event": "verdict", "hash": shown, "time": 2, "reason": "accepted"})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    heights = [each.height for each in opened(path).records()]
    assert len(heights) == 1024
    assert heights[:6] == [0, 1, 2, 3, 4, 5]
    assert heights[-1] == 1199


def test_a_pools_candidate_is_written_down_for_whoever_can_use_it(tmp_path: Path) -> None:
    path = tmp_path / "blocks.jsonl"
    journal = opened(path)
    line = CandidateLine(
        hash="00" * 32, source="pool", time=1, header="01" * 80, coinbase="02", path=["03" * 32]
    )
    assert journal.candidate(line)
    assert json.loads(path.read_text()) == {
        "event": "candidate",
        "hash": "00" * 32,
        "source": "pool",
        "time": 1,
        "header": "01" * 80,
        "coinbase": "02",
        "path": ["03" * 32],
    }
    assert opened(path).records() == ()


def parted(journal: Journal, number: int) -> FoundBlock:
    """A block whose end is on disk already."""
    whole = block(number)
    name = journal.bodies.keep(whole.raw[80:])
    return replace(whole, body=name, body_bytes=len(whole.raw) - 80)


def test_a_block_in_two_files_is_whole_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "blocks.jsonl"
    journal = opened(path)
    assert journal.found(parted(journal, 1))
    (line,) = path.read_text().splitlines()
    assert json.loads(line)["block"] == block(1).raw[:80].hex()
    assert opened(path).unresolved() == (block(1),)
    shutil.rmtree(tmp_path / "blocks.jsonl.bodies")  # from here on the journal alone will do
    assert opened(path).unresolved() == (block(1),)


def test_the_whole_of_a_block_follows_and_needs_no_other_file(tmp_path: Path) -> None:
    path = tmp_path / "blocks.jsonl"
    journal = opened(path)
    each = parted(journal, 1)
    journal.found(each)
    journal.complete(each)
    (tmp_path / "blocks.jsonl.bodies" / each.body).unlink()
    again = opened(path)
    assert again.unresolved() == (block(1),)
    again.resolved(each.hash, ACCEPTED)
    assert opened(path).unresolved() == ()


def test_a_block_that_has_its_verdict_is_not_written_down_again(tmp_path: Path) -> None:
    path = tmp_path / "blocks.jsonl"
    journal = opened(path)
    each = parted(journal, 1)
    journal.found(each)
    journal.resolved(each.hash, ACCEPTED)
    journal.complete(each)
    assert [json.loads(line)["event"] for line in path.read_text().splitlines()] == [
        "found",
        "verdict",
    ]
    (tmp_path / "blocks.jsonl.bodies" / each.body).unlink()
    with capture_logs() as logs:
        assert opened(path).unresolved() == ()
    assert logs == []


def test_a_block_whose_other_file_is_gone_is_an_error_that_is_told(tmp_path: Path) -> None:
    path = tmp_path / "blocks.jsonl"
    journal = opened(path)
    each = parted(journal, 1)
    journal.found(each)
    journal.found(block(2))
    (tmp_path / "blocks.jsonl.bodies" / each.body).write_bytes(b"something else")
    with capture_logs() as logs:
        again = opened(path)
    assert again.unresolved() == (block(2),)
    (entry,) = logs
    assert (entry["event"], entry["height"]) == ("block_body_missing", 1)
    assert "damaged" in entry["error"]


def test_a_file_begun_anew_has_blocks_whole(tmp_path: Path) -> None:
    path = tmp_path / "blocks.jsonl"
    journal = opened(path)
    each = parted(journal, 1)
    journal.found(each)
    Journal(path, wall=lambda: 0, large_bytes=1)
    (line,) = path.read_text().splitlines()
    assert json.loads(line)["block"] == block(1).raw.hex()
    assert "body" not in json.loads(line)
