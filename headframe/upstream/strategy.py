"""Strategies: which of several sources is worked for now, and which are kept ready.

Pure: a strategy is told how each source stands and what time it is, and keeps no clock.
`group.SourceGroup` does what it says.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = [
    "Choice",
    "FailoverStrategy",
    "QuotaStrategy",
    "RotateStrategy",
    "Standing",
    "Strategy",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a source stands.

    Attributes:
        works_since: monotonic seconds from which on it has had work without a break;
            `None` while it has none.
        out: it has no work, and had its chance: the next one is needed.
        probation_seconds: how long it must have had work before it is preferred to
            another one that works.
    """

    works_since: float | None = None
    out: bool = False
    probation_seconds: float = 0.0

    @property
    def has_work(self) -> bool:
        """Whether it could be worked for."""
        return self.works_since is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What a strategy says.

    Attributes:
        use: the source to work for, by its place; `None` when none has work.
        want: the sources to keep running.
        until: when to ask again even if nothing changes; monotonic seconds.
    """

    use: int | None
    want: frozenset[int]
    until: float | None = None


class Strategy(Protocol):
    """Chooses among sources; belongs to one group, and may remember."""

    def choose(self, sources: Sequence[Standing], current: int | None, now: float) -> Choice:
        """Say which source to use.

        Args:
            sources: how each stands, in the order of the configuration.
            current: the one in use last, whether or not it still has work.
            now: monotonic seconds.
        """


class FailoverStrategy:
    """The first that works; an earlier one is taken again once it has proved itself.

    Args:
        standby: keep the next source running, too, so that a switch loses no time.
    """

    def __init__(self, *, standby: bool = False) -> None:
        self._standby = standby

    def choose(self, sources: Sequence[Standing], current: int | None, now: float) -> Choice:
        """Say which source to use; all before it are kept running, to see them come back."""
        use = next((place for place, each in enumerate(sources) if each.has_work), None)
        if use is None:
            return Choice(use=None, want=_as_needed(sources, range(len(sources))))
        until = None
        if current is not None and use < current and sources[current].has_work:
            proved = {
                place: (each.works_since or 0.0) + each.probation_seconds
                for place, each in enumerate(sources[:current])
                if each.works_since is not None
            }
            use = next((place for place, when in proved.items() if when <= now), current)
            until = min((when for place, when in proved.items() if place < use), default=None)
        want = frozenset(range(use + 1))
        if self._standby:
            want |= _as_needed(sources, range(use + 1, len(sources)))
        return Choice(use=use, want=want, until=until)


class RotateStrategy:
    """Each in turn, for the same time; one without work is skipped.

    Args:
        turn_seconds: how long one is worked for, above zero.
    """

    def __init__(self, turn_seconds: float) -> None:
        self._turn_seconds = turn_seconds
        self._ends: float | None = None

    def choose(self, sources: Sequence[Standing], current: int | None, now: float) -> Choice:
        """Say whose turn it is; all are kept running, so that a turn begins at once."""
        count = len(sources)
        everyone = frozenset(range(count))
        start = 0 if current is None else current + 1
        order = [(start + step) % count for step in range(count)]  # the current one is last
        use = next((place for place in order if sources[place].has_work), None)
        if use is None:
            self._ends = None
            return Choice(use=None, want=everyone)
        if current is not None and sources[current].has_work:
            if self._ends is not None and now < self._ends:
                return Choice(use=current, want=everyone, until=self._ends)
            if use == current:  # nobody else: the turn ends when another comes
                return Choice(use=current, want=everyone)
        self._ends = now + self._turn_seconds
        return Choice(use=use, want=everyone, until=self._ends)


class QuotaStrategy:
    """Time by weight; one without work leaves its share to the others.

    Args:
        weights: of each source, in order; one with 0 is used only when none of the others
            works.
        turn_seconds: how long one is worked for before the shares are compared again.

    Raises:
        ValueError: no weight is above zero, or one is below.
    """

    def __init__(self, weights: Sequence[float], turn_seconds: float) -> None:
        if min(weights) < 0 or max(weights) <= 0:
            raise ValueError(f"weights must not be below 0, and one must be above: {weights}")
        self._weights = tuple(weights)
        self._turn_seconds = turn_seconds
        self._used = [0.0] * len(weights)  # seconds
        self._running: tuple[int, float] | None = None  # who, and counted until when
        self._live: frozenset[int] = frozenset()
        self._ends = 0.0

    @property
    def used_seconds(self) -> tuple[float, ...]:
        """How long each was worked for, by the account that is kept; see `choose`."""
        return tuple(self._used)

    def choose(self, sources: Sequence[Standing], current: int | None, now: float) -> Choice:
        """Say whose turn it is: of those that work, the one furthest behind its share.

        One that comes back is lifted to the level of the one furthest behind, so that it
        takes its share from now on, and no more.
        """
        self._count(now)
        weighed = [place for place, weight in enumerate(self._weights) if weight > 0]
        live = frozenset(place for place in weighed if sources[place].has_work)
        self._lift(live)
        if not live:
            return self._spare(sources, weighed, now)
        if current not in live or now >= self._ends:
            current = min(live, key=self._level)
            self._ends = now + self._turn_seconds
        assert current is not None  # noqa: S101 # `None` is in no set of places
        self._running = (current, now)
        until = self._ends if len(live) > 1 else None
        return Choice(use=current, want=frozenset(weighed), until=until)

    def _spare(self, sources: Sequence[Standing], weighed: Sequence[int], now: float) -> Choice:
        self._running, self._ends = None, now
        spare = [place for place in range(len(sources)) if place not in weighed]
        use = next((place for place in spare if sources[place].has_work), None)
        want = frozenset(weighed)
        if use is not None:
            want |= {use}
        elif all(sources[place].out for place in weighed):
            want |= _as_needed(sources, spare)
        return Choice(use=use, want=want)

    def _count(self, now: float) -> None:
        if self._running is not None:
            place, since = self._running
            self._used[place] += max(now - since, 0.0)
            self._running = None

    def _lift(self, live: frozenset[int]) -> None:
        old = live & self._live
        if old:
            level = min(self._level(place) for place in old)
            for place in live - old:
                self._used[place] = max(self._used[place], level * self._weights[place])
        self._live = live

    def _level(self, place: int) -> float:
        return self._used[place] / self._weights[place]


def _as_needed(sources: Sequence[Standing], places: Sequence[int]) -> frozenset[int]:
    """Want each source in order, as far as all before it are out."""
    want: set[int] = set()
    for place in places:
        want.add(place)
        if not sources[place].out:
            break
    return frozenset(want)
