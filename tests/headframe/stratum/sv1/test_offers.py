import json
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headframe.chain.job import JobId
from headframe.chain.share import Reason, fault_of
from headframe.chain.target import DIFFICULTY_1, MAX_TARGET, Target, target_from_difficulty
from headframe.stratum.events import ShareSubmitted, Ticket
from headframe.stratum.sv1.chorus import Chorus
from headframe.stratum.sv1.messages import SubmitParams
from headframe.stratum.sv1.offers import MAX_OFFERS, Offers, difficulty_line
from tests.fakes.stratum_v1 import NTIME, job_of
from tests.fakes.vectors import cases

MASK = 0x1FFFE000
SHOWABLE = [  # a job with bits set inside its mask is none that we make
    case
    for case in cases("version_rolling")
    if not int(case.values[0]["job_version"], 16) & int(case.values[0]["mask"], 16)
]


def params_of(
    job: str = "11", extranonce: str = "00000001", nonce: str = "b2957c02", bits: str | None = None
) -> SubmitParams:
    return SubmitParams("w", job, extranonce, f"{NTIME:08x}", nonce, bits)


def shown(*numbers: int, mask: int = MASK) -> Offers:
    offers = Offers()
    for number in numbers:
        offers.remember(job_of(number), mask=mask, size=4, target=DIFFICULTY_1)
    return offers


def read(offers: Offers, params: SubmitParams, mask: int = MASK) -> ShareSubmitted:
    share = offers.share(params, Ticket(3), size=4, mask=mask)
    assert isinstance(share, ShareSubmitted)
    return share


def test_a_share_has_its_jobs_target_and_version() -> None:
    share = read(shown(0x11), params_of())
    assert share.job_id == 0x11
    assert (share.version, share.target, share.mask) == (0x20000000, DIFFICULTY_1, MASK)
    assert (share.nonce, share.ntime, share.extranonce) == (0xB2957C02, NTIME, bytes([0, 0, 0, 1]))
    assert (share.worker, share.ticket, share.channel) == ("w", 3, 0)


def test_the_last_few_are_known_to_another_connection() -> None:
    assert Offers().newest() is None
    few = shown(*range(1, 21)).newest()
    assert few is not None
    assert len(few) == 8
    assert read(few, params_of(job="14")).target == DIFFICULTY_1
    assert read(few, params_of(job="c")).target is None
    few.remember(job_of(0x15), mask=MASK, size=4, target=DIFFICULTY_1)
    assert len(few) == 9


def test_a_job_that_is_shown_again_keeps_the_easier_target() -> None:
    easy, hard = Target(DIFFICULTY_1 * 4), DIFFICULTY_1
    for first, second in ((easy, hard), (hard, easy), (hard, hard)):
        offers = Offers()
        for target in (first, second):
            offers.remember(job_of(0x11), mask=MASK, size=4, target=target)
        assert read(offers, params_of()).target == max(first, second)


def hearing(chorus: Chorus, *alone: int, together: int, target: Target = DIFFICULTY_1) -> Offers:
    """Offers of a rig that was shown some jobs alone, then one that a chorus shows as well."""
    offers = shown(*alone)
    job = job_of(together)
    offers.remember(job, mask=MASK, size=4, target=target)
    chorus.show(job, b"", clean=False)
    offers.join(chorus, job, mask=MASK, size=4, target=target)
    return offers


def test_what_was_shown_with_others_is_as_good_as_what_was_shown_alone() -> None:
    chorus = Chorus()
    chorus.show(job_of(0x10), b"", clean=False)
    together, alone = hearing(chorus, 0x11, together=0x12), shown(0x11, 0x12)
    for number in (0x13, 0x14):
        chorus.show(job_of(number), b"", clean=False)
        alone.remember(job_of(number), mask=MASK, size=4, target=DIFFICULTY_1)
    for _ in range(2):
        assert len(together) == len(alone) == 4
        for job in ("10", "11", "12", "13", "14", "15"):
            assert together.find(job) == alone.find(job)
        together.part()  # makes no difference
    chorus.show(job_of(0x15), b"", clean=False)
    assert together.find("15").target is None
    together.part()
    assert together.find("15").target is None


def test_a_rig_that_comes_back_knows_what_it_heard() -> None:
    chorus = Chorus()
    offers = hearing(chorus, together=1)
    for number in range(2, 21):
        chorus.show(job_of(number), b"", clean=False)
    few = offers.newest()
    assert few is not None
    assert [few.find(f"{number:x}").target is None for number in (12, 13, 20)] == [
        True,
        False,
        False,
    ]


def test_no_more_is_remembered_of_what_was_shown_both_ways() -> None:
    chorus = Chorus()
    offers = hearing(chorus, *range(1, MAX_OFFERS), together=0x100)
    for number in range(0x101, 0x110):
        chorus.show(job_of(number), b"", clean=False)
    assert len(offers) == MAX_OFFERS
    assert offers.find("10f").target == DIFFICULTY_1
    offers.part()
    offers.part()
    assert len(offers) == MAX_OFFERS
    assert offers.find("1").target is None


