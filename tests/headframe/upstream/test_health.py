"""Nodes that are not fit to be mined on, or not any more."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from headframe.chain.job import SourceId
from headframe.chain.network import Network
from headframe.upstream.base import BadUpstreamError, RefusedError
from headframe.upstream.circle import Circle
from headframe.upstream.health import Health
from headframe.upstream.node import NodeRpc
from tests.fakes.bitcoind import running_bitcoind
from tests.fakes.rpcnode import Fault, Raw, RpcNode, Script

A, B = SourceId("a"), SourceId("b")


def info(height: int, **changes: Any) -> dict[str, Any]:
    plain = {
        "chain": "testnet4",
        "blocks": height,
        "headers": height,
        "bestblockhash": "aa" * 32,
        "chainwork": f"{height:064x}",
        "initialblockdownload": False,
    }
    return {**plain, **changes}


def health_of(rpc: NodeRpc, circle: Circle) -> Health:
    return Health(rpc, circle, source=A, allow_mainnet=False, look_seconds=0.01)


async def judged(first: object, *later: object, other: object = Fault(-1, "no")) -> str:
    """Look at a node before it is mined on, and then until it is not fit any more."""
    circle = Circle()
    async with (
        RpcNode({"getblockchaininfo": Script(first, *later)}) as node,
        RpcNode({"getblockchaininfo": other}) as second,
        NodeRpc(node.url) as rpc,
    ):
        url = second.url
        circle.add(B, lambda: NodeRpc(url))
        health = health_of(rpc, circle)

        async def use() -> None:
            await health.admit()
            await health.run()

        async with asyncio.timeout(20):
            with pytest.raises((BadUpstreamError, RefusedError)) as caught:
                await use()
    assert "\n" not in str(caught.value)
    return str(caught.value)


async def test_a_node_that_is_well_is_used() -> None:
    async with RpcNode({"getblockchaininfo": info(100)}) as node, NodeRpc(node.url) as rpc:
        chain = await health_of(rpc, Circle()).admit()
        assert (chain.network, chain.height, chain.work) == (Network.TESTNET4, 100, 100)


async def test_a_node_behind_another_is_not() -> None:
    assert "a is behind: its best block has height 100" in await judged(info(100), other=info(102))


async def test_a_node_of_another_network_is_not() -> None:
    circle = Circle()
    circle.admit(B, Network.SIGNET)
    async with RpcNode({"getblockchaininfo": info(100)}) as node, NodeRpc(node.url) as rpc:
        with pytest.raises(BadUpstreamError, match="a is on testnet4, and b is on signet"):
            await health_of(rpc, circle).admit()


@pytest.mark.node
@pytest.mark.parametrize(
    ("chain", "words"),
    [
        ("main", "is on mainnet, which is refused unless allow_mainnet is set"),
        ("test", "is still synchronising testnet3 (block 0 of 0 known)"),
        ("testnet4", "is still synchronising testnet4 (block 0 of 0 known)"),
        ("signet", "is on a signet whose blocks must be signed by its owners"),
    ],
)
async def test_real_nodes_of_public_networks_without_peers_are_not(
    tmp_path: Path, chain: str, words: str
) -> None:
    # Test chains hand out templates nonetheless, on their genesis block.
    with running_bitcoind(tmp_path / "node", chain=chain) as node:
        async with NodeRpc(node.url, cookie=node.cookie) as rpc:
            with pytest.raises(BadUpstreamError) as caught:
                await health_of(rpc, Circle()).admit()
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.node
async def test_a_real_private_signet_is_used_and_not_beside_regtest(tmp_path: Path) -> None:
    with running_bitcoind(tmp_path, chain="signet", extra=["-signetchallenge=51"]) as node:
        async with NodeRpc(node.url, cookie=node.cookie) as rpc:
            chain = await health_of(rpc, Circle()).admit()
            assert (chain.network, chain.private, chain.height) == (Network.SIGNET, True, 0)
            circle = Circle()
            circle.admit(B, Network.REGTEST)
            with pytest.raises(BadUpstreamError, match="a is on signet, and b is on regtest"):
                await health_of(rpc, circle).admit()


async def test_a_node_that_falls_behind_is_left_the_second_time() -> None:
    other = Script(info(101), info(105), info(103), info(106))
    said = await judged(info(100), info(104), info(104), other=other)
    assert "has height 104, b has 106" in said


async def test_a_node_that_hears_of_blocks_it_does_not_have() -> None:
    said = await judged(info(100), info(100), info(100, headers=110))
    assert "still synchronising testnet4 (block 100 of 110 known)" in said


async def test_a_node_that_does_not_answer_is_left_to_others_to_judge() -> None:
    said = await judged(info(100), Raw(503), Fault(-28, "Loading"), info(100, headers=110))
    assert "still synchronising" in said


async def test_a_node_that_does_not_let_us_in_any_more() -> None:
    assert "does not serve this machine" in await judged(info(100), Raw(403))
