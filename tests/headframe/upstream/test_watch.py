"""`Watch`: by hand, with times as they suit."""

import pytest

from headframe.chain.share import Reason, Verdict
from headframe.stratum.events import Ticket
from headframe.upstream.watch import Limits, Watch

LIMITS = Limits(
    handshake_seconds=30,
    silence_seconds=100,
    job_seconds=200,
    answer_seconds=10,
    rejects=3,
    rejects_seconds=5,
)
YES = Verdict(reason=Reason.ACCEPTED)
NO = Verdict(reason=Reason.STALE)


def working(now: float = 1.0) -> Watch:
    watch = Watch(LIMITS, 0.0)
    watch.on_bytes(now)
    watch.on_ready()
    watch.on_job(now)
    return watch


def answer(watch: Watch, verdict: Verdict, now: float, *, counts: bool = True) -> str:
    return watch.on_answer(Ticket(1), verdict, counts=counts, now=now)


def test_the_handshake_and_the_first_job_have_one_deadline() -> None:
    watch = Watch(LIMITS, 0.0)
    assert watch.due()[0] == 30
    assert "did not let us in" in watch.due()[1]
    watch.on_ready()
    watch.on_bytes(29)
    assert watch.due()[0] == 30
    assert "gave no job" in watch.due()[1]
    watch.on_job(29)
    assert watch.due()[0] == 129


def test_bytes_put_off_silence_but_not_the_want_of_jobs() -> None:
    watch = working()
    for now in range(50, 250, 50):
        watch.on_bytes(now)
    until, why = watch.due()
    assert until == 201
    assert "no job for 200 s" in why


def test_the_oldest_share_without_an_answer_counts() -> None:
    watch = working()
    watch.on_sent(Ticket(1), 2)
    watch.on_sent(Ticket(2), 3)
    assert watch.due()[0] == 12
    watch.on_answer(Ticket(1), YES, counts=True, now=4)
    assert watch.due()[0] == 13
    assert "has not answered a share" in watch.due()[1]
    watch.on_answer(Ticket(2), YES, counts=True, now=4)
    assert watch.due()[0] == 101


def test_refusals_count_in_a_row_and_over_some_time() -> None:
    watch = working()
    assert [answer(watch, NO, now) for now in (10, 11, 12, 14)] == [""] * 4  # a new block
    assert "refused 3 shares in a row" in answer(watch, NO, 15)
    watch = working()
    verdicts = [NO, NO, YES, NO, NO]
    assert [answer(watch, each, 20 * now) for now, each in enumerate(verdicts)] == [""] * 5
    assert answer(watch, NO, 200) != ""


@pytest.mark.parametrize("reason", [Reason.LOST, Reason.PENDING])
def test_no_verdict_is_no_refusal(reason: Reason) -> None:
    watch = working()
    assert [answer(watch, Verdict(reason=reason), 10.0 * now) for now in range(9)] == [""] * 9


def test_what_does_not_count_changes_nothing() -> None:
    watch = working()
    answer(watch, NO, 10)
    answer(watch, NO, 11)
    assert answer(watch, NO, 100, counts=False) == ""
    assert answer(watch, NO, 100) != ""


def test_no_deadline_begins_sooner_than_the_shortest() -> None:
    watch = Watch(LIMITS, 0.0)
    watch.on_ready()
    watch.on_job(1)
    watch.on_sent(Ticket(1), 1)
    assert watch.due()[0] == 1 + watch.shortest_seconds
