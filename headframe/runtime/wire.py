"""`Wire`: the one place where bytes meet sockets, for any core, either side.

A core (`stratum.core` tells its contract) is driven by an asyncio protocol, on uvloop or
plain asyncio alike. Each read leads to one call of the core, one call of its owner with
the events, and one write.
"""

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from headframe.runtime.certificate import certificate_until
from headframe.runtime.errors import DialError
from headframe.runtime.logs import get_logger
from headframe.runtime.ports import (
    LAST_PORT,
    errno_of,
    format_peer,
    listen,
    listen_error,
    plain_error,
    plain_socket,
    set_socket_options,
)
from headframe.runtime.sockets import open_socket
from headframe.runtime.tunnel import Tunnel, open_through
from headframe.runtime.wirelog import RecordedCore, WireLog

__all__ = [
    "Batch",
    "Core",
    "SlowReaderError",
    "Wire",
    "dial",
    "format_peer",
    "listen",
    "listen_error",
]

log = get_logger(__name__)

E = TypeVar("E")
E_co = TypeVar("E_co", covariant=True)

LINGER_SECONDS = 5.0
"""How long the last bytes may take to leave after `close`; then the connection is cut."""


class Core(Protocol[E_co]):
    """Bytes in, events out. The same face as `stratum.core.SansIO`, which this may not import."""

    def receive_data(self, data: bytes) -> Sequence[E_co]:
        """Take bytes from the peer, cut in any way; tell what they mean."""

    def receive_eof(self) -> Sequence[E_co]:
        """Take note that the peer closed; tell what that ends."""

    def data_to_send(self) -> bytes:
        """Return what is to be written now, and forget it."""


class Batch(Protocol):
    """What sends to many peers in one go."""

    def add(self, data: bytes, number: int, transport: asyncio.WriteTransport) -> None:
        """Have bytes sent soon by a descriptor; what that does not take, by its transport."""


class SlowReaderError(ConnectionError):
    """The peer left more bytes unread than the wire holds for it, and was cut off."""


