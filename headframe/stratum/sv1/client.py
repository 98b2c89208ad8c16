"""The miner's side of a Stratum V1 connection.

    HANDSHAKE --subscribed and authorised--> MINING
    either    --refused, or broken protocol, or end of stream--> CLOSED

Jobs are told as soon as the extranonce is known, which may be before `Ready`; shares
may be sent after it. What the pool never answers (configure, extranonce.subscribe,
suggest_difficulty) is never waited for.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum, auto
from typing import ClassVar, Final

from headframe.chain.job import Job, Lineage
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
from headframe.stratum.sv1.names import Names
from headframe.stratum.sv1.options import ClientOptions
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
        self._names = Names(options.user)
        self._jobs_heard = 0
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

    @property
    def jobs_heard(self) -> int:
        """Jobs that the pool sent, those included that only repeat the running one."""
        return self._jobs_heard

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

        A worker's name is authorised before its first share (`Names`).

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
        self._introduce(name)
        request_id = self._send("mining.submit", params, name)
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
        if self._options.suggest_target is not None:
            self._ask("mining.suggest_target", [f"{self._options.suggest_target:064x}"])

    def _introduce(self, name: str) -> None:
        if self._names.is_new(name):
            self._ask("mining.authorize", [name, self._options.password])
            self._asked[self._last_id] = "another mining.authorize"
            self._names.introduced(name, self._last_id)

    def _receive_named(self, answer: messages.FromServer) -> None:
        name = dialect.printable(self._names.name_of(answers.own_id(answer)))
        if not answers.succeeded(answer, null_is_yes=True):
            self._tell("worker_refused", f"{name}: {answers.words_of(answer)}")

    def _receive_ignored(self, _message: messages.FromServer) -> None:
        """Leave it at that: answers to wishes, and what pools for several algorithms send."""

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
        self._out.extend(self._names.release(request_id))
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
        self._jobs.aim(dialect.target_wished(answers.first_of(message)))

    def _receive_notify(self, message: messages.FromServer) -> None:
        wire = parse_notify(message.params)
        self._jobs_heard += 1
        self._out.extend(self._names.release())
        self._show(self._jobs.notify(wire))

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

    def _send(self, method: str, params: Sequence[object], name: str | None = None) -> int:
        self._last_id += 1
        line = messages.encode_request(self._last_id, method, params)
        if name is None or not self._names.hold(name, line):
            self._out.append(line)
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
        "another mining.authorize": _receive_named,
        "mining.extranonce.subscribe": _receive_ignored,
        "mining.suggest_difficulty": _receive_ignored,
        "mining.suggest_target": _receive_ignored,
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
        "mining.set_goal": _receive_ignored,
    }
    """What a pool may call; the result of a handler is the answer, `None` is true."""
