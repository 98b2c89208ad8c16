"""A session: one rig's connection, over any `ServerCore`.

Everything happens in the callback of a read: a share is judged, booked, answered and
sent up before the next is looked at. No task, no future and no queue per rig.
"""

import hmac
from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Protocol, assert_never

from headframe.chain.job import SourceId
from headframe.chain.share import Reason, Verdict
from headframe.chain.target import Target
from headframe.runtime.logs import get_logger
from headframe.runtime.wire import SlowReaderError, Wire
from headframe.stratum.core import Seat, ServerCore
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
from headframe.upstream.base import Done
from proxy.cost import Cost, Level, Price
from proxy.hub import Hub
from proxy.jobbook import Entry
from proxy.ledger import Row
from proxy.rig import Rig, RigSettings, RigState, difficulty_in_password
from proxy.routes import Visitor
from proxy.slices import NoSliceLeftError
from proxy.waiting import Waiting

__all__ = ["Door", "Place", "Session"]

log = get_logger(__name__)

_ACCEPTED: Final = Reason.ACCEPTED
_VERDICTS: Final = {reason: Verdict(reason=reason) for reason in Reason}
_YES: Final = _VERDICTS[_ACCEPTED]
_LATE: Final = frozenset({Reason.STALE, Reason.UNKNOWN_JOB})
_LATE_SECONDS: Final = 30.0
"""So long shares of jobs of a route that a rig has left are taken."""
_NOBODY: Final = "(unauthorised)"
_SOFT, _HARD, _DECAY = 60.0, 200.0, 1.0
"""A rig that sends rubbish is dropped after ten lines, one whose shares are all bad once it
has sent 200 more than seconds have passed. A good share makes up for a bad one."""
_BUFFER_BYTES: Final = 1 << 18
"""Unread bytes a rig may leave: some hundred jobs."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a rig belongs.

    Attributes:
        hub: where its jobs come from and its shares go.
        settings: what rigs of its listener and route have in common.
    """

    hub: Hub
    settings: RigSettings


class Door(Protocol):
    """What a session needs of its listener."""

    @property
    def name(self) -> str:
        """What it is called."""

    def admit(self, address: str) -> str:
        """Let a connection in, or say why not; the address is without the port."""

    def release(self, address: str, *, faulty: bool) -> None:
        """Take note that a connection has ended; `faulty`: it broke the protocol."""

    def place(self, visitor: Visitor, current: Hub) -> Place | None:
        """Say which route a rig takes that is on this one; `None`: it is turned away."""


