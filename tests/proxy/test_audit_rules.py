"""The rules against the chain itself: the first block, whose coinbase is known to everyone."""

import pytest

from headframe.chain.share import Reason
from proxy.audit_rules import fault_in, hash_of, meets, work_of
from proxy.sharelog_lines import JobLine, ShareLine

# Bitcoin's genesis block, from the chain: hash, and the coinbase transaction whole.
GENESIS = "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f"
COINBASE = (
    "01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff4d"
    "04ffff001d0104455468652054696d65732030332f4a616e2f32303039204368616e63656c6c6f72206f6e20"
    "6272696e6b206f66207365636f6e64206261696c6f757420666f722062616e6b73ffffffff0100f2052a0100"
    "0000434104678afdb0fe5548271967f1a67130b7105cd6a828e03909a67962e0ea1f61deb649f6bc3f4cef38"
    "c4f35504e51ec112de5c384df7ba0b8d578a4c702b6bf11d5fac00000000"
)
DIFFICULTY_1 = "00000000ffff" + "00" * 26


def job(**changes: object) -> JobLine:
    fields = {
        "time_ms": 0,
        "route": "",
        "job": 1,
        "upstream": 1,
        "source": "chain",
        "generation": 0,
        "version": 1,
        "version_mask": 0x1FFFE000,
        "prev_hash": "00" * 32,
        "nbits": 0x1D00FFFF,
        "ntime": 1231006505,
        "ntime_min": 1231006505,
        "ntime_max": 1231006600,
        "prefix": COINBASE[:100],
        "suffix": COINBASE[108:],
        "path": (),
        "extranonce_size": 4,
        "target": DIFFICULTY_1,
        "block_target": DIFFICULTY_1,
    }
    return JobLine(**(fields | changes))  # type: ignore[arg-type] # a test's own business


def share(**changes: object) -> ShareLine:
    fields = {
        "time_ms": 1231006505_000,
        "route": "",
        "worker": "satoshi",
        "rig": "127.0.0.1",
        "job": 1,
        "extranonce": COINBASE[100:108],
        "ntime": 1231006505,
        "nonce": 2083236893,
        "version": 1,
        "mask": 0x1FFFE000,
        "target": DIFFICULTY_1,
        "work": "4295032833",
        "hash": GENESIS,
        "verdict": Reason.ACCEPTED,
    }
    return ShareLine(**(fields | changes))  # type: ignore[arg-type] # a test's own business


def test_the_first_block_has_its_hash():
    assert hash_of(job(), share()) == GENESIS
    assert hash_of(job(), share(nonce=1)) != GENESIS


def test_an_extranonce_of_the_wrong_size_has_none():
    assert hash_of(job(), share(extranonce="00")) == ""


def test_the_work_of_difficulty_1_is_the_known_one():
    assert work_of(DIFFICULTY_1) == 0x100010001  # Bitcoin Core's chainwork of the first block


@pytest.mark.parametrize(
    ("proof", "target", "good"),
    [
        (GENESIS, DIFFICULTY_1, True),
        (DIFFICULTY_1, DIFFICULTY_1, True),
        ("f" * 64, DIFFICULTY_1, False),
        ("", DIFFICULTY_1, False),
        (GENESIS, None, False),
    ],
)
def test_a_hash_meets_a_target_that_is_not_below_it(proof, target, good):
    assert meets(proof, target) is good


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({}, None),
        ({"version": 1 | 0x2000}, None),
        ({"version": 1 | 0x2000, "mask": 0}, Reason.BAD_VERSION),
        ({"version": 3}, Reason.BAD_VERSION),
        ({"ntime": 1231006504}, Reason.BAD_NTIME),
        ({"ntime": 1231006600}, None),
        ({"ntime": 1231006601}, Reason.BAD_NTIME),
        ({"ntime": 1231006600, "time_ms": (1231006600 - 7000) * 1000}, None),
        ({"ntime": 1231006600, "time_ms": (1231006599 - 7000) * 1000}, Reason.BAD_NTIME),
        (
            {
                "ntime": 1231006600,
                "time_ms": (1231006600 - 7000) * 1000,
                "verdict": Reason.BAD_NTIME,
            },
            Reason.BAD_NTIME,
        ),
    ],
)
def test_version_and_time_are_judged(changes, fault):
    assert fault_in(job(), share(**changes)) is fault
