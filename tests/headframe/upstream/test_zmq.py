"""The node's publisher: a real bitcoind's, and one that does what real ones do rarely."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import zmq
import zmq.asyncio

from headframe.upstream.node import NodeRpc
from headframe.upstream.zmq import TipFeed, feed_address, has_zmq, is_feed_address
from tests.fakes.bitcoind import running_bitcoind
from tests.fakes.ports import free_port
from tests.fakes.rpcnode import Fault, RpcNode
from tests.fakes.wallet import Wallet

A, B, C = "aa" * 32, "bb" * 32, "cc" * 32
SUBSCRIBED = b"\x01hashblock"
"""What a publisher hears of a subscription (ZMTP 3.0)."""


class Listener:
    """Runs a feed and notes what it was told."""

    def __init__(self, address: str) -> None:
        self.seen: asyncio.Queue[str] = asyncio.Queue()
        self.missed: asyncio.Queue[None] = asyncio.Queue()
        self.feed = TipFeed(
            address,
            source="node",
            saw=self.seen.put_nowait,
            missed=lambda: self.missed.put_nowait(None),
        )

    async def next(self) -> str:
        async with asyncio.timeout(20):
            return await self.seen.get()

    async def next_miss(self) -> None:
        async with asyncio.timeout(20):
            await self.missed.get()


@asynccontextmanager
async def listening(address: str) -> AsyncIterator[Listener]:
    listener = Listener(address)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(listener.feed.run())
        yield listener
        task.cancel()


class Publisher:
    """A publisher to order."""

    def __init__(self, context: zmq.asyncio.Context, port: int) -> None:
        self.socket = context.socket(zmq.XPUB)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.bind(f"tcp://127.0.0.1:{port}")

    async def subscribed(self) -> None:
        async with asyncio.timeout(20):
            assert await self.socket.recv() == SUBSCRIBED

    async def publish(self, tip: str, counter: int) -> None:
        frames = [b"hashblock", bytes.fromhex(tip), counter.to_bytes(4, "little")]
        await self.socket.send_multipart(frames)


@contextmanager
def publishing() -> Iterator[zmq.asyncio.Context]:
    context = zmq.asyncio.Context()
    try:
        yield context
    finally:
        context.destroy(linger=0)


async def test_tips_are_told_in_display_order_and_gaps_are_noticed() -> None:
    port = free_port()
    with publishing() as context:
        publisher = Publisher(context, port)
        async with listening(f"tcp://127.0.0.1:{port}") as listener:
            await publisher.subscribed()
            await listener.next_miss()  # what came before the connection was not heard
            await publisher.publish(A, 2**32 - 1)
            await publisher.publish(B, 0)  # the counter is 32 bits wide
            assert [await listener.next(), await listener.next()] == [A, B]
            assert listener.missed.empty()
            await publisher.publish(C, 2)
            assert await listener.next() == C
            await listener.next_miss()


async def test_what_is_no_hashblock_is_left_alone() -> None:
    port = free_port()
    with publishing() as context:
        publisher = Publisher(context, port)
        async with listening(f"tcp://127.0.0.1:{port}") as listener:
            await publisher.subscribed()
            junk: list[list[bytes]] = [
                [b"hashblock"],
                [b"hashblock", b"short", bytes(4)],
                [b"hashblock", bytes(32), b"7"],
                [b"hashblock2", bytes(32), bytes(4)],
            ]
            for frames in junk:
                await publisher.socket.send_multipart(frames)
            await publisher.publish(A, 1)
            assert await listener.next() == A


async def test_a_publisher_that_is_gone_is_waited_for() -> None:
    port = free_port()
    async with listening(f"tcp://127.0.0.1:{port}") as listener:
        for tip, counter in ((A, 40), (B, 0)):  # a node that was restarted counts from 0 again
            with publishing() as context:
                publisher = Publisher(context, port)
                await publisher.subscribed()
                await listener.next_miss()  # blocks may have come meanwhile
                await publisher.publish(tip, counter)
                assert await listener.next() == tip
                assert listener.missed.empty()


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("tcp://127.0.0.1:28332", True),
        ("tcp://[::1]:28332", True),
        ("tcp://node.example:28332", True),
        ("ipc:///run/bitcoind/zmq", True),
        ("tcp://127.0.0.1", False),
        ("tcp://:28332", False),
        ("tcp://127.0.0.1:99999", False),
        ("http://127.0.0.1:28332", False),
        ("127.0.0.1:28332", False),
        ("ipc://", False),
    ],
)
def test_which_addresses_there_are(text: str, good: bool) -> None:
    assert is_feed_address(text) is good


def said(address: object, kind: str = "pubhashblock") -> list[dict[str, object]]:
    return [
        {"type": "pubrawtx", "address": "tcp://127.0.0.1:1"},
        {"type": kind, "address": address},
    ]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (said("tcp://127.0.0.1:28332"), "tcp://127.0.0.1:28332"),
        (said("tcp://0.0.0.0:28332"), "tcp://127.0.0.1:28332"),
        (said("tcp://*:28332"), "tcp://127.0.0.1:28332"),
        (said("tcp://[::]:28332"), "tcp://127.0.0.1:28332"),
        (said("tcp://192.0.2.7:28332"), "tcp://192.0.2.7:28332"),
        (said("tcp://[2001:db8::7]:28332"), "tcp://[2001:db8::7]:28332"),
        (said("ipc:///run/zmq"), "ipc:///run/zmq"),
        (said("tcp://127.0.0.1:99999"), ""),
        (said("udp://127.0.0.1:28332"), ""),
        (said("tcp://127.0.0.1:28332", "pubrawblock"), ""),
        ([], ""),
        (["x"], ""),
        (None, ""),
        (Fault(-32601, "Method not found"), ""),
    ],
)
async def test_the_node_is_asked_where_it_publishes(answer: object, expected: str) -> None:
    async with RpcNode({"getzmqnotifications": answer}) as node, NodeRpc(node.url) as rpc:
        assert await feed_address(rpc) == expected


class FarNode(NodeRpc):
    """A node on another machine, as far as its address tells."""

    def __init__(self, address: str) -> None:
        super().__init__("http://192.0.2.1:8332")
        self._address = address

    async def call(self, method: str, *params: object, **rest: Any) -> Any:
        return said(self._address)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("tcp://0.0.0.0:28332", "tcp://192.0.2.1:28332"),
        ("tcp://127.0.0.1:28332", ""),  # its own loopback, not ours
        ("ipc:///run/zmq", ""),
    ],
)
async def test_of_another_machine_only_what_can_be_reached_is_taken(
    address: str, expected: str
) -> None:
    async with FarNode(address) as rpc:
        assert await feed_address(rpc) == expected


def test_pyzmq_is_there_when_it_is_tested() -> None:
    assert has_zmq()


@pytest.mark.node
async def test_a_real_bitcoind_says_where_it_publishes_and_does(tmp_path: Path) -> None:
    address = f"tcp://127.0.0.1:{free_port()}"
    wallet = Wallet.numbered(1)
    with running_bitcoind(tmp_path / "node", extra=[f"-zmqpubhashblock={address}"]) as node:
        # Silent in initial download, which the first block of today ends.
        await node.acall("generatetoaddress", 1, wallet.address)
        async with NodeRpc(node.url, cookie=node.cookie) as rpc:
            assert await feed_address(rpc) == address
        async with listening(address) as listener:
            await listener.next_miss()  # connected
            for _ in range(3):
                await node.acall("generatetoaddress", 1, wallet.address)
                assert await listener.next() == await node.acall("getbestblockhash")
            assert listener.missed.empty()
