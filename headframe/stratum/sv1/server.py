"""The pool's side of a Stratum V1 connection.

    bytes -> lines -> one of `_METHODS` -> an event, or an answer of the core's own

The core answers by itself what needs no policy: configure, pings, wishes, a share that
cannot be read, and a share of a worker that is not authorised. Answers leave in the
order of their requests; a subscribe's answer leaves before any job.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final

from msgspec.structs import replace

from headframe.chain.job import BIP320_MASK, Job
from headframe.chain.share import Reason, Verdict
from headframe.chain.target import Target
from headframe.stratum.core import Seat
from headframe.stratum.errors import LocalProtocolError, RemoteProtocolError
from headframe.stratum.events import (
    AuthorizeAsked,
    Joined,
    Notice,
    PeerFault,
    ServerEvent,
    ShareSubmitted,
    TargetWished,
    Ticket,
)
from headframe.stratum.sv1 import dialect, messages
from headframe.stratum.sv1.codes import METHOD_NOT_FOUND, TRUE, deny, encode_error, encode_verdict
from headframe.stratum.sv1.extensions import Terms, answer_all
from headframe.stratum.sv1.foreign import foreign_client, foreign_line
from headframe.stratum.sv1.jobs import NOTIFY_LINES
from headframe.stratum.sv1.lines import SERVER_LINE_LIMIT, LineBuffer
from headframe.stratum.sv1.messages import UNREADABLE, decode_submit
from headframe.stratum.sv1.offers import Offers, difficulty_line
from headframe.stratum.sv1.replies import Kind, Replies
from headframe.stratum.sv1.state import ServerState
from headframe.stratum.sv1.workers import Workers

__all__ = ["MAX_WAITING", "ServerConnection", "ServerState"]

MAX_WAITING: Final = 4096
"""Requests that may wait for their answers. One read hands over at most some 2,000
submits, and answers come between reads, so a peer with more does not listen."""

# An enum's member is looked up anew each time; these are needed for every share.
_OPEN: Final = ServerState.OPEN
_CLOSED: Final = ServerState.CLOSED
_SHARE: Final = Kind.SHARE
_NEVER: Final = Ticket(-1)


class ServerConnection:
    """One rig's connection; implements `ServerCore`, with the one channel 0.

    Args:
        mask: version bits that the configuration lets rigs roll; 0 to refuse version
            rolling. A `Seat` narrows it further.
    """

    __slots__ = (
        "_begun",
        "_difficulty",
        "_events",
        "_lines",
        "_mask",
        "_offers",
        "_replies",
        "_seat",
        "_state",
        "_subscribed",
        "_subscribing",
        "_terms",
        "_workers",
    )
    _events: list[ServerEvent]  # only while a read is looked at

    def __init__(self, *, mask: int = BIP320_MASK) -> None:
        self._mask = mask
        self._state = _OPEN
        self._lines = LineBuffer(SERVER_LINE_LIMIT)
        self._begun = False
        self._replies = Replies()
        self._terms = Terms(own_mask=mask)
        self._subscribing: tuple[Ticket, ...] = ()
        self._subscribed = _NEVER  # nothing is held back for it before there is one
        self._seat: Seat | None = None
        self._workers = Workers()
        self._offers = Offers()
        self._difficulty = b""

    @property
    def state(self) -> ServerState:
        """Whether the core listens."""
        return self._state

    @property
    def version_mask(self) -> int:
        """Version bits that the rig may roll now; 0 when it negotiated none."""
        return self._terms.mask or 0

    @property
    def takes_extranonce_changes(self) -> bool:
        """The rig asked for `mining.set_extranonce`, so that `reseat` may be used."""
        return self._terms.extranonce_changes

    @property
    def unanswered(self) -> int:
        """Requests whose answers are not out: all since the oldest that is open."""
        return self._replies.waiting

    # bytes in, events out

    def receive_data(self, data: bytes) -> Sequence[ServerEvent]:
        """Take bytes from the rig, cut in any way; tell what they mean."""
        if not data or self._closed():
            return ()
        events = self._events = []
        if not self._begun:
            self._begun = True
            if data[0] != b"{"[0] and (strange := foreign_client(data[0])) is not None:
                self._fail(strange)
        for line in self._lines.feed(data):
            try:
                submit = decode_submit(line) if b"submit" in line else None
            except UNREADABLE:
                submit = None
            if submit is not None:
                self._receive_submit(bytes(submit.id), submit.params)
            else:
                self._receive_other(line)
            if self._replies.waiting > MAX_WAITING:
                self._fail(f"does not wait for answers: {MAX_WAITING} requests are open")
            if self._state is _CLOSED:
                break
        if self._lines.overflow:
            self._fail(f"sent a line of more than {SERVER_LINE_LIMIT} bytes")
        del self._events
        return events

    def receive_eof(self) -> Sequence[ServerEvent]:
        """Take note that the rig hung up."""
        self._state = _CLOSED
        return ()

    def data_to_send(self) -> bytes:
        """Return what is to be written now, and forget it."""
        return self._replies.data_to_send()

    # commands

    def seat(self, ticket: Ticket, seat: Seat) -> None:
        """Answer `Joined`: the rig gets its extranonce, and the seat's version bits at most.

        Raises:
            LocalProtocolError: no rig waits for a seat under this ticket.
        """
        _ensure_channel(seat.channel)
        if ticket not in self._subscribing:
            raise LocalProtocolError(f"no subscribe request waits for ticket {ticket}")
        self._seat = seat
        self._subscribed = ticket
        body = messages.encode_subscription(seat.slice, seat.size, seat.session)
        for waiting in self._subscribing:
            self._replies.answer(Kind.SUBSCRIBE, waiting, body)
        self._subscribing = ()
        self._allow(self._mask & seat.mask)

    def reseat(self, seat: Seat) -> bool:
        """Give a seated rig another place, from the next `offer` on, which must be clean.

        Returns:
            False when the rig does not take changes of its extranonce: then hang up, and
            it will come back.

        Raises:
            LocalProtocolError: it has no seat yet.
        """
        _ensure_channel(seat.channel)
        self._seated()
        if not self._terms.extranonce_changes:
            return False
        self._seat = seat
        place = seat.slice.hex(), seat.size
        self._push(messages.encode_request(None, "mining.set_extranonce", place))
        return True

    def authorize(self, ticket: Ticket, *, ok: bool, why: str = "") -> None:
        """Answer `AuthorizeAsked`: shares of that worker count, or not, and why.

        Raises:
            LocalProtocolError: nobody waits under this ticket.
        """
        self._replies.answer(Kind.AUTHORIZE, ticket, TRUE if ok else deny(why))
        self._workers.settle(ticket, ok=ok)

    def offer(self, channel: int, job: Job, target: Target, *, clean: bool) -> Target:
        """Show a job: set_difficulty and set_version_mask if they changed, then notify.

        A job that is shown again keeps the easier of its targets, since the rig may
        still work towards either.

        Returns:
            The target that the rig computes from the difficulty sent; judge by it.

        Raises:
            LocalProtocolError: no seat yet, or the job has other free bytes than it needs.
        """
        if channel:
            _ensure_channel(channel)
        seat = self._seat or self._seated()
        if job.commitment.extranonce_size != len(seat.lane) + len(seat.slice) + seat.size:
            raise LocalProtocolError(
                f"job {job.id} has {job.extranonce_size} free bytes, the seat needs "
                f"{len(seat.lane)} + {len(seat.slice)} + {seat.size}"
            )
        line = NOTIFY_LINES.line(job, seat.lane, clean=clean)
        asked, sent = difficulty_line(target, seat.numbers)
        if asked != self._difficulty:
            self._difficulty = asked
            self._push(asked)
        if (mask := self._mask & seat.mask & job.version_mask) != self._terms.own_mask:
            self._allow(mask)
        self._replies.push(line, after=self._subscribed)
        self._offers.remember(job, mask=self._terms.mask or 0, size=seat.size, target=sent)
        return sent

    def permit(self, mask: int) -> None:
        """Let the rig roll these version bits at most, from the next `offer` on."""
        self._mask = mask
        self._seat = self._seat and replace(self._seat, mask=mask)

    def recollect(self) -> object:
        """Return what the rig was shown last, for `recall`; `None` if nothing was."""
        return self._offers.newest()

    def recall(self, shown: object) -> None:
        """Take up what the rig was shown on the connection before, ahead of the first `offer`."""
        if isinstance(shown, Offers):
            self._offers = shown

    def reply(self, ticket: Ticket, verdict: Verdict) -> None:
        """Answer `ShareSubmitted`; in any order, the answers leave in the requests'.

        Raises:
            LocalProtocolError: no share waits under this ticket.
        """
        self._replies.answer(_SHARE, ticket, encode_verdict(verdict))

    # shares

    def _receive_submit(self, request_id: bytes, params: messages.SubmitParams) -> None:
        ticket = self._replies.take(_SHARE, request_id)
        known = params.worker in self._workers.known
        seat = self._seat
        if seat is None:
            return self._refuse(ticket, Reason.NOT_SUBSCRIBED if known else Reason.UNAUTHORIZED)
        share = self._offers.share(params, ticket, size=seat.size, mask=self._terms.mask or 0)
        if not isinstance(share, ShareSubmitted):
            named = known or self._workers.is_asking(params.worker)
            return self._refuse(ticket, share if named else Reason.UNAUTHORIZED)
        if not known:
            self._workers.hold(share)
        return self._events.append(share)

    def _refuse(self, ticket: Ticket, reason: Reason) -> None:
        self._replies.answer(Kind.SHARE, ticket, encode_verdict(Verdict(reason=reason)))
        self._events.append(Notice(kind="share_refused", text=reason))

    # everything else

    def _receive_other(self, line: bytes) -> None:
        try:
            request = messages.decode_request(line)
        except UNREADABLE:
            return self._receive_odd(line)
        kind, request_id = type(request), bytes(request.id)
        try:
            self._METHODS[kind](self, request_id, request.params)
        except RemoteProtocolError as error:
            self._refuse_request(request_id, str(kind.__struct_config__.tag), error)

    def _receive_odd(self, line: bytes) -> None:
        try:
            request = messages.parse_from_client(line)
        except RemoteProtocolError as error:
            return self._fail(foreign_line(line, str(error)))
        if request.method is None:
            return None  # an answer: cgminer's to a ping, p2pool-like clients' to jobs
        if request.method == "mining.submit":
            return self._receive_odd_submit(request)
        request_id = bytes(request.id)
        try:
            self._receive_simple(request.method, request_id, messages.decode_any(request.params))
        except RemoteProtocolError as error:
            self._refuse_request(request_id, request.method, error)
        return None

    def _refuse_request(self, request_id: bytes, method: str, error: RemoteProtocolError) -> None:
        self._answer(request_id, encode_error(20, "Malformed request"))
        self._events.append(PeerFault(what=f"{dialect.printable(method)}: {error}", fatal=False))

    def _receive_odd_submit(self, request: messages.FromClient) -> None:
        request_id = bytes(request.id)
        try:
            params = dialect.strict_submit(messages.decode_loose_submit(request.params))
        except RemoteProtocolError:
            ticket = self._replies.take(Kind.SHARE, request_id)
            return self._refuse(ticket, Reason.MALFORMED)
        return self._receive_submit(request_id, params)

    def _receive_subscribe(self, request_id: bytes, params: object) -> None:
        items = params if isinstance(params, list) else []
        ticket = self._replies.take(Kind.SUBSCRIBE, request_id)
        if (seat := self._seat) is not None:  # asked again: the same place
            body = messages.encode_subscription(seat.slice, seat.size, seat.session)
            return self._replies.answer(Kind.SUBSCRIBE, ticket, body)
        self._subscribing = (*self._subscribing, ticket)
        if len(self._subscribing) == 1:
            agent = dialect.printable(dialect.text_or_empty(items, 0))
            session = dialect.printable(dialect.text_or_empty(items, 1)) if items[1:] else ""
            self._events.append(Joined(channel=0, ticket=ticket, agent=agent, session=session))
        return None

    def _receive_authorize(self, request_id: bytes, params: object) -> None:
        if not isinstance(params, list) or not params or not isinstance(params[0], str):
            raise RemoteProtocolError("no user name")
        user, password = params[0], dialect.text_or_empty(params, 1)
        self._workers.ensure_room(user)
        ticket = self._replies.take(Kind.AUTHORIZE, request_id)
        self._workers.ask(ticket, user)
        self._events.append(AuthorizeAsked(channel=0, ticket=ticket, user=user, password=password))

    def _receive_configure(self, request_id: bytes, params: object) -> None:
        terms = self._terms
        members = answer_all(terms, params)
        self._answer(request_id, messages.encode_result(members))
        if terms.wish is not None:
            self._events.append(TargetWished(channel=0, target=terms.wish, least=True))
        if terms.info:
            text = ", ".join(f"{key} {value}" for key, value in terms.info.items())
            self._events.append(Notice(kind="rig_info", text=text))

    def _receive_extranonce_subscribe(self, request_id: bytes, _params: object) -> None:
        self._terms.extranonce_changes = True
        self._answer(request_id, TRUE)

    def _receive_simple(self, method: str, request_id: bytes, params: object) -> None:
        if method in dialect.IGNORED_METHODS:
            return None
        wish = dialect.wish_of(method, params)
        if wish is not None:
            self._events.append(TargetWished(channel=0, target=wish))
            return self._answer(request_id, TRUE)
        body = messages.SIMPLE_ANSWERS.get(method)
        if body is None:
            self._events.append(Notice(kind="unknown_method", text=dialect.printable(method)))
        return self._answer(request_id, body or METHOD_NOT_FOUND)

    # helpers

    def _answer(self, request_id: bytes, body: bytes) -> None:
        self._replies.answer(Kind.PLAIN, self._replies.take(Kind.PLAIN, request_id), body)

    def _push(self, line: bytes) -> None:
        self._replies.push(line, after=self._subscribed)

    def _seated(self) -> Seat:
        if self._seat is None:
            raise LocalProtocolError("the rig has no seat yet: nothing can be shown to it")
        return self._seat

    def _closed(self) -> bool:
        return self._state is _CLOSED

    def _allow(self, mask: int) -> None:
        """Set the version bits that configure grants from now on, and tell who has some."""
        granted = self._terms.allow(mask)
        if granted is not None:
            self._push(messages.encode_request(None, "mining.set_version_mask", [f"{granted:08x}"]))

    def _fail(self, what: str) -> None:
        if not self._closed():
            self._state = _CLOSED
            self._events.append(PeerFault(what=what, fatal=True))

    _METHODS: ClassVar[Mapping[type, Callable[["ServerConnection", bytes, Any], None]]] = {
        messages.Subscribe: _receive_subscribe,
        messages.Authorize: _receive_authorize,
        messages.Configure: _receive_configure,
        messages.ExtranonceSubscribe: _receive_extranonce_subscribe,
    }
    """What every rig may ask; `mining.submit` has a way of its own."""


def _ensure_channel(channel: int) -> None:
    if channel != 0:
        raise LocalProtocolError(f"a Stratum V1 connection has the channel 0 alone, not {channel}")
