import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from headframe.chain.share import Reason, Verdict
from headframe.runtime.errors import ConfigError
from proxy.sharelog import ShareLog
from proxy.sharelog_files import Rotation
from tests.fakes.sharelogging import LoggedHub, audit_of, lines_of


def wait_for(condition: Callable[[], object]) -> None:
    """Let the log's thread go on until something holds."""
    for _ in range(20_000):
        if condition():
            return
        threading.Event().wait(0.001)
    raise AssertionError("it never came to hold")


async def test_every_share_has_a_line_and_its_job_comes_first(tmp_path: Path):
    here = LoggedHub(tmp_path / "shares.jsonl")
    entry = here.job()
    assert here.share(entry, nonce=7, version=entry.job.version | 0x2000) is not None
    here.end()
    kinds = [line["kind"] for line in lines_of(tmp_path / "shares.jsonl")]
    assert kinds[:3] == ["run", "totals", "job"]
    assert kinds[-3:] == ["totals", "worker", "run"]
    (line,) = [each for each in lines_of(tmp_path / "shares.jsonl") if each["kind"] == "share"]
    assert (line["route"], line["worker"], line["rig"]) == ("north", "w", "192.0.2.7")
    assert (line["nonce"], line["version"]) == (7, 0x20002000)
    assert line["target"] == f"{2**254 - 1:064x}"
    assert line["work"] == "4"
    assert here.log.stats.share_log_lines == len(kinds)


async def test_a_file_put_aside_can_be_understood_alone(tmp_path: Path):
    here = LoggedHub(tmp_path / "shares.jsonl", Rotation(largest_bytes=2000))
    entry = here.job()
    for turn in range(4):
        before = here.log.rotations
        for nonce in range(10):
            here.share(entry, nonce=100 * turn + nonce)
        here.answer(Verdict(reason=Reason.ACCEPTED))
        wait_for(lambda: not here.log.waiting)
        here.time.now += 1
        here.totals("rotation" if here.log.rotations > before else "minute")
    here.end()
    aside = sorted(tmp_path.glob("shares-*.jsonl.gz"))
    assert len(aside) >= 2
    files = [*aside, tmp_path / "shares.jsonl"]
    for path in files:
        lines = lines_of(path)
        shares = [at for at, line in enumerate(lines) if line["kind"] == "share"]
        if shares:
            assert "job" in [line["kind"] for line in lines[: shares[0]]]
        assert audit_of(*lines).shown == []
    whole = [line for path in files for line in lines_of(path)]
    found = audit_of(*whole)
    assert found.shown == []
    assert found.lines["share"] == 40
    assert found.not_covered == 0


async def test_a_disk_that_fails_costs_lines_and_says_so(tmp_path: Path):
    here = LoggedHub(tmp_path / "logs" / "shares.jsonl", Rotation(largest_bytes=1), most_waiting=50)
    entry = here.job()
    here.share(entry)
    wait_for(lambda: not here.log.waiting)
    folder = tmp_path / "logs"
    folder.rename(tmp_path / "gone")
    folder.write_text("no folder")
    for _ in range(100):
        here.share(entry)
    wait_for(lambda: here.log.problem)
    assert "is not written" in here.log.problem
    for _ in range(100):
        here.share(entry)
    assert here.log.stats.share_log_left_out["share"] > 0
    folder.unlink()
    (tmp_path / "gone").rename(folder)
    wait_for(lambda: not here.log.problem)
    for _ in range(5):
        here.share(entry)
    here.end()
    whole = [line for path in sorted(folder.iterdir()) for line in lines_of(path)]
    shares = sum(line["kind"] == "share" for line in whole)
    totals = [line for line in whole if line["kind"] == "totals"][-1]
    assert totals["left_out"]["share"] == here.log.stats.share_log_left_out["share"]
    assert shares + totals["left_out"]["share"] == totals["books"]["offered"][0] == 206


async def test_an_answer_may_come_before_the_share_is_booked(tmp_path: Path):
    """As where there is no connection: the share is lost at once."""
    here = LoggedHub(tmp_path / "shares.jsonl")
    here.source.verdict = Verdict(reason=Reason.LOST)
    entry = here.job()
    for nonce in range(60):
        here.share(entry, nonce=nonce)
    assert here.hub.ledger.total.pool.lost.shares > 0
    here.end()
    assert audit_of(*lines_of(tmp_path / "shares.jsonl")).shown == []


async def test_an_answer_that_is_none_has_no_line(tmp_path: Path):
    here = LoggedHub(tmp_path / "shares.jsonl")
    here.share(here.job(block_target=2**256 - 1))
    here.source.sent[-1][2](Verdict(reason=Reason.PENDING, block=True))
    here.end()
    lines = lines_of(tmp_path / "shares.jsonl")
    assert [line["kind"] for line in lines].count("sent") == 1
    assert "verdict" not in {line["kind"] for line in lines}
    assert audit_of(*lines).shown == []


def test_a_file_that_cannot_be_is_told_at_the_start(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"share log .* cannot be written"):
        ShareLog(tmp_path / "file" / "shares.jsonl").start()
