"""The miner's side of a Stratum V1 connection.

    HANDSHAKE --subscribed and authorised--> MINING
    either    --refused, or broken protocol, or end of stream--> CLOSED

Jobs are told as soon as the extranonce is known, which may be before `Ready`; shares
may be sent after it. What the pool never answers (configure, extranonce.subscribe,
suggest_difficulty) is never waited for.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import ClassVar, Final

from headframe import __version__
from headframe.chain.job import BIP320_MASK, Job, Lineage
from headframe.chain.share import Reason, Share, Verdict
from headframe.stratum.errors import LocalProtocolError, RemoteProtocolError
from headframe.stratum.events import (
    ClientEvent,
    NewJob,
    Notice,
    PeerFault,
    Ready,
    ShareAnswered,
    Ticket,
)
from headframe.stratum.sv1 import answers, dialect, messages
from headframe.stratum.sv1.codes import METHOD_NOT_FOUND, TRUE, encode_error
from headframe.stratum.sv1.extensions import Terms, ask_all, settle_all
from headframe.stratum.sv1.foreign import foreign_line, foreign_server
from headframe.stratum.sv1.jobs import parse_notify
from headframe.stratum.sv1.lines import CLIENT_LINE_LIMIT, LineBuffer
from headframe.stratum.sv1.pooljobs import PoolJobs

__all__ = ["MAX_PENDING", "ClientConnection", "ClientOptions", "ClientState"]

MAX_PENDING: Final = 4096
"""Shares without an answer; a pool that owes more has stopped answering."""
MAX_FAULTS: Final = 64
"""Lines that make no sense before we hang up: more than any quirk, less than a flood."""


class ClientState(Enum):
    """How far the conversation has come."""

    HANDSHAKE = auto()
    MINING = auto()
    CLOSED = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOptions:
    """What a client says and wants.

    Attributes:
        user: the worker's name, as the pool knows it.
        password: whatever the pool wants to see there.
        agent: what we call ourselves.
        version_mask: version bits that we would roll; 0 not to negotiate.
        min_bits: version bits that we would like to have at least.
        session: what `Ready.session` said on an earlier connection, or "".
        extranonce_subscribe: take `mining.set_extranonce`.
        ntime_roll_seconds: how far the pool lets a share's time run ahead of its job's;
            7,000 is ckpool's bound, and below every node's.
        suggest_difficulty: the difficulty that we would like to have.
    """

    user: str
    password: str = "x"  # noqa: S105 # what pools expect where no password matters
    agent: str = f"headframe/{__version__}"
    version_mask: int = BIP320_MASK
    min_bits: int = 2
    session: str = ""
    extranonce_subscribe: bool = True
    ntime_roll_seconds: int = 7000
    suggest_difficulty: float | None = None


class ClientConnection:
    """A connection to a pool; implements `ClientCore`.

    Args:
        options: what to say.
        lineage: of the source that this connection belongs to; outlives it.
    """

    def __init__(self, options: ClientOptions, *, lineage: Lineage) -> None:
        self._options = options
        self._jobs = PoolJobs(lineage, roll_seconds=options.ntime_roll_seconds)
        self._state = ClientState.HANDSHAKE
        self._lines = LineBuffer(CLIENT_LINE_LIMIT)
        self._begun = False
        self._faults = 0
        self._events: list[ClientEvent] = []
        self._out: list[bytes] = []
        self._last_id = 0
        self._asked: dict[int, str] = {}
        self._pending: dict[int, Ticket] = {}
        self._terms = Terms(own_mask=options.version_mask, min_bits=options.min_bits)
        self._session = ""
        self._authorized = False
        self._greet()

    @property
    def state(self) -> ClientState:
        """How far the conversation has come."""
        return self._state

    @property
    def extranonce1(self) -> bytes | None:
        """The pool's part of the extranonce in the running job; `None` before it is known."""
        room = self._jobs.room
        return None if room is None else room.extranonce1

    @property
    def pending(self) -> int:
        """Shares that the pool has not answered yet."""
        return len(self._pending)

    # bytes in, events out

    def receive_data(self, data: bytes) -> Sequence[ClientEvent]:
        """Take bytes from the pool, cut in any way; tell what they mean."""
        if self._closed() or not data:
            return ()
        if not self._begun:
            self._begun = True
            strange = foreign_server(data[0])
            if strange is not None:
                self._fail(strange)
        for line in self._lines.feed(data):
            if self._closed():
                break
            self._receive_line(line)
        if self._lines.overflow:
            self._fail(f"sent a line of more than {CLIENT_LINE_LIMIT} bytes")
        return self._take_events()

    def receive_eof(self) -> Sequence[ClientEvent]:
        """Take note that the pool hung up: shares without an answer are lost.

        What it said without ending its line, before it was known to be a pool, is told.
        """
        rest = self._lines.rest
        if self._state is ClientState.HANDSHAKE and not rest.isspace() and rest:
            self._fail(foreign_line(rest, "and hung up within the line"))
        self._state = ClientState.CLOSED
        for ticket in self._pending.values():
            verdict = Verdict(reason=Reason.LOST, detail="the connection to the pool ended")
            self._events.append(ShareAnswered(ticket=ticket, verdict=verdict))
        self._pending.clear()
        return self._take_events()

    def data_to_send(self) -> bytes:
        """Return what is to be written now, and forget it."""
        data = b"".join(self._out)
        self._out.clear()
        return data

    # commands

    def submit(self, share: Share, worker: str | None) -> Ticket:
        """Send a share for a job of this connection.

        Returns:
            The ticket of the `ShareAnswered` to come.

        Raises:
            LocalProtocolError: not authorised yet; the job is not of this connection, or
                the pool has used its name again since; the share cannot be said within
                the version bits that the pool allows now; too many shares wait.
        """
        if self._state is not ClientState.MINING:
            raise LocalProtocolError(f"no shares in state {self._state.name}")
        told = self._jobs.find(share.job_id)
        if told is None:
            raise LocalProtocolError(f"job {share.job_id} is none of this connection")
        if len(self._pending) >= MAX_PENDING:
            raise LocalProtocolError(f"the pool owes answers to {MAX_PENDING} shares")
        name = self._options.user if worker is None else worker
        params = told.params(share, name, mask=self._terms.mask)
        request_id = self._send("mining.submit", params)
        ticket = self._pending[request_id] = Ticket(request_id)
        return ticket

    # handshake

    def _greet(self) -> None:
        options = self._options
        wanted = ask_all(self._terms)
        if wanted is not None:
            self._ask("mining.configure", wanted)
        session = [options.session] if options.session else []
        self._ask("mining.subscribe", [options.agent, *session])
        self._ask("mining.authorize", [options.user, options.password])

    def _receive_configured(self, answer: messages.FromServer) -> None:
        if not answers.succeeded(answer):
            self._tell("configure_refused", answers.words_of(answer))
            return
        before = self._terms.mask
        settle_all(self._terms, messages.decode_any(answer.result))
        mask, self._terms.mask = self._terms.mask, before
        if mask is not None:
            self._set_mask(mask)

    def _receive_subscribed(self, answer: messages.FromServer) -> None:
        if not answers.succeeded(answer):
            self._fail(f"refused mining.subscribe: {answers.words_of(answer)}")
            return
        try:
            room, self._session = answers.parse_subscription(answer)
        except RemoteProtocolError as error:
            self._fail(str(error))
            return
        job = self._jobs.subscribed(room)
        self._begin()
        self._show(job)

    def _receive_authorized(self, answer: messages.FromServer) -> None:
        if not answers.succeeded(answer, null_is_yes=True):
            user = dialect.printable(self._options.user)
            self._fail(f"refused mining.authorize for {user!r}: {answers.words_of(answer)}")
            return
        self._authorized = True
        self._begin()
        if self._options.extranonce_subscribe:
            self._ask("mining.extranonce.subscribe", [])
        if self._options.suggest_difficulty is not None:
            self._ask("mining.suggest_difficulty", [self._options.suggest_difficulty])

    def _receive_ignored(self, answer: messages.FromServer) -> None:
        """Leave it at that: these requests are wishes, and some pools refuse them."""

    def _begin(self) -> None:
        room = self._jobs.room
        if room is None or not self._authorized:
            return
        self._state = ClientState.MINING
        self._events.append(
            Ready(
                session=self._session,
                extranonce_size=room.size,
                version_mask=self._terms.mask or 0,
            )
        )

    # lines

    def _receive_line(self, line: bytes) -> None:
        try:
            message = messages.parse_from_server(line)
        except RemoteProtocolError as error:
            what = foreign_line(line, str(error))
            # Before anything was understood it is no pool; later it may be a last word,
            # such as ckpool's bare "Invalid JSON, disconnecting".
            if self._state is ClientState.HANDSHAKE:
                return self._fail(what)
            return self._fault(what)
        try:
            if message.method is None:
                self._receive_answer(message)
            else:
                self._receive_call(message.method, message)
        except RemoteProtocolError as error:
            self._fault(str(error))
        return None

    def _receive_answer(self, answer: messages.FromServer) -> None:
        request_id = answers.own_id(answer)
        ticket = self._pending.pop(request_id, None)
        if ticket is not None:
            verdict = answers.verdict_of(answer)
            self._events.append(ShareAnswered(ticket=ticket, verdict=verdict))
            return
        method = self._asked.pop(request_id, None)
        if method is not None:  # else it answers nothing that we asked
            self._RESULTS[method](self, answer)

    def _receive_call(self, method: str, message: messages.FromServer) -> None:
        handler = self._METHODS.get(method)
        request_id = bytes(message.id)
        body = TRUE
        if handler is None:
            self._tell("unknown_method", dialect.printable(method))
            return self._answer(request_id, METHOD_NOT_FOUND)
        try:
            result = handler(self, message)
            if result is not None:
                body = messages.encode_result(result)
        except RemoteProtocolError as error:
            self._answer(request_id, encode_error(20, "Malformed request"))
            raise RemoteProtocolError(f"{method}: {error}") from None
        return self._answer(request_id, body)

    # what a pool may call

    def _receive_difficulty(self, message: messages.FromServer) -> None:
        self._jobs.aim(dialect.target_of(answers.first_of(message)))

    def _receive_notify(self, message: messages.FromServer) -> None:
        self._show(self._jobs.notify(parse_notify(message.params)))

    def _receive_extranonce(self, message: messages.FromServer) -> None:
        self._jobs.move(answers.parse_room_change(message, self._jobs.next_room))

    def _receive_mask(self, message: messages.FromServer) -> None:
        mask = dialect.u32_from_hex(answers.first_of(message))
        if self._terms.own_mask:
            self._set_mask(mask & self._terms.own_mask)

    def _receive_reconnect(self, message: messages.FromServer) -> None:
        self._events.append(answers.parse_reconnect(message))

    def _receive_message(self, message: messages.FromServer) -> None:
        text = answers.first_of(message)
        if not isinstance(text, str):
            raise RemoteProtocolError("no text")
        self._tell("pool_message", dialect.printable(text))

    def _receive_get_version(self, _message: messages.FromServer) -> str:
        return self._options.agent

    def _receive_ping(self, _message: messages.FromServer) -> str:
        return "pong"

    def _receive_other_coin(self, _message: messages.FromServer) -> None:
        """Ignore what pools for several algorithms send."""

    def _set_mask(self, mask: int) -> None:
        first, self._terms.mask = self._terms.mask is None, mask
        if first and mask.bit_count() < self._terms.min_bits:
            self._tell("few_version_bits", f"the pool allows {mask:08x} only")
        self._show(self._jobs.set_mask(mask))

    # helpers

    def _show(self, job: Job | None) -> None:
        if job is not None:
            self._events.append(NewJob(job=job))

    def _closed(self) -> bool:
        return self._state is ClientState.CLOSED

    def _send(self, method: str, params: Sequence[object]) -> int:
        self._last_id += 1
        self._out.append(messages.encode_request(self._last_id, method, params))
        return self._last_id

    def _ask(self, method: str, params: Sequence[object]) -> None:
        self._asked[self._send(method, params)] = method

    def _answer(self, request_id: bytes, body: bytes) -> None:
        if not messages.is_silent(request_id):
            self._out.append(messages.encode_answer(request_id, body))

    def _tell(self, kind: str, text: str) -> None:
        self._events.append(Notice(kind=kind, text=text))

    def _fault(self, what: str) -> None:
        self._faults += 1
        if self._faults >= MAX_FAULTS:
            self._fail(f"{what}; that is fault {MAX_FAULTS}")
        else:
            self._events.append(PeerFault(what=what, fatal=False))

    def _fail(self, what: str) -> None:
        if not self._closed():
            self._state = ClientState.CLOSED
            self._events.append(PeerFault(what=what, fatal=True))

    def _take_events(self) -> Sequence[ClientEvent]:
        events, self._events = self._events, []
        return events

    _RESULTS: ClassVar[Mapping[str, Callable[["ClientConnection", messages.FromServer], None]]] = {
        "mining.configure": _receive_configured,
        "mining.subscribe": _receive_subscribed,
        "mining.authorize": _receive_authorized,
        "mining.extranonce.subscribe": _receive_ignored,
        "mining.suggest_difficulty": _receive_ignored,
    }
    """What to do with an answer; those to shares have a way of their own."""

    _METHODS: ClassVar[
        Mapping[str, Callable[["ClientConnection", messages.FromServer], str | None]]
    ] = {
        "mining.set_difficulty": _receive_difficulty,
        "mining.notify": _receive_notify,
        "mining.set_extranonce": _receive_extranonce,
        "mining.set_version_mask": _receive_mask,
        "client.reconnect": _receive_reconnect,
        "client.show_message": _receive_message,
        "client.get_version": _receive_get_version,
        "mining.ping": _receive_ping,
        "mining.set_goal": _receive_other_coin,
    }
    """What a pool may call; the result of a handler is the answer, `None` is true."""
