"""Connections behind a balancer, on loopback."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_network
from pathlib import Path

import pytest

from headframe.runtime.ports import listen
from headframe.runtime.tls import certificate_fingerprint, client_context, server_context
from headframe.runtime.wire import Wire
from proxy.balancer import Headed
from tests.fakes.certificates import write_certificate

HOST = "127.0.0.1"
HEADER = b"PROXY TCP4 192.0.2.7 192.0.2.1 50000 3333\r\n"


class Echo:
    """A core that gives back what it hears."""

    def __init__(self) -> None:
        self.out = b"hello "

    def receive_data(self, data: bytes) -> Sequence[bytes]:
        self.out += data
        return []

    def receive_eof(self) -> Sequence[bytes]:
        return []

    def data_to_send(self) -> bytes:
        out, self.out = self.out, b""
        return out


class Door:
    """A port behind a balancer, and what came through it."""

    def __init__(self, network: str = "127.0.0.0/8", seconds: float = 60.0) -> None:
        self.wires: list[Wire[bytes]] = []
        self.refused = asyncio.Semaphore(0)
        self.trusted = [ip_network(network)]
        self.seconds = seconds
        self.tls: ssl.SSLContext | None = None

    def wire(self) -> Wire[bytes]:
        made: Wire[bytes] = Wire(Echo(), lambda _events: None, on_lost=lambda _error: None)
        self.wires.append(made)
        return made

    def make(self) -> Headed:
        return Headed(
            self.wire,
            self.trusted,
            self.refused.release,
            header_seconds=self.seconds,
            tls=self.tls,
        )


@asynccontextmanager
async def talking(door: Door) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    server = await listen(HOST, 0, door.make)
    reader, writer = await asyncio.open_connection(HOST, server.sockets[0].getsockname()[1])
    async with asyncio.timeout(20):
        yield reader, writer
        writer.close()
        for wire in door.wires:
            wire.abort()
            await wire.wait_closed()
    server.close()


@pytest.mark.parametrize("sizes", [(1000,), (1,), (len(HEADER),)])
async def test_a_connection_is_whose_the_header_says(sizes: tuple[int, ...]):
    door = Door()
    async with talking(door) as (reader, writer):
        data = HEADER + b"first"
        for at in range(0, len(data), sizes[0]):
            writer.write(data[at : at + sizes[0]])
            await writer.drain()
        assert await reader.readexactly(11) == b"hello first"
        writer.write(b"then")
        assert await reader.readexactly(4) == b"then"
        [wire] = door.wires
        assert wire.peer == "192.0.2.7:50000"
    assert door.refused.locked()


async def test_tls_begins_behind_the_header(tmp_path: Path):
    chain, key = write_certificate(tmp_path)
    door = Door()
    door.tls = server_context(chain, key)
    async with talking(door) as (reader, writer):
        writer.write(HEADER)
        fingerprint = certificate_fingerprint(chain)
        await writer.start_tls(
            client_context(fingerprint=fingerprint), server_hostname=HOST, ssl_handshake_timeout=20
        )
        assert await reader.readexactly(6) == b"hello "
        writer.write(b"rig")
        assert await reader.readexactly(3) == b"rig"
        [wire] = door.wires
        assert wire.peer == "192.0.2.7:50000"
    assert door.refused.locked()


async def test_a_health_check_of_the_balancer_is_its_own():
    door = Door()
    async with talking(door) as (reader, writer):
        writer.write(b"PROXY UNKNOWN\r\n")
        assert await reader.readexactly(6) == b"hello "
        assert door.wires[0].peer == "{}:{}".format(*writer.get_extra_info("sockname"))


@pytest.mark.parametrize(
    "data", [b'{"id":1}\n', b"\x16\x03\x01", b"GET / HTTP/1.1\r\n\r\n", b"PROXY TCP9 x\r\n"]
)
async def test_without_a_header_nobody_comes_in(data: bytes):
    door = Door()
    async with talking(door) as (reader, writer):
        writer.write(data)
        with suppress(ConnectionError):
            assert await reader.read() == b""
        await door.refused.acquire()
    assert door.wires == []


async def test_headers_of_strangers_are_not_believed():
    door = Door("192.0.2.0/24")
    async with talking(door) as (reader, writer):
        writer.write(HEADER)
        with suppress(ConnectionError):
            assert await reader.read() == b""
        await door.refused.acquire()
    assert door.wires == []


async def test_a_header_must_come_in_time():
    door = Door(seconds=0.01)
    async with talking(door) as (reader, writer):
        writer.write(HEADER[:10])
        with suppress(ConnectionError):
            assert await reader.read() == b""
        await door.refused.acquire()
    assert door.wires == []


async def test_a_connection_that_ends_before_its_header_is_counted():
    door = Door()
    async with talking(door) as (_, writer):
        writer.write(HEADER[:10])
        writer.close()
        await door.refused.acquire()
    assert door.wires == []
