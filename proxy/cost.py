"""What a peer costs us, in points that decay.

Every nuisance has a price; the sum fades with time. Above the soft limit a peer gets no
new connections, above the hard limit it is dropped. Pure: time is an argument. The idea
is aiorpcX's, whose sessions carry such a running cost.
"""

from enum import IntEnum
from typing import Final

import msgspec

__all__ = ["Cost", "Level", "Price"]


class Price:
    """Points for what a rig may do wrong."""

    CONNECT: Final = 1.0
    REFUSED_SHARE: Final = 1.0
    LATE_SHARE: Final = 0.1
    """Of a job that is over: the rig's fault only if it does nothing else."""
    NOTICE: Final = 0.5
    """An unknown method and the like: harmless, but not for ever."""
    FAULT: Final = 20.0
    """It broke the protocol."""


class Level(IntEnum):
    """What is to be done about a peer."""

    FINE = 0
    SOFT = 1
    HARD = 2


_FINE: Final = Level.FINE


class Cost(msgspec.Struct, gc=False, kw_only=True):
    """A running sum of points.

    Attributes:
        soft: points from which the peer is looked at askance.
        hard: points from which it is dropped.
        decay: points that are forgiven in a second.
    """

    soft: float
    hard: float
    decay: float
    _points: float = 0.0
    _at: float = 0.0

    def points(self, now: float) -> float:
        """Return the sum as it stands now (monotonic seconds)."""
        return max(0.0, self._points - self.decay * max(0.0, now - self._at))

    def add(self, points: float, now: float) -> Level:
        """Charge some points; say where that leaves the peer."""
        faded = self._points - self.decay * (now - self._at) if now > self._at else self._points
        self._points = total = points + faded if faded > 0.0 else points
        self._at = now
        return _FINE if total < self.soft else self.level(now)

    def forgive(self, points: float) -> None:
        """Take some points back, for something good."""
        if self._points:
            self._points = max(0.0, self._points - points)

    def level(self, now: float) -> Level:
        """Say where the peer stands."""
        points = self.points(now)
        if points >= self.hard:
            return Level.HARD
        return Level.SOFT if points >= self.soft else Level.FINE
