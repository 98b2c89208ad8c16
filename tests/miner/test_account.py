from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from headframe.chain.hashes import sha256d
from headframe.chain.share import Checked, Reason, Verdict
from headframe.chain.target import DIFFICULTY_1, work_of
from headframe.upstream.base import SourceState, SourceStatus
from headframe.upstream.blockdesk import BlockDesk
from headframe.upstream.blocks import BlockEventKind
from headframe.upstream.journal import FoundBlock, Journal
from headframe.upstream.journal_lines import BlockRecord
from miner.account import Account
from miner.stats import MinerStats
from tests.fakes.foundblocks import NODE
from tests.fakes.source import EASY, make_job

JOB = make_job()
SHARE = Checked(reason=Reason.ACCEPTED, proof=0xABC, block=False)
NOW = 1_700_000_000
BLOCK = Checked(reason=Reason.ACCEPTED, proof=0xABC, block=True)


class Desk:
    """An account with a clock in hand."""

    def __init__(self) -> None:
        self.stats = MinerStats()
        self.now = 100.0
        self.account = Account(
            self.stats, clock=lambda: self.now, now=lambda: NOW, height=lambda: 840_000
        )

    def answer(
        self, reason: Reason, words: str = "", checked: Checked = SHARE, *, told: bool = False
    ) -> None:
        answered = self.account.sent(JOB, checked)
        self.now += 0.5
        answered(Verdict(reason=reason, detail=words, block=told))


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def lines() -> Iterator[list[EventDict]]:
    with capture_logs() as captured:
        yield captured


def test_an_accepted_share_brings_its_work(desk: Desk, lines: list[EventDict]) -> None:
    desk.answer(Reason.ACCEPTED)
    assert (desk.stats.shares_submitted, desk.stats.shares_accepted) == (1, 1)
    assert desk.stats.work_accepted == work_of(JOB.target)
    assert desk.stats.share_latency["sent_to_verdict"].sum == 0.5
    assert desk.stats.blocks_found == desk.stats.blocks_accepted == 0
    assert [line["log_level"] for line in lines] == ["debug"]


def test_an_accepted_block_is_told_with_its_hash(desk: Desk, lines: list[EventDict]) -> None:
    desk.answer(Reason.ACCEPTED, checked=BLOCK)
    assert (desk.stats.blocks_found, desk.stats.blocks_accepted) == (1, 1)
    assert lines[-1]["event"] == "block_accepted"
    assert lines[-1]["hash"] == "0" * 61 + "abc"
    assert [row.as_row() for row in desk.stats.blocks] == [
        {"height": 840_000, "hash": "0" * 61 + "abc", "time": NOW, "verdict": "accepted"}
    ]


def test_where_every_share_would_be_a_block_none_is_called_one(desk: Desk) -> None:
    job = make_job(target=EASY, block_target=EASY)
    answered = desk.account.sent(job, BLOCK)
    answered(Verdict(reason=Reason.ACCEPTED))
    assert (desk.stats.shares_accepted, desk.stats.blocks_accepted) == (1, 0)
    desk.account.sent(job, BLOCK)(Verdict(reason=Reason.ACCEPTED, block=True))
    assert desk.stats.blocks_accepted == 1, "the node says so"
    desk.account.sent(job, BLOCK)(Verdict(reason=Reason.PENDING))
    assert (desk.stats.blocks_found, desk.stats.blocks_accepted) == (2, 1)


def test_what_a_node_did_with_a_block_its_source_has_told(
    desk: Desk, lines: list[EventDict]
) -> None:
    desk.answer(Reason.ACCEPTED, checked=BLOCK, told=True)
    desk.answer(Reason.STALE, "inconclusive", checked=BLOCK, told=True)
    assert not lines
    assert [row.verdict for row in desk.stats.blocks] == ["accepted", "stale"]


@pytest.mark.parametrize(
    ("reason", "name"), [(Reason.LOST, "shares_lost"), (Reason.PENDING, "shares_pending")]
)
def test_shares_without_a_verdict_are_no_rejects(desk: Desk, reason: Reason, name: str) -> None:
    desk.answer(reason)
    assert getattr(desk.stats, name) == 1
    assert desk.stats.rejected == desk.stats.shares_accepted == 0


