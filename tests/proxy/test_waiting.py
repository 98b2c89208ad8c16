from headframe.chain.job import SourceId
from headframe.chain.share import Reason, Verdict
from headframe.stratum.events import Ticket
from proxy.waiting import LONGEST_SECONDS, Waiting

ONE, OTHER = SourceId("one"), SourceId("other")
YES = Verdict(reason=Reason.ACCEPTED)


def test_a_verdict_is_told_once():
    waiting, told = Waiting(), list[Verdict]()
    done = waiting.expect(Ticket(1), ONE, told.append, 0.0)
    done(YES)
    done(YES)
    assert told == [YES]
    assert not len(waiting)


def test_what_waits_for_a_lost_source_is_given_up_and_nothing_else():
    waiting, told, others = Waiting(), list[Verdict](), list[Verdict]()
    late = waiting.expect(Ticket(1), ONE, told.append, 0.0)
    done = waiting.expect(Ticket(2), OTHER, others.append, 0.0)
    waiting.look({ONE}, 1.0, unanswered=2)
    assert [each.reason for each in told] == [Reason.LOST]
    assert others == []
    late(YES)  # the pool was only slow: that is for the books
    done(YES)
    assert len(told) == 1
    assert others == [YES]


def test_the_oldest_is_given_up_when_too_many_wait():
    waiting, oldest, others = Waiting(most=2), list[Verdict](), list[Verdict]()
    waiting.expect(Ticket(1), ONE, oldest.append, 0.0)
    waiting.expect(Ticket(2), ONE, others.append, 0.0)
    waiting.expect(Ticket(3), ONE, others.append, 0.0)
    assert [each.reason for each in oldest] == [Reason.LOST]
    assert others == []
    assert len(waiting) == 2


def test_nothing_is_answered_to_a_rig_that_has_gone():
    waiting, told = Waiting(), list[Verdict]()
    done = waiting.expect(Ticket(1), ONE, told.append, 0.0)
    waiting.clear()
    done(YES)
    assert told == []


def test_what_waits_too_long_is_given_up():
    waiting, told, others = Waiting(), list[Verdict](), list[Verdict]()
    waiting.expect(Ticket(1), ONE, told.append, 100.0)
    waiting.expect(Ticket(2), ONE, others.append, 101.0)
    waiting.look((), 100.0 + LONGEST_SECONDS - 0.1, unanswered=2)
    assert told == []
    waiting.look((), 100.0 + LONGEST_SECONDS, unanswered=2)
    assert [each.reason for each in told] == [Reason.LOST]
    assert others == []


def test_all_are_given_up_when_too_many_answers_wait_for_them():
    waiting, told = Waiting(most=10), list[Verdict]()
    waiting.expect(Ticket(1), ONE, told.append, 0.0)
    waiting.look((), 1.0, unanswered=10)
    assert told == []
    waiting.look((), 1.0, unanswered=11)
    assert [each.reason for each in told] == [Reason.LOST]
