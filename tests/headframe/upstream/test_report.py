"""What is told of upstreams, by name, whatever happens to them."""

from dataclasses import replace

from prometheus_client.parser import text_string_to_metric_families

from headframe.chain.job import SourceId
from headframe.chain.share import Reason, Verdict
from headframe.runtime.metrics import Histogram, render
from headframe.upstream.base import ANSWER_BOUNDS, SourceState, SourceStatus
from headframe.upstream.failovers import Failover, FailoverReason
from headframe.upstream.report import PoolBook, upstream_of

A, B = SourceId("a"), SourceId("b")
ONE = SourceStatus(
    source=A,
    url="stratum+tcp://a:1",
    state=SourceState.ACTIVE,
    height=7,
    network="regtest",
    user="alice",
    job_at=90.0,
    difficulty=4.0,
    answer_seconds=0.25,
    connects=2,
)
OTHER = replace(
    ONE, source=B, url="stratum+tcp://b:1", state=SourceState.DOWN, detail="b is gone", job_at=None
)


def group(*members: SourceStatus, switches: int = 0) -> SourceStatus:
    return replace(ONE, members=members, switches=switches)


def samples(book: PoolBook) -> dict[tuple[str, ...], float]:
    text = render(book.exporter("x_")).decode()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_each_pool_is_a_row_with_what_it_was_last_seen_to_do() -> None:
    book = PoolBook()
    assert book.rows() == []
    book.look(group(ONE, replace(OTHER, in_use=False)), 100.0)
    book.answered(A, Verdict(reason=Reason.ACCEPTED), 1000, 1_700_000_000)
    book.answered(A, Verdict(reason=Reason.STALE), 1000, 1_700_000_001)
    book.answered(B, Verdict(reason=Reason.LOST), 1000, 1_700_000_002)
    book.answered(B, Verdict(reason=Reason.PENDING), 1000, 1_700_000_003)
    first, second = book.rows()
    assert (first.source, first.url, first.user, first.height) == ("a", ONE.url, "alice", 7)
    assert (first.state, first.in_use, first.job_age_seconds) == ("active", True, 10)
    assert (first.accepted, first.rejected, first.lost, first.work_accepted) == (1, 1, 0, 1000)
    assert (first.last_share_time, first.answer_seconds, first.difficulty) == (
        1_700_000_000,
        0.25,
        4,
    )
    assert (second.source, second.state, second.detail) == ("b", "down", "b is gone")
    assert (second.in_use, second.job_age_seconds, second.last_share_time) == (False, None, None)
    assert (second.accepted, second.rejected, second.lost) == (0, 0, 1)


def test_the_metrics_of_each_pool_have_its_name() -> None:
    book = PoolBook()
    book.look(group(ONE, OTHER), 100.0)
    book.answered(A, Verdict(reason=Reason.ACCEPTED), 1000, 1_700_000_000)
    told = samples(book)
    assert told["x_pool_state", "a", "active"] == 1
    assert told["x_pool_state", "b", "down"] == 1
    assert told["x_pool_state", "b", "active"] == 0
    assert told["x_pool_job_age_seconds", "a"] == 10
    assert ("x_pool_job_age_seconds", "b") not in told
    assert told["x_pool_shares_accepted_total", "a"] == 1
    assert told["x_pool_work_accepted_hashes_total", "a"] == 1000
    assert told["x_pool_last_share_timestamp_seconds", "a"] == 1_700_000_000
    assert told["x_pool_connects_total", "b"] == 2


def test_the_metrics_tell_which_pool_is_preferred_and_how_far_each_is() -> None:
    book = PoolBook()
    book.look(
        group(
            replace(ONE, height=8, certificate_until=2e9, clock_skew_seconds=-3.0),
            replace(OTHER, height=None, rank=2),
        ),
        100.0,
    )
    told = samples(book)
    assert (told["x_pool_rank", "a"], told["x_pool_rank", "b"]) == (1, 2)
    assert told["x_pool_height", "a"] == 8
    assert told["x_pool_certificate_expiry_timestamp_seconds", "a"] == 2e9
    assert told["x_pool_clock_skew_seconds", "a"] == -3
    assert ("x_pool_certificate_expiry_timestamp_seconds", "b") not in told
    assert ("x_pool_height", "b") not in told, "it did not say"


def test_no_counter_falls_when_a_pool_goes_and_comes_back_anew() -> None:
    book = PoolBook()
    book.look(group(ONE, replace(OTHER, redirects=3, faults=2), switches=4), 100.0)
    assert samples(book)["x_pool_faults_total", "b"] == 2
    assert (book.connects, book.redirects, book.switches) == (4, 3, 4)
    book.answered(B, Verdict(reason=Reason.ACCEPTED), 1000, 1_700_000_000)
    book.look(group(ONE, switches=4), 101.0)
    assert [row.source for row in book.rows()] == ["a"]
    assert not [key for key in samples(book) if "b" in key[1:]]
    assert (book.connects, book.redirects) == (4, 3)
    book.look(group(ONE, replace(OTHER, connects=1, faults=1), switches=1), 102.0)
    assert samples(book)["x_pool_faults_total", "b"] == 3
    assert (book.connects, book.redirects, book.switches) == (5, 3, 5)
    assert book.rows()[1].connects == 3
    assert book.rows()[1].accepted == 1


def test_time_without_work_adds_up() -> None:
    book = PoolBook()
    for seconds in (0.5, 0.75, 0.25):  # the last one of a group that was made anew
        book.look(replace(ONE, idle_seconds=seconds), 100.0)
    assert book.idle_seconds == 1.0


def test_the_upstream_in_use_is_told_without_the_rest() -> None:
    told = upstream_of(group(ONE, OTHER))
    assert (told.source, told.url, told.state) == ("a", ONE.url, "active")
    assert (told.detail, told.height, told.network) == ("", 7, "regtest")


def test_times_to_an_answer_add_up_over_all_that_a_source_had() -> None:
    book = PoolBook()
    book.look(replace(ONE, answers=None), 100.0)
    assert "x_pool_answer_seconds_count" not in {key[0] for key in samples(book)}
    first, second = Histogram(ANSWER_BOUNDS), Histogram(ANSWER_BOUNDS)
    for answers, seconds in ((first, 0.02), (first, 0.3), (second, 0.02)):
        answers.observe(seconds)
        book.look(replace(ONE, answers=answers), 101.0)
    book.look(replace(ONE, answers=None), 102.0)
    told = samples(book)
    assert told["x_pool_answer_seconds_count", "a"] == 3
    assert round(told["x_pool_answer_seconds_sum", "a"], 6) == 0.34
    assert told["x_pool_answer_seconds_bucket", "0.025", "a"] == 2


def test_failovers_are_told_by_both_names_and_never_fall() -> None:
    book = PoolBook()
    for count in (2, 1):  # the group was made anew in between
        row = Failover(A, B, FailoverReason.LOST, count)
        book.look(replace(group(ONE, OTHER), failovers=(row,)), 100.0)
    assert samples(book)["x_pool_failovers_total", "a", "lost", "b"] == 3