class Wire(asyncio.Protocol, Generic[E]):
    """One connection: a core, its socket, and its owner's callbacks.

    An exception out of the core or a callback is a bug: it is logged with its traceback
    and ends this connection only.

    Args:
        core: what understands the bytes. What it has to send at the start is sent first.
        on_events: gets the events of each read that brought any. Commands it gives to the
            core are written when it returns; it need not call `flush`.
        on_lost: called once, when the connection is over: with `None` after an orderly
            end, else with what ended it.
        on_made: called once, when the connection stands, before the first byte is sent.
        max_buffer_bytes: how many unsent bytes are kept for a peer that does not read;
            beyond it the peer is cut off.
        linger_seconds: how long the last bytes may take to leave after `close`.
    """

    __slots__ = (
        "__weakref__",
        "_busy",
        "_closed",
        "_eof_told",
        "_hang_up",
        "_linger",
        "_linger_seconds",
        "_max_buffer_bytes",
        "_on_events",
        "_on_lost",
        "_on_made",
        "_over",
        "_peer",
        "_reason",
        "_socket",
        "_transport",
        "core",
    )

    def __init__(
        self,
        core: Core[E],
        on_events: Callable[[Sequence[E]], None],
        *,
        on_lost: Callable[[Exception | None], None],
        on_made: Callable[[], None] | None = None,
        max_buffer_bytes: int = 1 << 20,
        linger_seconds: float = LINGER_SECONDS,
    ) -> None:
        self.core = core
        self._on_events = on_events
        self._on_lost = on_lost
        self._on_made = on_made
        self._max_buffer_bytes = max_buffer_bytes
        self._linger_seconds = linger_seconds
        self._transport: asyncio.Transport | None = None
        self._socket: int | None = None  # looked up when it is needed
        self._peer = ""
        self._busy = False
        self._hang_up = False
        self._eof_told = False
        self._reason: Exception | None = None
        self._linger: asyncio.TimerHandle | None = None
        self._over = False
        self._closed: asyncio.Event | None = None  # made when somebody waits: it is large

    def record(self, wire_log: WireLog, leg: str) -> None:
        """Have all that will be said and heard written down, as of the connection `leg`."""
        self.core = RecordedCore(self.core, lambda: wire_log.open(leg, self._peer))

    @property
    def peer(self) -> str:
        """The other side as "host:port", or "" before there is one."""
        return self._peer

    def come_from(self, peer: str) -> None:
        """Say who the other side is, as "host:port", where the socket does not know it."""
        self._peer = peer

    @property
    def certificate_until(self) -> float | None:
        """When the peer's certificate ends, in seconds since 1970; `None` without TLS."""
        tls = None if self._transport is None else self._transport.get_extra_info("ssl_object")
        shown = None if tls is None else tls.getpeercert(binary_form=True)
        return certificate_until(shown) if shown else None

    @property
    def closing(self) -> bool:
        """Whether the connection is over, or about to be."""
        return self._hang_up or self._transport is None or self._transport.is_closing()

    def flush(self) -> None:
        """Write what the core has to send; does nothing when there is nothing, or no peer.

        Inside a callback of this wire the bytes leave when the callback returns.
        """
        transport = self._transport
        if self._busy or transport is None or transport.is_closing():
            return
        data = self.core.data_to_send()
        if data:
            transport.write(data)

    def flush_with(self, batch: Batch) -> None:
        """As `flush`, but leave it to a batch, where the bytes may go straight to the socket.

        Until the batch has sent nothing may be written here.
        """
        data = b"" if self._busy or self.closing else self.core.data_to_send()
        if data:
            self.send_with(data, batch)

    def send_with(self, data: bytes, batch: Batch) -> None:
        """As `flush_with`, but bytes that the core knows nothing of; what it made has left."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        number = self._socket
        if number is None:
            number = self._socket = plain_socket(transport)
        if number < 0 or transport.get_write_buffer_size():
            transport.write(data)
        else:
            batch.add(data, number, transport)

    def close(self) -> None:
        """Write what is left, then hang up; a peer that does not take it is cut off soon after."""
        if self._busy:
            self._hang_up = True
            return
        self.flush()
        transport = self._transport
        if transport is None or self._over:
            return
        transport.close()
        if self._linger is None:
            loop = asyncio.get_running_loop()
            self._linger = loop.call_later(self._linger_seconds, self.abort)

    def abort(self) -> None:
        """Hang up at once; what is unsent is lost."""
        if self._transport is not None:
            self._transport.abort()

    async def wait_closed(self) -> None:
        """Wait until the connection is over and `on_lost` has been called."""
        if self._over:
            return
        if self._closed is None:
            self._closed = asyncio.Event()
        await self._closed.wait()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the transport, set the socket up and send what the core starts with."""
        self._transport = transport
        self._peer = self._peer or format_peer(transport.get_extra_info("peername"))
        transport.set_write_buffer_limits(high=self._max_buffer_bytes)
        made, self._on_made = self._on_made, None
        self._guarded(made)

    def data_received(self, data: bytes) -> None:
        """Hand bytes to the core, its events to the owner, and write the answers.

        As `_guarded` does, spelt out: this is called for every share.
        """
        self._busy = True
        try:
            events = self.core.receive_data(data)
            if events:
                self._on_events(events)
            self._busy = False
            transport = self._transport
            if transport is not None and not transport.is_closing():
                data = self.core.data_to_send()
                if data:
                    transport.write(data)
        except Exception as error:
            log.exception("connection_failed", peer=self._peer)
            self._crashed(error)
        if self._hang_up:
            self.close()

    def eof_received(self) -> bool:
        """Let the core know of the end, write what it still has to say, and hang up."""
        self._tell_eof()
        self.close()
        return False

    def pause_writing(self) -> None:
        """Cut off a peer that does not read; asyncio calls this above the buffer's limit."""
        self._fail(
            SlowReaderError(f"{self._peer} left more than {self._max_buffer_bytes} bytes unread")
        )

    def connection_lost(self, exc: Exception | None) -> None:
        """Let core and owner know, once each."""
        if self._linger is not None:
            self._linger.cancel()
        self._tell_eof()
        reason = self._reason or exc
        self._guarded(lambda: self._on_lost(reason))
        # The owner holds the wire: so that both are freed at once, not by the collector.
        self._on_events = self._on_lost = _ignore
        self._on_made = self._transport = None
        self._over = True
        if self._closed is not None:
            self._closed.set()

    def _tell(self, events: Sequence[E]) -> None:
        if events:
            self._on_events(events)

    def _tell_eof(self) -> None:
        if not self._eof_told:
            self._eof_told = True
            self._guarded(lambda: self._tell(self.core.receive_eof()))

    def _guarded(self, act: Callable[[], None] | None) -> None:
        """Run a callback, then write once; whatever it raises ends this connection alone."""
        try:
            if act is not None:
                self._busy = True
                act()
            self._busy = False
            self.flush()
        except Exception as error:
            log.exception("connection_failed", peer=self._peer)
            self._crashed(error)
        if self._hang_up:
            self.close()

    def _crashed(self, error: Exception) -> None:
        self._busy = False
        self._fail(error)

    def _fail(self, reason: Exception) -> None:
        if self._reason is None:
            self._reason = reason
        self.abort()


