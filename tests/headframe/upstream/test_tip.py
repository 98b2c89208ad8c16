"""Waiting for a new tip, by each way that nodes know."""

import asyncio

import pytest

from headframe.upstream.base import BadUpstreamError, UnreachableError
from headframe.upstream.node import NodeRpc, RpcError
from headframe.upstream.tip import NO_ZMQ, TipWatch
from tests.fakes.rpcnode import Fault, Hold, RpcNode, Script

A, B, C = "aa" * 32, "bb" * 32, "cc" * 32


class Watcher:
    """Runs one of a watch's two tasks and notes what it saw."""

    def __init__(self, node: RpcNode) -> None:
        self.rpc = NodeRpc(node.url, user="u")
        self.seen: asyncio.Queue[str] = asyncio.Queue()
        self.long_poll: dict[str, object] | None = {"rules": ["segwit"], "longpollid": "x1"}
        self.watch = TipWatch(
            self.rpc,
            long_poll=lambda: self.long_poll,
            saw=self.seen.put_nowait,
            poll_seconds=0.01,
        )

    async def next(self) -> str:
        async with asyncio.timeout(20):
            return await self.seen.get()


async def test_the_cheap_question_is_asked_again_and_again() -> None:
    async with RpcNode({"getbestblockhash": Script(A, A, B)}) as node:
        watcher = Watcher(node)
        async with watcher.rpc, asyncio.TaskGroup() as group:
            task = group.create_task(watcher.watch.poll())
            assert [await watcher.next() for _ in range(3)] == [A, A, B]
            task.cancel()


async def test_a_node_that_is_gone_ends_the_cheap_question() -> None:
    async with RpcNode({"getbestblockhash": A}) as node:
        watcher = Watcher(node)
    async with watcher.rpc:
        with pytest.raises(UnreachableError):
            await watcher.watch.poll()


async def test_waiting_beyond_the_tip_that_is_known() -> None:
    hold = Hold({"hash": C, "height": 3})
    answers = {
        "getbestblockhash": A,
        "waitfornewblock": Script({"hash": B, "height": 2}, hold),
    }
    async with RpcNode(answers) as node:
        watcher = Watcher(node)
        async with watcher.rpc, asyncio.TaskGroup() as group:
            task = group.create_task(watcher.watch.wait())
            assert [await watcher.next(), await watcher.next()] == [A, B]
            calls = await node.wait_called("waitfornewblock", 2)
            assert watcher.seen.empty()
            hold.free.set()
            assert await watcher.next() == C
            task.cancel()
    # bounded on the node's side, and each beyond the last answer: no block slips between
    assert calls == [[20_000, A], [20_000, B]]


async def test_an_older_node_is_asked_without_the_tip() -> None:
    def wait(params: list[object]) -> object:
        too_many = Fault(-1, "waitfornewblock ( timeout )")
        return too_many if len(params) > 1 else {"hash": B, "height": 2}

    async with RpcNode({"getbestblockhash": A, "waitfornewblock": wait}) as node:
        watcher = Watcher(node)
        async with watcher.rpc, asyncio.TaskGroup() as group:
            task = group.create_task(watcher.watch.wait())
            assert [await watcher.next(), await watcher.next()] == [A, B]
            task.cancel()
        assert (await node.wait_called("waitfornewblock", 2))[-1] == [20_000]


async def test_a_node_without_the_call_is_asked_by_long_poll() -> None:
    answers = {"getbestblockhash": A, "getblocktemplate": {"previousblockhash": B}}
    async with RpcNode(answers) as node:
        watcher = Watcher(node)
        async with watcher.rpc, asyncio.TaskGroup() as group:
            task = group.create_task(watcher.watch.wait())
            assert [await watcher.next(), await watcher.next()] == [A, B]
            task.cancel()
        asked = await node.wait_called("getblocktemplate")
    assert asked[0] == [{"rules": ["segwit"], "longpollid": "x1"}]


