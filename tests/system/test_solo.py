"""miner → proxy → node, all real: blocks with transactions, checked over the node's RPC.

The same test runs on a real bitcoind and on the embedded node. What the chain must say
comes from consensus (subsidy, fees) and from embit (scripts, transactions), not from us.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from headframe.upstream.node import NodeRpc
from tests.fakes.bitcoind import running_bitcoind
from tests.fakes.ports import free_port
from tests.fakes.programs import Program, headframe, headframe_argv, program, until
from tests.fakes.wallet import Wallet, coinbase_of

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

SUBSIDY = 25_0000_0000
"""Satoshi, on regtest, in blocks 150 to 299 (the halving there is every 150)."""
FEE = 12_345


@dataclass
class Node:
    """A running node, whichever it is."""

    url: str
    cookie: Path
    call: Callable[..., Awaitable[Any]]


@asynccontextmanager
async def bitcoind(folder: Path) -> AsyncIterator[Node]:
    with running_bitcoind(folder / "bitcoind") as node:
        yield Node(url=node.url, cookie=node.cookie, call=node.acall)


@asynccontextmanager
async def embedded(folder: Path) -> AsyncIterator[Node]:
    port, data = free_port(), folder / "embedded"
    argv = headframe_argv("node", "--datadir", str(data), "--rpc-port", str(port))
    cookie = data / "regtest" / ".cookie"
    async with (
        program("node", argv, folder) as running,
        NodeRpc(f"http://127.0.0.1:{port}", cookie=cookie) as rpc,
    ):
        await until(
            lambda: "node_ready" in running.log.read_text(), "the node", Program(running, 0)
        )
        yield Node(url=f"http://127.0.0.1:{port}", cookie=cookie, call=rpc.call)


NODES = [
    pytest.param(bitcoind, marks=pytest.mark.node, id="bitcoind"),
    pytest.param(embedded, marks=pytest.mark.kernel, id="embedded"),
]


def proxy_args(node: Node, address: str, port: int, *, pace: float = 1) -> list[str]:
    args = ["--url", f"bitcoind+{node.url}", "--cookie", str(node.cookie), "--address", address]
    return [*args, "--listen", f"127.0.0.1:{port}", "--pace", str(pace)]


def mine_args(port: int) -> list[str]:
    return ["--url", f"stratum+tcp://127.0.0.1:{port}", "--user", "rig1", "--threads", "1"]


@pytest.mark.parametrize("make_node", NODES)
async def test_blocks_with_transactions_reach_the_node(make_node: Any, tmp_path: Path) -> None:
    wallet, payout = Wallet.numbered(7), Wallet.numbered(8)
    port = free_port()
    async with make_node(tmp_path) as node:
        await node.call("generatetoaddress", 160, wallet.address)
        sent = {
            await node.call(
                "sendrawtransaction", wallet.spend(await coinbase_of(node.call, height), fee=FEE)
            )
            for height in (1, 2, 3)
        }
        args = proxy_args(node, payout.address, port)
        async with (
            headframe("proxy", *args, folder=tmp_path) as proxy,
            headframe("mine", *mine_args(port), folder=tmp_path) as miner,
        ):

            async def three_more() -> bool:
                return bool(await node.call("getblockcount") >= 163)

            await until(three_more, "three blocks", proxy, miner)
            block = await node.call("getblock", await node.call("getblockhash", 161), 1)
            assert set(block["tx"][1:]) == sent
            first, second = [await coinbase_of(node.call, height) for height in (161, 162)]
            assert first.vout[0].script_pubkey.data == payout.script
            assert first.vout[0].value == SUBSIDY + 3 * FEE
            assert second.vout[0].value == SUBSIDY
            status = await proxy.status()
            assert status["shares"]["accepted"] > 0
            assert status["blocks"]["accepted"] >= 2
            found = {(each["height"], each["hash"]) for each in status["blocks"]["list"]}
            assert (161, await node.call("getblockhash", 161)) in found


@pytest.mark.parametrize("make_node", NODES)
async def test_the_miner_mines_on_the_node_itself(make_node: Any, tmp_path: Path) -> None:
    payout = Wallet.numbered(9)
    async with make_node(tmp_path) as node:
        await node.call("generatetoaddress", 1, payout.address)
        args = ["--url", f"bitcoind+{node.url}", "--cookie", str(node.cookie)]
        args += ["--address", payout.address, "--threads", "1", "--pace", "1"]
        async with headframe("mine", *args, folder=tmp_path) as miner:

            async def three_more() -> bool:
                return bool(await node.call("getblockcount") >= 4)

            await until(three_more, "three blocks", miner)
        coinbase = await coinbase_of(node.call, 2)
        assert coinbase.vout[0].script_pubkey.data == payout.script


@pytest.mark.parametrize("make_node", NODES)
async def test_a_proxy_behind_a_proxy_brings_blocks_home(make_node: Any, tmp_path: Path) -> None:
    payout = Wallet.numbered(10)
    near, far = free_port(), free_port()
    async with make_node(tmp_path) as node:
        await node.call("generatetoaddress", 1, payout.address)
        args = proxy_args(node, payout.address, near)
        behind = ["--url", f"stratum+tcp://127.0.0.1:{near}", "--user", "site"]
        behind += ["--listen", f"127.0.0.1:{far}"]
        async with (
            headframe("proxy", *args, folder=tmp_path, name="front") as front,
            headframe("proxy", *behind, folder=tmp_path, name="site") as site,
            headframe("mine", *mine_args(far), folder=tmp_path) as miner,
        ):

            async def two_more() -> bool:
                return bool(await node.call("getblockcount") >= 3)

            await until(two_more, "two blocks", front, site, miner)
            shown = await front.status()
            assert shown["blocks"]["accepted"] >= 1
            assert [rig["user"] for rig in shown["rigs"]] == ["site"]


@pytest.mark.node
async def test_a_pool_that_dies_and_comes_back_is_found_again(tmp_path: Path) -> None:
    payout, port = Wallet.numbered(11), free_port()
    async with bitcoind(tmp_path) as node:
        await node.call("generatetoaddress", 1, payout.address)
        args = proxy_args(node, payout.address, port)
        async with headframe("mine", *mine_args(port), folder=tmp_path) as miner:

            async def accepted() -> int:
                return int((await miner.status())["shares"]["accepted"])

            async with headframe("proxy", *args, folder=tmp_path, name="pool") as pool:
                await until(accepted, "the first accepted share", pool, miner)
            before = await accepted()

            async def upstream_is_down() -> bool:
                return bool((await miner.status())["upstream"]["state"] != "active")

            await until(upstream_is_down, "the miner to see that the pool died", miner)
            async with headframe("proxy", *args, folder=tmp_path, name="again") as pool:

                async def more() -> bool:
                    return await accepted() > before

                await until(more, "accepted shares after the pool came back", pool, miner)
