from dataclasses import replace

import pytest

from headframe.chain.job import SourceId
from headframe.upstream.base import SourceState, SourceStatus
from proxy.lives import Lives
from tests.fakes.mining import JobMaker

ONE, TWO = SourceId("one"), SourceId("two")


def status(source: SourceId, generation: int = 0, **changes: object) -> SourceStatus:
    known = SourceStatus(source=source, url="", state=SourceState.ACTIVE, generation=generation)
    return replace(known, **changes)  # type: ignore[arg-type] # a test's own business


def group(*members: SourceStatus) -> SourceStatus:
    """The first is in use."""
    return replace(members[0], members=members)


def test_all_sources_are_heard_and_not_just_the_one_in_use():
    lives = Lives()
    assert lives.look(group(status(ONE, 3), status(TWO, 5)), 0.0) == [(ONE, 3), (TWO, 5)]
    assert lives.look(group(status(ONE, 3), status(TWO, 6)), 0.0) == [(TWO, 6)]
    assert set(lives.marks) == {(ONE, 3), (TWO, 6)}


def test_a_job_lives_over_a_switch_until_its_own_source_says_that_it_is_dead():
    lives, maker = Lives(), JobMaker(str(ONE))
    job = maker.make()
    lives.look(group(status(ONE), status(TWO)), 0.0)
    lives.look(group(status(TWO), status(ONE)), 0.0)  # a planned switch
    assert lives.alive(job)
    lives.look(group(status(TWO), status(ONE, 1)), 0.0)
    assert not lives.alive(job)
    assert not lives.alive(None)


@pytest.mark.parametrize("state", [SourceState.DOWN, SourceState.CONNECTING, SourceState.IDLE])
def test_a_source_that_is_away_for_half_a_second_answers_no_more(state: SourceState):
    lives = Lives()
    lives.look(group(status(ONE), status(TWO)), 0.0)
    lives.look(group(status(ONE, state=state), status(TWO)), 10.0)
    assert lives.away(10.4) == frozenset()
    lives.look(group(status(ONE, state=state), status(TWO, 1)), 10.4)
    assert lives.away(10.5) == {ONE}
    lives.look(group(status(ONE), status(TWO)), 11.0)
    assert lives.away(100.0) == frozenset()


def test_a_source_whose_job_is_only_held_is_away():
    lives = Lives()
    lives.look(group(status(ONE)), 0.0)
    gone = status(ONE, 1, state=SourceState.DOWN)
    lives.look(replace(gone, state=SourceState.DEGRADED, members=(gone,)), 10.0)
    assert lives.away(10.5) == {ONE}


def test_a_source_that_was_taken_out_is_away():
    lives = Lives()
    lives.look(group(status(ONE), status(TWO)), 0.0)
    lives.look(group(status(TWO)), 1.0)
    assert lives.away(2.0) == {ONE}


def test_a_lone_source_is_its_own_member():
    lives = Lives()
    assert lives.look(status(ONE, 2, state=SourceState.DEGRADED), 0.0) == [(ONE, 2)]
    assert lives.away(10.0) == frozenset()
