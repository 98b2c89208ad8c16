"""What history keeps of the books: figures per worker, cut into pieces of time. Pure.

The books only grow, so history is made of differences: `Rollups` remembers what it took
last of each worker, and takes what is new since. What was taken and what is in the books
agree row by row, so the sums of what is kept agree as well, whenever the process ends.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from proxy.history_figures import Figures, Parts, added, new_parts, parts_of, row_of
from proxy.ledger import Ledger, Row

__all__ = ["Batch", "Rollup", "Rollups"]

_IDLE_SECONDS: Final = 3600.0
_CROWDED: Final = 0.9
"""Above this part of the most rows there may be, idle ones go sooner."""
_PORTION: Final = 128
"""Rows looked at in one go: less than a millisecond."""


@dataclass(frozen=True, slots=True)
class Rollup:
    """What is new of a worker.

    Attributes:
        worker: its name.
        figures: of this piece of time alone.
        parts: likewise; only those that changed.
    """

    worker: str
    figures: Figures
    parts: Parts = field(default_factory=dict)

    def __add__(self, other: "Rollup") -> "Rollup":
        parts = added(self.parts, other.parts)
        return Rollup(self.worker, self.figures + other.figures, parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What is to be written of a route.

    Attributes:
        route: whose books.
        at: the time that it belongs to, in seconds since 1970.
        rollups: by worker.
        parts: of the route as a whole, such as `blocks.found`.
    """

    route: str
    at: int
    rollups: Sequence[Rollup]
    parts: Parts = field(default_factory=dict)

    def __add__(self, newer: "Batch") -> "Batch":
        """Sum up with a newer one of the same route; all of it then belongs to its time."""
        found = {rollup.worker: rollup for rollup in self.rollups}
        for rollup in newer.rollups:
            before = found.get(rollup.worker)
            found[rollup.worker] = rollup if before is None else before + rollup
        return Batch(
            route=newer.route,
            at=newer.at,
            rollups=tuple(found.values()),
            parts=added(self.parts, newer.parts),
        )


@dataclass(slots=True)
class _Seen:
    """What was taken of a row."""

    figures: Figures
    parts: Parts = field(default_factory=dict)
    mark: tuple[int, ...] = ()
    changed_at: float = 0.0


_NONE_YET: Final = Figures()
_UNTOUCHED: Final = (0, 0, 0, 0, 0)
"""The mark of a row that nothing was booked in: of most, while a farm connects."""


def _mark(row: Row) -> tuple[int, ...]:
    """Tell quickly whether a row has changed: each booking changes one of these."""
    pool, rescued = row.pool, row.rescued
    return (
        row.offered.shares,
        pool.forwarded.shares,
        pool.pending.shares,
        rescued.forwarded.shares,
        rescued.pending.shares,
    )


class Rollups:
    """Cuts the books of a route into pieces of time.

    Args:
        ledger: the books.
        idle_seconds: a worker without a share for so long is folded.
    """

    def __init__(self, ledger: Ledger, *, idle_seconds: float = _IDLE_SECONDS) -> None:
        self._ledger = ledger
        self._idle_seconds = idle_seconds
        self._seen: dict[str, _Seen] = {}
        self._blocks: Parts = self._count_blocks()
        self._settled: list[Rollup] = []

    def know(
        self, stored: Iterable[tuple[str, Figures, Parts]], counted: Parts, now: float
    ) -> None:
        """Take note of what is kept already, and count the blocks among it on.

        Args:
            stored: what is kept of workers; what was open of those without a row is settled.
            counted: what is kept of the route as a whole.
            now: monotonic seconds.
        """
        for name, figures, parts in stored:
            if name in self._ledger.workers:
                self._seen[name] = _Seen(figures, parts, changed_at=now)
                continue
            row = row_of(name, figures, parts)  # what was open is lost: that is news
            news = Rollup(name, Figures.of(row) - figures, new_parts(parts_of(row), parts))
            if news.parts or news.figures != _NONE_YET:
                self._settled.append(news)
        before = {name: counted.get(name, (0, 0)) for name in self._blocks}
        self._ledger.blocks_found += before["blocks.found"][0]
        self._ledger.blocks_accepted += before["blocks.accepted"][0]
        self._ledger.blocks_refused += before["blocks.refused"][0]
        self._blocks = before

    def portions(self, now: float) -> Iterator[list[Rollup]]:
        """Yield what every worker did since the last time; idle ones are left out.

        Between two portions others may have their turn: each row is taken at one moment.

        Args:
            now: monotonic seconds.
        """
        rows = list(self._ledger.workers.items())
        for first in range(0, len(rows), _PORTION):
            found = (self._take(name, row, now) for name, row in rows[first : first + _PORTION])
            yield [rollup for rollup in found if rollup is not None]

    def cut(self, at: int, now: float) -> Batch:
        """Take everything in one go.

        Args:
            at: the time that it belongs to, in seconds since 1970.
            now: monotonic seconds.
        """
        rollups = [rollup for portion in self.portions(now) for rollup in portion]
        return self.batch(at, rollups)

    def batch(self, at: int, rollups: Sequence[Rollup]) -> Batch:
        """Put together what `portions` gave."""
        counted = self._count_blocks()
        news = new_parts(counted, self._blocks)
        self._blocks = counted
        settled, self._settled = self._settled, []
        return Batch(route=self._ledger.route, at=at, rollups=[*settled, *rollups], parts=news)

    def fold(self, now: float, tell: Callable[[Row], None] | None = None) -> list[str]:
        """Fold workers that were idle for long, sooner where there are many; name them.

        Args:
            now: monotonic seconds.
            tell: hears of each row before it is gone.
        """
        workers, idle = self._ledger.workers, now - self._idle_seconds
        excess = len(workers) - int(self._ledger.max_workers * _CROWDED)
        oldest = sorted(
            (seen.changed_at, name)
            for name, seen in self._seen.items()
            if excess > 0 or seen.changed_at <= idle
        )
        folded = []
        for count, (changed_at, name) in enumerate(oldest):
            row = workers[name]
            due = count < excess or changed_at <= idle
            if due and not row.open and self._seen[name].mark == _mark(row):
                if tell is not None:
                    tell(row)
                self._ledger.fold(name)
                del self._seen[name]
                folded.append(name)
        return folded

    def _take(self, name: str, row: Row, now: float) -> Rollup | None:
        mark = _mark(row)
        seen = self._seen.get(name)
        if seen is None:
            seen = self._seen[name] = _Seen(_NONE_YET, mark=_UNTOUCHED, changed_at=now)
        if seen.mark == mark:
            return None
        figures, parts = Figures.of(row), parts_of(row)
        news = Rollup(name, figures - seen.figures, new_parts(parts, seen.parts))
        seen.figures, seen.parts, seen.mark, seen.changed_at = figures, parts, mark, now
        return news if news.parts or news.figures != _NONE_YET else None

    def _count_blocks(self) -> Parts:
        ledger = self._ledger
        return {
            "blocks.found": (ledger.blocks_found, 0),
            "blocks.accepted": (ledger.blocks_accepted, 0),
            "blocks.refused": (ledger.blocks_refused, 0),
        }
