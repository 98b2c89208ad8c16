"""`open_socket`: a TCP connection to a name that may have several addresses.

The addresses are tried in turn, families interleaved, the next a quarter of a second
after the one before even if that has not failed yet, and the first that stands wins
(RFC 8305, in its simple form). Event loops do this differently or not at all, so it is
done here, the same on each.
"""

import asyncio
import contextlib
import itertools
import socket
from collections.abc import Sequence
from typing import Final

__all__ = ["Address", "interleave", "open_any", "open_socket"]

_HEAD_START_SECONDS: Final = 0.25
"""How long one address is tried alone; what RFC 8305 recommends."""
_MOST_ADDRESSES: Final = 16
"""More are not tried: a name with more is an accident, or an attack."""

Address = tuple[socket.AddressFamily, tuple[object, ...]]
"""A family and the address within it, as `getaddrinfo` gives them."""


async def open_socket(host: str, port: int) -> socket.socket:
    """Connect to a name or an address; takes no longer than its caller lets it.

    Args:
        host: a name, an IPv4 address, or an IPv6 address without brackets.
        port: 1 to 65535.

    Returns:
        A connected socket that does not block; the caller's to close.

    Raises:
        OSError: not resolved, or no address could be connected to; the first address's
            error, since the resolver puts the best first.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = interleave([(family, address) for family, _, _, _, address in found])
    if not addresses:
        raise socket.gaierror(f"{host} has no address")
    return await open_any(addresses)


async def open_any(addresses: Sequence[Address]) -> socket.socket:
    """Connect to the first address that answers.

    Args:
        addresses: at least one, the best first; 16 are tried at most.

    Raises:
        OSError: none could be connected to; the first one's error.
    """
    return await _Race(addresses[:_MOST_ADDRESSES]).run()


def interleave(addresses: Sequence[Address]) -> list[Address]:
    """Order addresses so that families take turns; each once, the first stays first."""
    rows: dict[socket.AddressFamily, list[Address]] = {}
    for each in dict.fromkeys(addresses):
        rows.setdefault(each[0], []).append(each)
    mixed = itertools.zip_longest(*rows.values())
    return [each for row in mixed for each in row if each is not None]


class _Race:
    """Connects to several addresses, one a little after the other."""

    def __init__(self, addresses: Sequence[Address]) -> None:
        self._addresses = addresses
        self._errors: dict[int, OSError] = {}
        self._won: socket.socket | None = None
        self._news = asyncio.Event()

    async def run(self) -> socket.socket:
        try:
            await self._run()
        except BaseException:  # cancelled: nobody will take the winner
            if self._won is not None:
                self._won.close()
            raise
        if self._won is None:
            raise self._errors[min(self._errors)]
        return self._won

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            tasks = []
            for place, address in enumerate(self._addresses):
                tasks.append(group.create_task(self._try(place, address)))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_HEAD_START_SECONDS):
                        await self._settled(place + 1)
                if self._won is not None:
                    break
            await self._settled(len(tasks))
            for task in tasks:
                task.cancel()

    async def _settled(self, started: int) -> None:
        """Wait until one has won, or all that were started have failed."""
        while self._won is None and len(self._errors) < started:
            self._news.clear()
            await self._news.wait()

    async def _try(self, place: int, address: Address) -> None:
        family, where = address
        sock: socket.socket | None = None
        try:
            sock = socket.socket(family, socket.SOCK_STREAM)
            sock.settimeout(0)  # it shall not block
            await asyncio.get_running_loop().sock_connect(sock, where)
        except OSError as error:
            self._errors[place] = error
        else:
            if self._won is None:
                self._won, sock = sock, None
        finally:
            if sock is not None:
                sock.close()
            self._news.set()
