import pytest
from hypothesis import given
from hypothesis import strategies as st

from headframe.chain.share import Reason, Verdict
from headframe.runtime.metrics import Exporter, render
from proxy.ledger import Ledger
from proxy.rig import RigState
from proxy.stats import CLOSE_REASONS, RIG_STATES, Rate, Stats, books_of


def test_every_cause_of_an_end_starts_at_zero():
    assert Stats().connections_closed == dict.fromkeys(CLOSE_REASONS, 0)


def test_every_state_of_a_rig_is_a_label():
    assert set(RIG_STATES) == set(RigState)
    assert Stats().rigs_by_state == dict.fromkeys(RIG_STATES, 0)


def test_the_books_are_exported():
    ledger = Ledger()
    row = ledger.worker("a")
    ledger.send(row, 10, 99)
    ledger.answer(row, Verdict(reason=Reason.DUPLICATE), 99, rescued=False)
    ledger.refuse(row, Reason.STALE, 10)
    books = books_of(ledger)
    assert (books.shares_offered, books.shares_accepted) == (2, 1)
    assert books.shares_refused["stale"] == 1
    assert books.shares_refused_upstream["duplicate"] == 1
    assert (books.work_refused["stale"], books.work_refused_upstream["duplicate"]) == (10, 99)
    assert (books.work_pending, books.work_lost) == (0, 0)
    ledger.send(row, 10, 99)
    assert books_of(ledger).work_pending == 99
    ledger.answer(row, Verdict(reason=Reason.LOST), 99, rescued=False)
    assert (books_of(ledger).work_pending, books_of(ledger).work_lost) == (0, 99)
    text = render(Exporter("x_", [Stats(), books])).decode()
    assert 'x_shares_refused_total{reason="stale"} 1.0' in text
    assert "x_work_forwarded_hashes_total 99.0" in text


def test_a_steady_rig_has_its_rate_from_the_start():
    rate = Rate(0.0)
    for second in range(1, 400):
        rate.add(1000, float(second))
        if second in {20, 60, 399}:
            assert rate.hps(float(second)) == pytest.approx(1000, rel=0.06)


def test_the_rate_of_a_silent_rig_fades():
    rate = Rate(0.0, fade_seconds=10)
    rate.add(10_000, 5.0)
    assert rate.hps(100.0) < 1


def test_there_is_no_rate_in_the_first_second():
    rate = Rate(0.0)
    rate.add(5, 0.1)
    assert rate.hps(0.5) == 0


@given(st.lists(st.tuples(st.floats(0, 1e4), st.integers(0, 2**100)), max_size=30))
def test_a_rate_is_never_negative(shares: list[tuple[float, int]]):
    rate, now = Rate(0.0), 0.0
    for pause, work in shares:
        now += pause
        rate.add(work, now)
        assert rate.hps(now) >= 0
