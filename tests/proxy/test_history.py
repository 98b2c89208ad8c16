from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from headframe.chain.share import Reason, Verdict
from proxy.history import Rollup, Rollups
from proxy.history_figures import Figures, parts_of, row_of
from proxy.ledger import Ledger, Row, Tally
from tests.proxy.test_history_figures import busy_row

REFUSALS = [r for r in Reason if r not in {Reason.ACCEPTED, Reason.PENDING, Reason.LOST}]


def test_pieces_of_time_hold_only_what_is_new():
    ledger = Ledger(route="north")
    rollups = Rollups(ledger)
    row = ledger.worker("a")
    ledger.worker("idle")
    ledger.keep(row, 10)
    ledger.blocks_found += 1
    batch = rollups.cut(60, 0.0)
    new = Figures(offered=1, accepted=1, kept=1, work_offered=10, work_accepted=10)
    assert (batch.route, batch.at) == ("north", 60)
    assert batch.rollups == [Rollup("a", new)]
    assert batch.parts == {"blocks.found": (1, 0)}
    assert rollups.cut(120, 0.0).rollups == []
    ledger.refuse(row, Reason.STALE, 5)
    batch = rollups.cut(180, 0.0)
    parts = {"refused.stale": (1, 5)}
    assert batch.rollups == [Rollup("a", Figures(offered=1, work_offered=5), parts)]
    assert batch.parts == {}


def test_batches_of_a_route_are_summed_up_by_worker():
    ledger = Ledger()
    rollups = Rollups(ledger)
    batches = []
    for at in (60, 120):
        ledger.refuse(ledger.worker("a"), Reason.STALE, 7)
        ledger.keep(ledger.worker(f"w{at}"), 1)
        ledger.blocks_found += 1
        batches.append(rollups.cut(at, 0.0))
    both = batches[0] + batches[1]
    assert both.at == 120
    assert both.parts == {"blocks.found": (2, 0)}
    assert {each.worker: each.figures.offered for each in both.rollups} == {
        "a": 2,
        "w60": 1,
        "w120": 1,
    }
    (stale,) = [each.parts for each in both.rollups if each.worker == "a"]
    assert stale == {"refused.stale": (2, 14)}


def test_idle_workers_are_folded_and_busy_ones_are_not():
    ledger = Ledger()
    rollups = Rollups(ledger, idle_seconds=100)
    for name in ("idle", "busy", "open"):
        ledger.keep(ledger.worker(name), 1)
    ledger.send(ledger.worker("open"), 1, 1)
    rollups.cut(0, 0.0)
    assert rollups.fold(99.0) == []
    ledger.keep(ledger.worker("busy"), 1)
    assert rollups.fold(100.0) == ["idle"], "what is new of busy was not taken yet"
    rollups.cut(0, 100.0)
    assert rollups.fold(150.0) == []
    assert rollups.fold(200.0) == ["busy"]
    ledger.verify()
    ledger.keep(ledger.worker("idle"), 5)
    assert [each.figures.work_offered for each in rollups.cut(0, 200.0).rollups] == [5]


def test_idle_workers_go_sooner_where_there_are_many():
    ledger = Ledger(max_workers=100)
    rollups = Rollups(ledger)
    for number in range(97):
        ledger.keep(ledger.worker(f"w{number:02}"), 1)
        rollups.cut(0, float(number))
    assert rollups.fold(100.0) == [f"w{number:02}" for number in range(7)]


def test_what_is_kept_already_is_not_taken_again():
    before = busy_row()
    stored = (Figures.of(before), parts_of(before))
    ledger = Ledger()
    rollups = Rollups(ledger)
    ledger.restore(row_of("a", *stored), idle=False)
    rollups.know([("a", *stored), ("stranger", *stored)], {"blocks.found": (7, 0)}, 0.0)
    ledger.blocks_found += 1
    batch = rollups.cut(0, 0.0)
    assert ledger.blocks_found == 8
    assert batch.parts == {"blocks.found": (1, 0)}
    (settled, news) = batch.rollups
    assert (settled.worker, news.worker) == ("stranger", "a")
    assert settled.figures == news.figures
    assert rollups.cut(1, 0.0).rollups == [], "once is enough"
    assert news.figures == Figures(lost=1, work_lost=100), "its answer was never heard"
    assert news.parts == {"rescued.lost": (1, 100)}


steps = st.lists(
    st.tuples(
        st.sampled_from(["keep", "refuse", "up", "answer", "cut", "fold", "restart"]),
        st.sampled_from(["a", "b", "c", "d"]),
        st.integers(1, 2**90),
        st.sampled_from([*REFUSALS, Reason.ACCEPTED, Reason.LOST]),
    ),
    max_size=50,
)


def book(ledger: Ledger, pending: list[tuple[Row, int]], step: tuple[str, str, int, Reason]):
    """Book what a step says, if it is a booking."""
    action, name, work, reason = step
    if action == "keep":
        ledger.keep(ledger.worker(name), work)
    elif action == "refuse" and reason in REFUSALS:
        ledger.refuse(ledger.worker(name), reason, work)
    elif action == "up":
        row = ledger.worker(name)
        ledger.send(row, work, work)
        pending.append((row, work))
    elif action == "answer" and pending:
        row, weight = pending.pop()
        ledger.answer(row, Verdict(reason=reason), weight, rescued=False)


@settings(max_examples=80, deadline=None)
@given(steps)
def test_the_sums_of_what_is_kept_are_those_of_the_books(taken):
    """Over any sequence of shares, cuts, folded workers and orderly restarts."""
    ledger, kept = Ledger(max_workers=3), dict[str, Rollup]()
    rollups, pending = Rollups(ledger, idle_seconds=0), list[tuple[Row, int]]()
    for now, step in enumerate(taken):
        book(ledger, pending, step)
        if step[0] in {"cut", "fold", "restart"}:
            for rollup in rollups.cut(now, now).rollups:
                before = kept.get(rollup.worker, Rollup(rollup.worker, Figures()))
                kept[rollup.worker] = before + rollup
            total = sum((each.figures for each in kept.values()), Figures())
            assert Figures.of(ledger.total) == total
        if step[0] == "fold":
            rollups.fold(now)
        if step[0] == "restart":
            ledger = Ledger(max_workers=3)
            rollups, pending = Rollups(ledger, idle_seconds=0), []
            for each in kept.values():
                ledger.restore(row_of(each.worker, each.figures, each.parts), idle=False)
            rollups.know([(e.worker, e.figures, e.parts) for e in kept.values()], {}, now)
            assert ledger.total.offered == Tally(total.offered, total.work_offered)
            assert not ledger.total.open
        ledger.verify()


def test_the_mark_of_a_row_changes_with_every_booking():
    ledger = Ledger()
    rollups = Rollups(ledger)
    row = ledger.worker("a")
    bookings: list[Callable[[], None]] = [
        lambda: ledger.refuse(row, Reason.STALE, 0),
        lambda: ledger.keep(row, 0),
        lambda: ledger.send(row, 0, 0),
        lambda: ledger.answer(row, Verdict(reason=Reason.ACCEPTED), 0, rescued=False),
        lambda: ledger.rescue(row, 0),
        lambda: ledger.answer(row, Verdict(reason=Reason.STALE), 0, rescued=True),
    ]
    for number, book in enumerate(bookings):
        book()
        assert len(rollups.cut(number, 0.0).rollups) == 1, number
