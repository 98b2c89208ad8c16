"""What switches between upstreams cost: time without fresh work, hashes, shares.

Rigs cannot be told to stop. From the moment that the jobs they have are known to be dead
until they have new ones, what they hash is lost: their rate times that time. The rate is
that of their good shares over the last minutes, so its error is known: of n shares, one
part in sqrt(n). `at_most` adds three times that, which holds in 997 of 1,000 cases.

What an upstream owed before it was known to be lost is not hashes lost but shares lost:
they are counted by themselves, as those that found no taker.
"""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Final, Literal

import msgspec

from headframe.chain.job import SourceId
from headframe.chain.share import Reason
from headframe.runtime.logs import get_logger
from proxy.ledger import Ledger, Tally
from proxy.stats import Stats

__all__ = ["SwitchKind", "SwitchMeter", "UpstreamSwitch"]

Meta = msgspec.Meta
log = get_logger(__name__)

SwitchKind = Literal["planned", "lost", "resumed"]
"""Away from an upstream that still had work; from one that had none; back to the same."""

_SETTLE_SECONDS: Final = 2.0
"""So long after a switch shares of the old jobs come in: rigs have been told by then."""
_WINDOW_SECONDS: Final = 180.0
"""The rate is that of so long."""
_SAMPLE_SECONDS: Final = 5.0
_SHOWN: Final = 20
"""Switches that are shown."""


class UpstreamSwitch(msgspec.Struct, kw_only=True):
    """One switch from an upstream to another, and what it cost."""

    time: Annotated[int, Meta(description="When the new work was there, in seconds since 1970.")]
    kind: Annotated[
        SwitchKind,
        Meta(
            description="planned: the upstream that was left still had work. lost: it had none. "
            "resumed: back to the same after a gap."
        ),
    ]
    before: Annotated[str, Meta(description="The upstream that was left.")]
    after: Annotated[str, Meta(description="The one that was taken.")]
    idle_seconds: Annotated[float, Meta(ge=0, description="Time without live work.")]
    hashes_lost: Annotated[
        float,
        Meta(ge=0, description="What rigs hashed in that time, by their good shares before."),
    ]
    hashes_lost_at_most: Annotated[
        float, Meta(ge=0, description="The same with three times its error.")
    ]
    shares_untaken: Annotated[
        int,
        Meta(
            ge=0,
            description="Good shares that found no taker: lost on their way, or stale by then.",
        ),
    ] = 0


@dataclass(frozen=True, slots=True)
class _Sample:
    """Totals at a moment: good shares, and those that found no taker."""

    at: float
    good: Tally
    lost: int
    stale: int


class SwitchMeter:
    """Watches one route's work come and go.

    Args:
        ledger: the route's books.
        stats: where it is all counted.
        wall: tells the seconds since 1970.
    """

    def __init__(self, ledger: Ledger, stats: Stats, wall: Callable[[], int]) -> None:
        self._ledger = ledger
        self._stats = stats
        self._wall = wall
        self._samples: deque[_Sample] = deque()
        self._source: SourceId | None = None
        self._lost: _Sample | None = None
        self._open: tuple[UpstreamSwitch, _Sample, float] | None = None
        self._last_tick: _Sample | None = None
        self.recent: deque[UpstreamSwitch] = deque(maxlen=_SHOWN)
        """The last switches, oldest first."""

    def lose(self, now: float) -> None:
        """Take note that no job is alive any more (monotonic seconds); once is enough."""
        if self._lost is None and self._source is not None:
            self._close()
            here = self._measure(now)
            # Shares are lost a moment before it is known that their upstream is.
            lost = here.lost if self._last_tick is None else self._last_tick.lost
            self._lost = replace(here, lost=lost)

    def gain(self, source: SourceId, now: float) -> None:
        """Take note that all rigs were shown a live job of this upstream."""
        before, self._source = self._source, source
        lost, self._lost = self._lost, None
        if before is None or (before == source and lost is None):
            return
        self._close()
        kind: SwitchKind = "planned"
        if lost is not None:
            kind = "lost" if before != source else "resumed"
        idle = 0.0 if lost is None else now - lost.at
        hashes, error = self._hashes(idle)
        switch = UpstreamSwitch(
            time=self._wall(),
            kind=kind,
            before=before,
            after=source,
            idle_seconds=idle,
            hashes_lost=float(int(hashes)),
            hashes_lost_at_most=float(int(hashes * (1 + 3 * error))),
        )
        self._count(switch)
        self._open = (switch, lost or self._measure(now), now + _SETTLE_SECONDS)

    def tick(self, now: float) -> None:
        """Look at the books; to be called each second."""
        sample = self._last_tick = self._measure(now)
        if not self._samples or now - self._samples[-1].at >= _SAMPLE_SECONDS:
            self._samples.append(sample)
            while now - self._samples[0].at > _WINDOW_SECONDS:
                self._samples.popleft()
        if self._open is not None and now >= self._open[2]:
            self._close()

    def _measure(self, now: float) -> _Sample:
        total = self._ledger.total
        stale = total.refused.get(Reason.STALE)
        return _Sample(
            at=now,
            good=Tally(total.accepted.shares, total.accepted.work),
            lost=total.pool.lost.shares,
            stale=0 if stale is None else stale.shares,
        )

    def _hashes(self, seconds: float) -> tuple[float, float]:
        """Estimate what is hashed in a time, and the estimate's relative error."""
        if not self._samples:
            return 0.0, 0.0
        first, last = self._samples[0], self._last_tick or self._samples[-1]
        shares = last.good.shares - first.good.shares
        if shares <= 0 or last.at <= first.at:
            return 0.0, 0.0
        rate = (last.good.work - first.good.work) / (last.at - first.at)
        return rate * seconds, 1 / math.sqrt(shares)

    def _count(self, switch: UpstreamSwitch) -> None:
        stats = self._stats
        self.recent.append(switch)
        stats.switches[switch.kind] += 1
        stats.rigs_idle += switch.idle_seconds
        stats.lost_hashes += int(switch.hashes_lost)
        stats.lost_at_most += int(switch.hashes_lost_at_most)

    def _close(self) -> None:
        """Count the shares of a switch that is over, and say what it cost."""
        if self._open is None:
            return
        (switch, base, _), self._open = self._open, None
        now = self._measure(0.0)
        switch.shares_untaken = now.lost - base.lost + now.stale - base.stale
        self._stats.shares_untaken += switch.shares_untaken
        say = log.info if switch.kind == "planned" else log.warning
        say(
            "upstream_switched",
            kind=switch.kind,
            before=switch.before,
            after=switch.after,
            idle_seconds=round(switch.idle_seconds, 3),
            hashes_lost=switch.hashes_lost,
            hashes_lost_at_most=switch.hashes_lost_at_most,
            shares_untaken=switch.shares_untaken,
        )
