import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from headframe.chain.address import script_from_address
from headframe.chain.errors import AddressError
from headframe.chain.network import Network
from tests.fakes.vectors import cases, load

P2WPKH = "bcrt1qdavt4j2sd7dlhqsavtnfxvzppw6k7qy97tmnu9"
BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


def home_of(address: str) -> Network:
    """The network whose segwit prefix an address has, so that nothing else hides a fault."""
    lower = address.lower()
    return next((n for n in Network if lower.startswith(f"{n.hrp}1")), Network.MAIN)


@pytest.mark.parametrize("network", Network)
@pytest.mark.parametrize("vector", cases("addresses", "valid", "address"))
def test_an_address_pays_its_script_on_its_networks_only(vector, network):
    if network in vector["valid_on"]:
        script = script_from_address(vector["address"], network)
        assert script.hex() == vector["script"]
        return
    with pytest.raises(AddressError, match=f"address, this is {network.label}$"):
        script_from_address(vector["address"], network)


@pytest.mark.parametrize("network", Network)
@pytest.mark.parametrize("vector", cases("addresses", "invalid", "address"))
def test_an_invalid_address_is_refused_everywhere(vector, network):
    with pytest.raises(AddressError):
        script_from_address(vector["address"], network)


def says_why(vector: dict[str, str]) -> bool:
    """BIP 350 replaced what BIP 173 says of witness versions above 0."""
    is_version_0 = vector["address"].lower().startswith(("bc1q", "tb1q"))
    source = vector["provenance"]
    return source == "BIP 350" or (source == "BIP 173" and is_version_0)


FAULTS = {
    "Invalid checksum (Bech32 instead of Bech32m)": "has a bech32 checksum, .* takes bech32m",
    "Invalid checksum (Bech32m instead of Bech32)": "has a bech32m checksum, .* takes bech32",
    "Invalid checksum": "wrong checksum",
    "Invalid character in checksum": "has the character 'o'",
    "Invalid witness version": "has witness version 17",
    "Invalid program length (1 byte)": "program of 1 bytes",
    "Invalid program length (41 bytes)": "program of 41 bytes",
    "Invalid program length for witness version 0 (per BIP141)": "program of 16 bytes",
    "Mixed case": "mixes upper and lower case",
    "zero padding of more than 4 bits": "wrong padding",
    "Non-zero padding in 8-to-5 conversion": "wrong padding",
    "Empty data section": "too short",
    "Invalid human-readable part": "begins with none of bc1, tb1, bcrt1",
}


@pytest.mark.parametrize(
    "vector",
    [v for v in load("addresses")["invalid"] if says_why(v)],
    ids=lambda v: v["address"],
)
def test_the_error_says_what_the_bips_say(vector):
    with pytest.raises(AddressError, match=FAULTS[vector["reason"]]):
        script_from_address(vector["address"], home_of(vector["address"]))


@pytest.mark.parametrize(
    ("address", "network", "message"),
    [
        (
            "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
            Network.REGTEST,
            "is a mainnet address, this is regtest",
        ),
        (P2WPKH, Network.SIGNET, "is a regtest address, this is signet"),
        (
            "tb1qcrh3yqn4nlleplcez2yndq2ry8h9ncg3qh7n54",
            Network.MAIN,
            "is a testnet or signet address, this is mainnet",
        ),
        (
            "1FsSia9rv4NeEwvJ2GvXrX7LyxYspbN2mo",
            Network.TESTNET4,
            "is a mainnet address, this is testnet4",
        ),
        (
            "n4fajahJrAuKbN7uNsKjLjQkz9Qn5ewJXQ",
            Network.MAIN,
            "is a testnet, signet or regtest address, this is mainnet",
        ),
        ("", Network.MAIN, "an address is needed, and it is empty"),
        ("1" * 90, Network.MAIN, "holds 90 bytes, a base58 address holds 25"),
        ("1" * 91, Network.MAIN, "has 91 characters, an address at most 90"),
        ("bcrt1q\N{KELVIN SIGN}", Network.REGTEST, "has characters outside ASCII"),
        (P2WPKH[:-1], Network.REGTEST, "has a wrong checksum: it is mistyped or cut"),
        (" " + P2WPKH, Network.REGTEST, "has the character ' '"),
        (
            "n4fajahJrAuKbN7uNsKjLjQkz9Qn5ewJXR",
            Network.REGTEST,
            "has a wrong checksum: it is mistyped or cut",
        ),
        ("n4faja", Network.REGTEST, "a base58 address holds 25"),
        # A Litecoin address: well formed, of another coin.
        (
            "LM2WMpR1Rp6j3Sa59cMXMs1SPzj9eXpGc1",
            Network.MAIN,
            "has version byte 48, which is not Bitcoin's",
        ),
    ],
)
def test_a_user_is_told_what_is_wrong(address, network, message):
    with pytest.raises(AddressError) as caught:
        script_from_address(address, network)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@settings(max_examples=60, deadline=None)
@given(place=st.integers(5, len(P2WPKH) - 1), letter=st.sampled_from(BECH32))
def test_one_mistyped_letter_is_always_noticed(place, letter):
    mistyped = P2WPKH[:place] + letter + P2WPKH[place + 1 :]
    if mistyped == P2WPKH:
        return
    with pytest.raises(AddressError):
        script_from_address(mistyped, Network.REGTEST)


@settings(max_examples=150, deadline=None)
@given(
    address=st.one_of(
        st.text(max_size=95),
        st.text(alphabet=BECH32 + "1QPb", max_size=60).map(lambda s: f"bcrt1{s}"),
        st.text(alphabet="123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", max_size=36),
    ),
    network=st.sampled_from(Network),
)
@example(address="bcrt1", network=Network.REGTEST)
@example(address="1", network=Network.MAIN)
@example(address="1" * 25, network=Network.MAIN)
def test_junk_is_refused_and_never_raises_anything_else(address, network):
    with pytest.raises(AddressError):
        script_from_address(address, network)
