"""When fees have risen enough for a new template."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from headframe.upstream.fees import FeeWatch
from headframe.upstream.node import NodeRpc
from tests.fakes.rpcnode import DROP, Fault, Raw, RpcNode, Script

COIN = 100_000_000


def info(fees: str) -> Raw:
    """The mempool as nodes describe it: amounts are decimals."""
    text = f'{{"result": {{"size": 1, "total_fee": {fees}}}, "error": null, "id": 1}}'
    return Raw(200, text.encode())


class Risen:
    """Counts what the watch told."""

    def __init__(self) -> None:
        self.count = 0
        self.came = asyncio.Event()

    def __call__(self) -> None:
        self.count += 1
        self.came.set()

    async def wait(self) -> None:
        async with asyncio.timeout(20):
            await self.came.wait()
        self.came.clear()


@asynccontextmanager
async def watching(node: RpcNode, risen: Risen) -> AsyncIterator[FeeWatch]:
    async with NodeRpc(node.url) as rpc, asyncio.TaskGroup() as group:
        watch = FeeWatch(rpc, percent=1.0, rose=risen, look_seconds=0.01)
        task = group.create_task(watch.run())
        yield watch
        task.cancel()


async def test_one_percent_more_of_a_blocks_value_is_worth_a_template() -> None:
    risen = Risen()
    async with (
        RpcNode({"getmempoolinfo": info("0.50000000")}) as node,
        watching(node, risen) as watch,
    ):
        watch.note(50 * COIN)
        await node.wait_called("getmempoolinfo", 3)
        node.answers["getmempoolinfo"] = info("0.99999999")
        calls = len(await node.wait_called("getmempoolinfo"))
        await node.wait_called("getmempoolinfo", calls + 3)
        assert risen.count == 0
        node.answers["getmempoolinfo"] = info("1.00000000")
        await risen.wait()
        calls = len(await node.wait_called("getmempoolinfo"))
        await node.wait_called("getmempoolinfo", calls + 3)
        assert risen.count == 1  # nothing more until the template has come
        watch.note(51 * COIN)
        calls = len(await node.wait_called("getmempoolinfo"))
        await node.wait_called("getmempoolinfo", calls + 3)
        assert risen.count == 1
        node.answers["getmempoolinfo"] = info("1.51000000")
        await risen.wait()


async def test_fees_that_a_block_took_are_no_gain_when_they_come_again() -> None:
    risen = Risen()
    answers = {"getmempoolinfo": Script(info("3.0"), info("0.0"), info("0.4"))}
    async with RpcNode(answers) as node, watching(node, risen) as watch:
        watch.note(50 * COIN)
        await node.wait_called("getmempoolinfo", 6)
        assert risen.count == 0
        node.answers["getmempoolinfo"] = info("0.5")
        await risen.wait()


async def test_where_a_block_creates_nothing_any_fee_counts() -> None:
    risen = Risen()
    async with RpcNode({"getmempoolinfo": info("0")}) as node, watching(node, risen) as watch:
        watch.note(0)
        await node.wait_called("getmempoolinfo", 4)
        assert risen.count == 0
        node.answers["getmempoolinfo"] = info("0.00000001")
        await risen.wait()


async def test_a_node_that_is_away_for_a_moment_is_asked_again() -> None:
    risen = Risen()
    answers = {"getmempoolinfo": Script(info("0"), Fault(-28, "starting"), DROP, DROP, info("1"))}
    async with RpcNode(answers) as node, watching(node, risen) as watch:
        watch.note(50 * COIN)
        await risen.wait()


@pytest.mark.parametrize(
    "answer", [Fault(-32601, "Method not found"), {"size": 1}, [], {"total_fee": True}]
)
async def test_a_node_that_does_not_tell_is_not_asked_again(answer: object) -> None:
    async with RpcNode({"getmempoolinfo": answer}) as node, NodeRpc(node.url) as rpc:
        watch = FeeWatch(rpc, percent=1.0, rose=Risen(), look_seconds=0.01)
        async with asyncio.timeout(20):
            await watch.run()  # returns
        assert len(await node.wait_called("getmempoolinfo")) == 1
