"""TLS behind bytes in plain text, with Python's own TLS client on the other side."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest

from headframe.runtime.ports import plain_socket
from headframe.runtime.tls import certificate_fingerprint, client_context, server_context
from headframe.runtime.tlslayer import TlsLayer
from tests.fakes.certificates import write_certificate
from tests.fakes.loops import port_of

HOST = "127.0.0.1"
HEADER = b"HEADER\n"
OnLoop = Callable[[Coroutine[Any, Any, None]], None]


class Upper(asyncio.Protocol):
    """Speaks above TLS: gives back what it hears, and notes what happens."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.heard = b""
        self.transport: asyncio.Transport | None = None
        self.over = asyncio.Event()
        self.reason: Exception | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.notes.append("made")
        self.transport.write(b"hello ")
        self.transport.write(b"")

    def data_received(self, data: bytes) -> None:
        self.heard += data
        assert self.transport is not None
        if data == b"bye":
            self.transport.close()
            self.transport.write(b"never sent")
            self.transport.close()
        elif data == b"cut":
            self.transport.abort()
        else:
            self.transport.write(data)

    def eof_received(self) -> bool:
        self.notes.append("eof")
        return False

    def pause_writing(self) -> None:
        self.notes.append("paused")

    def resume_writing(self) -> None:
        self.notes.append("resumed")

    def connection_lost(self, exc: Exception | None) -> None:
        self.notes.append("lost")
        self.reason = exc
        self.over.set()


class Plain(asyncio.Protocol):
    """Reads the header, and puts TLS on what follows."""

    def __init__(self, context: ssl.SSLContext, upper: Upper, seconds: float) -> None:
        self._context = context
        self._upper = upper
        self._seconds = seconds
        self._transport: asyncio.Transport | None = None
        self._head = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._head += data
        if len(self._head) < len(HEADER):
            return
        assert self._transport is not None
        layer = TlsLayer(
            self._transport, self._context, lambda: self._upper, handshake_seconds=self._seconds
        )
        if len(self._head) > len(HEADER):
            layer.data_received(self._head[len(HEADER) :])


class Scene:
    """A port on which a header comes before TLS."""

    def __init__(self, folder: Path, seconds: float = 60.0) -> None:
        self.chain, self.key = write_certificate(folder)
        self.upper = Upper()
        self.seconds = seconds

    @asynccontextmanager
    async def port(self) -> AsyncIterator[int]:
        context = server_context(self.chain, self.key)
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Plain(context, self.upper, self.seconds), HOST, 0)
        try:
            yield port_of(server)
        finally:
            server.close()

    def hello(self) -> tuple[ssl.SSLObject, ssl.MemoryBIO, ssl.MemoryBIO]:
        """A client's TLS without a connection, so that its bytes may be cut in any way."""
        context = client_context(fingerprint=certificate_fingerprint(self.chain))
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        return context.wrap_bio(incoming, outgoing, server_hostname=HOST), incoming, outgoing


class Client:
    """The client's side, byte by byte if need be.

    Args:
        sock: connected.
        scene: whom it speaks to.
        cut: so many bytes are sent at once.
    """

    def __init__(self, sock: socket.socket, scene: Scene, cut: int) -> None:
        self._sock = sock
        self._tls, self._incoming, self._outgoing = scene.hello()
        self._cut = cut
        self._ahead = HEADER

    async def _turn(self, act: Callable[[], Any]) -> Any:
        """Do something with TLS, sending and reading what it takes."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                return act()
            except ssl.SSLWantReadError:
                await self._send()
                data = await loop.sock_recv(self._sock, 1 << 16)
                if data:
                    self._incoming.write(data)
                else:
                    self._incoming.write_eof()

    async def _send(self) -> None:
        data, self._ahead = self._ahead + self._outgoing.read(), b""
        for at in range(0, len(data), self._cut):
            await asyncio.get_running_loop().sock_sendall(self._sock, data[at : at + self._cut])
            if self._cut < 100:
                await asyncio.sleep(0)  # so that the other side reads between

    async def shake_hands(self) -> None:
        await self._turn(self._tls.do_handshake)
        await self._send()

    async def say(self, data: bytes) -> None:
        self._tls.write(data)
        await self._send()

    async def hear(self, size: int) -> bytes:
        heard = b""
        while len(heard) < size:
            heard += await self._turn(partial(self._tls.read, size - len(heard)))
        return heard

    async def hear_end(self) -> None:
        """Take the other side's goodbye; a connection that is cut off raises instead."""
        assert await self._turn(lambda: self._tls.read(1)) == b""

    async def goodbye(self) -> None:
        try:
            self._tls.unwrap()
        except ssl.SSLError:
            await self._send()