def test_an_easier_target_that_a_rig_alone_was_shown_is_kept() -> None:
    easy = Target(DIFFICULTY_1 * 4)
    offers, chorus, job = Offers(), Chorus(), job_of(0x11)
    for target in (easy, DIFFICULTY_1):
        offers.remember(job, mask=MASK, size=4, target=target)
    chorus.show(job, b"", clean=False)
    offers.join(chorus, job, mask=MASK, size=4, target=DIFFICULTY_1)
    chorus.show(job_of(0x12), b"", clean=False)
    for _ in range(2):
        assert (offers.find("11").target, offers.find("12").target) == (easy, DIFFICULTY_1)
        offers.part()


@pytest.mark.parametrize("case", SHOWABLE)
def test_version_bits_are_understood_as_bip_310_says(case: dict[str, Any]) -> None:
    mask, version = int(case["mask"], 16), int(case["job_version"], 16)
    job = replace(job_of(0x11, version_mask=mask), version=version)
    offers = Offers()
    offers.remember(job, mask=mask, size=4, target=DIFFICULTY_1)
    share = read(offers, params_of(bits=case["submitted_bits"]), mask=mask)
    fault = fault_of(job, share, mask=share.mask, now=NTIME)
    assert fault is (None if case["allowed"] else Reason.BAD_VERSION)
    if case["allowed"]:
        assert share.version == int(case["resulting_version"], 16)


@pytest.mark.parametrize(
    ("bits", "fault"), [("00000000", None), ("", None), ("00002000", Reason.BAD_VERSION)]
)
def test_without_negotiation_only_zero_bits_are_taken(bits: str, fault: Reason | None) -> None:
    share = read(shown(0x11, mask=0), params_of(bits=bits), mask=0)
    assert fault_of(job_of(0x11), share, mask=share.mask, now=NTIME) is fault


def test_bits_granted_after_the_job_count_for_it_too() -> None:
    assert read(shown(0x11, mask=0), params_of(), mask=MASK).mask == MASK
    assert read(shown(0x11, mask=MASK), params_of(), mask=0).mask == MASK


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        (params_of(extranonce="000001"), Reason.BAD_EXTRANONCE),
        (params_of(extranonce="0000000001"), Reason.BAD_EXTRANONCE),
        (params_of(extranonce=""), Reason.BAD_EXTRANONCE),
        (params_of(extranonce="0000000g"), Reason.MALFORMED),
        (params_of(nonce=""), Reason.MALFORMED),
        (params_of(nonce="0x957c02"), Reason.MALFORMED),
        (params_of(nonce="0b2957c02"), Reason.MALFORMED),
        (params_of(bits="xyz"), Reason.MALFORMED),
        (params_of(job="nope", extranonce="00"), Reason.BAD_EXTRANONCE),
    ],
)
def test_what_cannot_be_read_is_refused(params: SubmitParams, reason: Reason) -> None:
    assert shown(0x11).share(params, Ticket(3), size=4, mask=0) is reason


@pytest.mark.parametrize("nonce", ["957c02", "00957C02", "00957c02"])
def test_a_nonce_may_be_unpadded_or_in_capitals(nonce: str) -> None:
    assert read(shown(0x11), params_of(nonce=nonce)).nonce == 0x957C02


def test_the_length_is_that_of_the_jobs_own_time() -> None:
    offers = shown(0x11)
    assert isinstance(offers.share(params_of(), Ticket(3), size=2, mask=0), ShareSubmitted)


@pytest.mark.parametrize(
    ("text", "job_id"),
    [("12", 0x12), ("", -1), ("xyz", -1), ("1 2", -1), ("AB", -1), ("f" * 17, -1), ("N6b03", -1)],
)
def test_a_job_never_shown_is_told_as_such(text: str, job_id: int) -> None:
    share = read(shown(0x11), params_of(job=text))
    assert share.job_id == job_id
    assert share.target is None


def test_of_a_job_shown_twice_the_easier_target_counts() -> None:
    offers = Offers()
    for target in (DIFFICULTY_1, Target(DIFFICULTY_1 // 2), Target(DIFFICULTY_1 // 3)):
        offers.remember(job_of(0x11), mask=0, size=4, target=target)
    assert read(offers, params_of()).target == DIFFICULTY_1
    assert len(offers) == 1


def test_old_jobs_are_forgotten_first() -> None:
    offers = shown(*range(1, MAX_OFFERS + 11))
    assert len(offers) == MAX_OFFERS
    assert offers.find("1").target is None
    assert offers.find("1").job_id == JobId(1)
    assert offers.find("b").target == DIFFICULTY_1


@settings(deadline=None)
@given(target=st.integers(min_value=1, max_value=MAX_TARGET))
def test_the_target_is_that_of_the_number_sent(target: int) -> None:
    line, sent = difficulty_line(Target(target))
    number = json.loads(line)["params"][0]
    assert sent == target_from_difficulty(number)
    assert target <= sent
    assert Fraction(sent - target, target) < Fraction(1, 50_000) or sent == MAX_TARGET


def test_whole_difficulties_have_no_decimal_point() -> None:
    line, _ = difficulty_line(Target(DIFFICULTY_1 // 1024))
    assert b"[1024]" in line
