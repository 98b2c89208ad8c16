import pytest
from hypothesis import given
from hypothesis import strategies as st

from headframe.runtime.retry import Backoff


def test_pauses_double_up_to_the_cap():
    backoff = Backoff(1, 10, jitter=lambda: 1.0)
    assert [backoff.next() for _ in range(6)] == [1, 2, 4, 8, 10, 10]


def test_reset_starts_small_again():
    backoff = Backoff(1, 10, jitter=lambda: 1.0)
    for _ in range(5):
        backoff.next()
    backoff.reset()
    assert backoff.next() == 1


def test_jitter_takes_at_most_half_away():
    backoff = Backoff(2, 8, jitter=lambda: 0.0)
    assert [backoff.next() for _ in range(4)] == [1, 2, 4, 4]


@given(
    first=st.floats(0.001, 100), factor=st.floats(1, 1000), chance=st.floats(0, 1, exclude_max=True)
)
def test_every_pause_is_above_zero_and_below_the_cap(first: float, factor: float, chance: float):
    backoff = Backoff(first, first * factor, jitter=lambda: chance)
    for _ in range(12):
        assert first / 2 <= backoff.next() <= first * factor


def test_two_clients_do_not_pause_alike_by_default():
    one, other = Backoff(), Backoff()
    assert [one.next() for _ in range(8)] != [other.next() for _ in range(8)]


@pytest.mark.parametrize(("first", "cap"), [(0, 1), (-1, 1), (2, 1)])
def test_senseless_bounds_are_refused(first: float, cap: float):
    with pytest.raises(ValueError, match="pause"):
        Backoff(first, cap)
