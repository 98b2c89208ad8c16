"""The rigs of one connection: their places, their jobs, and the route that they are on."""

from collections.abc import Container
from typing import Final

from msgspec.structs import replace

from headframe.chain.errors import ChainError
from headframe.chain.job import SourceId
from headframe.chain.target import Target
from headframe.runtime.logs import get_logger
from headframe.runtime.wire import Batch
from headframe.stratum.core import Seat, ServerCore
from headframe.stratum.events import Joined, ShareSubmitted
from headframe.stratum.sv1.skim import SkimmedConnection
from proxy.choir import Choir
from proxy.hub import Hub
from proxy.jobbook import Entry
from proxy.ledger import Row
from proxy.payouts import PayoutError
from proxy.places import Door, Place
from proxy.presence import Presence
from proxy.quirks import traits_of
from proxy.rig import Rig, RigSettings
from proxy.slices import Layout, NoSliceLeftError
from proxy.terms import LATE_SECONDS
from proxy.waiting import Waiting

__all__ = ["Door", "Place", "Seating"]

log = get_logger(__name__)

_NOBODY: Final = "(unauthorised)"


class Seating(Presence):
    """What a connection holds of a route, and how it comes to another.

    Whoever speaks with the rig makes `wire`, and says what its rigs say.

    Args:
        hub: where jobs come from and shares go.
        settings: what all rigs have in common.
        core: speaks the rig's protocol.
        door: who lets it in.
    """

    __slots__ = (
        "_before",
        "_core",
        "_done",
        "_doom",
        "_joining",
        "_layout",
        "_least",
        "_opened",
        "_past_until",
        "_settings",
        "_start",
        "_waiting",
        "choir",
    )

    def __init__(self, hub: Hub, settings: RigSettings, core: ServerCore, door: Door) -> None:
        super().__init__(hub, door)
        self._before: tuple[Hub, float] | None = None  # until then its shares count there
        self._settings = settings
        self._core = core
        self._opened = hub.clock.monotonic()
        self._joining: tuple[Joined, ...] = ()  # who waits for a seat
        self._layout: Layout | None = None  # of its seats
        self._past_until = 0.0  # until then its rigs remember their last seats
        self._start: Target | None = None
        self._least: Target | None = None
        self._doom = ""
        self._done = False
        self._waiting: Waiting | None = None  # with verdict = "pool"
        self.choir: Choir | None = None
        """With whom its rig is shown jobs; `None`: by itself."""

    # what the hub asks for

    def settle(self, now: float) -> None:
        """Take a seat, if a rig waits for one: the layout is known."""
        if not self._joining or self._done:
            return
        for joined in self._joining:
            self._seat(joined, now)
        self.wire.flush()
        if self._doom:
            self.close(self._doom)

    def reseat(self, now: float) -> None:
        """Take another place, as the layout has changed; end the connection if it cannot."""
        self.part()
        seated = self._rigs
        self.settle(now)
        layout, slices = self._hub.layout, self._hub.slices
        if self._done or layout is None or slices is None:
            return
        before, self._layout = self._layout, layout
        self._past_until = now + LATE_SECONDS
        why = ""
        for rig in seated:
            try:
                lease = slices.take()
            except NoSliceLeftError:
                why = "no_slice"
                break
            seat = replace(rig.seat, lane=layout.lane, slice=lease.value, size=layout.rollable)
            rig.reseat(seat, lease, before)
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
        self.part()
        if place.settings is not self._settings:
            mask, self._settings = place.settings.mask, place.settings
            self._core.permit(mask)
            for rig in self._rigs:
                rig.permit(mask)
                rig.adopt(place.settings, now)
                if rig.entry is not None:
                    self._hub.hurry(self)
        if place.hub is self._hub:
            before = self._payee
            if self._is_paid() and self._payee is not before:
                self._show_current(now)
            return
        self._before = (self._hub, now + LATE_SECONDS)
        same_space = place.hub.space is self._hub.space
        self._hub.payouts.release(self._payee)
        self._payee = None
        self._hub.leave(self)
        self._hub.roll.rigs -= self._named
        self._hub = place.hub
        self._hub.join(self)
        self._hub.roll.rigs += self._named
        self._hub.stats.moves += self._named
        for rig in self._rigs:
            rig.unsettle()
        if not self._is_paid():
            return
        if not same_space:
            self.reseat(now)
        self._show_current(now)

    def _show_current(self, now: float) -> None:
        book = self._hub.book
        if book is not None and book.current is not None and not self._hub.idle:
            self.show(book.current, now)

    def show(self, entry: Entry, now: float, batch: Batch | None = None) -> None:
        """Show a job to whoever has a seat and a name; a batch may send it."""
        del now
        if self._done or not self._named:
            return None
        self.part()
        try:
            paid = self._hub.entry_for(entry, self._payee)
        except ChainError as error:
            return self._refuse_payout(str(error))
        if paid is None:
            return None
        core, rigs = self._core, self._rigs
        for rig in rigs:
            rig.show(core, paid)
        self._hub.stats.offers += len(rigs)
        if batch is None:
            self.wire.flush()
        else:
            self.wire.flush_with(batch)
        if rigs and self._payee is None:
            self._join(paid)
        return None

    def _join(self, entry: Entry) -> None:
        """Be shown what others are from now on, if that began with this entry."""
        choir, core = self._hub.choir, self._core
        if (
            choir.entry is entry
            and isinstance(core, SkimmedConnection)
            and self.wire.core is core  # else all that is sent is written down there
            and core.join(choir.chorus, entry.job, self._rigs[0].told, self)
        ):
            self.choir = choir
            self._rigs[0].join(choir)

    def hear(self, line: bytes, batch: Batch) -> None:
        """Have the line of its choir sent."""
        self.wire.send_with(line, batch)

    def part(self) -> None:
        """Be shown jobs by itself again: something about it changes."""
        if self.choir is not None and isinstance(self._core, SkimmedConnection):
            self._core.part()

    def parted(self) -> None:
        """Take note that it is shown jobs by itself; its core says so."""
        self.choir = None
        for rig in self._rigs:
            rig.part()

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
        for rig in self._rigs:
            rig.past = rig.past if now < self._past_until else ()
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

    # payouts

    def _claim(self, login: str) -> str:
        """Have its blocks paid to the address in a login, where that is asked for.

        Returns:
            Why that cannot be; "" if it can, or need not.
        """
        payouts = self._hub.payouts
        try:
            if self._named and login != self._user:
                payouts.ensure_same(login, self._payee)
            else:
                self._payee = payouts.claim(login, self._payee)
        except PayoutError as error:
            return str(error)
        return ""

    def _is_paid(self) -> bool:
        """Say whether the route that it is on pays it; if not, it was closed."""
        why = self._claim(self._user) if self._named else ""
        if why:
            self._refuse_payout(why)
        return not why

    def _refuse_payout(self, why: str) -> None:
        log.warning("rig_refused", user=self._user, peer=self.address, why=why)
        self.close("no_payout")

    # seats, targets, jobs

    def _seat(self, joined: Joined, now: float) -> None:
        """Answer a subscribe; waits for the first job, which tells the layout."""
        space = self._hub.space
        layout, slices = space.layout, space.slices
        if layout is None or slices is None or self._done:
            return
        self._joining = tuple([each for each in self._joining if each is not joined])
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
        self._layout = layout
        rig = Rig(seat, lease, self._settings, start, now)
        self._rigs = (*self._rigs, rig)
        if self._least is not None:
            rig.want(self._least, self._settings, now)
        self._core.seat(joined.ticket, seat)
        if lease.keepsake is not None:  # its shares under way count
            self._core.recall(lease.keepsake)
        self._hub.stats.rigs += 1
        if lease.marks:  # it was here before: a time of its own, so that it repeats no hash
            self._hub.hurry(self)
        if self._named:
            self._begin(now)

    def _begin(self, now: float) -> None:
        """Show the first job to who has a name, once it has a seat."""
        book = self._hub.book
        if not self._rigs or book is None:
            return
        log.info("rig_joined", rig=self._user, agent=self._agent, peer=self.address)
        current = book.current
        if current is not None:
            self.show(current, now)
        for rig in self._rigs:
            for problem in rig.problems(self._user) if rig.traits.rows else ():
                log.warning("rig_unfit", rig=self._user, agent=self._agent, problem=problem)

    def _limit(self, least: Target, now: float) -> None:
        """Give its rigs no easier targets than this from now on."""
        self._least = least
        for rig in self._rigs:
            rig.want(least, self._settings, now)
            if rig.entry is not None:
                self._hub.hurry(self)

    def _wish(self, target: Target, now: float) -> None:
        self._start = target
        for rig in self._rigs:
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
        self.part()
        if self._waiting is not None:
            self._waiting.clear()
        self._hub.stats.rigs -= len(self._rigs)
        self._hub.stats.connections_closed[why] += 1
        for rig in self._rigs:
            rig.leave(self._core.recollect())
        self._hub.payouts.release(self._payee)
        self._hub.leave(self)
        self._hub.roll.rigs -= self._named
        if self._user:
            log.info("rig_left", rig=self._user, peer=self.address, why=why)
