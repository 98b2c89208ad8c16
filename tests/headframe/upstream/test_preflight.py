"""Which nodes may be mined on."""

from typing import Any

import pytest

from headframe.chain.job import SourceId
from headframe.chain.network import Network
from headframe.upstream.base import BadUpstreamError
from headframe.upstream.node import NodeRpc
from headframe.upstream.preflight import Chain, chain_of, inspect_chain
from tests.fakes.rpcnode import RpcNode

TIP = "00" * 32
# The public signet's challenge begins so (BIP 325).
PUBLIC_CHALLENGE = "512103ad5e0edad18cb1f0fc0d28a3d4f1f3e445640337489abb10404f2d1e086be430"


def info(chain: str, **changes: Any) -> dict[str, Any]:
    plain = {
        "chain": chain,
        "blocks": 100,
        "headers": 100,
        "bestblockhash": TIP,
        "initialblockdownload": False,
    }
    return {**plain, **changes}


def judge(given: dict[str, Any], *, allow_mainnet: bool = False) -> Chain:
    return chain_of(given, source=SourceId("node"), allow_mainnet=allow_mainnet)


@pytest.mark.parametrize(
    ("given", "private"),
    [
        (info("regtest"), True),
        (info("regtest", initialblockdownload=True), True),
        (info("regtest", headers=500), True),
        (info("testnet4"), False),
        (info("testnet4", headers=102), False),
        (info("test"), False),
        (info("signet"), False),  # nodes before 28 do not name the challenge
        (info("signet", signet_challenge="51"), True),
        (info("signet", signet_challenge="51", initialblockdownload=True, headers=102), True),
    ],
)
def test_these_chains_are_mined(given: dict[str, Any], private: bool) -> None:
    expected = Chain(network=Network(given["chain"]), private=private, height=100, tip=TIP)
    assert judge(given) == expected


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (info("main"), "node is on mainnet, which is refused unless allow_mainnet is set"),
        (info("signet", signet_challenge=PUBLIC_CHALLENGE), "must be signed by its owners"),
        (info("testnet4", initialblockdownload=True), "still synchronising testnet4 (block 100"),
        (info("testnet4", headers=103), "still synchronising testnet4 (block 100 of 103 known)"),
        (info("signet", signet_challenge="51", headers=103), "still synchronising signet"),
        (info("liquidv1"), "makes no sense"),
        ({"chain": "regtest"}, "makes no sense"),
        (info("regtest", blocks="many"), "makes no sense"),
    ],
)
def test_these_are_refused_in_one_line(given: dict[str, Any], words: str) -> None:
    with pytest.raises(BadUpstreamError) as caught:
        judge(given)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_mainnet_by_leave() -> None:
    assert judge(info("main"), allow_mainnet=True).network is Network.MAIN


async def test_the_node_is_asked() -> None:
    async with RpcNode({"getblockchaininfo": info("regtest")}) as node, NodeRpc(node.url) as rpc:
        chain = await inspect_chain(rpc, source=SourceId("node"), allow_mainnet=False)
        assert chain.network is Network.REGTEST
        node.answers["getblockchaininfo"] = [1]
        with pytest.raises(BadUpstreamError, match="no bitcoind"):
            await inspect_chain(rpc, source=SourceId("node"), allow_mainnet=False)
