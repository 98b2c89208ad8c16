"""Sigops costs. Those of whole transactions are held to a real node's in test_core.py."""

import pytest

from headframe.node.coins import Coin
from headframe.node.sigops import sigop_cost
from headframe.node.tx import Tx, TxIn, TxOut

KEY = b"\x21" + b"\x02" * 33
TWO_OF_THREE = b"\x52" + KEY * 3 + b"\x53\xae"
P2WPKH = b"\x00\x14" + b"\x01" * 20
P2WSH = b"\x00\x20" + b"\x01" * 32
P2TR = b"\x51\x20" + b"\x01" * 32
P2SH = b"\xa9\x14" + b"\x01" * 20 + b"\x87"
P2PKH = b"\x76\xa9\x14" + b"\x01" * 20 + b"\x88\xac"


def cost(
    script: bytes, *, script_sig: bytes = b"", witness: tuple[bytes, ...] = (), out: bytes = b"\x51"
) -> int:
    tx_in = TxIn(b"\x01" * 36, script_sig, 0, witness)
    tx = Tx(2, (tx_in,), (TxOut(1, out),), 0, b"", b"")
    return sigop_cost(tx, [Coin(1, script, 1, coinbase=False)])


def push(data: bytes) -> bytes:
    return bytes((len(data),)) + data if len(data) < 76 else b"\x4c" + bytes((len(data),)) + data


@pytest.mark.parametrize(
    ("expected", "got"),
    [
        # BIP 141: witness programs of version 0 count 1 for a key hash, the script's own for a
        # script hash; later versions and what is spent from a plain script count nothing.
        (1, cost(P2WPKH, witness=(b"s", b"k"))),
        (3, cost(P2WSH, witness=(b"", b"s", b"s", TWO_OF_THREE))),
        (0, cost(P2WSH)),
        (0, cost(P2TR, witness=(b"s" * 64,))),
        (0, cost(P2PKH, script_sig=push(b"s" * 71) + KEY)),
        # Behind a script hash: the script's own, times four; its multisig counts its keys.
        (12, cost(P2SH, script_sig=b"\x00" + push(TWO_OF_THREE))),
        (1, cost(P2SH, script_sig=push(P2WPKH), witness=(b"s", b"k"))),
        (3, cost(P2SH, script_sig=push(P2WSH), witness=(TWO_OF_THREE,))),
        (0, cost(P2SH, script_sig=push(b"\xac") + b"\x76")),
        # In outputs: times four; a multisig counts twenty whatever its keys.
        (4, cost(b"\x51", out=P2PKH)),
        (80, cost(b"\x51", out=TWO_OF_THREE)),
        (8, cost(b"\x51", out=b"\xac\xad")),
        (80, cost(b"\x51", out=b"\xaf")),
        # In a scriptSig.
        (4, cost(b"\x51", script_sig=b"\xac")),
    ],
)
def test_costs_follow_the_rules(expected: int, got: int) -> None:
    assert got == expected


@pytest.mark.parametrize(
    "script", [b"\x4c", b"\x4d\x01", b"\x4e\x01\x00\x00", b"\x05\xac", b"\x4c\x05\xac\xac"]
)
def test_a_cut_push_ends_the_count(script: bytes) -> None:
    assert cost(b"\x51", out=b"\xac" + script) == 4


def test_what_long_pushes_hold_is_not_counted() -> None:
    for head in (b"\x4c\x02", b"\x4d\x02\x00", b"\x4e\x02\x00\x00\x00"):
        assert cost(b"\x51", out=head + b"\xac\xac" + b"\xac") == 4
