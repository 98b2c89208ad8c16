"""Strategies, by hand: no loop, no clock, no sources."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headframe.upstream.strategy import (
    Choice,
    FailoverStrategy,
    QuotaStrategy,
    RotateStrategy,
    Standing,
    Strategy,
)

OUT = Standing(out=True)
TRYING = Standing()
WORKS = Standing(works_since=0.0)


def fresh(since: float, probation: float = 60.0) -> Standing:
    return Standing(works_since=since, probation_seconds=probation)


def chosen(choice: Choice) -> tuple[int | None, list[int]]:
    return choice.use, sorted(choice.want)


@pytest.mark.parametrize(
    ("sources", "use", "want"),
    [
        ((TRYING, TRYING, TRYING), None, [0]),
        ((OUT, TRYING, TRYING), None, [0, 1]),
        ((OUT, OUT, OUT), None, [0, 1, 2]),
        ((WORKS, TRYING, TRYING), 0, [0]),
        ((OUT, WORKS, TRYING), 1, [0, 1]),
        ((OUT, WORKS, WORKS), 1, [0, 1]),
        ((TRYING, OUT, WORKS), 2, [0, 1, 2]),
    ],
)
def test_failover_uses_the_first_that_works_and_keeps_trying_those_before(
    sources: tuple[Standing, ...], use: int | None, want: list[int]
) -> None:
    assert chosen(FailoverStrategy().choose(sources, None, 1000)) == (use, want)


def test_an_earlier_source_is_taken_again_when_it_has_proved_itself() -> None:
    strategy = FailoverStrategy()
    sources = [OUT, fresh(100), WORKS]
    early = strategy.choose(sources, 2, 159)
    assert (early.use, early.until) == (2, 160)
    assert early.want == {0, 1, 2}
    assert chosen(strategy.choose(sources, 2, 160)) == (1, [0, 1])


def test_of_two_that_come_back_the_better_one_may_still_follow() -> None:
    sources = [fresh(100), fresh(50), WORKS]
    choice = FailoverStrategy().choose(sources, 2, 120)
    assert (choice.use, choice.until) == (1, 160)


def test_no_proof_is_asked_for_while_the_one_in_use_has_no_work() -> None:
    sources = [fresh(100), TRYING]
    assert FailoverStrategy().choose(sources, 1, 100).use == 0


@pytest.mark.parametrize(
    ("sources", "want"),
    [
        ((WORKS, TRYING, TRYING), [0, 1]),
        ((WORKS, WORKS, TRYING), [0, 1]),
        ((WORKS, OUT, TRYING), [0, 1, 2]),
        ((WORKS,), [0]),
        ((OUT, TRYING, TRYING), [0, 1]),
    ],
)
def test_a_hot_standby_is_one_more_that_works(
    sources: tuple[Standing, ...], want: list[int]
) -> None:
    assert sorted(FailoverStrategy(standby=True).choose(sources, None, 0).want) == want


def test_each_has_its_turn_and_one_without_work_is_skipped() -> None:
    strategy = RotateStrategy(10)
    sources = [WORKS, OUT, WORKS]
    first = strategy.choose(sources, None, 0)
    assert (first.use, first.until, sorted(first.want)) == (0, 10, [0, 1, 2])
    assert strategy.choose(sources, 0, 9).use == 0
    second = strategy.choose(sources, 0, 10)
    assert (second.use, second.until) == (2, 20)
    lost = strategy.choose([WORKS, OUT, OUT], 2, 13)
    assert (lost.use, lost.until) == (0, 23)
    alone = strategy.choose([WORKS, OUT, OUT], 0, 30)
    assert (alone.use, alone.until) == (0, None)
    assert strategy.choose([WORKS, WORKS, OUT], 0, 31).use == 1
    assert strategy.choose([OUT, OUT, OUT], 1, 32) == Choice(use=None, want=frozenset({0, 1, 2}))


def played(
    strategy: Strategy, count: int, seconds: float, down: frozenset[int] = frozenset()
) -> list[float]:
    """Follow a strategy for some time; return how long each source was used."""
    sources = [OUT if place in down else WORKS for place in range(count)]
    used = [0.0] * count
    now, current = 0.0, None
    while now < seconds:
        choice = strategy.choose(sources, current, now)
        current = choice.use
        assert current is not None
        until = seconds if choice.until is None else min(choice.until, seconds)
        used[current] += until - now
        now = until
    return used


@settings(max_examples=50)
@given(st.lists(st.integers(1, 20), min_size=1, max_size=5))
def test_time_is_shared_by_weight_to_within_a_turn(weights: list[int]) -> None:
    seconds = 200.0 * sum(weights)
    used = played(QuotaStrategy(weights, 10), len(weights), seconds)
    for weight, each in zip(weights, used, strict=True):
        assert abs(each - 200.0 * weight) <= 10 * len(weights)


def test_one_that_is_down_leaves_its_share_to_the_others() -> None:
    used = played(QuotaStrategy([1, 1, 2], 10), 3, 3000, down=frozenset({2}))
    assert used == [1500, 1500, 0]


def test_one_that_comes_back_claims_nothing_for_the_past() -> None:
    strategy = QuotaStrategy([1, 1], 10)
    current: int | None = None
    for now in range(0, 1000, 10):
        current = strategy.choose([WORKS, OUT], current, now).use
    assert current == 0
    turns = []
    for now in range(1000, 1100, 10):
        current = strategy.choose([WORKS, WORKS], current, now).use
        turns.append(current)
    assert turns.count(0) == turns.count(1) == 5
    assert sum(strategy.used_seconds) == 1000 + 90 + 1000  # lifted to where the other was


def test_a_loss_within_a_turn_is_covered_at_once() -> None:
    strategy = QuotaStrategy([1, 1], 10)
    assert strategy.choose([WORKS, WORKS], None, 0).use == 0
    assert strategy.choose([OUT, WORKS], 0, 3).use == 1
    assert strategy.used_seconds == (3, 0)


def test_a_spare_is_used_when_no_other_works() -> None:
    strategy = QuotaStrategy([1, 0, 0], 10)
    assert chosen(strategy.choose([TRYING, TRYING, TRYING], None, 0)) == (None, [0])
    assert chosen(strategy.choose([OUT, TRYING, TRYING], None, 1)) == (None, [0, 1])
    assert chosen(strategy.choose([OUT, OUT, TRYING], None, 2)) == (None, [0, 1, 2])
    assert chosen(strategy.choose([OUT, OUT, WORKS], None, 2)) == (2, [0, 2])
    assert chosen(strategy.choose([TRYING, OUT, WORKS], 2, 2)) == (2, [0, 2])
    assert chosen(strategy.choose([WORKS, OUT, WORKS], 2, 3)) == (0, [0])


@pytest.mark.parametrize("weights", [[0, 0], [1, -1]])
def test_weights_that_make_no_sense(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="weights"):
        QuotaStrategy(weights, 10)


standings = st.builds(
    Standing,
    works_since=st.none() | st.floats(0, 100),
    out=st.booleans(),
    probation_seconds=st.floats(0, 200),
)


@pytest.mark.parametrize(
    "make",
    [
        FailoverStrategy,
        lambda: FailoverStrategy(standby=True),
        lambda: RotateStrategy(7),
        lambda: QuotaStrategy([2, 1, 0], 7),
    ],
)
@settings(max_examples=100)
@given(history=st.lists(st.tuples(standings, standings, standings), min_size=1, max_size=20))
def test_whatever_happens_who_works_is_used_and_who_is_used_is_wanted(
    make: Callable[[], Strategy], history: list[tuple[Standing, Standing, Standing]]
) -> None:
    strategy = make()
    current: int | None = None
    for step, sources in enumerate(history):
        now = 100.0 + 5 * step
        choice = strategy.choose(sources, current, now)
        assert choice.want <= {0, 1, 2}
        assert choice.until is None or choice.until > now
        if choice.use is None:
            assert not any(each.has_work for each in sources)
            assert choice.want
        else:
            assert sources[choice.use].has_work
            assert choice.use in choice.want
            current = choice.use
