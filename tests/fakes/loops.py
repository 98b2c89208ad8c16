"""Both event loops that the programs run on, and what a server on one of them listens to."""

import asyncio
from collections.abc import Callable

import uvloop

__all__ = ["LOOPS", "port_of"]

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.SelectorEventLoop,
    "uvloop": uvloop.new_event_loop,
}


def port_of(server: asyncio.Server) -> int:
    """The port of its first socket."""
    port = server.sockets[0].getsockname()[1]
    assert isinstance(port, int)
    return port
