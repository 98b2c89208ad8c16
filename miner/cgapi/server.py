"""The listener: one request for each connection, one answer, and the connection ends.

A client that sends nothing, too much or nonsense, reads slowly or never leaves costs at most
a few seconds of one of few places, and never anything that mines.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self, cast

from headframe.runtime.logs import get_logger
from headframe.runtime.wire import format_peer, listen_error
from miner.cgapi.access import Access, Right
from miner.cgapi.request import MOST_BYTES, is_whole

__all__ = ["Answer", "ApiServer", "Limits"]

log = get_logger(__name__)

Answer = Callable[[bytes, Right], bytes]
"""Makes the answer to a request from somebody with a right."""

_BACKLOG: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a client may cost.

    Attributes:
        connections: at a time; further ones are closed at once.
        whole_seconds: from the connection to the end of the answer.
        pause_seconds: a request without an end is taken to be over when nothing more
            came for so long.
        linger_seconds: how long a client that has its answer may stay.
    """

    connections: int = 16
    whole_seconds: float = 5.0
    pause_seconds: float = 0.2
    linger_seconds: float = 1.0


class ApiServer:
    """Listens while its `async with` block runs.

    Args:
        host: an address of this machine; "" for all.
        port: 0 for a free one; see `port`.
        answer: makes the answers; does not wait.
        access: who may ask.
        limits: what a client may cost.

    Attributes:
        port: where it listens.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        answer: Answer,
        access: Access,
        limits: Limits = Limits(),  # frozen
    ) -> None:
        self._host = host
        self._answer = answer
        self._access = access
        self._limits = limits
        self._sessions: set[_Session] = set()
        self._server: asyncio.Server | None = None
        self.port = port

    @property
    def place(self) -> str:
        """Where it listens, as host:port."""
        return format_peer((self._host or "*", self.port))

    async def __aenter__(self) -> Self:
        """Start to listen.

        Raises:
            PortInUseError: another program listens there.
            ListenError: this machine cannot listen there.
        """
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                self._accept, self._host or None, self.port, backlog=_BACKLOG
            )
        except (OSError, OverflowError, UnicodeError) as error:
            raise listen_error(self._host, self.port, error) from error
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop to listen, and end the connections there are."""
        assert self._server is not None  # noqa: S101 # entered
        self._server.close()
        for session in tuple(self._sessions):
            session.end()

    def _accept(self) -> "_Session":
        return _Session(self._answer, self._access, self._limits, self._sessions)


class _Session(asyncio.Protocol):
    """One connection. No tasks: timers, and what the transport tells."""

    def __init__(
        self, answer: Answer, access: Access, limits: Limits, sessions: "set[_Session]"
    ) -> None:
        self._answer = answer
        self._access = access
        self._limits = limits
        self._sessions = sessions
        self._transport: asyncio.Transport | None = None
        self._right = Right.NOTHING
        self._data = bytearray()
        self._answered = False
        self._deadline: asyncio.TimerHandle | None = None
        self._pause: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Look who it is; strangers and crowds are sent away without a word."""
        transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self._right = self._access.right_of(peer[0] if peer else "")
        if self._right is Right.NOTHING or len(self._sessions) >= self._limits.connections:
            log.debug(
                "api_closed", peer=format_peer(peer), allowed=self._right is not Right.NOTHING
            )
            transport.abort()
            return
        self._sessions.add(self)
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(self._limits.whole_seconds, transport.abort)

    def data_received(self, data: bytes) -> None:
        """Gather the request; what comes after its answer is thrown away."""
        if self._answered:
            return
        self._data += data[: MOST_BYTES - len(self._data)]
        self._cancel(self._pause)
        if is_whole(bytes(self._data)):
            self._reply()
            return
        loop = asyncio.get_running_loop()
        self._pause = loop.call_later(self._limits.pause_seconds, self._reply)

    def eof_received(self) -> bool:
        """Answer what there is; the client has said that this is all."""
        if not self._answered and self._data:
            self._reply()
        return False  # it is closed when all is written

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 # asyncio's
        """Forget it."""
        self._sessions.discard(self)
        self._answered = True
        self._cancel(self._deadline)
        self._cancel(self._pause)

    def end(self) -> None:
        """Close, when what was written has gone; at the latest at the deadline."""
        self._answered = True
        self._cancel(self._pause)
        if self._transport is not None:
            self._transport.close()

    def _reply(self) -> None:
        self._cancel(self._pause)
        transport, self._answered = self._transport, True
        assert transport is not None  # noqa: S101 # data came
        try:
            answer = self._answer(bytes(self._data), self._right)
        except Exception:  # a bug of ours costs this answer, not the miner
            log.exception("api_failed")
            transport.abort()
            return
        transport.write(answer)
        # Closing with bytes unread would reset the connection, and the answer might be lost.
        with contextlib.suppress(OSError, RuntimeError):  # it may have gone meanwhile
            transport.write_eof()
        self._cancel(self._deadline)
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(self._limits.linger_seconds, transport.abort)

    @staticmethod
    def _cancel(timer: asyncio.TimerHandle | None) -> None:
        if timer is not None:
            timer.cancel()
