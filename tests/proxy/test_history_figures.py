import pytest

from headframe.chain.share import Reason, Verdict
from proxy.history_figures import REASONS, Figures, parts_of, refusals_in, row_of
from proxy.ledger import Ledger, Row, Tally


def busy_row() -> Row:
    """Ten offered: 3 refused, 3 kept, 4 up: one each acknowledged, refused, lost, pending."""
    ledger = Ledger()
    row = ledger.worker("a")
    for reason in (Reason.STALE, Reason.STALE, Reason.DUPLICATE):
        ledger.refuse(row, reason, 5)
    for _ in range(3):
        ledger.keep(row, 5)
    for _ in range(4):
        ledger.send(row, 5, 100)
    for reason in (Reason.ACCEPTED, Reason.BAD_NTIME, Reason.LOST):
        ledger.answer(row, Verdict(reason=reason), 100, rescued=False)
    ledger.rescue(row, 100)
    return row


def test_figures_and_parts_are_those_of_the_books():
    row = busy_row()
    figures = Figures.of(row)
    assert figures == Figures(10, 7, 3, 4, 1, 1, 1, 50, 35, 400, 100, 100, 100)
    assert (figures.refused, figures.work_refused) == (3, 15)
    assert parts_of(row) == {
        "refused.stale": (2, 10),
        "refused.duplicate": (1, 5),
        "upstream.bad_ntime": (1, 100),
        "rescued.forwarded": (1, 100),
        "rescued.acknowledged": (0, 0),
        "rescued.lost": (0, 0),
    }
    assert parts_of(Row("idle")) == {}


def test_what_was_on_its_way_is_lost_when_books_go_on():
    row = busy_row()
    after = row_of("a", Figures.of(row), parts_of(row))
    after.verify()
    assert not after.open
    assert after.offered == row.offered
    assert after.refused == row.refused
    assert after.kept == 3
    assert after.pool.forwarded == Tally(4, 400)
    assert after.pool.acknowledged == Tally(1, 100)
    assert after.pool.lost == Tally(2, 200)
    assert after.rescued.lost == Tally(1, 100)


def test_refusals_without_a_known_reason_are_refused_for_other_reasons():
    figures = Figures(offered=5, accepted=1, kept=1, work_offered=50, work_accepted=10)
    row = row_of("a", figures, {"refused.stale": (1, 10), "refused.of_the_future": (1, 10)})
    row.verify()
    assert row.refused == {Reason.STALE: Tally(1, 10), Reason.OTHER: Tally(3, 30)}


def test_figures_add_and_subtract():
    assert Figures.sum([]) == Figures()
    assert Figures.sum([Figures(offered=1), Figures(offered=2, kept=3)]) == Figures(3, 0, 3)
    one, two = Figures(offered=1, work_lost=5), Figures(offered=3, kept=1)
    assert one + two - one == two
    with pytest.raises(AttributeError):
        setattr(one, "offered", 2)  # noqa: B010 - mypy knows as well


def test_refusals_are_those_of_the_rigs_shares_alone():
    parts = parts_of(busy_row()) | {"refused.of_the_future": (7, 0)}
    assert refusals_in(parts) == {"stale": 2, "duplicate": 1}
    assert {"stale", "duplicate", "low_difficulty", "unknown_job"} < set(REASONS)
    assert "accepted" not in REASONS