class Session:
    """One connection of a rig.

    Args:
        hub: where jobs come from and shares go.
        settings: what all rigs have in common.
        core: speaks the rig's protocol.
        door: who lets it in.
    """

    __slots__ = (
        "_agent",
        "_before",
        "_core",
        "_cost",
        "_done",
        "_doom",
        "_door",
        "_hub",
        "_joining",
        "_named",
        "_opened",
        "_rigs",
        "_settings",
        "_start",
        "_user",
        "_waiting",
        "wire",
    )

    def __init__(self, hub: Hub, settings: RigSettings, core: ServerCore, door: Door) -> None:
        self.wire: Wire[ServerEvent] = Wire(
            core,
            self._on_events,
            on_made=self._on_made,
            on_lost=self._on_lost,
            max_buffer_bytes=_BUFFER_BYTES,
        )
        self._hub = hub
        self._before: tuple[Hub, float] | None = None  # until then its shares count there
        self._door = door
        self._settings = settings
        self._core = core
        self._cost: Cost | None = None  # most rigs never do wrong
        self._opened = hub.clock.monotonic()
        self._joining: dict[int, Joined] = {}
        self._rigs: dict[int, Rig] = {}
        self._named = False  # a worker was authorised
        self._start: Target | None = None
        self._agent = ""
        self._user = ""
        self._doom = ""
        self._done = False
        self._waiting: Waiting | None = None  # with verdict = "pool"

    @property
    def user(self) -> str:
        """The first worker that was authorised on it, or ""."""
        return self._user

    @property
    def address(self) -> str:
        """Where the rig is, as "host:port"."""
        return self.wire.peer

    @property
    def agent(self) -> str:
        """What its software calls itself, or ""."""
        return self._agent

    @property
    def host(self) -> str:
        """Where the rig is, without the port."""
        return self.wire.peer.rpartition(":")[0]

    @property
    def door(self) -> Door:
        """Who let it in."""
        return self._door

    @property
    def visitor(self) -> Visitor:
        """What rules look at."""
        return Visitor(
            listener=self._door.name, address=self.host, login=self._user, agent=self._agent
        )

    @property
    def hub(self) -> Hub:
        """The route that it is on."""
        return self._hub

    def figures(self, now: float) -> list[dict[str, object]]:
        """Return what the page shows of the session's rigs."""
        head = {"name": self._user, "user": self._user, "agent": self._agent}
        return [
            {**head, "address": self.address, **rig.figures(now)} for rig in self._rigs.values()
        ]

    def hps(self, now: float) -> float:
        """Estimate the hashrate of its rigs."""
        return sum(rig.hps(now) for rig in self._rigs.values())

    def states(self, now: float) -> list[RigState]:
        """Say how its rigs are doing."""
        return [rig.state(now) for rig in self._rigs.values()]

    # what the hub asks for

    def settle(self, now: float) -> None:
        """Take a seat, if a rig waits for one: the layout is known."""
        if not self._joining or self._done:
            return
        for joined in tuple(self._joining.values()):
            self._seat(joined, now)
        self.wire.flush()
        if self._doom:
            self.close(self._doom)

    def reseat(self, now: float) -> None:
        """Take another place, as the layout has changed; end the connection if it cannot."""
        seated = tuple(self._rigs.values())
        self.settle(now)
        layout, slices = self._hub.layout, self._hub.slices
        if self._done or layout is None or slices is None:
            return
        why = ""
        for rig in seated:
            try:
                lease = slices.take()
            except NoSliceLeftError:
                why = "no_slice"
                break
            seat = replace(rig.seat, lane=layout.lane, slice=lease.value, size=layout.rollable)
            rig.reseat(seat, lease)
            if not self._core.reseat(seat):
                why = "new_layout"
                break
            self._hub.stats.reseats += 1
        if why:
            self.close(why)

    def move(self, place: Place, now: float) -> None:
        """Go to another route, or take the settings of the one it is on as they are now."""
        if self._done:
            return
        if place.settings is not self._settings:
            self._settings = place.settings
            for rig in self._rigs.values():
                rig.adopt(place.settings, now)
                if rig.entry is not None:
                    self._hub.hurry(self)
        if place.hub is self._hub:
            return
        self._before = (self._hub, now + _LATE_SECONDS)
        same_space = place.hub.space is self._hub.space
        self._hub.leave(self)
        self._hub = place.hub
        self._hub.join(self)
        self._hub.stats.moves += self._named
        for rig in self._rigs.values():
            rig.unsettle()
        if not same_space:
            self.reseat(now)
        book = self._hub.book
        if book is not None and book.current is not None and not self._hub.idle:
            self.show(book.current, now)

    def show(self, entry: Entry, now: float) -> None:
        """Show a job to whoever has a seat and a name."""
        del now
        if self._done or not self._named:
            return
        for rig in self._rigs.values():
            self._offer(rig, entry)
        self.wire.flush()

    def tick(self, now: float) -> None:
        """Look at deadlines and rates."""
        if self._done:
            return
        if not (self._rigs and self._named) and not self._joining:
            if now - self._opened >= self._settings.handshake_seconds:
                self.close("handshake_late")
            return
        if self._before is not None and now >= self._before[1]:
            self._before = None
        for rig in self._rigs.values():
            self._look(rig, now)
            quiet = min(rig.quiet_seconds(now), now - self._hub.busy_since)
            if quiet >= self._settings.idle_seconds and not self._hub.idle:
                self.close("idle")

    def expect(self, share: ShareSubmitted, work: int, source: SourceId) -> Done:
        """Let a share wait for its upstream's verdict; see `proxy.terms.Asker`."""
        if self._waiting is None:
            self._waiting = Waiting()
        tell = partial(self._on_verdict, share.channel, share.ticket, work)
        return self._waiting.expect(share.ticket, source, tell)

    def give_up(self, sources: Container[SourceId]) -> None:
        """Answer shares that wait for the verdict of these upstreams: they are lost."""
        if self._waiting is not None:
            self._waiting.give_up(sources)

    def close(self, why: str) -> None:
        """End the connection, for one of `CLOSE_REASONS`; what is unsent still leaves."""
        if not self._done:
            self._finish(why)
            self.wire.close()

    # what the wire tells

    def _on_made(self) -> None:
        why = self._door.admit(self.host)
        if why:
            self._doom = "refused"
            self.wire.abort()
        else:
            self._hub.join(self)

    def _on_events(self, events: Sequence[ServerEvent]) -> None:
        if self._done:
            return
        now = self._hub.clock.monotonic()
        for event in events:  # all of them, though one may end it: the next may be a block
            if type(event) is ShareSubmitted:  # by far the commonest
                self._on_share(event, now)
            else:
                self._on_other(event, now)
        if self._doom:
            self.close(self._doom)
            return
        for rig in self._rigs.values():
            if rig.vardiff.is_due(now):
                self._look(rig, now)

    def _on_lost(self, reason: Exception | None) -> None:
        why = "hung_up"
        if isinstance(reason, SlowReaderError):
            why = "slow_reader"
        elif reason is not None and not isinstance(reason, OSError):
            why = "failed"
        self._finish(self._doom or why)
        self._door.release(self.host, faulty=self._doom == "protocol_fault")

    def _on_share(self, share: ShareSubmitted, now: float) -> None:
        rig = self._rigs.get(share.channel)
        if rig is None:
            self._core.reply(share.ticket, _VERDICTS[Reason.NOT_SUBSCRIBED])
            return
        hub = self._hub if self._before is None else self._hub_of(share)
        row = hub.ledger.worker(share.worker) if share.refused is None else self._own_row(hub)
        checked, work = hub.judge(rig.seat, share, row, self)
        if checked.reason is _ACCEPTED:
            self._core.reply(share.ticket, _YES)
            rig.count(checked, work, now)
            if self._cost is not None:
                self._cost.forgive(Price.REFUSED_SHARE)
            return
        if checked.reason is Reason.PENDING:
            return  # `_on_verdict` answers, or has answered
        self._core.reply(share.ticket, _VERDICTS[checked.reason])
        rig.count(checked, work, now)
        if hub.idle:
            return  # no fault of the rig's: there is nothing better to work on
        log.debug("share_refused", reason=checked.reason, rig=self._user, peer=self.address)
        late = checked.reason in _LATE
        self._charge(Price.LATE_SHARE if late else Price.REFUSED_SHARE, now)

    def _on_verdict(self, channel: int, ticket: Ticket, work: int, verdict: Verdict) -> None:
        """Answer a share as its upstream did. One that is kept for later is good."""
        answer = _YES if verdict.reason is Reason.PENDING else verdict
        self._core.reply(ticket, answer)
        rig = self._rigs.get(channel)
        if rig is not None:
            rig.count_answered(answer.reason, work, self._hub.clock.monotonic())
        self.wire.flush()

    def _on_other(self, event: ServerEvent, now: float) -> None:
        match event:
            case Joined():
                self._on_joined(event, now)
            case AuthorizeAsked():
                self._on_authorize(event, now)
            case TargetWished():
                self._wish(event.target, now)
            case Notice():
                self._on_notice(event, now)
            case PeerFault():
                self._on_fault(event, now)
            case ShareSubmitted():
                self._on_share(event, now)
            case _:
                assert_never(event)

    def _on_authorize(self, event: AuthorizeAsked, now: float) -> None:
        password, wish = difficulty_in_password(event.password)
        wanted = self._settings.password
        ok = not wanted or hmac.compare_digest(password.encode(), wanted.encode())
        if not ok:
            self._core.authorize(event.ticket, ok=False)
            log.warning("rig_refused", user=event.user, peer=self.address, why="wrong password")
            self._charge(Price.FAULT, now)
            return
        first = not self._named
        if first and not self._take_place(event.user, now):
            self._core.authorize(event.ticket, ok=False)
            self._doom = "no_route"
            return
        self._core.authorize(event.ticket, ok=True)
        self._named = True
        self._hub.ledger.worker(event.user)
        if wish is not None:
            self._wish(wish, now)
        if first:
            self._user = event.user
            self._begin(now)

    def _on_joined(self, event: Joined, now: float) -> None:
        self._agent = event.agent
        self._joining[event.channel] = event
        if self._named and not self._take_place(self._user, now):  # it authorised first
            self._doom = "no_route"
            return
        self._seat(event, now)

    def _take_place(self, login: str, now: float) -> bool:
        """Go where the rules say; false when they turn the rig away."""
        place = self._door.place(replace(self.visitor, login=login), self._hub)
        if place is None:
            log.warning("rig_refused", user=login, peer=self.address, why="a rule says so")
            return False
        self.move(place, now)
        return True

    def _on_notice(self, event: Notice, now: float) -> None:
        log.debug(event.kind, text=event.text, rig=self._user, peer=self.address)
        price = Price.NOTICE
        if event.kind == "share_refused":  # the core judged it by itself; it still is offered
            price = Price.REFUSED_SHARE
            hub = self._hub
            hub.refuse_unweighed(self._own_row(hub), self.host, Reason(event.text))
            for rig in self._rigs.values():
                rig.refuse()
        self._charge(price, now)

    def _on_fault(self, event: PeerFault, now: float) -> None:
        self._hub.stats.faults += 1
        log.warning("rig_fault", what=event.what, rig=self._user, peer=self.address)
        if event.fatal:
            self._doom = self._doom or "protocol_fault"
        else:
            self._charge(Price.FAULT, now)

    # seats, targets, jobs

    def _seat(self, joined: Joined, now: float) -> None:
        """Answer a subscribe; waits for the first job, which tells the layout."""
        layout, slices = self._hub.layout, self._hub.slices
        if layout is None or slices is None:
            return
        self._joining.pop(joined.channel, None)
        if not self._joining:
            self._joining.clear()  # gives its memory back
        try:
            lease = slices.take()
        except NoSliceLeftError as error:
            log.warning("rig_refused", peer=self.address, why=str(error))
            self._doom = "no_slice"
            return
        seat = Seat(
            channel=joined.channel,
            lane=layout.lane,
            slice=lease.value,
            size=layout.rollable,
            mask=self._settings.mask,
            address=self.host,
            agent=self._agent,
        )
        start = self._settings.start if self._start is None else self._start
        self._rigs[joined.channel] = Rig(seat, lease, self._settings, start, now)
        self._core.seat(joined.ticket, seat)
        self._hub.stats.rigs += 1
        self._begin(now)

    def _begin(self, now: float) -> None:
        """Show the first job, once there are a seat and a name."""
        book = self._hub.book
        if not self._named or not self._rigs or book is None:
            return
        log.info("rig_joined", rig=self._user, agent=self._agent, peer=self.address)
        if book.current is not None:
            self.show(book.current, now)

    def _offer(self, rig: Rig, entry: Entry) -> None:
        rig.show(self._core, entry)
        self._hub.stats.offers += 1

    def _wish(self, target: Target, now: float) -> None:
        self._start = target
        for rig in self._rigs.values():
            rig.vardiff.wish(target, now)
            if rig.entry is not None:
                self._hub.hurry(self)

    def _look(self, rig: Rig, now: float) -> None:
        if rig.retarget(now):
            self._hub.stats.retargets += 1
            self._hub.hurry(self)

    # books and the end

    def _own_row(self, hub: Hub) -> Row:
        return hub.ledger.worker(self._user if self._named else _NOBODY)

    def _hub_of(self, share: ShareSubmitted) -> Hub:
        """Return the route whose job a share answers, which may be the one that it left."""
        if self._before is not None and self._hub.finds(share.job_id) is None:
            before = self._before[0]
            if before.finds(share.job_id) is not None:
                return before
        return self._hub

    def _charge(self, points: float, now: float) -> None:
        if self._cost is None:
            self._cost = Cost(soft=_SOFT, hard=_HARD, decay=_DECAY)
        if self._cost.add(points, now) is Level.HARD and not self._doom:
            log.warning("rig_dropped", rig=self._user, peer=self.address, why="too_costly")
            self._doom = "too_costly"

    def _finish(self, why: str) -> None:
        """Give back what is held; the first reason counts."""
        if self._done:
            return
        self._done = True
        if self._waiting is not None:
            self._waiting.clear()
        self._hub.stats.rigs -= len(self._rigs)
        self._hub.stats.connections_closed[why] += 1
        for rig in self._rigs.values():
            rig.leave()
        self._hub.leave(self)
        if self._user:
            log.info("rig_left", rig=self._user, peer=self.address, why=why)
