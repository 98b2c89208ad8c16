"""`TlsLayer`: TLS on a connection that stands already, for the server's side.

asyncio begins TLS either with the first byte of a connection, or in a coroutine and on a
connection of which nothing was read ahead. Behind a balancer neither is so: a header in
plain text comes first, and the client's hello often in the same read. Here bytes that were
read ahead are handed on, and nothing waits.
"""

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from headframe.runtime.logs import get_logger
from headframe.runtime.ports import HANDSHAKE_SECONDS, format_peer

__all__ = ["TlsLayer"]

log = get_logger(__name__)

_READ_BYTES: Final = 1 << 16
_MORE_TO_COME: Final = (ssl.SSLWantReadError, ssl.SSLWantWriteError)


class TlsLayer(asyncio.Protocol):
    """Between a plain connection and whoever speaks with its peer; give it all that was read.

    Args:
        transport: the connection; this becomes its protocol.
        context: what the peer is shown.
        make: makes the protocol above, once the peer has agreed on TLS.
        handshake_seconds: how long that may take.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        context: ssl.SSLContext,
        make: Callable[[], asyncio.Protocol],
        *,
        handshake_seconds: float = HANDSHAKE_SECONDS,
    ) -> None:
        self._below = transport
        self._make = make
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._face: _Face | None = None
        self._late = asyncio.get_running_loop().call_later(
            handshake_seconds, self._refuse, "it did not agree on TLS in time"
        )
        transport.set_protocol(self)

    def data_received(self, data: bytes) -> None:
        """Take what the peer sent; the protocol above gets what is in it."""
        self._incoming.write(data)
        if self._face is None and not self._shake_hands():
            return
        assert self._face is not None  # noqa: S101 - hands were shaken
        self._read(self._face)
        self._flush()

    def eof_received(self) -> bool:
        """Let the protocol above know that the peer has hung up."""
        return self._face is not None and bool(self._face.above.eof_received())

    def pause_writing(self) -> None:
        """Let the protocol above know that the peer does not read."""
        if self._face is not None:
            self._face.above.pause_writing()

    def resume_writing(self) -> None:
        """Let it know that the peer reads again."""
        if self._face is not None:
            self._face.above.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let it know of the end."""
        self._late.cancel()
        if self._face is not None:
            self._face.above.connection_lost(exc)

    # what the transport above asks for

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes as TLS."""
        view = memoryview(data)
        while view:
            view = view[self._tls.write(view) :]
        self._flush()

    def say_goodbye(self) -> None:
        """Tell the peer that nothing more comes, so that it knows nothing was cut off."""
        with suppress(ssl.SSLError):  # its own goodbye is not waited for
            self._tls.unwrap()
        self._flush()

    def _shake_hands(self) -> bool:
        """Go on to agree on TLS; true once that is done."""
        try:
            self._tls.do_handshake()
        except _MORE_TO_COME:
            self._flush()
            return False
        except ssl.SSLError as error:
            self._flush()  # the alert, which tells the peer why
            self._refuse(error.reason or "no TLS")
            return False
        self._late.cancel()
        self._flush()
        above = self._make()
        self._face = _Face(self, self._below, self._tls, above)
        above.connection_made(self._face)
        return not self._face.is_closing()

    def _read(self, face: "_Face") -> None:
        while not face.is_closing():
            try:
                data = self._tls.read(_READ_BYTES)
            except _MORE_TO_COME:
                return
            except ssl.SSLError as error:
                self._refuse(error.reason or "broken TLS")
                return
            if not data:  # it said goodbye
                face.above.eof_received()
                face.close()
                return
            face.above.data_received(data)

    def _flush(self) -> None:
        if self._outgoing.pending and not self._below.is_closing():
            self._below.write(self._outgoing.read())

    def _refuse(self, why: str) -> None:
        peer = format_peer(self._below.get_extra_info("peername"))
        log.debug("tls_failed", peer=peer, why=why)
        self._below.abort()


class _Face(asyncio.Transport):
    """The connection, as the protocol above sees it."""

    def __init__(
        self,
        layer: TlsLayer,
        below: asyncio.Transport,
        tls: ssl.SSLObject,
        above: asyncio.Protocol,
    ) -> None:
        super().__init__({"ssl_object": tls, "sslcontext": tls.context})
        self.above = above
        self._layer = layer
        self._below = below
        self._is_closing = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        found = super().get_extra_info(name)
        return self._below.get_extra_info(name, default) if found is None else found

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        assert isinstance(protocol, asyncio.Protocol)  # noqa: S101 - nothing else is above TLS
        self.above = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self.above

    def is_closing(self) -> bool:
        return self._is_closing or self._below.is_closing()

    def is_reading(self) -> bool:
        return self._below.is_reading()

    def pause_reading(self) -> None:
        self._below.pause_reading()

    def resume_reading(self) -> None:
        self._below.resume_reading()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._below.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        return self._below.get_write_buffer_size()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self.is_closing():
            self._layer.write(data)

    def can_write_eof(self) -> bool:
        return False

    def close(self) -> None:
        if not self.is_closing():
            self._is_closing = True
            self._layer.say_goodbye()
            self._below.close()

    def abort(self) -> None:
        self._is_closing = True
        self._below.abort()
