"""Rules for one transaction; the words are those of Bitcoin Core's consensus code."""

from dataclasses import replace

import pytest

from headframe.node.checks import (
    check_alone,
    check_inputs,
    fee_of,
    is_final,
    locks_held,
)
from headframe.node.coins import Coin
from headframe.node.tx import NULL_OUTPOINT, Tx, TxIn, TxOut

MONEY = 21_000_000 * 100_000_000
FINAL = 0xFFFFFFFF
IN = TxIn(b"\x01" * 36, b"", 0, ())
TX = Tx(2, (IN,), (TxOut(1000, b"\x51"),), 0, bytes(100), bytes(100))


def pays(*values: int) -> Tx:
    return replace(TX, outputs=tuple(TxOut(value, b"\x51") for value in values))


def coinbase(size: int) -> Tx:
    return replace(TX, inputs=(TxIn(NULL_OUTPOINT, bytes(size), 0, ()),))


@pytest.mark.parametrize(
    ("tx", "reason"),
    [
        (TX, None),
        (replace(TX, inputs=()), "bad-txns-vin-empty"),
        (replace(TX, outputs=()), "bad-txns-vout-empty"),
        (replace(TX, stripped=bytes(1_000_001)), "bad-txns-oversize"),
        (pays(MONEY), None),
        (pays(MONEY + 1), "bad-txns-vout-toolarge"),
        (pays(1 << 63), "bad-txns-vout-negative"),
        (pays(MONEY, 1), "bad-txns-txouttotal-toolarge"),
        (replace(TX, inputs=(IN, IN)), "bad-txns-inputs-duplicate"),
        (coinbase(1), "bad-cb-length"),
        (coinbase(2), None),
        (coinbase(100), None),
        (coinbase(101), "bad-cb-length"),
        (replace(TX, inputs=(IN, TxIn(NULL_OUTPOINT, b"", 0, ()))), "bad-txns-prevout-null"),
    ],
)
def test_what_can_be_said_without_a_chain(tx: Tx, reason: str | None) -> None:
    assert check_alone(tx) == reason


@pytest.mark.parametrize(
    ("lock_time", "sequence", "final"),
    [
        (0, 0, True),
        (99, 0, True),
        (100, 0, False),
        (100, FINAL, True),
        (499_999_999, 0, False),
        (1_700_000_000 - 1, 0, True),
        (1_700_000_000, 0, False),
        (1_700_000_000, FINAL, True),
    ],
)
def test_a_lock_time_holds_until_it_is_past(lock_time: int, sequence: int, final: bool) -> None:
    tx = replace(TX, lock_time=lock_time, inputs=(IN._replace(sequence=sequence),))
    assert is_final(tx, 100, 1_700_000_000) is final


TIME_LOCK = 1 << 22


@pytest.mark.parametrize(
    ("version", "sequence", "free"),
    [
        (2, 10, True),  # the coin is of height 90: 10 blocks on is height 100
        (2, 11, False),
        (1, 11, True),
        (2, 11 | 1 << 31, True),
        (2, 0x10000 | 10, True),  # only 16 bits count
        (2, TIME_LOCK | 1, True),  # 512 s after the block before the coin's
        (2, TIME_LOCK | 2, False),
        (0xFFFFFFFF, 11, False),  # the rule reads the version as unsigned
    ],
)
def test_relative_locks_hold_until_they_are_past(version: int, sequence: int, free: bool) -> None:
    times = {89: 1000, 99: 1512}
    tx = replace(TX, version=version, inputs=(IN._replace(sequence=sequence),))
    coin = Coin(1, b"", 90, coinbase=False)
    assert locks_held(tx, [coin], 100, times.__getitem__) is free


def test_a_coinbase_matures_after_a_hundred_blocks() -> None:
    coin = Coin(5000, b"", 10, coinbase=True)
    assert check_inputs(TX, [coin], 110) is None
    reason = check_inputs(TX, [coin], 109)
    assert reason == ("bad-txns-premature-spend-of-coinbase, tried to spend coinbase at depth 99")
    assert check_inputs(TX, [coin._replace(coinbase=False)], 11) is None


def test_no_more_goes_out_than_comes_in() -> None:
    coin = Coin(999, b"", 1, coinbase=False)
    assert check_inputs(TX, [coin], 200) == (
        "bad-txns-in-belowout, value in (0.00000999) < value out (0.00001)"
    )
    assert fee_of(TX, [coin._replace(value=250_000_001_000)]) == 250_000_000_000
