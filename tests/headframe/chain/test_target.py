import math
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from headframe.chain.target import (
    DIFFICULTY_1,
    MAX_TARGET,
    difficulty_from_target,
    nbits_from_target,
    target_from_difficulty,
    target_from_nbits,
    wire_difficulty,
    work_of,
)
from tests.fakes.vectors import cases, load

EDGES = [v for v in load("difficulty")["compact_edge_cases"] if v["bits"] is not None]
REGTEST_TARGET = 0x7FFFFF << 232
TARGETS = st.integers(0, 255).flatmap(lambda bits: st.integers(1 << bits, (2 << bits) - 1))
"""Targets spread evenly over their sizes, not crowded at the easy end."""


@pytest.mark.parametrize("vector", cases("difficulty", "nbits", "bits"))
def test_bits_target_and_difficulty_of_real_chains_agree(vector):
    nbits, target = int(vector["bits"], 16), int(vector["target"], 16)
    assert target_from_nbits(nbits) == target
    assert nbits_from_target(target) == nbits
    difficulty = float(difficulty_from_target(target))
    assert difficulty == pytest.approx(vector["difficulty"], rel=1e-13)
    if "difficulty_in_source" in vector:
        tolerance = vector.get("source_tolerance", 1e-9 * max(1, vector["difficulty"]))
        assert difficulty == pytest.approx(vector["difficulty_in_source"], abs=tolerance)


@pytest.mark.parametrize("vector", EDGES, ids=lambda v: v["bits"])
def test_odd_bits_are_expanded_or_refused_as_consensus_does(vector):
    nbits = int(vector["bits"], 16)
    if vector["valid_as_pow_target"]:
        assert target_from_nbits(nbits) == int(vector["target"], 16)
        return
    fault = "negative" if vector["negative"] else "overflow" if vector["overflow"] else "zero"
    with pytest.raises(ValueError, match=fault):
        target_from_nbits(nbits)


@pytest.mark.parametrize(
    "vector",
    [
        v
        for v in load("difficulty")["compact_edge_cases"]
        if v["target"] is not None and not v["negative"]
    ],
    ids=lambda v: str(v["bits"]),
)
def test_a_target_is_written_in_the_canonical_compact_form(vector):
    assert nbits_from_target(int(vector["target"], 16)) == int(vector["recompacted"], 16)


@pytest.mark.parametrize("nbits", [-1, 2**32, 2**80])
def test_bits_of_more_than_32_bits_are_refused(nbits):
    with pytest.raises(ValueError, match="32 bits"):
        target_from_nbits(nbits)


@settings(max_examples=200, deadline=None)
@given(target=TARGETS)
def test_compact_form_rounds_towards_harder_by_less_than_one_part_in_2_to_15(target):
    rounded = target_from_nbits(nbits_from_target(target))
    assert rounded <= target
    assert target - rounded <= target >> 15


@pytest.mark.parametrize("vector", cases("difficulty", "share_difficulty_to_target", "difficulty"))
def test_a_share_difficulty_becomes_the_target_that_others_compute(vector):
    expected = int(vector["target"], 16)
    assert target_from_difficulty(Decimal(vector["difficulty"])) == expected
    as_float = target_from_difficulty(float(vector["difficulty"]))
    assert math.isclose(as_float, expected, rel_tol=1e-12)
    if vector["exact_integer"]:
        assert target_from_difficulty(int(vector["difficulty"])) == expected


@pytest.mark.parametrize(
    "vector", load("difficulty")["double_precision_targets"]["vectors"], ids=lambda v: str(v)[:30]
)
def test_a_float_difficulty_is_taken_as_the_double_it_is(vector):
    target = target_from_difficulty(vector["difficulty"])
    assert target == int(vector["exact_target"], 16)
    theirs = int(vector["double_precision_target"], 16)
    assert math.isclose(target, theirs, rel_tol=2**-50)
    assert (target != theirs) is vector["differs"]


@pytest.mark.parametrize("vector", cases("difficulty", "hash_to_difficulty", "hash"))
def test_the_difficulty_of_a_hash_is_what_others_print(vector):
    difficulty = float(difficulty_from_target(int(vector["hash"], 16)))
    assert difficulty == pytest.approx(vector["difficulty"], rel=1e-10)


