import json
import re
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headframe.chain.target import DIFFICULTY_1, MAX_TARGET, Target, target_from_difficulty
from headframe.stratum.numbers import PDIFF_1, Numbers, difficulty_for, written
from tests.fakes.vectors import load

targets = st.integers(min_value=0, max_value=255).flatmap(
    lambda bits: st.integers(min_value=1 << bits, max_value=(2 << bits) - 1).map(Target)
)
"""Every size of target is as likely."""

VECTORS = load("difficulty")


def read_by_hand(text: str) -> Fraction:
    """Read digits and a point, as the simplest parser does."""
    whole, _, part = text.partition(".")
    return Fraction(int(whole + part), 10 ** len(part))


@settings(max_examples=200, deadline=None)
@given(target=targets, numbers=st.sampled_from(Numbers))
def test_no_peer_gets_a_harder_target_than_asked_for(target: Target, numbers: Numbers) -> None:
    number, got = difficulty_for(target, numbers)
    assert target <= got <= MAX_TARGET
    assert got <= 2 * target + target // 10_000 + 1  # and none gets one that is far easier
    whole = numbers is Numbers.PDIFF and number == int(number)
    expected = PDIFF_1 // int(number) if whole else DIFFICULTY_1 / Fraction(number)
    assert got == min(int(expected), MAX_TARGET)


@settings(max_examples=200, deadline=None)
@given(target=targets, numbers=st.sampled_from(Numbers))
def test_every_parser_reads_what_is_written(target: Target, numbers: Numbers) -> None:
    number, _ = difficulty_for(target, numbers)
    text = written(number)
    assert json.loads(text) == number
    if number >= 2**63:
        return
    assert re.fullmatch(r"(0|[1-9]\d*)(\.\d*[1-9])?", text), "no exponent, no idle zeros"
    assert float(read_by_hand(text)) == number


@pytest.mark.parametrize(
    ("difficulty", "numbers", "text"),
    [
        (1024, Numbers.EXACT, "1024"),
        (1024.5, Numbers.EXACT, "1024.5"),
        (4.6e-10, Numbers.EXACT, "0.00000000046"),
        (1e15, Numbers.EXACT, "1000000000000000"),
        (1e17, Numbers.EXACT, "100000000000000000"),
        (1e20, Numbers.EXACT, "1e+20"),
        (1e20, Numbers.WHOLE, "1e+20"),
        (1.5 * 2**60, Numbers.POWER_OF_TWO, str(2**60)),
        (1024.5, Numbers.WHOLE, "1024"),
        (0.5, Numbers.WHOLE, "0.5"),
        (1000, Numbers.POWER_OF_TWO, "512"),
        (1024, Numbers.POWER_OF_TWO, "1024"),
        (1.5, Numbers.POWER_OF_TWO, "1"),
        (0.75, Numbers.POWER_OF_TWO, "0.75"),
        (1000, Numbers.PDIFF, "1000"),
    ],
)
def test_difficulties_are_written_as_firmware_reads_them(
    difficulty: float, numbers: Numbers, text: str
) -> None:
    number, got = difficulty_for(target_from_difficulty(difficulty), numbers)
    assert written(number) == text
    assert got >= target_from_difficulty(difficulty)


def test_whole_numbers_of_bfgminer_are_multiples_of_the_larger_unit() -> None:
    constants = VECTORS["constants"]
    assert constants["pdiff1_target"] == f"{PDIFF_1:064x}"
    assert difficulty_for(DIFFICULTY_1, Numbers.PDIFF) == (1, Target(PDIFF_1))
    assert difficulty_for(DIFFICULTY_1, Numbers.EXACT) == (1, DIFFICULTY_1)
    half = target_from_difficulty(0.5)
    assert difficulty_for(half, Numbers.PDIFF) == (0.5, half)
