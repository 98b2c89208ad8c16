"""A session: one rig's connection, over any `ServerCore`.

Everything happens in the callback of a read: a share is judged, booked, answered and
sent up before the next is looked at. No task, no future and no queue per rig.
"""

import hmac
import sys
from collections.abc import Sequence
from typing import Final, assert_never

from headframe.chain.share import Reason, Verdict
from headframe.runtime.logs import get_logger
from headframe.runtime.wire import SlowReaderError, Wire
from headframe.stratum.core import ServerCore
from headframe.stratum.events import (
    AuthorizeAsked,
    Joined,
    Notice,
    PeerFault,
    ServerEvent,
    ShareSubmitted,
    TargetWished,
)
from proxy.cost import Cost, Level, Price
from proxy.hub import Hub
from proxy.rig import RigSettings, difficulty_in_password
from proxy.routes import Decision
from proxy.seating import Door, Place
from proxy.skimming import Skimming

__all__ = ["Door", "Place", "Session"]

log = get_logger(__name__)

_ACCEPTED: Final = Reason.ACCEPTED
_VERDICTS: Final = {reason: Verdict(reason=reason) for reason in Reason}
_YES: Final = _VERDICTS[_ACCEPTED]
_LATE: Final = frozenset({Reason.STALE, Reason.UNKNOWN_JOB})
_SOFT, _HARD, _DECAY = 60.0, 200.0, 1.0
"""A rig that sends rubbish is dropped after ten lines, one whose shares are all bad once it
has sent 200 more than seconds have passed. A good share makes up for a bad one."""
_BUFFER_BYTES: Final = 1 << 18
"""Unread bytes a rig may leave: some hundred jobs."""


class Session(Skimming):
    """One connection of a rig.

    Args:
        hub: where jobs come from and shares go.
        settings: what all rigs have in common.
        core: speaks the rig's protocol.
        door: who lets it in.
    """

    __slots__ = ()

    def __init__(self, hub: Hub, settings: RigSettings, core: ServerCore, door: Door) -> None:
        self.wire: Wire[ServerEvent] = Wire(
            core,
            self._on_events,
            on_made=self._on_made,
            on_lost=self._on_lost,
            max_buffer_bytes=_BUFFER_BYTES,
        )
        super().__init__(hub, settings, core, door)

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
        now, shared = self._hub.clock.monotonic(), False
        for event in events:  # all of them, though one may end it: the next may be a block
            if type(event) is ShareSubmitted:  # by far the commonest
                shared = True
                self._on_share(event, now)
            else:
                self._on_other(event, now)
        if self._doom:
            self.close(self._doom)
            return
        if shared:
            for rig in self._rigs:
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
        rig = self._rig_on(share.channel)
        if rig is None:
            self._core.reply(share.ticket, _VERDICTS[Reason.NOT_SUBSCRIBED])
            return
        hub = self._hub if self._before is None else self._hub_of(share)
        row = hub.ledger.worker(share.worker) if share.refused is None else self._own_row(hub)
        seat = rig.seat_in(hub.layout_of(share.job_id)) if rig.past else rig.seat
        checked, work = hub.judge(seat, share, row, self)
        if checked.reason is _ACCEPTED:
            self._core.reply(share.ticket, _YES)
            self._count_good(rig, work, now)
            rig.note_version(share.version)
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

    def _on_other(self, event: ServerEvent, now: float) -> None:
        match event:
            case Joined():
                self._on_joined(event, now)
            case AuthorizeAsked():
                self._on_authorize(event, now)
            case TargetWished():
                (self._limit if event.least else self._wish)(event.target, now)
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
            return
        why = self._claim(event.user)
        if why:
            self._core.authorize(event.ticket, ok=False, why=why)
            log.warning("rig_refused", user=event.user, peer=self.address, why=why)
            self._charge(Price.FAULT, now)
            return
        self._core.authorize(event.ticket, ok=True)
        self._take_ahead()
        self._named = True
        self._hub.roll.rigs += first
        self._hub.ledger.worker(event.user)
        if wish is not None:
            self._wish(wish, now)
        if first:
            self._user = event.user
            self._begin(now)

    def _on_joined(self, event: Joined, now: float) -> None:
        self._agent = sys.intern(event.agent)  # one text for all that call themselves so
        if not self._named and not self._rigs:
            self._go(self._door.seat(self._hub), now)
        self._joining = (*self._joining, event)
        if self._named and not self._take_place(self._user, now):  # it authorised first
            return
        self._seat(event, now)

    def _take_place(self, login: str, now: float) -> bool:
        """Go where the rules say; false when they turn the rig away, or a full route does."""
        place = self._door.place(self._visitor_as(login), self._hub, counts=self._named)
        if isinstance(place, Decision):
            log.warning("rig_refused", user=login, peer=self.address, why=place.told)
            self._doom = place.closes
            return False
        self._go(place, now)
        return True

    def _go(self, place: Place, now: float) -> None:
        """Take a place; of whom nobody knows nothing changes where it stays."""
        if self._named or place.hub is not self._hub or place.settings is not self._settings:
            self.move(place, now)

    def _on_notice(self, event: Notice, now: float) -> None:
        log.debug(event.kind, text=event.text, rig=self._user, peer=self.address)
        price = Price.NOTICE
        if event.kind == "share_refused":  # the core judged it by itself; it still is offered
            price = Price.REFUSED_SHARE
            hub = self._hub
            hub.refuse_unweighed(self._own_row(hub), self.host, Reason(event.text))
            for rig in self._rigs:
                rig.refuse()
        self._charge(price, now)

    def _on_fault(self, event: PeerFault, now: float) -> None:
        self._hub.stats.faults["fatal" if event.fatal else "answered"] += 1
        tell = log.warning if self._door.is_news(self.host) else log.debug
        tell("rig_fault", what=event.what, rig=self._user, peer=self.address)
        if event.fatal:
            self._doom = self._doom or "protocol_fault"
        else:
            self._charge(Price.FAULT, now)

    # books and the end

    def _charge(self, points: float, now: float) -> None:
        if self._cost is None:
            self._cost = Cost(soft=_SOFT, hard=_HARD, decay=_DECAY)
        if self._cost.add(points, now) is Level.HARD and not self._doom:
            log.warning("rig_dropped", rig=self._user, peer=self.address, why="too_costly")
            self._doom = "too_costly"
