import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headframe.chain.target import (
    MAX_TARGET,
    Target,
    difficulty_from_target,
    target_from_difficulty,
    target_from_nbits,
    work_of,
)
from proxy.vardiff import Bounds, Vardiff

BOUNDS = Bounds.from_difficulties(per_minute=20, least=4.6e-10, largest=1e12)
NO_CLAMP = Target(1)


def simulate(vardiff: Vardiff, hps: float, seconds: int, *, rng: random.Random) -> int:
    """Let a rig of a hashrate work, second by second; return its shares in the last minute."""
    counts: list[int] = []
    for second in range(1, seconds + 1):
        work = work_of(vardiff.target)
        count = poisson(hps / work, rng)
        for _ in range(min(count, 10_000)):
            vardiff.on_share(work)
        vardiff.retarget(float(second), hardest=NO_CLAMP)
        counts.append(count)
    return sum(counts[-60:])


def poisson(mean: float, rng: random.Random) -> int:
    if mean > 200:
        return max(0, round(rng.gauss(mean, mean**0.5)))
    count, product, limit = 0, rng.random(), math.exp(-mean)
    while product > limit:
        count += 1
        product *= rng.random()
    return count


@pytest.mark.parametrize("hps", [1e3, 5e6, 1e9, 1e14])
def test_a_rig_of_any_strength_ends_near_the_wanted_rate(hps: float) -> None:
    rng = random.Random(4)
    vardiff = Vardiff(BOUNDS, target_from_difficulty(1), now=0.0)
    shares = simulate(vardiff, hps, 900, rng=rng)
    wanted = hps * 3  # one share in three seconds
    assert wanted / 2.5 < work_of(vardiff.target) < wanted * 2.5
    assert 5 <= shares <= 60


def test_a_strong_rig_is_raised_after_a_few_shares():
    vardiff = Vardiff(BOUNDS, target_from_difficulty(1), now=0.0)
    for _ in range(8):
        vardiff.on_share(work_of(vardiff.target))
    raised = vardiff.retarget(0.1, hardest=NO_CLAMP)
    assert raised is not None
    assert difficulty_from_target(raised) > 100


def test_one_lucky_share_changes_nothing():
    vardiff = Vardiff(BOUNDS, target_from_difficulty(1), now=0.0)
    vardiff.on_share(work_of(vardiff.target))
    assert vardiff.retarget(0.1, hardest=NO_CLAMP) is None


def test_a_silent_rig_is_made_easier_step_by_step():
    vardiff = Vardiff(BOUNDS, target_from_difficulty(1000), now=0.0)
    assert vardiff.retarget(14.9, hardest=NO_CLAMP) is None
    assert vardiff.retarget(15.0, hardest=NO_CLAMP) == vardiff.target
    assert float(difficulty_from_target(vardiff.target)) == pytest.approx(200)


def test_a_rate_near_the_aim_stays_as_it_is():
    vardiff = Vardiff(BOUNDS, target_from_difficulty(5), now=0.0)
    before = vardiff.target
    for _ in range(26):  # 20 were wanted
        vardiff.on_share(work_of(before))
    assert vardiff.retarget(60.0, hardest=NO_CLAMP) is None
    assert vardiff.target == before


def test_shares_of_an_earlier_target_weigh_what_they_were_worth():
    vardiff = Vardiff(BOUNDS, target_from_difficulty(100), now=0.0)
    for _ in range(20):  # late shares of an easy job: a hundredth of the work each
        vardiff.on_share(work_of(target_from_difficulty(1)))
    lowered = vardiff.retarget(60.0, hardest=NO_CLAMP)
    assert lowered is not None
    assert lowered > target_from_difficulty(100)


def test_a_target_is_never_harder_than_the_jobs():
    vardiff = Vardiff(BOUNDS, target_from_difficulty(1), now=0.0)
    clamp = target_from_difficulty(3)
    for _ in range(100):
        vardiff.on_share(work_of(vardiff.target))
    assert vardiff.retarget(0.5, hardest=clamp) == clamp


def test_a_jobs_target_wins_over_the_least_difficulty():
    bounds = Bounds.from_difficulties(per_minute=20, least=1, largest=10)
    vardiff = Vardiff(bounds, target_from_difficulty(1), now=0.0)
    regtest = target_from_nbits(0x207FFFFF)
    for _ in range(100):
        vardiff.on_share(1)
    assert vardiff.retarget(60.0, hardest=regtest) == regtest


def test_a_wish_is_honoured_within_the_bounds():
    bounds = Bounds.from_difficulties(per_minute=20, least=0.5, largest=8)
    vardiff = Vardiff(bounds, target_from_difficulty(1), now=0.0)
    vardiff.wish(target_from_difficulty(4), 1.0)
    assert vardiff.target == target_from_difficulty(4)
    vardiff.wish(MAX_TARGET, 2.0)
    assert vardiff.target == target_from_difficulty(0.5)
    vardiff.wish(Target(1), 3.0)
    assert vardiff.target == target_from_difficulty(8)


@pytest.mark.parametrize(("rate", "least", "largest"), [(0, 1, 2), (-1, 1, 2), (20, 3, 2)])
def test_senseless_bounds_are_refused(rate, least, largest):
    with pytest.raises(ValueError, match=r"above zero|below the least"):
        Bounds.from_difficulties(per_minute=rate, least=least, largest=largest)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 100), st.integers(0, 50)), max_size=30),
    st.integers(1, MAX_TARGET),
)
def test_whatever_comes_the_target_stays_within_bounds_and_clamp(steps, hardest):
    vardiff = Vardiff(BOUNDS, target_from_difficulty(1), now=0.0)
    now = 0.0
    for pause, shares in steps:
        now += pause
        for _ in range(shares):
            vardiff.on_share(work_of(vardiff.target))
        changed = vardiff.retarget(now, hardest=Target(hardest))
        assert changed in {None, vardiff.target}
        if changed is not None:
            assert changed >= hardest
            assert changed >= BOUNDS.hardest
            assert changed <= max(BOUNDS.easiest, hardest)
