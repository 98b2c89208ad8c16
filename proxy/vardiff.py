"""Vardiff: each rig gets the target at which it sends shares at the rate we aim for.

Pure: time is an argument, monotonic seconds. The estimate counts work, not shares, so
shares that were found under an earlier target weigh what they are worth. A look at the
rate happens

- at once, when a few shares came far too fast (a fast first step for strong rigs);
- when nothing came for several times the expected pause;
- otherwise once per window.

Between the last two looks a difference within the hysteresis band changes nothing: a
share count of 20 scatters by a fifth on its own.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from headframe.chain.target import MAX_TARGET, Target, target_from_difficulty, work_of

__all__ = ["Bounds", "Vardiff"]

_FAST_SHARES: Final = 8
_FAST_RATIO: Final = 4.0
"""So many shares, coming so many times too fast, are enough for a look: by chance that
happens once in some hundred thousand times."""
_WINDOW_SHARES: Final = 20.0
"""Expected shares between two ordinary looks: 22 % of scatter."""
_IDLE_SHARES: Final = 5.0
"""Nothing at all where so many were expected happens by chance once in 150 times."""
_BAND: Final = (0.6, 1.7)
"""Measured by wanted rate: no change in between."""
_STEP: Final = (1 / 16, 256.0)
"""The largest change of difficulty in one step, down and up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a rig's target may be, and the rate to aim for.

    Attributes:
        per_minute: shares wanted in a minute.
        easiest: the largest target, from the least difficulty.
        hardest: the smallest target, from the largest difficulty.
        per_second: shares wanted in a second.

    Raises:
        ValueError: the rate is not above zero, or `hardest` is easier than `easiest`.
    """

    per_minute: float
    easiest: Target
    hardest: Target

    per_second: float = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "per_second", self.per_minute / 60)
        if self.per_minute <= 0:
            raise ValueError(f"a share rate is above zero, not {self.per_minute}")
        if not 0 < self.hardest <= self.easiest:
            raise ValueError("the largest difficulty is below the least one")

    @classmethod
    def from_difficulties(cls, *, per_minute: float, least: float, largest: float) -> "Bounds":
        """Make them from difficulties.

        Args:
            per_minute: shares wanted in a minute.
            least: the least difficulty a rig is given.
            largest: the largest.
        """
        return cls(
            per_minute=per_minute,
            easiest=target_from_difficulty(least),
            hardest=target_from_difficulty(largest),
        )

    def clamp(self, target: int) -> Target:
        """Bring a target within the bounds."""
        return Target(max(self.hardest, min(self.easiest, target)))


class Vardiff:
    """One rig's target.

    Args:
        bounds: limits and aim, shared by all rigs.
        start: the first target.
        now: monotonic seconds.
    """

    __slots__ = ("_bounds", "_due", "_shares", "_since", "_work", "target")

    def __init__(self, bounds: Bounds, start: Target, now: float) -> None:
        self._bounds = bounds
        self.target = bounds.clamp(start)
        """What the rig shall aim at, before the job's own clamp."""
        self._restart(now)

    def wish(self, target: Target, now: float) -> None:
        """Take the rig's own proposal, within the bounds, and start counting anew."""
        self.target = self._bounds.clamp(target)
        self._restart(now)

    def rebound(self, bounds: Bounds, now: float) -> None:
        """Take other limits and another aim; starts counting anew if they differ."""
        if bounds != self._bounds:
            self._bounds = bounds
            self.wish(self.target, now)

    def on_share(self, work: int) -> None:
        """Count a good share.

        Args:
            work: `work_of` the target it was judged by.
        """
        self._shares += 1
        self._work += work

    def take(self, work: int, count: int, now: float) -> bool:
        """Count good shares, and say whether it is time for a look: `on_share` and `is_due`."""
        self._shares += count
        self._work += work * count
        shares = self._shares
        return now >= self._due or (
            shares >= _FAST_SHARES
            and shares > _FAST_RATIO * self._bounds.per_second * (now - self._since)
        )

    def is_due(self, now: float) -> bool:
        """Say whether it is time for a look at the rate; quick, for after each share."""
        shares = self._shares
        return (
            now >= self._due
            or (
                shares >= _FAST_SHARES
                and shares > _FAST_RATIO * self._bounds.per_second * (now - self._since)
            )
            or (shares == 0 and self._bounds.per_second * (now - self._since) >= _IDLE_SHARES)
        )

    def retarget(self, now: float, *, hardest: Target) -> Target | None:
        """Look at the rate.

        Args:
            now: monotonic seconds.
            hardest: the job's own target; a rig's is never harder, or good shares
                would not be heard of.

        Returns:
            The new target, or `None` when nothing changes.
        """
        if not self.is_due(now):
            return None
        expected = (now - self._since) * self._bounds.per_second
        # One share's worth where nothing came: the rig may be about to send its first.
        shares = self._work / work_of(self.target) if self._work else 1.0
        ratio = shares / max(expected, 1e-6)
        self._restart(now)
        if _BAND[0] <= ratio <= _BAND[1]:
            return None
        end = self._bounds.hardest if ratio > 1 else self._bounds.easiest
        if self.target == max(end, hardest):
            return None  # as far as it goes; found without fractions, as it may be so for long
        step = Fraction(max(_STEP[0], min(_STEP[1], ratio)))
        wanted = min(int(self.target / step), MAX_TARGET)
        target = Target(max(self._bounds.clamp(wanted), hardest))
        if target == self.target:
            return None
        self.target = target
        return target

    def _restart(self, now: float) -> None:
        self._since = now
        self._due = now + _WINDOW_SHARES / self._bounds.per_second
        self._shares = 0
        self._work = 0
