"""A SOCKS5 and an HTTP CONNECT proxy on loopback, each as small as it can be.

They connect to wherever the test says, whatever they are asked for, and keep a list of
what they were asked.
"""

import asyncio
import base64
import contextlib
import struct
from typing import Self

__all__ = ["FakeTunnel"]


class FakeTunnel:
    """A proxy; an asynchronous context manager.

    Args:
        scheme: "socks5" or "http".
        to_port: where on loopback every connection goes; 0: nowhere, all are refused.
        login: the user and password that it wants; `None` for none.

    Attributes:
        port: where it listens.
        asked: "host:port" as each client asked for it, in order.
    """

    def __init__(
        self, scheme: str, *, to_port: int = 0, login: tuple[str, str] | None = None
    ) -> None:
        self._greet = {"socks5": self._socks5, "http": self._http}[scheme]
        self.scheme = scheme
        self.to_port = to_port
        self.port = 0
        self.asked: list[str] = []
        self._login = login
        self._server: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        with contextlib.suppress(OSError, EOFError):
            if not await self._greet(reader, writer):
                writer.close()
                return
            there, back = await asyncio.open_connection("127.0.0.1", self.to_port)
            self._writers.append(back)
            async with asyncio.TaskGroup() as group:
                group.create_task(_pump(reader, back))
                group.create_task(_pump(there, writer))

    async def _socks5(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """RFC 1928 and, for the login, RFC 1929."""
        _version, count = await reader.readexactly(2)
        methods = await reader.readexactly(count)
        method = 2 if self._login else 0
        writer.write(bytes([5, method if method in methods else 0xFF]))
        if method not in methods:
            return False
        if self._login:
            _, size = await reader.readexactly(2)
            user = await reader.readexactly(size)
            (size,) = await reader.readexactly(1)
            password = await reader.readexactly(size)
            good = (user.decode(), password.decode()) == self._login
            writer.write(bytes([1, not good]))
            if not good:
                return False
        _, _, _, kind = await reader.readexactly(4)
        if kind == 3:
            (size,) = await reader.readexactly(1)
            host = (await reader.readexactly(size)).decode()
        else:
            host = (await reader.readexactly({1: 4, 4: 16}[kind])).hex(".")
        (port,) = struct.unpack(">H", await reader.readexactly(2))
        self.asked.append(f"{host}:{port}")
        writer.write(bytes([5, 0 if self.to_port else 5, 0, 1]) + bytes(6))  # 5: refused
        return bool(self.to_port)

    async def _http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, where, _ = head.split(" ", 2)
        assert method == "CONNECT"
        if self._login:
            token = base64.b64encode(":".join(self._login).encode()).decode()
            if f"Proxy-Authorization: Basic {token}" not in head:
                writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
                return False
        self.asked.append(where)
        good = bool(self.to_port)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" if good else b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
        return good


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
    writer.close()
