"""What a hub is told, and whom it speaks to."""

from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import Protocol

from headframe.chain.job import SourceId
from headframe.runtime.clock import monotonic, wall_seconds
from headframe.stratum.events import ShareSubmitted
from headframe.upstream.base import Done
from proxy.jobbook import Entry
from proxy.names import Sender, own_name
from proxy.policy import Stale, VerdictBy, WhenDry

__all__ = ["Asker", "Clock", "Guest", "HubSettings"]


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
    """

    refresh_seconds: float = 30.0
    grace_seconds: float = 60.0
    worker_sent: Callable[[Sender], str | None] = own_name
    verdict: VerdictBy = VerdictBy.LOCAL
    stale: Stale = Stale.REFUSE
    when_dry: WhenDry = WhenDry.CLOSE


class Asker(Protocol):
    """Who can wait for an upstream's verdict."""

    def expect(self, share: ShareSubmitted, work: int, source: SourceId) -> Done:
        """Let a share of its own wait; return what is to be called with the verdict, once."""


class Guest(Protocol):
    """What the hub needs of a session."""

    def settle(self, now: float) -> None:
        """Take a seat, if a rig waits for one: the layout is known."""

    def reseat(self, now: float) -> None:
        """Take another place, as the layout has changed; end the connection if it cannot."""

    def show(self, entry: Entry, now: float) -> None:
        """Show a job to whoever has a seat."""

    def tick(self, now: float) -> None:
        """Look at deadlines and rates."""

    def give_up(self, sources: Container[SourceId]) -> None:
        """Answer shares that waited too long, or for these upstreams: they are lost."""

    def close(self, why: str) -> None:
        """End the connection, for one of `CLOSE_REASONS`."""