def _ignore(_told: object) -> None:
    """Stand in for the callbacks of a wire that is over."""


async def dial(
    host: str,
    port: int,
    make: Callable[[], Wire[E]],
    *,
    tls: ssl.SSLContext | None = None,
    tunnel: Tunnel | None = None,
    timeout_seconds: float = 10.0,
) -> Wire[E]:
    """Connect to a peer, with TLS when a context is given; to each of its addresses in turn.

    Args:
        host: a name or an address.
        port: 1 to 65535.
        make: makes the wire.
        tls: the client's context; it decides what is verified.
        tunnel: a proxy to go through.
        timeout_seconds: for name look-up, connection and TLS handshake together.

    Raises:
        DialError: not resolved, refused, timed out, or TLS failed; one line that says so.
    """
    if not 1 <= port <= LAST_PORT:  # uvloop would take it modulo 65536
        raise DialError(f"{format_peer((host, port))}: a port is a number from 1 to {LAST_PORT}")
    try:
        async with asyncio.timeout(timeout_seconds):
            if tunnel is None:
                sock = await open_socket(host, port)
            else:
                sock = await open_through(tunnel, host, port)
            return await _drive(sock, make, tls, host)
    except TimeoutError:
        where = format_peer((host, port))
        raise DialError(
            f"{where} did not answer within {timeout_seconds:g} s: check the address, "
            "and that no firewall is in between"
        ) from None
    except (OSError, UnicodeError) as error:
        raise DialError(_why_not_dialled(host, port, error)) from error


async def _drive(
    sock: socket.socket, make: Callable[[], Wire[E]], tls: ssl.SSLContext | None, host: str
) -> Wire[E]:
    """Put a wire on a connected socket."""
    try:
        set_socket_options(sock)
        _, wire = await asyncio.get_running_loop().create_connection(
            make, sock=sock, ssl=tls, server_hostname=host if tls else None
        )
    except BaseException:
        sock.close()
        raise
    return wire


def _why_not_dialled(host: str, port: int, error: Exception) -> str:
    where = format_peer((host, port))
    if isinstance(error, ssl.SSLError):
        return _why_no_tls(where, error)
    if isinstance(error, socket.gaierror | UnicodeError):
        return f"{where}: the name {host!r} was not resolved: check its spelling and the DNS"
    number = errno_of(error)
    if number == errno.ECONNREFUSED:
        return f"{where} refused the connection: check the port, and that the server runs"
    if number in {errno.ENETUNREACH, errno.EHOSTUNREACH}:
        return f"{where} is not reachable from here: check the address and the network"
    return f"{where} could not be connected to: {plain_error(error)}"


def _why_no_tls(where: str, error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"{where} has a certificate that is not trusted ({error.verify_message}): "
            "check the host name, or configure its authority or fingerprint"
        )
    why = getattr(error, "reason", None) or "handshake failed"
    return f"{where} does not speak TLS as we do ({why}): use its TLS port, or a URL without TLS"
