"""A link on loopback that does to bytes what bad networks do, between two real programs.

It stands in front of a port and passes everything on, both ways. A test tells each way to
delay, to cut what passes into small pieces, to gather it and let it go at once, or to stall;
and all connections to be reset, or closed on one side. What passed is kept, so that a test
can see what was said. Sizes and delays are drawn from a seed, and so the same in every run.
"""

import asyncio
import contextlib
import random
import socket
import struct
from dataclasses import dataclass, field
from typing import Self

__all__ = ["FaultLink", "Line", "Way"]

READ_BYTES = 1 << 16
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: on, for no time at all; the peer sees a reset instead of an end."""


class Way:
    """One direction of a link; what is set counts for what comes from then on.

    Args:
        seed: of the sizes and delays.

    Attributes:
        delay_seconds: each piece waits up to so long.
        piece_bytes: what passes is cut into pieces of 1 to so many bytes; 0: it is not cut.
        merge_seconds: what comes within so long of the first byte passes at once.
    """

    def __init__(self, seed: int) -> None:
        self.delay_seconds = 0.0
        self.piece_bytes = 0
        self.merge_seconds = 0.0
        self._random = random.Random(seed)
        self._open = asyncio.Event()
        self._open.set()

    def calm(self) -> None:
        """Pass everything on as it comes."""
        self.delay_seconds = self.merge_seconds = 0.0
        self.piece_bytes = 0
        self._open.set()

    def stall(self) -> None:
        """Let nothing pass until `calm`; what is sent waits here and in the sender's socket."""
        self._open.clear()

    async def gather(self, reader: asyncio.StreamReader) -> bytes:
        """Return what passes next; empty at the end."""
        data = await reader.read(READ_BYTES)
        if data and self.merge_seconds:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.merge_seconds):
                    while more := await reader.read(READ_BYTES):
                        data += more
        await self._open.wait()
        return data

    async def send(self, data: bytes, writer: asyncio.StreamWriter, kept: bytearray) -> None:
        """Let bytes pass, late and in pieces; keep what passed."""
        at = 0
        while at < len(data):
            size = self._random.randint(1, self.piece_bytes) if self.piece_bytes else len(data)
            # Without a delay a turn of the loop: else the pieces would leave together.
            await asyncio.sleep(self._random.uniform(0, self.delay_seconds))
            writer.write(data[at : at + size])
            kept += data[at : at + size]
            await writer.drain()
            at += size


@dataclass(eq=False)
class Line:
    """One connection through a link.

    Attributes:
        to_server: what passed from the client to the server.
        to_client: what passed back.
        ended: neither side can say anything more.
    """

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    to_server: bytearray = field(default_factory=bytearray)
    to_client: bytearray = field(default_factory=bytearray)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def reset(self) -> None:
        """Cut it off; both sides see a reset."""
        for writer in (self.client, self.server):
            taken = writer.get_extra_info("socket")
            if taken is not None and taken.fileno() >= 0:
                taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()


class FaultLink:
    """A link to a port on loopback; an asynchronous context manager.

    Args:
        to_port: of the server; may be changed at any time.
        seed: of all that is drawn.

    Attributes:
        port: where clients connect.
        to_server: the way from clients to the server.
        to_client: the way back.
        lines: all connections so far.
    """

    def __init__(self, to_port: int, *, seed: int = 1) -> None:
        self.to_port = to_port
        self.port = 0
        self.to_server = Way(seed)
        self.to_client = Way(seed + 1)
        self.lines: list[Line] = []
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._server is not None
        self._server.close()
        self.calm()
        for line in self.open_lines:
            line.reset()
        for line in self.lines:
            await line.ended.wait()

    @property
    def open_lines(self) -> list[Line]:
        """The connections that have not ended."""
        return [line for line in self.lines if not line.ended.is_set()]

    def calm(self) -> None:
        """Pass everything on as it comes, both ways."""
        self.to_server.calm()
        self.to_client.calm()

    def reset(self) -> None:
        """Cut all connections off; clients may come back."""
        for line in self.open_lines:
            line.reset()

    def end_client(self) -> None:
        """Tell the server that the clients have said all; the way back stays open."""
        for line in self.open_lines:
            _end(line.server)

    def end_server(self) -> None:
        """Tell the clients that the server has said all; the way there stays open."""
        for line in self.open_lines:
            _end(line.client)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.to_port)
        except OSError:
            writer.transport.abort()
            return
        line = Line(writer, back)
        self.lines.append(line)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_pump(self.to_server, reader, back, line.to_server))
                group.create_task(_pump(self.to_client, there, writer, line.to_client))
        finally:
            writer.transport.abort()
            back.transport.abort()
            line.ended.set()


async def _pump(
    way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kept: bytearray
) -> None:
    """Pass bytes one way until their end, or that of who takes them; then pass the end on."""
    with contextlib.suppress(OSError, RuntimeError):  # nothing more can be said to it
        while data := await way.gather(reader):
            await way.send(data, writer, kept)
    _end(writer)


def _end(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, RuntimeError):
        writer.write_eof()
