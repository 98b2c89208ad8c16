"""The embedded node's publisher, heard by libzmq and by our own subscriber."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import zmq
import zmq.asyncio

from headframe.node.service import NodeService
from headframe.node.zmq import BlockPublisher
from headframe.runtime.errors import EXIT_USAGE, ConfigError
from tests.fakes.nodemethods import call
from tests.fakes.nodeparts import Key, need_kernel
from tests.fakes.ports import free_port

pytestmark = pytest.mark.kernel

ADDRESS = Key().address


@contextmanager
def subscribed(address: str) -> Iterator[zmq.asyncio.Socket]:
    context = zmq.asyncio.Context()
    socket = context.socket(zmq.SUB)
    socket.setsockopt(zmq.SUBSCRIBE, b"hashblock")
    socket.connect(address)
    try:
        yield socket
    finally:
        context.destroy(linger=0)


async def test_each_new_tip_is_published_as_bitcoind_does(tmp_path: Path) -> None:
    need_kernel()
    async with (
        NodeService(tmp_path / "chain") as node,
        BlockPublisher(node, "tcp://127.0.0.1:*") as publisher,
        asyncio.TaskGroup() as group,
    ):
        (about,) = await call(node, "getzmqnotifications")
        assert about == {"type": "pubhashblock", "address": publisher.address, "hwm": 1000}
        task = group.create_task(publisher.run())
        with subscribed(publisher.address) as socket:
            counters = []
            async with asyncio.timeout(60):
                heard = b""
                while not heard:  # what is published before the subscription came is lost
                    await call(node, "generatetoaddress", 1, ADDRESS)
                    if await socket.poll(200):
                        topic, heard, counter = await socket.recv_multipart()
                counters.append(int.from_bytes(counter, "little"))
                for _ in range(3):
                    await call(node, "generatetoaddress", 1, ADDRESS)
                    topic, heard, counter = await socket.recv_multipart()
                    assert topic == b"hashblock"
                    assert heard.hex() == await call(node, "getbestblockhash")
                    counters.append(int.from_bytes(counter, "little"))
        first = counters[0]
        assert counters == [first, first + 1, first + 2, first + 3]
        task.cancel()
        assert publisher.address.startswith("tcp://127.0.0.1:")
    assert node.published_at == ""


async def test_without_it_nothing_is_said_to_be_published(tmp_path: Path) -> None:
    assert await call(NodeService(tmp_path), "getzmqnotifications") == []


@pytest.mark.parametrize("address", ["tcp://192.0.2.1:28332", "28332", "tcp://nowhere"])
async def test_an_address_that_cannot_be_is_one_line(tmp_path: Path, address: str) -> None:
    publisher = BlockPublisher(NodeService(tmp_path), address)
    with pytest.raises(ConfigError, match=r"as in tcp://127\.0\.0\.1:28332") as caught:
        await publisher.__aenter__()
    assert caught.value.exit_code == EXIT_USAGE
    assert "\n" not in str(caught.value)


async def test_a_port_that_is_taken_is_one_line(tmp_path: Path) -> None:
    address = f"tcp://127.0.0.1:{free_port()}"
    async with BlockPublisher(NodeService(tmp_path), address):
        with pytest.raises(ConfigError, match="Address already in use"):
            await BlockPublisher(NodeService(tmp_path), address).__aenter__()