def test_a_refused_share_is_told_with_the_pools_words(desk: Desk, lines: list[EventDict]) -> None:
    desk.answer(Reason.STALE, "Job not found")
    assert desk.stats.shares_rejected[Reason.STALE] == 1
    assert lines == [
        {
            "event": "share_rejected",
            "logger_name": "miner.account",
            "log_level": "warning",
            "count": 1,
            "pool": "fake",
            "reason": "stale",
            "words": "Job not found",
        }
    ]


def test_many_refusals_are_one_line_in_a_while(desk: Desk, lines: list[EventDict]) -> None:
    for _ in range(5):
        desk.answer(Reason.STALE)
    desk.now += 60
    desk.answer(Reason.STALE)
    assert desk.stats.shares_rejected[Reason.STALE] == 6
    assert [line["count"] for line in lines] == [1, 5]


def test_a_refusal_that_the_user_can_mend_says_how(desk: Desk, lines: list[EventDict]) -> None:
    desk.answer(Reason.UNAUTHORIZED)
    assert "user and password" in lines[0]["advice"]


def test_a_refused_block_is_an_error_each_time(desk: Desk, lines: list[EventDict]) -> None:
    for _ in range(2):
        desk.answer(Reason.OTHER, "bad-cb-amount", checked=BLOCK)
    assert [line["event"] for line in lines] == ["block_rejected"] * 2
    assert {line["log_level"] for line in lines} == {"error"}
    assert desk.stats.blocks_accepted == 0


def test_dropped_shares_and_wrong_nonces_are_counted(desk: Desk, lines: list[EventDict]) -> None:
    desk.account.dropped("stale", Reason.ACCEPTED)
    desk.account.dropped("invalid", Reason.BAD_NTIME)
    desk.account.wrong()
    assert desk.stats.shares_dropped == {"stale": 1, "duplicate": 0, "invalid": 1}
    assert desk.stats.nonces_wrong == 1
    assert [line["log_level"] for line in lines] == ["debug", "error"]


