"""Switches of work from one source to another: how often, between whom, and why."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from itertools import permutations

from headframe.chain.job import SourceId

__all__ = ["Failover", "FailoverReason", "Failovers"]


class FailoverReason(StrEnum):
    """Why work went from one source to another; the values are those of the metric."""

    LOST = "lost"
    """The one before had no work any more."""
    PREFERRED = "preferred"
    """One that stands before it has proved itself again."""
    TURN = "turn"
    """The strategy shares work out, and it was another one's turn."""
    REMOVED = "removed"
    """The settings do not name the one before any more."""


@dataclass(frozen=True, slots=True)
class Failover:
    """How often work went from one source to another for a reason."""

    before: SourceId
    after: SourceId
    reason: FailoverReason
    count: int


class Failovers:
    """Counts them; there are as many rows as the settings have ever had pairs of sources.

    Args:
        rows: what was counted elsewhere; rows of the same three are added up.
    """

    def __init__(self, rows: Iterable[Failover] = ()) -> None:
        self._counts: dict[tuple[SourceId, SourceId, FailoverReason], int] = {}
        for row in rows:
            self._add(row.before, row.after, row.reason, row.count)

    def foresee(self, names: Collection[SourceId]) -> None:
        """Have a row, of 0, for each source that may be lost to each other one.

        A counter that is first told of with 1 has not risen, for Prometheus.
        """
        for before, after in permutations(names, 2):
            self._add(before, after, FailoverReason.LOST, 0)

    def note(self, before: SourceId, after: SourceId, reason: FailoverReason) -> None:
        """Count one."""
        self._add(before, after, reason, 1)

    @property
    def rows(self) -> tuple[Failover, ...]:
        """All of them."""
        return tuple(Failover(*key, count) for key, count in self._counts.items())

    @property
    def total(self) -> int:
        """How many there were."""
        return sum(self._counts.values())

    def _add(self, before: SourceId, after: SourceId, reason: FailoverReason, count: int) -> None:
        key = (before, after, reason)
        self._counts[key] = self._counts.get(key, 0) + count
