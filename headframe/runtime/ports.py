"""Ports: how this machine listens, how sockets are set up, and what their errors mean."""

import asyncio
import errno
import re
import socket
import ssl
from collections.abc import Callable
from typing import Final

from headframe.runtime.errors import ListenError, PortInUseError

__all__ = [
    "LAST_PORT",
    "errno_of",
    "format_peer",
    "listen",
    "listen_error",
    "plain_error",
    "plain_socket",
    "set_socket_options",
]

LAST_PORT: Final = 65_535

HANDSHAKE_SECONDS = 10.0
"""How long a peer may take to agree on TLS, if nothing else is said."""

KEEPALIVE_IDLE_SECONDS = 60
KEEPALIVE_INTERVAL_SECONDS = 15
KEEPALIVE_PROBES = 4
"""A peer whose machine vanished is noticed after two minutes, not after the system's two hours."""


async def listen(
    host: str,
    port: int,
    make: Callable[[], asyncio.BaseProtocol],
    *,
    tls: ssl.SSLContext | None = None,
    backlog: int = 4096,
    handshake_seconds: float = HANDSHAKE_SECONDS,
) -> asyncio.Server:
    """Accept connections; `make` is called for each.

    Args:
        host: an address or a name of this machine; "" for all interfaces.
        port: 1 to 65535, or 0 for a free one.
        make: makes the wire of one connection, or what becomes one.
        tls: the server's context, with its certificate loaded.
        backlog: how many connections may wait to be accepted.
        handshake_seconds: how long a peer may take to agree on TLS.

    Raises:
        PortInUseError: another program listens there.
        ListenError: this machine cannot listen there for another reason.
    """
    if not 0 <= port <= LAST_PORT:
        raise ListenError(f"{format_peer((host, port))}: a port is a number from 0 to {LAST_PORT}")
    loop = asyncio.get_running_loop()
    try:
        server = await loop.create_server(
            make,
            host or None,
            port,
            ssl=tls,
            backlog=backlog,
            ssl_handshake_timeout=handshake_seconds if tls is not None else None,
        )
    except (OSError, UnicodeError) as error:
        raise listen_error(host, port, error) from error
    for sock in server.sockets:
        set_socket_options(sock)
    return server


def listen_error(host: str, port: int, error: Exception) -> ListenError:
    """Turn what the system says about an address to listen on into one line for people."""
    where = format_peer((host or "*", port))
    number = errno_of(error)
    if number == errno.EADDRINUSE:
        return PortInUseError(
            f"{where} is in use: stop the program that listens there, or choose another port"
        )
    if isinstance(error, socket.gaierror | UnicodeError):
        return ListenError(f"{where}: {host!r} is no address or name of this machine")
    if number == errno.EADDRNOTAVAIL:
        return ListenError(
            f"{where}: this machine has no address {host}; use one it has, or 127.0.0.1"
        )
    if number == errno.EACCES:
        return ListenError(f"{where} needs more rights: choose a port above 1023")
    return ListenError(f"{where} cannot be listened on: {plain_error(error)}")


def format_peer(name: object) -> str:
    """Write a socket's address as "host:port", with brackets around IPv6; "" if there is none."""
    if not isinstance(name, tuple) or len(name) < 2 or not isinstance(name[1], int):
        return ""
    host, port = name[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def set_socket_options(sock: socket.socket | None) -> None:
    """No waiting for more to send, and a peer that vanished is noticed.

    Connections inherit it from the socket that listens.
    """
    if sock is None or sock.family not in {socket.AF_INET, socket.AF_INET6}:
        return
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (  # named differently, or missing, on some systems
        ("TCP_KEEPIDLE", KEEPALIVE_IDLE_SECONDS),
        ("TCP_KEEPINTVL", KEEPALIVE_INTERVAL_SECONDS),
        ("TCP_KEEPCNT", KEEPALIVE_PROBES),
    ):
        if (option := getattr(socket, name, None)) is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)


def plain_socket(transport: asyncio.BaseTransport) -> int:
    """Find the descriptor that a connection's bytes are sent by as they are.

    Returns:
        It; -1 where there is none, as with TLS.
    """
    if transport.get_extra_info("sslcontext") is not None:
        return -1
    sock = transport.get_extra_info("socket")
    return -1 if sock is None else int(sock.fileno())


def errno_of(error: Exception) -> int | None:
    """Find the system's error number, also where asyncio folded several errors into a text."""
    number = getattr(error, "errno", None)
    if isinstance(number, int):
        return number
    found = re.search(r"\[Errno (\d+)\]", str(error))
    return int(found[1]) if found else None


def plain_error(error: Exception) -> str:
    """Say what the system says, in its own words."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