def test_the_best_share_is_remembered_by_its_difficulty(desk: Desk) -> None:
    assert desk.stats.best_difficulty == 0
    for proof in (DIFFICULTY_1, DIFFICULTY_1 // 4, DIFFICULTY_1 // 2):
        desk.answer(Reason.ACCEPTED, checked=replace(SHARE, proof=proof))
    assert desk.stats.best_difficulty == 4


def test_shares_are_counted_for_the_pool_that_answered(desk: Desk) -> None:
    for reason in (Reason.ACCEPTED, Reason.STALE, Reason.LOST, Reason.ACCEPTED):
        desk.answer(reason)
    status = SourceStatus(source=JOB.source, url="", state=SourceState.ACTIVE)
    desk.stats.pools.look(status, desk.now)
    [pool] = desk.stats.pools.rows()
    assert (pool.accepted, pool.rejected, pool.lost) == (2, 1, 1)
    assert pool.work_accepted == 2 * work_of(JOB.target)
    assert pool.last_share_time == NOW


def test_the_way_out_and_the_answer_are_timed_and_what_nobody_answered_is_not(desk: Desk) -> None:
    desk.account.gone(99.75)
    desk.account.gone(0.0)
    desk.answer(Reason.STALE)
    desk.answer(Reason.LOST)
    way_out, answer = (
        desk.stats.share_latency[stage] for stage in ("found_to_sent", "sent_to_verdict")
    )
    assert (way_out.count, way_out.sum) == (1, 0.25)
    assert (answer.count, answer.sum) == (1, 0.5)


class _Blocks:
    """A desk for blocks, whose feed a test speaks on; with blocks of an earlier run."""

    def __init__(self, desk: Desk, path: Path, *earlier: Verdict) -> None:
        self.block_desk = BlockDesk(Journal(path, wall=lambda: 3))
        for number, verdict in enumerate(earlier):
            raw = bytes([number]) * 80
            found = FoundBlock(source=NODE, height=number, hash=sha256d(raw), raw=raw)
            self.block_desk.journal.found(found)
            self.block_desk.journal.resolved(found.hash, verdict)
        desk.account.hear_of_blocks(self.block_desk)

    def tell(self, kind: BlockEventKind, verdict: Verdict | None = None, **changes: object) -> None:
        block_hash = SHARE.proof.to_bytes(32, "little")
        record = BlockRecord(hash=block_hash, height=840_000, source=NODE, found_at=3)
        if verdict is not None:
            record = record.judged(verdict, "node")
        self.block_desk.feed.tell(kind, replace(record, **changes))  # type: ignore[arg-type]


YES = Verdict(reason=Reason.ACCEPTED, block=True)
NO = Verdict(reason=Reason.OTHER, detail="bad-cb-amount", block=True)


@pytest.mark.parametrize("verdict", [YES, NO])
def test_a_block_that_was_put_off_gets_its_verdict_later(
    desk: Desk, tmp_path: Path, verdict: Verdict
) -> None:
    blocks = _Blocks(desk, tmp_path / "j")
    blocks.tell(BlockEventKind.FOUND)
    desk.answer(Reason.PENDING, checked=BLOCK, told=True)
    assert desk.stats.shares_pending == 1
    assert [row.verdict for row in desk.stats.blocks] == ["pending"]
    kind = BlockEventKind.ACCEPTED if verdict is YES else BlockEventKind.REFUSED
    blocks.tell(kind, verdict)
    assert desk.stats.shares_pending == 0
    assert desk.stats.shares_accepted == desk.stats.blocks_accepted == (verdict is YES)
    assert desk.stats.rejected == (verdict is NO)
    assert [row.verdict for row in desk.stats.blocks] == [verdict.reason]
    assert desk.stats.blocks_found == 1
    assert desk.stats.block_stats.blocks_judged[verdict.reason] == 1


def test_a_found_block_is_told_once_with_all_that_is_known(
    desk: Desk, tmp_path: Path, lines: list[EventDict]
) -> None:
    blocks = _Blocks(desk, tmp_path / "j")
    blocks.tell(BlockEventKind.FOUND)
    desk.answer(Reason.ACCEPTED, checked=BLOCK, told=True)
    blocks.tell(BlockEventKind.ACCEPTED, YES)
    [told] = lines
    assert (told["event"], told["log_level"]) == ("block_found", "info")
    assert (told["source"], told["height"], told["hash"]) == (NODE, 840_000, "0" * 61 + "abc")


def test_a_block_that_leaves_the_chain_is_shown_so(desk: Desk, tmp_path: Path) -> None:
    blocks = _Blocks(desk, tmp_path / "j")
    desk.answer(Reason.ACCEPTED, checked=BLOCK, told=True)
    blocks.tell(BlockEventKind.ACCEPTED, YES)  # its own verdict, once more
    blocks.tell(BlockEventKind.ORPHANED, YES, orphaned=True)
    assert [row.verdict for row in desk.stats.blocks] == ["orphaned"]
    blocks.tell(BlockEventKind.CONFIRMED, YES)
    assert [row.verdict for row in desk.stats.blocks] == ["accepted"]
    assert (desk.stats.blocks_accepted, desk.stats.shares_accepted) == (1, 1)


def test_blocks_of_earlier_runs_are_shown_and_counted_when_judged(
    desk: Desk, tmp_path: Path
) -> None:
    blocks = _Blocks(desk, tmp_path / "j", YES, NO)
    assert [row.verdict for row in desk.stats.blocks] == ["accepted", "other"]
    assert desk.stats.blocks_accepted == 0
    blocks.tell(BlockEventKind.ACCEPTED, YES)
    assert desk.stats.blocks_accepted == 1
    assert [(row.verdict, row.time) for row in desk.stats.blocks][-1] == ("accepted", 3)


def test_only_so_many_verdicts_are_waited_for(desk: Desk) -> None:
    for proof in range(1, 1026):
        checked = replace(BLOCK, proof=proof)
        desk.account.sent(JOB, checked)(Verdict(reason=Reason.PENDING, block=True))
    assert desk.stats.shares_pending == 1024
