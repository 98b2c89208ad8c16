"""Figures and addresses in descriptions; whole ones in methods/test_chain.py."""

import pytest

from headframe.node.describe import amount, chain_work, difficulty, script_json
from tests.fakes.vectors import load

PAYOUTS = load("gbt_blocks")["payout_addresses"]


@pytest.mark.parametrize(
    ("sats", "text"),
    [
        (0, "0.00000000"),
        (1, "0.00000001"),
        (5_000_000_000, "50.00000000"),
        (123_456_789, "1.23456789"),
    ],
)
def test_amounts_are_whole_coins_with_eight_decimals(sats: int, text: str) -> None:
    assert bytes(amount(sats)).decode() == text


def test_regtests_difficulty_and_work_are_those_of_a_real_node() -> None:
    assert difficulty(0x207FFFFF) == 4.656542373906925e-10
    assert difficulty(0x1D00FFFF) == 1
    assert chain_work(576, 0x207FFFFF) == f"{0x482:064x}"


@pytest.mark.parametrize(
    ("script", "address"),
    [
        ("0014f2ef87d13ca01bba593f3cc92351b3a4d61e482d", PAYOUTS["bech32"]),
        ("a9148ca63679af4b2d17ec55f1475e3d2dffb6fb59c087", PAYOUTS["p2sh-segwit"]),
        ("76a9148585e83d79d0eb574be01131cffa83a90a4e390588ac", PAYOUTS["legacy"]),
        (
            "512082b5413be64e6686d37c3f9510bf6736f1dd1ae8b00429f9095ec18b89274c5d",
            PAYOUTS["bech32m"],
        ),
    ],
)
def test_a_script_has_its_address(script: str, address: str) -> None:
    assert script_json(bytes.fromhex(script)) == {"hex": script, "address": address}


def test_a_script_without_an_address_has_none() -> None:
    assert script_json(b"\x6a\x01\x00") == {"hex": "6a0100"}
