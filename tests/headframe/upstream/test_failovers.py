"""`Failovers`: rows by who was left, who was taken, and why."""

from headframe.chain.job import SourceId
from headframe.upstream.failovers import Failover, FailoverReason, Failovers

A, B = SourceId("a"), SourceId("b")


def test_each_way_and_reason_has_its_own_row() -> None:
    failovers = Failovers()
    assert failovers.rows == ()
    for _ in range(2):
        failovers.note(A, B, FailoverReason.LOST)
        failovers.note(B, A, FailoverReason.PREFERRED)
    failovers.note(A, B, FailoverReason.REMOVED)
    assert failovers.total == 5
    assert set(failovers.rows) == {
        Failover(A, B, FailoverReason.LOST, 2),
        Failover(B, A, FailoverReason.PREFERRED, 2),
        Failover(A, B, FailoverReason.REMOVED, 1),
    }


def test_what_may_be_lost_has_a_row_before_it_is() -> None:
    failovers = Failovers()
    failovers.foresee([A])
    assert failovers.rows == ()
    failovers.note(A, B, FailoverReason.LOST)
    failovers.foresee([A, B])
    assert failovers.total == 1
    assert set(failovers.rows) == {
        Failover(A, B, FailoverReason.LOST, 1),
        Failover(B, A, FailoverReason.LOST, 0),
    }


def test_rows_of_several_are_added_up() -> None:
    one, other = Failovers(), Failovers()
    one.note(A, B, FailoverReason.TURN)
    other.note(A, B, FailoverReason.TURN)
    other.note(B, A, FailoverReason.TURN)
    both = Failovers([*one.rows, *other.rows])
    assert set(both.rows) == {
        Failover(A, B, FailoverReason.TURN, 2),
        Failover(B, A, FailoverReason.TURN, 1),
    }
