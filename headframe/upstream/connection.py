"""One connection to a pool: its wire, its deadlines and the shares pending on it."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, assert_never

from headframe.chain.share import Reason, Share, Verdict
from headframe.runtime.logs import get_logger
from headframe.runtime.wire import Wire
from headframe.stratum.errors import LocalProtocolError
from headframe.stratum.events import (
    ClientEvent,
    NewJob,
    Notice,
    PeerFault,
    Ready,
    Redirected,
    ShareAnswered,
    Ticket,
)
from headframe.stratum.sv1.client import MAX_PENDING, ClientConnection
from headframe.upstream.base import (
    BadUpstreamError,
    Done,
    RefusedError,
    UnreachableError,
    UpstreamError,
)

__all__ = ["Limits", "PoolConnection"]

_log = get_logger(__name__)

_FAREWELL_SECONDS: Final = 1.0
"""How long the last bytes may take when we hang up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long to wait for a pool.

    Attributes:
        dial_seconds: for look-up, connection and TLS together.
        handshake_seconds: for subscribe and authorize.
        silence_seconds: a connection without a byte for so long is dead; pools send a job
            every minute at least.
    """

    dial_seconds: float = 10.0
    handshake_seconds: float = 30.0
    silence_seconds: float = 180.0


class PoolConnection:
    """One connection, and the shares pending on it; made inside the event loop.

    Args:
        core: the conversation.
        limits: how long to wait for what.
        name: the source's, for messages.
        host: the pool's; it may send us to another port of it, not elsewhere.
        act: told of what changes the source; what it raises ends the connection.
    """

    def __init__(
        self,
        core: ClientConnection,
        limits: Limits,
        *,
        name: str,
        host: str,
        act: Callable[[Ready | NewJob], None],
    ) -> None:
        self._core = core
        self._limits = limits
        self._name = name
        self._host = host
        self._act = act
        self._time = asyncio.get_running_loop().time
        self._pending: dict[Ticket, Done] = {}
        self._over = asyncio.Event()
        self._outcome: UpstreamError | Redirected | None = None
        self._ready = False
        self._heard_at = self._made_at = self._time()
        self.wire: Wire[ClientEvent] = Wire(
            _Listening(core, self._hear), self._on_events, on_lost=self._on_lost
        )

    def submit(self, share: Share, worker: str | None, done: Done) -> None:
        """Send a share; `done` is called once."""
        if not self._ready or self._over.is_set():
            done(Verdict(reason=Reason.LOST, detail="the pool has not let us in yet"))
            return
        if self._core.pending >= MAX_PENDING:
            done(Verdict(reason=Reason.LOST, detail="the pool does not answer shares"))
            return
        try:
            ticket = self._core.submit(share, worker)
        except LocalProtocolError as error:
            done(Verdict(reason=Reason.STALE, detail=str(error)))
            return
        self._pending[ticket] = done
        self.wire.flush()

    async def wait_over(self) -> Redirected:
        """Wait until the pool sends us elsewhere.

        Raises:
            UpstreamError: the connection came to another end.
        """
        while not self._over.is_set():
            until = self._heard_at + self._limits.silence_seconds
            if not self._ready:
                until = min(until, self._made_at + self._limits.handshake_seconds)
            if self._time() >= until:
                raise UnreachableError(self._why_given_up())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(until):
                    await self._over.wait()
        if isinstance(self._outcome, Redirected):
            return self._outcome
        assert self._outcome is not None  # noqa: S101 # set together with the event
        raise self._outcome

    async def hang_up(self) -> None:
        """Close the connection; what is pending is lost."""
        self._end(UnreachableError(f"{self._name}: the connection was closed by us"))
        self.wire.close()
        pending, self._pending = self._pending, {}
        for done in pending.values():
            done(Verdict(reason=Reason.LOST, detail="the connection to the pool ended"))
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_FAREWELL_SECONDS):
                    await self.wire.wait_closed()
        finally:
            self.wire.abort()

    def _why_given_up(self) -> str:
        if self._ready:
            return (
                f"{self._name} has sent nothing for {self._limits.silence_seconds:g} s: the "
                "connection is dead"
            )
        return (
            f"{self._name} did not let us in within {self._limits.handshake_seconds:g} s: is it a "
            "Stratum V1 pool?"
        )

    def _end(self, outcome: UpstreamError | Redirected) -> None:
        if not self._over.is_set():
            self._outcome = outcome
            self._over.set()

    def _hear(self) -> None:
        self._heard_at = self._time()

    def _on_lost(self, error: Exception | None) -> None:
        why = f" ({error})" if error is not None else ""
        self._end(UnreachableError(f"{self._name} closed the connection{why}"))

    def _on_events(self, events: Sequence[ClientEvent]) -> None:
        for event in events:
            self._on_event(event)

    def _on_event(self, event: ClientEvent) -> None:
        match event:
            case ShareAnswered():
                done = self._pending.pop(event.ticket, None)
                if done is not None:
                    done(event.verdict)
            case NewJob() | Ready():
                self._pass_on(event)
            case Redirected():
                self._on_redirect(event)
            case Notice():
                _log.info("pool_notice", source=self._name, kind=event.kind, text=event.text)
            case PeerFault():
                self._on_fault(event)
            case _:
                assert_never(event)

    def _pass_on(self, event: Ready | NewJob) -> None:
        self._ready = self._ready or isinstance(event, Ready)
        if self._over.is_set():
            return
        try:
            self._act(event)
        except UpstreamError as error:
            self._end(error)

    def _on_redirect(self, event: Redirected) -> None:
        if event.host in {"", self._host}:
            self._end(event)
        else:
            _log.warning(
                "redirect_ignored",
                source=self._name,
                host=event.host,
                port=event.port,
                what_to_do="a pool may name another port of its host only; configure the new host",
            )

    def _on_fault(self, fault: PeerFault) -> None:
        if not fault.fatal:
            _log.warning("pool_fault", source=self._name, what=fault.what)
        elif fault.what.startswith("refused "):
            self._end(RefusedError(f"{self._name} {fault.what}"))
        else:
            self._end(BadUpstreamError(f"{self._name} {fault.what}"))


class _Listening:
    """A core that tells when bytes came, whether or not they mean anything."""

    def __init__(self, core: ClientConnection, hear: Callable[[], None]) -> None:
        self._core = core
        self._hear = hear
        self.receive_eof = core.receive_eof
        self.data_to_send = core.data_to_send

    def receive_data(self, data: bytes) -> Sequence[ClientEvent]:
        self._hear()
        return self._core.receive_data(data)
