"""The pace, against miners made of chance."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headframe.chain.target import MAX_TARGET, Target, target_from_nbits, work_of
from headframe.upstream.pace import EASIEST_WORK, MAX_STEP, SILENT_PACES, Pace

REGTEST = target_from_nbits(0x207FFFFF)
SIGNET = target_from_nbits(0x1E0377AE)


class Miners:
    """Finds blocks by chance, at a hash rate, for a pace."""

    def __init__(self, pace: Pace, *, seed: int) -> None:
        self.pace = pace
        self.now = 0.0
        self._chance = random.Random(seed)

    def find(self, hash_rate: float, *, delay: float = 0.0) -> float:
        """Find the next block; return the seconds that took."""
        began = self.now
        while True:
            took = self._chance.expovariate(hash_rate / work_of(self.pace.target(REGTEST))) + delay
            if self.now + took < self.pace.step_at:
                break
            self.now = self.pace.step_at  # chance has no memory: start again from here
            self.pace.on_silence(self.now)
        self.now += took
        self.pace.on_block(self.now)
        return self.now - began


@pytest.mark.parametrize("hash_rate", [2e4, 5e5, 1e7, 4e9])
@pytest.mark.parametrize("seconds", [1.0, 10.0])
def test_blocks_come_at_the_pace(hash_rate: float, seconds: float) -> None:
    miners = Miners(Pace(seconds, now=0.0), seed=3)
    for _ in range(60):
        miners.find(hash_rate, delay=0.005)
    times = [miners.find(hash_rate, delay=0.005) for _ in range(400)]
    mean = sum(times) / len(times)
    floor = EASIEST_WORK / hash_rate  # slower miners cannot keep it
    assert max(seconds, floor) * 0.8 < mean < max(seconds, floor) * 1.25


def test_fast_miners_find_a_few_quick_blocks_and_no_flood() -> None:
    miners = Miners(Pace(10.0, now=0.0), seed=1)
    times = [miners.find(1e8, delay=0.005) for _ in range(40)]
    assert sum(took < 1.0 for took in times) < 20
    assert sum(times[20:]) > 60


def test_miners_that_became_a_thousand_times_slower_are_met_within_minutes() -> None:
    miners = Miners(Pace(10.0, now=0.0), seed=2)
    for _ in range(60):
        miners.find(1e8)
    assert miners.find(1e5) < 300
    for _ in range(10):
        miners.find(1e5)
    times = [miners.find(1e5) for _ in range(100)]
    assert 5 < sum(times) / len(times) < 20


def test_the_target_is_never_easier_than_the_chains() -> None:
    pace = Pace(10.0, now=0.0)
    assert pace.target(SIGNET) == SIGNET  # 5 million hashes, more than the first guess
    assert pace.target(Target(1)) == 1
    assert work_of(pace.target(REGTEST)) == EASIEST_WORK


def test_silence_makes_blocks_easier_step_by_step_down_to_the_easiest() -> None:
    pace = Pace(10.0, now=0.0)
    for at in (0.001, 0.002, 0.003):
        pace.on_block(at)
    hard = work_of(pace.target(REGTEST))
    assert pace.step_at == pytest.approx(0.003 + SILENT_PACES * 10)
    assert pace.on_silence(49.0) is False
    assert work_of(pace.target(REGTEST)) == hard
    assert pace.on_silence(50.1) is True
    assert work_of(pace.target(REGTEST)) == pytest.approx(hard / MAX_STEP, rel=0.01)
    assert pace.on_silence(50.2) is False  # the next step has its own time
    for step in range(1, 40):
        pace.on_silence(50.1 + 20 * step)
    assert work_of(pace.target(REGTEST)) == EASIEST_WORK
    assert pace.on_silence(10_000.0) is False  # nothing changes any more


@settings(max_examples=50)
@given(st.lists(st.tuples(st.floats(0, 1e4), st.booleans()), max_size=40), st.floats(0.01, 3600))
def test_one_step_changes_the_work_by_a_bounded_factor(
    moments: list[tuple[float, bool]], seconds: float
) -> None:
    pace = Pace(seconds, now=0.0)
    now, before = 0.0, work_of(pace.target(MAX_TARGET))
    for wait, is_block in moments:
        now += wait
        if is_block:
            pace.on_block(now)
        else:
            pace.on_silence(now)
        after = work_of(pace.target(MAX_TARGET))
        assert before / MAX_STEP * 0.99 <= after <= before * MAX_STEP * 1.01
        assert after >= EASIEST_WORK
        before = after


def test_blocks_in_the_same_instant_do_no_harm() -> None:
    pace = Pace(10.0, now=5.0)
    for _ in range(300):
        pace.on_block(5.0)
    assert 1 <= pace.target(REGTEST) < REGTEST


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
def test_a_pace_is_a_time_above_zero(seconds: float) -> None:
    with pytest.raises(ValueError, match="above zero"):
        Pace(seconds, now=0.0)


def test_blocks_are_not_made_easier_while_one_waits_for_the_node() -> None:
    pace = Pace(10.0, now=0.0, easiest_work=1 << 20)
    for tenth in range(1, 20):
        pace.on_block(tenth / 10)
    hard = pace.target(MAX_TARGET)
    for step in range(1, 20):
        assert pace.on_silence(100.0 * step, waiting=True) is False
        assert pace.step_at > 100.0 * step, "it is asked again later, not at once"
    assert pace.target(MAX_TARGET) == hard
    assert pace.on_silence(5000.0) is True
    assert pace.target(MAX_TARGET) > hard
