"""Blocks found for a pool while it was away."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from headframe.chain.hashes import sha256d
from headframe.chain.job import Job, JobId, SourceId
from headframe.chain.merkle import fold
from headframe.chain.share import Reason, Share, Verdict, proof_of
from headframe.chain.target import MAX_TARGET, Target
from headframe.upstream.candidates import Candidate, Candidates
from headframe.upstream.journal import Journal
from tests.fakes.foundblocks import Told
from tests.fakes.source import EASY, make_job

POOL = SourceId("fake")


class Desk:
    """The candidates of a pool, with one job of it that is remembered."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.told = Told()
        self.candidates = Candidates(
            POOL, Journal(path, wall=lambda: 5), feed=self.told.feed, wall=lambda: 5
        )
        self.job = self.hear(block_target=EASY, target=Target(MAX_TARGET))

    def hear(self, **changes: object) -> Job:
        job = make_job(**changes)  # type: ignore[arg-type]
        self.candidates.remember(job)
        return job

    def again(self, **changes: object) -> Job:
        """The same work under another id, as after a session was resumed."""
        job = replace(self.job, id=JobId(self.job.id + 1_000_000), epoch=9, generation=9)
        return replace(job, **changes)  # type: ignore[arg-type]

    def keep(self, number: int = 0) -> Share:
        share = blocks_of(self.job)[number]
        assert self.candidates.keep(share, "rig")
        return share

    def due(self, job: Job) -> list[Candidate]:
        return list(self.candidates.due(job))


def shares_of(job: Job, count: int = 3000) -> list[Share]:
    share = Share(job_id=job.id, extranonce=bytes(8), ntime=job.ntime, nonce=0, version=job.version)
    return [replace(share, nonce=nonce) for nonce in range(count)]


def blocks_of(job: Job, count: int = 3000) -> list[Share]:
    return [share for share in shares_of(job, count) if proof_of(job, share) <= job.block_target]


def test_a_block_is_kept_and_its_data_is_told_at_once(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "j")
    with capture_logs() as logs:
        share = desk.keep()
    (line,) = (json.loads(text) for text in (tmp_path / "j").read_text().splitlines())
    header = bytes.fromhex(line["header"])
    root = fold(
        sha256d(bytes.fromhex(line["coinbase"])), [bytes.fromhex(each) for each in line["path"]]
    )
    assert header[36:68] == root  # with the pool's transactions it is a whole block
    assert header[4:36] == desk.job.prev_hash
    assert sha256d(header)[::-1].hex() == line["hash"]
    assert int(line["hash"], 16) == proof_of(desk.job, share) <= desk.job.block_target
    (error,) = logs
    assert (error["event"], error["log_level"]) == ("block_candidate_not_sent", "error")
    assert {key: error[key] for key in ("header", "coinbase", "path", "hash", "worker")} == {
        "header": line["header"],
        "coinbase": line["coinbase"],
        "path": line["path"],
        "hash": line["hash"],
        "worker": "rig",
    }
    assert desk.told.words == [("found", 0)]
    assert desk.told.feed.stats.block_candidates_kept == 1


def test_other_shares_are_not_kept(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "j")
    block = blocks_of(desk.job)[0]
    dull = next(share for share in shares_of(desk.job) if share not in blocks_of(desk.job))
    assert not desk.candidates.keep(dull, None)
    assert not desk.candidates.keep(replace(block, job_id=JobId(10**9)), None)
    assert not desk.candidates.keep(replace(block, extranonce=b""), None)
    # Where each share would be a block, the pool alone knows which one counts.
    easy = desk.hear(block_target=EASY, target=EASY)
    assert not desk.candidates.keep(blocks_of(easy)[0], None)
    assert desk.told.words == []
    assert not (tmp_path / "j").exists()


