"""Who is paid, as it is written and as it is paid."""

import pytest

from headframe.chain.address import script_from_address
from headframe.chain.errors import AddressError
from headframe.chain.network import Network
from headframe.runtime.errors import EXIT_USAGE, ConfigError
from headframe.upstream.base import BadUpstreamError
from headframe.upstream.payees import PayeeShare, find_payees, parse_shares, payee_of

# BIP 173's examples.
REGTEST = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
TESTNET = "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx"


def test_shares_are_read() -> None:
    assert parse_shares([]) == ()
    assert parse_shares([f"{REGTEST}=150", f" {TESTNET} = 9850 "]) == (
        PayeeShare(address=REGTEST, basis_points=150),
        PayeeShare(address=TESTNET, basis_points=9_850),
    )


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        ([REGTEST], "should be an address and its share in basis points"),
        ([f"{REGTEST}="], "should be an address"),
        ([f"{REGTEST}=0"], "should be an address"),
        ([f"{REGTEST}=10001"], "should be an address"),
        ([f"{REGTEST}=1.5"], "should be an address"),
        ([f"{REGTEST}=-1"], "should be an address"),
        ([f"{REGTEST}=٣"], "should be an address"),
        (["=150"], "should be an address"),
        ([f"{REGTEST}=6000"] * 2, "add up to 12000 basis points, and a block has 10000"),
        ([f"{REGTEST}=1"] * 51, "there are 51 payouts: 50 at most"),
    ],
)
def test_shares_that_make_no_sense_are_one_line(texts: list[str], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_shares(texts)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == EXIT_USAGE


def test_the_value_goes_to_all_and_none_of_it_is_lost() -> None:
    shares = parse_shares([f"{REGTEST}=150"])
    payees = find_payees(REGTEST, shares, Network.REGTEST, source="node")
    script = script_from_address(REGTEST, Network.REGTEST)
    outputs = payees.outputs(5_000_000_000)
    assert [(each.value, each.script) for each in outputs] == [
        (4_925_000_000, script),
        (75_000_000, script),
    ]


@pytest.mark.parametrize(("main", "share"), [(TESTNET, REGTEST), (REGTEST, TESTNET)])
def test_an_address_of_another_network_is_refused(main: str, share: str) -> None:
    shares = parse_shares([f"{share}=1"])
    with pytest.raises(BadUpstreamError, match="node: the payout address cannot be used"):
        find_payees(main, shares, Network.REGTEST, source="node")


TESTNETS = {Network.TESTNET3, Network.TESTNET4, Network.SIGNET}
BASE58 = "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn"
"""Of Bitcoin Core's key tests: the same on every network for tests."""
TAPROOT = "bcrt1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqc8gma6"
"""BIP 350's example, for regtest: the program is the generator's x coordinate."""
GENERATOR_X = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"


@pytest.mark.parametrize(
    "login", [REGTEST, f"{REGTEST}.rig7", f"{REGTEST}_rig7", f" {REGTEST}.a.b ", REGTEST.upper()]
)
def test_a_login_is_an_address_and_perhaps_a_worker(login: str) -> None:
    payee = payee_of(login, Network.REGTEST)
    assert payee.script == script_from_address(REGTEST, Network.REGTEST)
    assert payee.networks == {Network.REGTEST}
    assert payee.address.lower() == REGTEST


def test_taproot_is_paid_by_its_key() -> None:
    assert payee_of(TAPROOT).script == b"\x51\x20" + bytes.fromhex(GENERATOR_X)


def test_an_address_may_be_one_on_several_networks() -> None:
    assert payee_of(TESTNET).networks == TESTNETS
    assert payee_of(BASE58).networks == TESTNETS | {Network.REGTEST}
    assert payee_of(TESTNET, Network.SIGNET) == payee_of(TESTNET)


@pytest.mark.parametrize(
    ("login", "network", "words"),
    [
        (TESTNET, Network.REGTEST, "is a testnet or signet address, this is regtest"),
        (REGTEST, Network.MAIN, "is a regtest address, this is mainnet"),
        ("rig7", Network.REGTEST, "holds 3 bytes, a base58 address holds 25"),
        ("", None, "an address is needed"),
        ("worker-1", None, "which base58 does not know"),
        (REGTEST[:-1] + "q", Network.REGTEST, "wrong checksum"),
        ("x" * 4000, None, "has 4000 characters"),
    ],
)
def test_a_login_that_is_no_address_there_is_one_clear_line(
    login: str, network: Network | None, words: str
) -> None:
    with pytest.raises(AddressError) as caught:
        payee_of(login, network)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
