"""What a hub is told, and whom it speaks to."""

from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import Final, Protocol

from headframe.chain.job import SourceId
from headframe.runtime.clock import monotonic, wall_seconds
from headframe.runtime.wire import Batch
from headframe.stratum.events import ShareSubmitted
from headframe.upstream.base import Done
from headframe.upstream.payees import PayTo
from proxy.choir import Choir
from proxy.jobbook import Entry
from proxy.names import Sender, own_name
from proxy.policy import Stale, VerdictBy, WhenDry

__all__ = ["LATE_SECONDS", "Asker", "Clock", "Guest", "HubSettings", "Roll"]

LATE_SECONDS: Final = 30.0
"""So long shares are taken of a place that a rig has left: a route, or a layout."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Where time comes from.

    Attributes:
        monotonic: seconds that never go back.
        wall: seconds since 1970.
    """

    monotonic: Callable[[], float] = monotonic
    wall: Callable[[], int] = wall_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class HubSettings:
    """What the hub is told.

    Attributes:
        refresh_seconds: longest silence towards the rigs.
        grace_seconds: so long rigs are kept without any work.
        worker_sent: the name that shares go up under.
        verdict: who answers rigs.
        stale: what becomes of good shares whose job is dead.
        when_dry: what becomes of rigs after `grace_seconds` without work.
        pay_to: who is paid for blocks that are found on a node.
        max_rigs: so many rigs may be on the route; `None` for any number.
    """

    refresh_seconds: float = 30.0
    grace_seconds: float = 60.0
    worker_sent: Callable[[Sender], str | None] = own_name
    verdict: VerdictBy = VerdictBy.LOCAL
    stale: Stale = Stale.REFUSE
    when_dry: WhenDry = WhenDry.CLOSE
    pay_to: PayTo = PayTo.ADDRESS
    max_rigs: int | None = None


@dataclass(slots=True)
class Roll:
    """The rigs of a route, on all its connections.

    Attributes:
        rigs: connections that have authorised and are on it.
        turned_away: rigs that found it full, and no other rule that fits them.
    """

    rigs: int = 0
    turned_away: int = 0


class Asker(Protocol):
    """Who can wait for an upstream's verdict."""

    def expect(self, share: ShareSubmitted, work: int, source: SourceId) -> Done:
        """Let a share of its own wait; return what is to be called with the verdict, once."""


class Guest(Protocol):
    """What the hub needs of a session."""

    choir: Choir | None
    """With whom it is shown jobs; `None`: by itself."""

    @property
    def is_known(self) -> bool:
        """It has authorised."""

    def hear(self, line: bytes, batch: Batch) -> None:
        """Have the line of its choir sent."""

    def part(self) -> None:
        """Be shown jobs by itself again: something about it changes."""

    def settle(self, now: float) -> None:
        """Take a seat, if a rig waits for one: the layout is known."""

    def reseat(self, now: float) -> None:
        """Take another place, as the layout has changed; end the connection if it cannot."""

    def show(self, entry: Entry, now: float, batch: Batch | None = None) -> None:
        """Show a job to whoever has a seat; what is to be sent may be left to a batch."""

    def tick(self, now: float) -> None:
        """Look at deadlines and rates."""

    def give_up(self, sources: Container[SourceId]) -> None:
        """Answer shares that waited too long, or for these upstreams: they are lost."""

    def close(self, why: str) -> None:
        """End the connection, for one of `CLOSE_REASONS`."""