@pytest.mark.parametrize(
    "difficulty",
    [0, -1, 0.0, -0.5, math.inf, -math.inf, math.nan, Decimal("NaN"), Decimal("inf"), Fraction(-1)],
)
def test_a_difficulty_that_is_no_positive_number_is_refused(difficulty):
    with pytest.raises(ValueError, match="finite number above zero"):
        target_from_difficulty(difficulty)


@pytest.mark.parametrize("difficulty", [10**80, 10**400, 1e300, Fraction(10) ** 350])
def test_a_difficulty_that_no_hash_can_meet_has_the_hardest_target(difficulty):
    assert target_from_difficulty(difficulty) == 1


@pytest.mark.parametrize("difficulty", [5e-324, 1e-10, Fraction(1, 10**400), Decimal("1e-400")])
def test_a_difficulty_that_every_hash_meets_has_the_easiest_target(difficulty):
    assert target_from_difficulty(difficulty) == MAX_TARGET


@pytest.mark.parametrize("target", [0, -1, MAX_TARGET + 1])
def test_what_is_no_target_has_no_difficulty(target):
    with pytest.raises(ValueError, match="a target lies in"):
        difficulty_from_target(target)
    with pytest.raises(ValueError, match="a target lies in"):
        wire_difficulty(target)


@settings(max_examples=300, deadline=None)
@given(target=TARGETS)
@example(target=1)
@example(target=MAX_TARGET)
@example(target=REGTEST_TARGET)
@example(target=int(DIFFICULTY_1))
def test_the_difficulty_on_the_wire_never_makes_a_target_harder(target):
    sent = wire_difficulty(target)
    again = target_from_difficulty(sent)
    assert again >= target
    assert Fraction(sent) <= difficulty_from_target(target) * Fraction(100_001, 100_000)
    assert difficulty_from_target(target) <= Fraction(sent) * Fraction(100_003, 100_000)
    assert Fraction(float(sent)) == Fraction(sent), "a peer reads it into a double"


@settings(max_examples=100, deadline=None)
@given(digits=st.integers(1, 999_999), exponent=st.integers(-12, 12))
def test_a_tidy_difficulty_goes_out_nearly_as_it_came(digits, exponent):
    tidy = Fraction(digits) * Fraction(10) ** exponent
    sent = wire_difficulty(min(target_from_difficulty(tidy), MAX_TARGET))
    if tidy >= difficulty_from_target(MAX_TARGET):
        assert sent == pytest.approx(float(tidy), rel=2e-5)


@pytest.mark.parametrize(
    ("target", "sent"),
    [
        (int(DIFFICULTY_1), 1),
        (DIFFICULTY_1 // 1024, 1024),
        (DIFFICULTY_1 // 65_536, 65_536),
        (DIFFICULTY_1 * 2, 0.5),
    ],
)
def test_whole_difficulties_are_sent_as_whole_numbers(target, sent):
    got = wire_difficulty(target)
    assert got == sent
    assert isinstance(got, type(sent))


@pytest.mark.parametrize(
    ("difficulty", "sent"),
    [
        (Fraction(1, 3), 0.333333),
        (Fraction(2, 3), 0.666666),
        (Fraction(123_456_789), 123_456_000),
        (Fraction(9_999_999, 10), 999_999),
        (Fraction(99_999_999, 10), 9_999_990),
        (Fraction(7, 10**6), 0.000007),
        (Fraction(1_234_567, 10**9), 0.00123456),
    ],
)
def test_the_difficulty_on_the_wire_has_six_digits(difficulty, sent):
    assert wire_difficulty(target_from_difficulty(difficulty)) == sent


def test_a_difficulty_that_a_double_would_round_up_is_sent_one_step_lower():
    target = DIFFICULTY_1 * 10
    assert difficulty_from_target(target) == Fraction(1, 10) < Fraction(0.1)
    assert wire_difficulty(target) == 0.099999


def test_the_work_of_a_share_counts_hashes():
    # A block of difficulty 1 counts 0x100010001 hashes in every node's chain work.
    assert work_of(DIFFICULTY_1) == 0x100010001
    assert work_of(MAX_TARGET) == 1
    assert work_of(1) == 2**255
    assert work_of(REGTEST_TARGET) == 2