def test_it_is_sent_when_the_same_work_is_offered_again(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "j")
    share = desk.keep()
    other = make_job(block_target=EASY, size=4, prev_hash=desk.job.prev_hash)
    assert desk.due(other) == []  # on the same tip, but other work
    same = desk.again()
    (candidate,) = desk.due(same)
    assert (candidate.share, candidate.worker) == (replace(share, job_id=same.id), "rig")
    assert proof_of(same, candidate.share) == proof_of(desk.job, share)
    assert desk.due(same) == []  # it is on its way

    desk.candidates.answered(candidate, Verdict(reason=Reason.LOST))
    (again,) = desk.due(same)
    with capture_logs() as logs:
        desk.candidates.answered(again, Verdict(reason=Reason.ACCEPTED))
    assert desk.due(same) == []
    assert [log["event"] for log in logs] == ["block_candidate_sent_late"]
    assert desk.told.words == [("found", 0), ("accepted", 0)]
    stats = desk.told.feed.stats
    assert (stats.block_candidates_resent, stats.block_candidates_lost) == (1, 0)


@pytest.mark.parametrize(
    ("answer", "reason", "kind"),
    [
        (Reason.DUPLICATE, Reason.ACCEPTED, "accepted"),  # the pool had it, the answer was lost
        (Reason.STALE, Reason.STALE, "refused"),
    ],
)
def test_what_the_pool_says_then_is_the_verdict(
    answer: Reason, reason: Reason, kind: str, tmp_path: Path
) -> None:
    desk = Desk(tmp_path / "j")
    desk.keep()
    (candidate,) = desk.due(desk.again())
    desk.candidates.answered(candidate, Verdict(reason=answer, detail="words"))
    event = desk.told.events[-1]
    assert (event.kind, event.block.reason, event.block.detail) == (kind, reason, "words")


@pytest.mark.parametrize("changes", [{"version": 0x30000000, "version_mask": 0}, {"nbits": 1}])
def test_work_that_is_not_the_same_is_no_work_for_it(
    changes: dict[str, object], tmp_path: Path
) -> None:
    desk = Desk(tmp_path / "j")
    desk.keep()
    assert desk.due(desk.again(**changes)) == []
    assert len(desk.due(desk.again())) == 1


def test_once_the_pool_has_moved_on_it_is_lost_and_said_so(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "j")
    share = desk.keep()
    with capture_logs() as logs:
        assert desk.due(make_job(prev_hash=b"\x08" * 32)) == []
    (error,) = logs
    assert (error["event"], error["log_level"]) == ("block_candidate_lost", "error")
    assert desk.told.words == [("found", 0), ("lost", 0)]
    assert desk.told.events[-1].block.reason is Reason.LOST
    assert desk.told.feed.stats.block_candidates_lost == 1
    assert desk.due(desk.again()) == []
    assert desk.candidates.keep(share, None)


def test_the_same_share_is_kept_once(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "j")
    desk.keep()
    desk.keep()
    assert desk.told.words == [("found", 0)]


def test_only_so_many_are_kept(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "j")
    shares = blocks_of(desk.job, 30_000)[:65]
    assert len(shares) == 65
    for share in shares:
        desk.candidates.keep(share, None)
    assert [word for word, _ in desk.told.words].count("lost") == 1
    assert len(desk.due(desk.again())) == 64


def test_only_so_many_jobs_are_remembered(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "j")
    assert desk.candidates.generation_of(desk.job.id) == 1
    for _ in range(256):
        desk.hear()
    assert desk.candidates.generation_of(desk.job.id) is None


def test_a_job_without_a_coinbase_to_choose_tells_what_it_can(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "j")
    fixed = desk.hear(size=0, block_target=EASY, target=Target(MAX_TARGET))
    share = next(
        share
        for share in (replace(each, extranonce=b"") for each in shares_of(fixed))
        if proof_of(fixed, share) <= fixed.block_target
    )
    assert desk.candidates.keep(share, None)
    assert json.loads((tmp_path / "j").read_text())["coinbase"] == ""
