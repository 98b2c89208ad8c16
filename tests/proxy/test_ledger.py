import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headframe.chain.share import Reason, Verdict
from proxy.ledger import OTHER_WORKERS, Ledger, LedgerError, Row, Tally

REFUSALS = [r for r in Reason if r not in {Reason.ACCEPTED, Reason.PENDING, Reason.LOST}]


def test_a_refused_share_is_offered_and_refused():
    ledger = Ledger()
    row = ledger.worker("a")
    ledger.refuse(row, Reason.STALE, 100)
    ledger.verify()
    assert row.offered == Tally(1, 100)
    assert row.refused == {Reason.STALE: Tally(1, 100)}
    assert ledger.total.refused_total == Tally(1, 100)


def test_a_kept_share_is_accepted_and_goes_nowhere():
    ledger = Ledger()
    row = ledger.worker("a")
    ledger.keep(row, 7)
    ledger.verify()
    assert (row.accepted, row.kept, row.pool.forwarded) == (Tally(1, 7), 1, Tally())


def test_a_forwarded_share_is_pending_until_the_pool_speaks():
    ledger = Ledger()
    row = ledger.worker("a")
    ledger.send(row, 7, 1000)
    ledger.verify()
    assert (row.accepted, row.pool.pending) == (Tally(1, 7), Tally(1, 1000))
    ledger.answer(row, Verdict(reason=Reason.ACCEPTED), 1000, rescued=False)
    ledger.verify()
    assert (row.pool.pending, row.pool.acknowledged) == (Tally(), Tally(1, 1000))


def test_a_lost_share_and_a_refused_one_are_told_apart():
    ledger = Ledger()
    row = ledger.worker("a")
    for reason in (Reason.LOST, Reason.DUPLICATE):
        ledger.send(row, 1, 10)
        ledger.answer(row, Verdict(reason=reason), 10, rescued=False)
    ledger.verify()
    assert row.pool.lost == Tally(1, 10)
    assert row.pool.refused == {Reason.DUPLICATE: Tally(1, 10)}


def test_a_block_in_the_journal_stays_pending():
    ledger = Ledger()
    row = ledger.worker("a")
    ledger.send(row, 1, 10)
    ledger.answer(row, Verdict(reason=Reason.PENDING, block=True), 10, rescued=False)
    ledger.verify()
    assert row.pool.pending == Tally(1, 10)
    assert (ledger.blocks_accepted, ledger.blocks_refused) == (0, 0)


def test_a_rescued_block_leaves_the_share_refused():
    ledger = Ledger()
    row = ledger.worker("a")
    ledger.refuse(row, Reason.STALE, 5)
    ledger.rescue(row, 10)
    ledger.answer(row, Verdict(reason=Reason.ACCEPTED, block=True), 10, rescued=True)
    ledger.verify()
    assert row.accepted == Tally()
    assert row.rescued.acknowledged == Tally(1, 10)
    assert ledger.blocks_accepted == 1


def test_refused_blocks_are_counted():
    ledger = Ledger()
    row = ledger.worker("a")
    ledger.send(row, 1, 1)
    ledger.answer(row, Verdict(reason=Reason.STALE, block=True), 1, rescued=False)
    assert ledger.blocks_refused == 1


def test_names_above_the_limit_share_a_row():
    ledger = Ledger(max_workers=2)
    rows = [ledger.worker(name) for name in ("a", "b", "c", "d", "a")]
    assert [row.name for row in rows] == ["a", "b", OTHER_WORKERS, OTHER_WORKERS, "a"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda row: row.offered.add(1),
        lambda row: row.accepted.add(1),
        lambda row: row.leg(rescued=False).forwarded.add(1),
        lambda row: row.leg(rescued=True).lost.add(1),
        lambda row: setattr(row, "kept", 5),
    ],
)
def test_books_that_do_not_balance_are_told(spoil):
    ledger = Ledger()
    row = ledger.worker("a")
    ledger.keep(row, 1)
    spoil(row)
    with pytest.raises(LedgerError, match="a"):
        ledger.verify()


