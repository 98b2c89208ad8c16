import json
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headframe.chain.hashes import hash_from_hex, hash_to_hex
from headframe.chain.header import Header
from headframe.chain.share import Share, header_of
from headframe.chain.target import DIFFICULTY_1, MAX_TARGET, Target, target_from_nbits
from headframe.stratum.errors import LocalProtocolError, RemoteProtocolError
from headframe.stratum.sv1.jobs import (
    NotifyLines,
    Room,
    WireJob,
    make_job,
    parse_notify,
    swap_words,
)
from tests.fakes.stratum_v1 import job_of, new_lineage
from tests.fakes.vectors import cases

GOOD: tuple[Any, ...] = (
    "bf",
    "4d16b6f85af6e2198f44ae2a6de67f78487ae5611b77c6c0440b921e00000000",
    "0100",
    "ff00",
    ["00" * 32],
    "00000002",
    "1c2ac4af",
    "504e86b9",
    False,
)


def parse(*params: object) -> WireJob:
    return parse_notify(msgspec.Raw(json.dumps(params).encode()))


@pytest.mark.parametrize("case", cases("stratum_jobs"))
def test_real_shares_hash_to_what_they_were(case: dict[str, Any]) -> None:
    """From a pool's line to the header of a share, against the chain and other programs."""
    room = Room(extranonce1=bytes.fromhex(case["extranonce1"]), size=case["extranonce2_size"])
    mask = int(case["version_mask"] or "0", 16)
    job = make_job(
        parse(*case["notify_params"]),
        room,
        new_lineage(),
        mask=mask,
        target=DIFFICULTY_1,
        roll_seconds=7000,
    )
    _, _, extranonce2, ntime, nonce, *bits = case["submit_params"]
    version = job.version & ~mask | int(bits[0] if bits else "0", 16) & mask
    share = Share(
        job_id=job.id,
        extranonce=bytes.fromhex(extranonce2),
        ntime=int(ntime, 16),
        nonce=int(nonce, 16),
        version=version,
    )
    header = header_of(job, share)
    assert header.hex() == case["expect"]["header"]
    assert hash_to_hex(Header.parse(header).hash()) == case["expect"]["hash"]
    assert job.block_target == min(target_from_nbits(job.nbits), DIFFICULTY_1)


@settings(deadline=None)
@given(raw=st.binary(min_size=32, max_size=32))
def test_words_swapped_twice_are_as_they_were(raw: bytes) -> None:
    assert swap_words(swap_words(raw)) == raw


def test_previous_hash_of_the_documentations_example() -> None:
    displayed = "00000000440b921e1b77c6c0487ae5616de67f788f44ae2a5af6e2194d16b6f8"
    assert parse(*GOOD).prev_hash == hash_from_hex(displayed)


def test_the_block_target_is_never_easier_than_the_share_target() -> None:
    def block_target(target: int) -> int:
        wire = replace(parse(*GOOD), nbits=0x207FFFFF)
        job = make_job(
            wire,
            Room(extranonce1=b"", size=4),
            new_lineage(),
            mask=0,
            target=Target(target),
            roll_seconds=0,
        )
        return job.block_target

    easy = target_from_nbits(0x207FFFFF)
    assert block_target(DIFFICULTY_1) == DIFFICULTY_1
    assert block_target(MAX_TARGET) == easy


def test_time_stays_within_32_bits() -> None:
    wire = replace(parse(*GOOD), ntime=0xFFFFFFFF)
    room = Room(extranonce1=b"", size=4)
    job = make_job(wire, room, new_lineage(), mask=0, target=DIFFICULTY_1, roll_seconds=7000)
    assert (job.ntime_min, job.ntime_max) == (0xFFFFFFFF, 0xFFFFFFFF)


def test_bits_set_in_the_version_are_not_rolled() -> None:
    wire = replace(parse(*GOOD), version=0x2000_2000)
    room = Room(extranonce1=b"", size=4)
    job = make_job(wire, room, new_lineage(), mask=0x1FFFE000, target=DIFFICULTY_1, roll_seconds=0)
    assert job.version == 0x2000_2000
    assert job.version_mask == 0x1FFFC000


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (0, None),
        (0, ["x"]),
        (1, "00"),
        (1, "zz" * 32),
        (2, "0"),
        (3, "00 00"),
        (4, ["00" * 31]),
        (4, ["00" * 32] * 33),
        (4, "00" * 32),
        (5, "123456789"),
        (5, ""),
        (6, "00000000"),
        (6, "04800001"),
        (6, "ff7fffff"),
        (7, "-1"),
        (8, "yes"),
    ],
)
def test_a_job_that_cannot_be_hashed_is_the_pools_fault(at: int, value: object) -> None:
    params = [*GOOD]
    params[at] = value
    with pytest.raises(RemoteProtocolError):
        parse(*params)


def test_eight_items_are_enough_and_ten_not_too_many() -> None:
    assert parse(*GOOD[:8]) == parse(*GOOD) == parse(*GOOD, "extra")
    assert not parse(*GOOD[:8]).clean
    with pytest.raises(RemoteProtocolError, match=r"mining\.notify"):
        parse(*GOOD[:7])


@pytest.mark.parametrize(("value", "clean"), [(True, True), (1, True), (0, False), (None, False)])
def test_clean_is_a_truth_value(value: object, clean: bool) -> None:
    assert parse(*GOOD[:8], value).clean is clean


def test_unpadded_numbers_are_read() -> None:
    assert parse(*GOOD[:5], "2", *GOOD[6:]).version == 2


def test_jobs_that_differ_in_clean_alone_are_equal() -> None:
    assert parse(*GOOD[:8], True) == parse(*GOOD[:8], False)
    assert parse("other", *GOOD[1:]) != parse(*GOOD)


def test_a_line_is_made_once_for_all_connections() -> None:
    lines = NotifyLines()
    job = job_of()
    line = lines.line(job, b"\x01", clean=True)
    assert lines.line(job, b"\x01", clean=True) is line
    assert lines.line(job, b"\x02", clean=True) != line
    assert json.loads(line)["params"][8] is True
    assert json.loads(lines.line(job, b"\x01", clean=False))["params"][8] is False


def test_another_job_with_the_same_id_is_not_mistaken_for_it() -> None:
    lines = NotifyLines()
    first = lines.line(job_of(5), b"", clean=True)
    second = lines.line(job_of(5, prev_hash=b"\x09" * 32), b"", clean=True)
    assert json.loads(first)["params"][1] != json.loads(second)["params"][1]


def test_lines_of_old_jobs_are_forgotten() -> None:
    lines = NotifyLines(size=2)
    old, *newer = [job_of(number) for number in range(1, 4)]
    line = lines.line(old, b"", clean=True)
    for job in newer:
        lines.line(job, b"", clean=True)
    again = lines.line(old, b"", clean=True)
    assert again == line
    assert again is not line


def test_numbers_have_eight_digits_and_hex_is_lower_case() -> None:
    job = replace(job_of(0xAB), version=2, version_mask=0, ntime=5, ntime_min=5)
    params = json.loads(NotifyLines().line(job, b"\xfe", clean=True))["params"]
    assert params[0] == "ab"
    assert params[5:8] == ["00000002", "207fffff", "00000005"]
    assert params[2].endswith("fe")


def test_a_fixed_root_cannot_be_shown() -> None:
    with pytest.raises(LocalProtocolError, match="fixed root"):
        NotifyLines().line(job_of().fix(bytes(8)), b"", clean=True)