async def test_a_node_that_can_do_none_of_it_is_only_polled() -> None:
    answers = {"getbestblockhash": A, "getblocktemplate": Fault(-32601, "Method not found")}
    async with RpcNode(answers) as node:
        watcher = Watcher(node)
        async with watcher.rpc:
            async with asyncio.timeout(20):
                await watcher.watch.wait()  # returns: there is nothing to wait by
        assert await watcher.next() == A


async def test_at_most_one_call_waits_at_a_time() -> None:
    hold = Hold({"hash": A, "height": 1})
    async with RpcNode({"getbestblockhash": A, "waitfornewblock": hold}) as node:
        watcher = Watcher(node)
        async with watcher.rpc, asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(watcher.watch.wait()),
                group.create_task(watcher.watch.poll()),
            ]
            for _ in range(5):
                await watcher.next()
            assert len(await node.wait_called("waitfornewblock")) == 1
            for task in tasks:
                task.cancel()
        hold.free.set()


async def test_a_failed_waiting_call_is_left_to_the_cheap_question_to_judge() -> None:
    answers = {
        "getbestblockhash": A,
        "waitfornewblock": Script(Fault(-28, "busy"), {"hash": B, "height": 2}),
    }
    async with RpcNode(answers) as node:
        watcher = Watcher(node)
        async with watcher.rpc, asyncio.TaskGroup() as group:
            task = group.create_task(watcher.watch.wait())
            assert [await watcher.next(), await watcher.next()] == [A, B]
            task.cancel()


@pytest.mark.parametrize("answer", [None, 7, "short", {"height": 2}, {"hash": 3}])
async def test_what_is_no_hash_is_a_fault_of_the_nodes(answer: object) -> None:
    async with RpcNode({"getbestblockhash": A, "waitfornewblock": answer}) as node:
        watcher = Watcher(node)
        async with watcher.rpc:
            with pytest.raises(BadUpstreamError, match="which is no hash"):
                await watcher.watch.wait()


async def test_a_refusal_of_another_kind_comes_out() -> None:
    async with RpcNode({"getbestblockhash": A, "waitfornewblock": Fault(-5, "no")}) as node:
        watcher = Watcher(node)
        async with watcher.rpc:
            with pytest.raises(RpcError, match="no"):
                await watcher.watch.wait()


async def test_hints_bring_the_cheap_question_forward_but_not_without_end() -> None:
    async with RpcNode({"getbestblockhash": A}) as node:
        watcher = Watcher(node)
        patient = TipWatch(
            watcher.rpc, long_poll=lambda: None, saw=watcher.seen.put_nowait, poll_seconds=1000
        )
        async with watcher.rpc, asyncio.TaskGroup() as group:
            task = group.create_task(patient.poll())
            loop = asyncio.get_running_loop()
            started = loop.time()
            for _ in range(5):
                for _ in range(100):
                    patient.nudge()
                assert await watcher.next() == A
            assert loop.time() - started >= 0.2  # twenty a second at most
            assert len(node.calls) == 5
            task.cancel()


async def test_it_tells_how_long_the_node_may_be_busy_with_a_call_nobody_waits_for() -> None:
    hold = Hold({"hash": B, "height": 1})
    answers = {"getbestblockhash": A, "waitfornewblock": hold}
    async with RpcNode(answers) as node:
        watcher = Watcher(node)
        async with watcher.rpc, asyncio.TaskGroup() as group:
            assert watcher.watch.busy_until == 0
            task = group.create_task(watcher.watch.wait())
            await node.wait_called("waitfornewblock")
            left = watcher.watch.busy_until - asyncio.get_running_loop().time()
            assert 10 < left <= 20  # the bound that the node was given
            task.cancel()
        assert watcher.watch.busy_until > 0
        hold.free.set()


async def test_a_feed_that_is_off_or_not_there_is_not_listened_to() -> None:
    async with RpcNode({"getzmqnotifications": []}) as node:
        watcher = Watcher(node)
        async with watcher.rpc, asyncio.timeout(20):
            await watcher.watch.hear(NO_ZMQ)
            assert node.calls == []
            await watcher.watch.hear()
            assert [method for method, _ in node.calls] == ["getzmqnotifications"]
