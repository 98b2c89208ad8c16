"""A service manager's end of sd_notify: a datagram socket that keeps what it is told."""

import asyncio
import socket
from pathlib import Path
from types import TracebackType
from typing import Self

from headframe.runtime.latest import Latest

__all__ = ["Manager"]


class Manager:
    """Listens like systemd does; an asynchronous context manager.

    Args:
        address: a path, or "@name" in the abstract namespace.

    Attributes:
        heard: each datagram's lines, in order.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.heard: Latest[tuple[tuple[str, ...], ...]] = Latest(())
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    async def __aenter__(self) -> Self:
        where = f"\0{self.address[1:]}" if self.address.startswith("@") else self.address
        self._socket.setblocking(False)
        self._socket.bind(where)
        asyncio.get_running_loop().add_reader(self._socket, self._read)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()
        if not self.address.startswith("@"):
            Path(self.address).unlink()

    def env(self, **more: str) -> dict[str, str]:
        """What a program finds in its environment."""
        return {"NOTIFY_SOCKET": self.address, **more}

    @property
    def lines(self) -> list[str]:
        """All lines that were heard."""
        return [line for each in self.heard.get() for line in each]

    async def wait(self, line: str, count: int = 1) -> None:
        """Wait until a line that begins so was heard so often."""
        while sum(each.startswith(line) for each in self.lines) < count:
            await self.heard.wait_newer(self.heard.serial)

    def _read(self) -> None:
        text = self._socket.recv(65536).decode()
        self.heard.set((*self.heard.get(), tuple(text.split("\n"))))