def test_workers_that_do_not_add_up_to_the_total_are_told():
    ledger = Ledger()
    ledger.worker("a").refuse(Reason.STALE, 3)
    with pytest.raises(LedgerError, match="the total says"):
        ledger.verify()


def test_more_answers_than_shares_are_told():
    ledger = Ledger()
    row = ledger.worker("a")
    ledger.answer(row, Verdict(reason=Reason.ACCEPTED), 5, rescued=False)
    with pytest.raises(LedgerError, match="pending"):
        ledger.verify()


actions = st.lists(
    st.tuples(
        st.sampled_from(
            ["refuse", "keep", "send", "send", "answer", "rescue", "late", "fold", "fold"]
        ),
        st.sampled_from(["a", "b", "c", "d"]),
        st.integers(1, 2**200),
        st.sampled_from([*REFUSALS, Reason.ACCEPTED, Reason.LOST]),
    ),
    max_size=60,
)


@settings(max_examples=80, deadline=None)
@given(actions)
def test_the_books_balance_after_every_step(steps):
    ledger = Ledger(max_workers=3)
    pending, rescued = [], []
    for action, name, work, reason in steps:
        row = Row("nobody") if action == "fold" else ledger.worker(name)
        if action == "refuse" and reason in REFUSALS:
            ledger.refuse(row, reason, work)
        elif action == "keep":
            ledger.keep(row, work)
        elif action == "send":
            ledger.send(row, work, work // 2)
            pending.append((row, work // 2))
        elif action == "answer" and pending:
            sent, weight = pending.pop()
            ledger.answer(sent, Verdict(reason=reason), weight, rescued=False)
        elif action == "rescue":
            ledger.rescue(row, work)
            rescued.append((row, work))
        elif action == "late" and rescued:
            sent, weight = rescued.pop()
            ledger.answer(sent, Verdict(reason=reason), weight, rescued=True)
        elif action == "fold" and name in ledger.workers:
            ledger.fold(name)
        ledger.verify()
        ledger.check()
    assert ledger.total.pool.pending.shares == len(pending)


def test_the_folded_worker_leaves_its_figures_behind():
    ledger = Ledger()
    row = ledger.worker("a")
    ledger.keep(row, 7)
    ledger.refuse(row, Reason.STALE, 5)
    ledger.rescue(row, 3)
    assert not ledger.fold("a"), "its block is not judged yet"
    ledger.answer(row, Verdict(reason=Reason.ACCEPTED, block=True), 3, rescued=True)
    assert ledger.fold("a")
    ledger.verify()
    assert ledger.workers == {}
    assert ledger.idle.offered == Tally(2, 12)
    assert ledger.idle.refused == {Reason.STALE: Tally(1, 5)}
    assert ledger.idle.rescued.acknowledged == Tally(1, 3)
    assert ledger.worker("a").offered == Tally()


def test_books_of_an_earlier_run_are_gone_on_with():
    before = Ledger(route="north")
    for name in ("a", "b"):
        before.keep(before.worker(name), 7)
    after = Ledger(route="north", max_workers=1)
    after.restore(before.worker("a"), idle=False)
    after.restore(before.worker("b"), idle=False)
    after.keep(after.worker("a"), 1)
    after.verify()
    assert after.workers["a"].offered == Tally(2, 8)
    assert after.idle.offered == Tally(1, 7), "there was no room for b"
    assert after.total.offered == Tally(3, 15)


def check_often(ledger: Ledger) -> None:
    for _ in range(50):
        ledger.check()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda ledger: ledger.workers["w7"].refuse(Reason.STALE, 3),
        lambda ledger: ledger.workers["w399"].offered.add(1),
        lambda ledger: ledger.idle.refuse(Reason.STALE, 1),
        lambda ledger: ledger.total.leg(rescued=True).sent(9),
    ],
)
def test_whatever_is_wrong_is_found_within_a_round_of_checks(spoil):
    ledger = Ledger()
    for number in range(400):
        ledger.keep(ledger.worker(f"w{number}"), 1)
    check_often(ledger)
    spoil(ledger)
    with pytest.raises(LedgerError):
        check_often(ledger)
