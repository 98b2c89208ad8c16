"""The limits are those of BIP 141: weight counts a stripped byte four times, and so a check."""

import pytest

from headframe.chain.coinbase import Output
from headframe.chain.errors import CoinbaseError
from headframe.chain.room import Room

P2PKH = Output(value=1, script=b"\x76\xa9\x14" + bytes(20) + b"\x88\xac")
P2WPKH = Output(value=1, script=b"\x00\x14" + bytes(20))
WITNESS_UNITS = 2 + 1 + 1 + 32  # marker, flag, and one item of 32 bytes


def room(**changes: int) -> Room:
    limits = {"weight": 1000, "weight_limit": 2000, "sigops": 92, "sigop_limit": 100}
    return Room(**(limits | changes), has_witness=True)


def test_a_coinbase_that_fits_to_the_last_unit_is_taken() -> None:
    room(weight_limit=1000 + 4 * 200 + WITNESS_UNITS).ensure(200, [P2PKH, P2PKH])


def test_one_unit_too_many_is_refused() -> None:
    with pytest.raises(CoinbaseError, match="would weigh 1836 units, the node allows 1835"):
        room(weight_limit=1000 + 4 * 200 + WITNESS_UNITS - 1).ensure(200, [P2WPKH])


def test_without_a_witness_only_the_stripped_bytes_count() -> None:
    bare = Room(weight=1000, weight_limit=1800, sigops=0, sigop_limit=0, has_witness=False)
    bare.ensure(200, [P2WPKH])
    with pytest.raises(CoinbaseError, match="would weigh 1804"):
        bare.ensure(201, [P2WPKH])


def test_checks_outside_a_witness_count_four_times() -> None:
    room(sigops=100).ensure(100, [P2WPKH])
    with pytest.raises(CoinbaseError, match="would cost 104, the node allows 100"):
        room(sigops=92).ensure(100, [P2PKH, P2PKH, P2PKH])
