"""One connection to a pool: its wire, its deadlines and the shares pending on it."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Final, assert_never

from headframe.chain.share import Reason, Share, Verdict
from headframe.runtime.logs import get_logger
from headframe.runtime.metrics import Histogram
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
from headframe.upstream.watch import Limits, Watch

__all__ = ["PoolConnection"]

_log = get_logger(__name__)

_FAREWELL_SECONDS: Final = 1.0
"""How long the last bytes may take when we hang up."""


class PoolConnection:
    """One connection, and the shares pending on it; made inside the event loop.

    Args:
        core: the conversation.
        limits: how long to wait for what.
        name: the source's, for messages.
        follow: tells why a redirect is not to be followed, or "".
        act: told of what changes the source; what it raises ends the connection.
        blame: told of each time that the pool breaks the protocol.
        answers: counts how long the answers to shares took.
    """

    def __init__(  # noqa: PLR0913 # by keyword
        self,
        core: ClientConnection,
        limits: Limits,
        *,
        name: str,
        follow: Callable[[Redirected], str],
        act: Callable[[Ready | NewJob], None],
        blame: Callable[[], None] = lambda: None,
        answers: Histogram | None = None,
    ) -> None:
        self._core = core
        self._limits = limits
        self._name = name
        self._follow = follow
        self._act = act
        self._blame = blame
        self._answers = answers
        self._time = asyncio.get_running_loop().time
        self._pending: dict[Ticket, tuple[Done, bool]] = {}
        self._over = asyncio.Event()
        self._outcome: UpstreamError | Redirected | None = None
        self._ready = False
        self._watch = Watch(limits, self._time())
        self._jobs_heard = 0
        self.wire: Wire[ClientEvent] = Wire(
            _Listening(core, self._hear, self._after_bytes), self._on_events, on_lost=self._on_lost
        )

    @property
    def answer_seconds(self) -> float | None:
        """How long the pool took to answer the share that it answered last."""
        return self._watch.answer_seconds

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
        # A name that the pool does not know is no fault of the pool's.
        self._pending[ticket] = (done, worker is None)
        self._watch.on_sent(ticket, self._time())
        self.wire.flush()

    async def wait_over(self) -> Redirected:
        """Wait until the pool sends us elsewhere.

        Raises:
            UpstreamError: the connection came to another end.
        """
        while not self._over.is_set():
            until, why = self._watch.due()
            if self._time() >= until:
                raise UnreachableError(f"{self._name} {why}")
            # What happens meanwhile may bring another deadline, but none sooner than this.
            soonest = self._time() + self._watch.shortest_seconds
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(min(until, soonest)):
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
        for done, _ in pending.values():
            done(Verdict(reason=Reason.LOST, detail="the connection to the pool ended"))
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_FAREWELL_SECONDS):
                    await self.wire.wait_closed()
        finally:
            self.wire.abort()

    def _end(self, outcome: UpstreamError | Redirected) -> None:
        if not self._over.is_set():
            self._outcome = outcome
            self._over.set()

    def _hear(self) -> None:
        self._watch.on_bytes(self._time())

    def _on_lost(self, error: Exception | None) -> None:
        why = f" ({error})" if error is not None else ""
        self._end(UnreachableError(f"{self._name} closed the connection{why}"))

    def _on_events(self, events: Sequence[ClientEvent]) -> None:
        for event in events:
            self._on_event(event)

    def _after_bytes(self) -> None:
        if self._core.jobs_heard != self._jobs_heard:
            self._jobs_heard = self._core.jobs_heard
            self._watch.on_job(self._time())

    def _on_event(self, event: ClientEvent) -> None:
        match event:
            case ShareAnswered():
                self._on_answer(event)
            case NewJob() | Ready():
                self._pass_on(event)
            case Redirected():
                self._on_redirect(event)
            case Notice(kind="worker_refused"):
                _log.warning(
                    "worker_refused",
                    source=self._name,
                    text=event.text,
                    what_to_do="make that worker known to the pool, or have shares sent under "
                    "the pool's own user: names.mode = replace",
                )
            case Notice():
                _log.info("pool_notice", source=self._name, kind=event.kind, text=event.text)
            case PeerFault():
                self._on_fault(event)
            case _:
                assert_never(event)

    def _on_answer(self, event: ShareAnswered) -> None:
        done, own = self._pending.pop(event.ticket, (None, False))
        if done is None:
            return
        counts = own or event.verdict.reason is not Reason.UNAUTHORIZED
        why = self._watch.on_answer(event.ticket, event.verdict, counts=counts, now=self._time())
        if self._answers is not None and self._watch.answer_seconds is not None:
            self._answers.observe(self._watch.answer_seconds)
        if why:
            self._end(RefusedError(f"{self._name} {why}"))
        done(event.verdict)

    def _pass_on(self, event: Ready | NewJob) -> None:
        if isinstance(event, Ready):
            self._ready = True
            self._watch.on_ready()
        if self._over.is_set():
            return
        try:
            self._act(event)
        except UpstreamError as error:
            self._end(error)

    def _on_redirect(self, event: Redirected) -> None:
        why_not = self._follow(event)
        if not why_not:
            self._end(event)
            return
        _log.warning(
            "redirect_ignored",
            source=self._name,
            host=event.host,
            port=event.port,
            why=why_not,
            what_to_do="configure that host as an upstream, or allow more by `reconnect`",
        )

    def _on_fault(self, fault: PeerFault) -> None:
        self._blame()
        if not fault.fatal:
            _log.warning("pool_fault", source=self._name, what=fault.what)
        elif fault.what.startswith("refused "):
            self._end(RefusedError(f"{self._name} {fault.what}"))
        else:
            self._end(BadUpstreamError(f"{self._name} {fault.what}"))


class _Listening:
    """A core that tells when bytes came, whether or not they mean anything."""

    def __init__(
        self, core: ClientConnection, hear: Callable[[], None], after: Callable[[], None]
    ) -> None:
        self._core = core
        self._hear = hear
        self._after = after
        self.receive_eof = core.receive_eof
        self.data_to_send = core.data_to_send

    def receive_data(self, data: bytes) -> Sequence[ClientEvent]:
        self._hear()
        events = self._core.receive_data(data)
        self._after()
        return events
