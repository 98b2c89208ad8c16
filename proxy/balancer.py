"""Behind a balancer: a connection begins with a header that says whose it is.

The header is required where it is asked for, and believed only from the networks that
may send one. TLS begins behind it, where the listener has TLS: the balancer passes it on as
it comes. Then the connection is a rig's as any other, with the address that the header
gave: limits, rules, bans and the status go by that.
"""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any, Final, cast

from headframe.runtime.logs import get_logger
from headframe.runtime.ports import HANDSHAKE_SECONDS
from headframe.runtime.tlslayer import TlsLayer
from headframe.runtime.wire import Wire, format_peer
from proxy.proxyheader import HeaderError, HeaderReader

__all__ = ["HEADER_SECONDS", "Headed"]

log = get_logger(__name__)

HEADER_SECONDS: Final = 5.0
"""How long a balancer may take for its header, which is the first thing it sends."""


class Headed(asyncio.Protocol):
    """A connection until its header is read; then its wire takes over.

    Args:
        make: makes that wire.
        trusted: networks that may send headers.
        refused: called once for each connection that does not come so far.
        header_seconds: how long the header may take.
        tls: what is shown to whoever comes behind the header; `None` without TLS.
        handshake_seconds: how long TLS may take.
    """

    def __init__(
        self,
        make: Callable[[], Wire[Any]],
        trusted: Sequence[IPv4Network | IPv6Network],
        refused: Callable[[], None],
        *,
        header_seconds: float = HEADER_SECONDS,
        tls: ssl.SSLContext | None = None,
        handshake_seconds: float = HANDSHAKE_SECONDS,
    ) -> None:
        self._make = make
        self._trusted = trusted
        self._refused = refused
        self._header_seconds = header_seconds
        self._tls = tls
        self._handshake_seconds = handshake_seconds
        self._reader = HeaderReader()
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Look whether the balancer is one of ours, and give it time for its header."""
        self._transport = cast("asyncio.Transport", transport)
        if not self._is_trusted():
            self._refuse("it is not from a network that may send PROXY headers")
            return
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._header_seconds, self._refuse, "it sent no header")

    def data_received(self, data: bytes) -> None:
        """Take the header, and hand over with the first byte behind it."""
        transport = self._transport
        if transport is None:  # refused; what comes late is for nobody
            return
        try:
            taken = self._reader.feed(data)
        except HeaderError as error:
            self._refuse(str(error))
            return
        if not self._reader.done:
            return
        self._stop()
        if self._tls is None:
            above: asyncio.Protocol = self._make_wire()
            transport.set_protocol(above)
            above.connection_made(transport)
        else:
            above = TlsLayer(
                transport,
                self._tls,
                self._make_wire,
                handshake_seconds=self._handshake_seconds,
            )
        if len(data) > taken and not transport.is_closing():
            above.data_received(data[taken:])

    def _make_wire(self) -> Wire[Any]:
        wire = self._make()
        if self._reader.peer:
            wire.come_from(self._reader.peer)
        return wire

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it: it ended before its header was whole."""
        del exc
        if self._transport is not None:
            self._stop()
            self._refused()

    def _is_trusted(self) -> bool:
        assert self._transport is not None  # noqa: S101 - it was just made
        match self._transport.get_extra_info("peername"):
            case (str(host), *_):
                address = ip_address(host.partition("%")[0])
                mapped = getattr(address, "ipv4_mapped", None) or address
                return any(mapped in network for network in self._trusted)
            case _:
                return False

    def _refuse(self, why: str) -> None:
        transport = self._transport
        assert transport is not None  # noqa: S101 - nobody calls it later
        peer = format_peer(transport.get_extra_info("peername"))
        log.warning("balancer_refused", peer=peer, why=why)
        self._stop()
        transport.abort()
        self._refused()

    def _stop(self) -> None:
        """Let go of the connection."""
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
