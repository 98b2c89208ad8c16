from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from headframe.chain.job import SourceId
from headframe.chain.share import Reason, Verdict
from headframe.upstream.base import SourceState, SourceStatus
from proxy.ledger import Ledger
from proxy.totals import Totals, sum_rows, sum_statuses

STATUS = SourceStatus(source=SourceId("p"), url="u", state=SourceState.ACTIVE)

bookings = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(("x", "y")),
        st.sampled_from(("keep", "refuse", "send", "rescue")),
        st.integers(1, 2**70),
        st.sampled_from((Reason.ACCEPTED, Reason.STALE, Reason.LOST, Reason.PENDING)),
    ),
    max_size=30,
)


def book(ledger: Ledger, worker: str, what: str, work: int, reason: Reason) -> None:
    row = ledger.worker(worker)
    match what:
        case "keep":
            ledger.keep(row, work)
        case "refuse":
            ledger.refuse(row, Reason.DUPLICATE, work)
        case "send":
            ledger.send(row, work, work)
            ledger.answer(row, Verdict(reason=reason), work, rescued=False)
        case "rescue":
            ledger.rescue(row, work)
            ledger.answer(row, Verdict(reason=reason), work, rescued=True)


@given(bookings)
def test_the_sums_are_those_of_one_ledger(given_: list[tuple[int, str, str, int, Reason]]):
    each, one = [Ledger(), Ledger(), Ledger()], Ledger()
    for index, worker, what, work, reason in given_:
        for ledger in (each[index], one):
            book(ledger, worker, what, work, reason)
    totals = Totals(lambda: each)
    assert totals.total == one.total
    assert dict(totals.workers) == one.workers
    totals.total.verify()


def test_a_single_ledger_is_not_copied():
    ledger = Ledger()
    totals = Totals(lambda: [ledger])
    assert totals.workers is ledger.workers
    assert totals.total is ledger.total
    assert sum_rows("x", [ledger.total]) is ledger.total


def test_blocks_add_up():
    one, two = Ledger(), Ledger()
    one.blocks_found, one.blocks_accepted, two.blocks_found, two.blocks_refused = 3, 2, 1, 1
    totals = Totals(lambda: [one, two])
    assert (totals.blocks_found, totals.blocks_accepted, totals.blocks_refused) == (4, 2, 1)


def test_all_upstreams_are_members_of_one():
    one = replace(STATUS, connects=2, switches=1, idle_seconds=0.5)
    two = replace(STATUS, source=SourceId("q"), connects=3, redirects=1, idle_seconds=1.5)
    told = sum_statuses({"a": one, "b": two})
    assert (told.state, told.detail) == (SourceState.ACTIVE, "")
    assert [each.source for each in told.members] == ["p", "q"]
    assert (told.connects, told.switches, told.redirects, told.idle_seconds) == (5, 1, 1, 2.0)
    assert sum_statuses({"a": one}) is one
    assert sum_statuses({"a": one}, two).connects == 5


def test_a_route_that_is_down_is_named():
    down = replace(STATUS, state=SourceState.DOWN, detail="no answer")
    told = sum_statuses({"a": STATUS, "b": down})
    assert (told.state, told.detail) == (SourceState.DEGRADED, "route b: no answer")
    told = sum_statuses({"a": down, "b": replace(STATUS, state=SourceState.CONNECTING)})
    assert told.state is SourceState.DOWN
    assert told.detail == "route a: no answer; route b: connecting"
