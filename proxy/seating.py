"""The rigs of one connection: their places, their jobs, and the route that they are on."""

from collections.abc import Collection, Container
from dataclasses import dataclass, replace
from typing import Final, Protocol

from headframe.chain.job import SourceId
from headframe.chain.target import Target
from headframe.runtime.logs import get_logger
from headframe.runtime.wire import Wire
from headframe.stratum.core import Seat, ServerCore
from headframe.stratum.events import Joined, ServerEvent, ShareSubmitted
from proxy.hub import Hub
from proxy.jobbook import Entry
from proxy.ledger import Row
from proxy.quirks import traits_of
from proxy.rig import Rig, RigSettings, RigState
from proxy.routes import Visitor
from proxy.slices import NoSliceLeftError
from proxy.waiting import Waiting

__all__ = ["Door", "Place", "Seating"]

log = get_logger(__name__)

_LATE_SECONDS: Final = 30.0
"""So long shares of jobs of a route that a rig has left are taken."""
_NOBODY: Final = "(unauthorised)"


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

    def is_news(self, address: str) -> bool:
        """Say whether no fault of this address was told of within a minute; then one is now."""

    def place(self, visitor: Visitor, current: Hub) -> Place | None:
        """Say which route a rig takes that is on this one; `None`: it is turned away."""


class Seating:
    """What a connection holds of a route, and how it comes to another.

    Whoever speaks with the rig makes `wire`, and says what its rigs say.

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
        "_done",
        "_doom",
        "_door",
        "_hub",
        "_joining",
        "_least",
        "_named",
        "_opened",
        "_rigs",
        "_settings",
        "_start",
        "_user",
        "_waiting",
        "wire",
    )

    wire: Wire[ServerEvent]

    def __init__(self, hub: Hub, settings: RigSettings, core: ServerCore, door: Door) -> None:
        self._hub = hub
        self._before: tuple[Hub, float] | None = None  # until then its shares count there
        self._door = door
        self._settings = settings
        self._core = core
        self._opened = hub.clock.monotonic()
        self._joining: dict[int, Joined] = {}
        self._rigs: dict[int, Rig] = {}
        self._named = False  # a worker was authorised
        self._start: Target | None = None
        self._least: Target | None = None
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

    @property
    def rigs(self) -> Collection[Rig]:
        """Its rigs that have a seat."""
        return self._rigs.values()

    def figures(self, now: float) -> list[dict[str, object]]:
        """Return what the page shows of the session's rigs."""
        return [self.figures_of(rig, now) for rig in self._rigs.values()]

    def figures_of(self, rig: Rig, now: float) -> dict[str, object]:
        """Return what the page shows of one of them."""
        return {**self._head(), **rig.figures(now, self._user)}

    def no_figures(self) -> dict[str, object]:
        """Return what the page shows of a connection that has no seat yet."""
        return {
            **self._head(),
            "hashrate_hps": 0.0,
            "difficulty": 0.0,
            "accepted": 0,
            "rejected": 0,
            "last_share_seconds": None,
            "state": RigState.CONNECTING.value,
            "quirks": [],
            "problems": [],
        }

    def _head(self) -> dict[str, object]:
        head = {"name": self._user, "user": self._user, "agent": self._agent}
        return {**head, "address": self.address}

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

    def give_up(self, sources: Container[SourceId]) -> None:
        """Answer shares that waited too long, or for these upstreams: they are lost."""
        if self._waiting is not None:
            now = self._hub.clock.monotonic()
            self._waiting.look(sources, now, unanswered=self._core.unanswered)

    def close(self, why: str) -> None:
        """End the connection, for one of `CLOSE_REASONS`; what is unsent still leaves."""
        if not self._done:
            self._finish(why)
            self.wire.close()

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
            lease = slices.take(joined.session)
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
            numbers=traits_of(self._agent).numbers,
            session=slices.session_of(lease.value),
        )
        start = self._settings.start if self._start is None else self._start
        rig = self._rigs[joined.channel] = Rig(seat, lease, self._settings, start, now)
        if self._least is not None:
            rig.want(self._least, self._settings, now)
        self._core.seat(joined.ticket, seat)
        self._hub.stats.rigs += 1
        if lease.marks:  # it was here before: a time of its own, so that it repeats no hash
            self._hub.hurry(self)
        self._begin(now)

    def _begin(self, now: float) -> None:
        """Show the first job, once there are a seat and a name."""
        book = self._hub.book
        if not self._named or not self._rigs or book is None:
            return
        log.info("rig_joined", rig=self._user, agent=self._agent, peer=self.address)
        if book.current is not None:
            self.show(book.current, now)
        for rig in self._rigs.values():
            for problem in rig.problems(self._user):
                log.warning("rig_unfit", rig=self._user, agent=self._agent, problem=problem)

    def _offer(self, rig: Rig, entry: Entry) -> None:
        rig.show(self._core, entry)
        self._hub.stats.offers += 1

    def _limit(self, least: Target, now: float) -> None:
        """Give its rigs no easier targets than this from now on."""
        self._least = least
        for rig in self._rigs.values():
            rig.want(least, self._settings, now)
            if rig.entry is not None:
                self._hub.hurry(self)

    def _wish(self, target: Target, now: float) -> None:
        self._start = target
        for rig in self._rigs.values():
            rig.vardiff.wish(target, now)
            if rig.entry is not None:
                self._hub.hurry(self)

    def _look(self, rig: Rig, now: float) -> None:
        before = rig.vardiff.target
        if rig.retarget(now):
            direction = "up" if rig.vardiff.target < before else "down"
            self._hub.stats.retargets[direction] += 1
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
