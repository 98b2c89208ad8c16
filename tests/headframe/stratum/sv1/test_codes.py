import json

import pytest

from headframe.chain.share import Reason, Verdict
from headframe.stratum.sv1.codes import CODES, METHOD_NOT_FOUND, TRUE, encode_verdict, reason_of


def members(body: bytes) -> dict[str, object]:
    value: dict[str, object] = json.loads(b"{" + body + b"}")
    return value


def test_every_reason_has_a_row() -> None:
    assert set(CODES) == set(Reason)


@pytest.mark.parametrize("reason", Reason)
def test_a_reason_survives_the_wire(reason: Reason) -> None:
    answer = members(encode_verdict(Verdict(reason=reason)))
    if reason is Reason.ACCEPTED:
        assert answer == {"result": True, "error": None}
        return
    assert answer["result"] is None
    error = answer["error"]
    assert isinstance(error, list)
    code, text, third = error
    assert third is None
    assert reason_of(code, text) is reason


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        (Reason.OTHER, 20),
        (Reason.STALE, 21),
        (Reason.UNKNOWN_JOB, 21),
        (Reason.DUPLICATE, 22),
        (Reason.LOW_DIFFICULTY, 23),
        (Reason.UNAUTHORIZED, 24),
        (Reason.NOT_SUBSCRIBED, 25),
    ],
)
def test_codes_are_those_of_the_first_documentation(reason: Reason, code: int) -> None:
    row = CODES[reason]
    assert row is not None
    assert row[0] == code


def test_words_travel_on_where_the_list_has_none() -> None:
    verdict = Verdict(reason=Reason.OTHER, detail='so "they"\x1b[31m say')
    assert members(encode_verdict(verdict))["error"] == [20, 'so "they" [31m say', None]
    known = Verdict(reason=Reason.STALE, detail="whatever")
    assert members(encode_verdict(known))["error"] == [21, "Stale share", None]


# Texts as programs in the field send them, with the code they come with.
FIELD = [
    (20, "Other/Unknown", Reason.OTHER),
    (20, "unknown-work", Reason.MALFORMED),
    (20, "incorrect size of extranonce2", Reason.BAD_EXTRANONCE),
    (20, "incorrect size of ntime", Reason.MALFORMED),
    (20, "ntime out of range", Reason.BAD_NTIME),
    (20, "incorrect size of nonce", Reason.MALFORMED),
    (21, "Job not found", Reason.UNKNOWN_JOB),
    (21, "Job not found (=stale)", Reason.STALE),
    (21, "job not found", Reason.UNKNOWN_JOB),
    (21, "stale-work", Reason.STALE),
    (21, "stale-prevblk", Reason.STALE),
    (21, "time-too-old", Reason.BAD_NTIME),
    (21, "time-too-new", Reason.BAD_NTIME),
    (22, "Duplicate share", Reason.DUPLICATE),
    (22, "duplicate", Reason.DUPLICATE),
    (23, "Low difficulty share", Reason.LOW_DIFFICULTY),
    (23, "Difficulty too low", Reason.LOW_DIFFICULTY),
    (23, "low difficulty share of 0.5", Reason.LOW_DIFFICULTY),
    (23, "high-hash", Reason.LOW_DIFFICULTY),
    (23, "H-not-zero", Reason.LOW_DIFFICULTY),
    (23, "bad-version", Reason.BAD_VERSION),
    (24, "Unauthorized worker", Reason.UNAUTHORIZED),
    (25, "not subscribed", Reason.NOT_SUBSCRIBED),
    (None, "Invalid JobID", Reason.UNKNOWN_JOB),
    (None, "Stale", Reason.STALE),
    (None, "Ntime out of range", Reason.BAD_NTIME),
    (None, "Duplicate", Reason.DUPLICATE),
    (None, "Above target", Reason.LOW_DIFFICULTY),
    (None, "Above target 2", Reason.LOW_DIFFICULTY),
    (None, "Below minimum difficulty", Reason.LOW_DIFFICULTY),
    (None, "Invalid nonce2 length", Reason.BAD_EXTRANONCE),
    (None, "Worker mismatch", Reason.UNAUTHORIZED),
    (None, "No nonce", Reason.MALFORMED),
    (None, "No ntime", Reason.MALFORMED),
    (None, "No nonce2", Reason.MALFORMED),
    (None, "No job_id", Reason.MALFORMED),
    (None, "No username", Reason.MALFORMED),
    (None, "Invalid array size", Reason.MALFORMED),
    (None, "Params not array", Reason.MALFORMED),
    (None, "Invalid version mask", Reason.BAD_VERSION),
    (21, "", Reason.UNKNOWN_JOB),
    (22, "", Reason.DUPLICATE),
    (23, "", Reason.LOW_DIFFICULTY),
    (24, "", Reason.UNAUTHORIZED),
    (25, "", Reason.NOT_SUBSCRIBED),
    (28, "", Reason.OTHER),
    (31, "", Reason.BAD_NTIME),
    (33, "", Reason.BAD_VERSION),
    (37, "", Reason.STALE),
    (None, "", Reason.OTHER),
    (99, "what?", Reason.OTHER),
]


@pytest.mark.parametrize(("code", "text", "reason"), FIELD)
def test_refusals_of_the_field_are_understood(code: int | None, text: str, reason: Reason) -> None:
    assert reason_of(code, text) is reason


def test_fixed_bodies_are_what_they_say() -> None:
    assert members(TRUE) == {"result": True, "error": None}
    assert members(METHOD_NOT_FOUND) == {"result": None, "error": [-3, "Method not found", None]}
