from collections.abc import Iterator
from dataclasses import replace

import pytest
import structlog
from structlog.testing import capture_logs
from structlog.typing import EventDict

from headframe.chain.share import Checked, Reason, Verdict
from headframe.chain.target import DIFFICULTY_1, work_of
from headframe.upstream.base import SourceState, SourceStatus
from miner.account import Account
from miner.stats import MinerStats
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
    structlog.reset_defaults()
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
