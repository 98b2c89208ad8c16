"""Nodes that stand in for each other, compared."""

from contextlib import AsyncExitStack
from typing import Any

import pytest

from headframe.chain.job import SourceId
from headframe.chain.network import Network
from headframe.upstream.base import BadUpstreamError
from headframe.upstream.circle import Circle
from headframe.upstream.node import NodeRpc
from headframe.upstream.preflight import Chain
from tests.fakes.rpcnode import DROP, Fault, Raw, RpcNode

A, B, C = SourceId("a"), SourceId("b"), SourceId("c")
TIP = "aa" * 32


def chain(
    network: Network = Network.TESTNET4, *, height: int = 100, private: bool = False
) -> Chain:
    return Chain(network=network, private=private, height=height, tip=TIP, work=height * 10)


def info(height: int, chain: str = "testnet4", **changes: Any) -> dict[str, Any]:
    plain = {
        "chain": chain,
        "blocks": height,
        "headers": height,
        "bestblockhash": "bb" * 32,
        "chainwork": f"{height * 10:064x}",
        "initialblockdownload": False,
    }
    return {**plain, **changes}


async def lag(own: Chain, answer: object, header: object = Fault(-5, "Block not found")) -> str:
    """Compare a node with another one that answers so."""
    circle = Circle()
    async with RpcNode({"getblockchaininfo": answer, "getblockheader": header}) as node:
        url = node.url
        circle.add(A, lambda: NodeRpc("http://127.0.0.1:1"))  # the node itself is not asked
        circle.add(B, lambda: NodeRpc(url))
        return await circle.lag_of(A, own)


async def test_a_node_that_is_two_blocks_behind_another_is_behind() -> None:
    said = await lag(chain(height=100), info(102))
    assert said == (
        "a is behind: its best block has height 100, b has 102; it is used again when it has "
        "caught up"
    )


@pytest.mark.parametrize(
    "answer",
    [
        info(101),  # a block that is on its way to us
        info(100),
        info(50),
        info(150, "test"),  # not our chain
        info(150, chainwork=f"{999:064x}"),  # longer, and yet less work
        info(150, headers=400),  # is loading blocks itself
        [],
        Fault(-1, "no"),
        Raw(401),
        DROP,
    ],
)
async def test_a_node_that_others_do_not_surpass_is_not(answer: object) -> None:
    assert await lag(chain(height=100), answer) == ""


async def test_on_a_private_chain_only_one_that_goes_on_from_ours_is_ahead() -> None:
    own = chain(Network.REGTEST, private=True)
    assert await lag(own, info(200, "regtest")) == ""
    assert "b has 200" in await lag(own, info(200, "regtest"), {"hash": TIP, "confirmations": 101})


async def test_the_one_that_is_furthest_ahead_is_named_once() -> None:
    circle = Circle()
    async with AsyncExitStack() as exits:
        for name, height in ((B, 110), (C, 120)):
            node = await exits.enter_async_context(RpcNode({"getblockchaininfo": info(height)}))
            circle.add(name, lambda url=node.url: NodeRpc(url))  # type: ignore[misc]
        assert "has 1" in await circle.lag_of(A, chain())
        circle.keep({A, C})
        assert "c has 120" in await circle.lag_of(A, chain())


async def test_a_node_alone_asks_nobody() -> None:
    circle = Circle()
    circle.add(A, lambda: NodeRpc("http://127.0.0.1:1"))
    assert await circle.lag_of(A, chain()) == ""


def test_the_first_node_settles_the_network() -> None:
    circle = Circle()
    circle.add(A, lambda: NodeRpc("http://127.0.0.1:1"))
    circle.admit(A, Network.TESTNET4)
    circle.admit(B, Network.TESTNET4)
    with pytest.raises(BadUpstreamError) as caught:
        circle.admit(B, Network.REGTEST)
    assert str(caught.value).startswith("b is on regtest, and a is on testnet4: nodes that stand")
    circle.admit(A, Network.REGTEST)  # the first was started anew, on another chain
    circle.admit(B, Network.REGTEST)
    circle.keep({B})
    circle.admit(B, Network.SIGNET)  # the one that settled it is gone


def test_hints_reach_whoever_is_at_work() -> None:
    circle = Circle()
    told: list[str] = []
    assert circle.nudge() == 0
    with circle.hearing(lambda: told.append("a")):
        with circle.hearing(lambda: told.append("b")):
            assert circle.nudge() == 2
        assert circle.nudge() == 1
    assert circle.nudge() == 0
    assert told == ["a", "b", "a"]