@asynccontextmanager
async def client(scene: Scene, port: int, cut: int = 1 << 16) -> AsyncIterator[Client]:
    loop = asyncio.get_running_loop()
    with socket.socket() as sock:
        sock.setblocking(False)
        await loop.sock_connect(sock, (HOST, port))
        yield Client(sock, scene, cut)


@pytest.mark.parametrize("cut", [1 << 16, 7, 1])
def test_what_is_said_behind_a_header_is_tls(on_loop: OnLoop, tmp_path: Path, cut: int) -> None:
    async def main() -> None:
        scene = Scene(tmp_path)
        async with scene.port() as port, client(scene, port, cut) as peer:
            await peer.shake_hands()
            await peer.say(b"first")
            assert await peer.hear(11) == b"hello first"
            transport = scene.upper.transport
            assert transport is not None
            assert transport.get_extra_info("peername")[0] == HOST
            assert transport.get_extra_info("ssl_object") is not None
            assert transport.get_extra_info("nonsense", 7) == 7
            assert plain_socket(transport) == -1  # nobody may write past TLS
            assert transport.get_protocol() is scene.upper
            assert not transport.can_write_eof()

    on_loop(main())


def test_megabytes_come_through_and_pause_the_writer(on_loop: OnLoop, tmp_path: Path) -> None:
    async def main() -> None:
        scene = Scene(tmp_path)
        data = bytes(range(256)) * (1 << 15)
        async with scene.port() as port, client(scene, port) as peer:
            await peer.shake_hands()
            assert await peer.hear(6) == b"hello "
            transport = scene.upper.transport
            assert transport is not None
            transport.set_write_buffer_limits(high=1 << 16)
            transport.write(data)
            assert transport.get_write_buffer_size() > 0
            assert await peer.hear(len(data)) == data
            while scene.upper.notes != ["made", "paused", "resumed"]:
                await asyncio.sleep(0)
            transport.pause_reading()
            assert not transport.is_reading()
            transport.resume_reading()
            assert transport.is_reading()

    on_loop(main())


def test_both_sides_say_goodbye(on_loop: OnLoop, tmp_path: Path) -> None:
    async def main() -> None:
        scene = Scene(tmp_path)
        async with scene.port() as port:
            async with client(scene, port) as peer:
                await peer.shake_hands()
                await peer.say(b"bye")
                assert await peer.hear(6) == b"hello "
                await peer.hear_end()
            await scene.upper.over.wait()
            assert scene.upper.notes == ["made", "lost"]
            scene.upper = Upper()
            async with client(scene, port) as peer:
                await peer.shake_hands()
                await peer.goodbye()
                await scene.upper.over.wait()
            assert scene.upper.notes == ["made", "eof", "lost"]

    on_loop(main())


def test_an_end_without_goodbye_is_an_end(on_loop: OnLoop, tmp_path: Path) -> None:
    async def main() -> None:
        scene = Scene(tmp_path)
        async with scene.port() as port:
            async with client(scene, port) as peer:
                await peer.shake_hands()
                await peer.say(b"x")
                assert await peer.hear(7) == b"hello x"
            await scene.upper.over.wait()
            assert scene.upper.notes[0] == "made"
            assert scene.upper.notes[-1] == "lost"
            scene.upper = Upper()
            async with client(scene, port) as peer:
                await peer.shake_hands()
                await peer.say(b"cut")
                await scene.upper.over.wait()
            assert scene.upper.notes == ["made", "lost"]

    on_loop(main())


@pytest.mark.parametrize("rubbish", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x05hello" * 9])
def test_what_is_no_tls_is_cut_off(on_loop: OnLoop, tmp_path: Path, rubbish: bytes) -> None:
    async def main() -> None:
        scene = Scene(tmp_path)
        async with scene.port() as port:
            reader, writer = await asyncio.open_connection(HOST, port)
            writer.write(HEADER + rubbish)
            with suppress(ConnectionError):
                await reader.read()
            writer.close()
        assert scene.upper.notes == []

    on_loop(main())


def test_rubbish_after_the_handshake_is_cut_off(on_loop: OnLoop, tmp_path: Path) -> None:
    async def main() -> None:
        scene = Scene(tmp_path)
        async with scene.port() as port, client(scene, port) as peer:
            await peer.shake_hands()
            peer._ahead = b"this is no record of TLS at all"
            await peer._send()
            await scene.upper.over.wait()
        assert scene.upper.notes == ["made", "lost"]

    on_loop(main())


def test_the_handshake_must_come_in_time(on_loop: OnLoop, tmp_path: Path) -> None:
    async def main() -> None:
        scene = Scene(tmp_path, seconds=0.01)
        async with scene.port() as port:
            reader, writer = await asyncio.open_connection(HOST, port)
            writer.write(HEADER)
            with suppress(ConnectionError):
                assert await reader.read() == b""
            writer.close()
        assert scene.upper.notes == []

    on_loop(main())
