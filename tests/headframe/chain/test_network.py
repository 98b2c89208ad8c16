import pytest

from headframe.chain.network import Network
from tests.fakes.vectors import cases, load

ADDRESSES = load("addresses")


@pytest.mark.parametrize("network", Network)
def test_a_network_has_the_prefixes_of_its_addresses(network):
    others = "main" if network is Network.MAIN else "others"
    assert network.hrp == ADDRESSES["hrp"][network]
    assert network.p2pkh_version == ADDRESSES["base58_versions"][others]["p2pkh"]
    assert network.p2sh_version == ADDRESSES["base58_versions"][others]["p2sh"]


def test_a_network_is_found_by_the_name_that_bitcoind_uses():
    assert [Network(name).label for name in ("main", "test", "testnet4", "signet", "regtest")] == [
        "mainnet",
        "testnet3",
        "testnet4",
        "signet",
        "regtest",
    ]


def test_only_the_public_testnets_allow_easy_blocks():
    assert [n for n in Network if n.allows_easy_blocks] == [Network.TESTNET3, Network.TESTNET4]


@pytest.mark.parametrize(
    ("network", "height", "satoshi"),
    [
        (Network.MAIN, 0, 5_000_000_000),
        (Network.MAIN, 209_999, 5_000_000_000),
        (Network.MAIN, 210_000, 2_500_000_000),
        (Network.MAIN, 840_000, 312_500_000),
        (Network.REGTEST, 149, 5_000_000_000),
        (Network.REGTEST, 150, 2_500_000_000),
        (Network.REGTEST, 4949, 1),
        (Network.REGTEST, 4950, 0),
        (Network.MAIN, 64 * 210_000, 0),
    ],
)
def test_the_subsidy_halves(network, height, satoshi):
    assert network.subsidy(height) == satoshi


@pytest.mark.parametrize("vector", cases("gbt_blocks"))
def test_a_nodes_coinbase_value_is_the_subsidy_and_the_fees(vector):
    template = vector["template"]
    fees = sum(tx["fee"] for tx in template["transactions"])
    assert Network.REGTEST.subsidy(template["height"]) + fees == template["coinbasevalue"]
