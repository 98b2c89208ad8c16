"""Transactions made so that blocks are not empty."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest
from structlog.testing import capture_logs

from headframe.node.keyring import KINDS, KeyRing
from headframe.node.service import NodeService
from headframe.node.spender import Spender
from tests.fakes.bitcoind import running_bitcoind
from tests.fakes.nodemethods import call
from tests.fakes.nodeparts import Key, need_kernel

pytestmark = pytest.mark.kernel

RING = KeyRing((7).to_bytes(32, "big"))
MINER = Key(9).address


@asynccontextmanager
async def spending(node: NodeService, per_second: float = 100) -> AsyncIterator[None]:
    spender = Spender(node, RING, per_second=per_second, rng=Random(1))
    assert await spender.provide()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(spender.run())
        yield
        task.cancel()


async def until_waiting(node: NodeService, count: int) -> None:
    """Wait until so many transactions wait for a block."""
    async with asyncio.timeout(60):
        await node.wait_tip(lambda tip: tip.pooled >= count, 60)


async def test_blocks_have_transactions_of_every_kind_that_real_nodes_take(tmp_path: Path) -> None:
    need_kernel()
    async with NodeService(tmp_path / "chain") as node, spending(node):
        for count in (1, 5, 15, 30):  # each block's outputs are the next one's coins
            await until_waiting(node, count)
            await call(node, "generatetoaddress", 1, MINER)
        tip = node.tip.height
        hashes = [await call(node, "getblockhash", height) for height in range(1, tip + 1)]
        blocks = [await call(node, "getblock", each, 0) for each in hashes]
        last = await call(node, "getblock", hashes[-1], 2)
        template = await call(node, "getblocktemplate", {"rules": ["segwit"]})
    scripts = {out["scriptPubKey"]["hex"] for tx in last["tx"][1:] for out in tx["vout"]}
    assert scripts == {script.hex() for script in RING.scripts.values()}
    assert len(last["tx"]) > 30
    fees = {tx["fee"] / tx["weight"] for tx in template["transactions"]}
    assert len(fees) != 1 or len(template["transactions"]) < 2
    with running_bitcoind(tmp_path / "bitcoind") as real:
        for block in blocks:
            assert await real.acall("submitblock", block) is None
        assert await real.acall("getbestblockhash") == hashes[-1]


async def test_the_rate_is_kept(tmp_path: Path) -> None:
    need_kernel()
    async with NodeService(tmp_path / "chain") as node:
        async with spending(node):
            await until_waiting(node, 1)
            await call(node, "generatetoaddress", 1, MINER)
            await until_waiting(node, 8)
            await call(node, "generatetoaddress", 1, MINER)
        started = asyncio.get_running_loop().time()
        async with spending(node, per_second=10):
            await until_waiting(node, 10)
        assert asyncio.get_running_loop().time() - started >= 0.8


async def test_a_second_start_goes_on_with_the_same_coins(tmp_path: Path) -> None:
    need_kernel()
    async with NodeService(tmp_path / "chain") as node:
        async with spending(node):
            await until_waiting(node, 1)
        height = node.tip.height
        async with spending(node):
            await call(node, "generatetoaddress", 1, MINER)
            await until_waiting(node, 5)
        assert (height, node.tip.height) == (101, 102)


async def test_on_a_chain_that_creates_nothing_any_more_it_says_so(tmp_path: Path) -> None:
    need_kernel()
    async with NodeService(tmp_path / "chain") as node:
        await call(node, "generatetoaddress", 4949, MINER)
        with capture_logs() as logs:
            assert not await Spender(node, RING, per_second=1).provide()
        assert [each["event"] for each in logs] == ["no_coins_to_spend"]
        assert node.tip.height == 4949
        # Mining goes on, for the fees alone.
        await call(node, "generatetoaddress", 1, MINER)
        template = await call(node, "getblocktemplate", {"rules": ["segwit"]})
        assert (template["height"], template["coinbasevalue"]) == (4951, 0)


def test_every_kind_has_its_turn() -> None:
    assert len(set(KINDS)) == len(KINDS) == len(RING.scripts)
