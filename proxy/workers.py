"""Metrics of the workers: the busiest have series of their own, all others are one.

Strangers choose the names, so their number is capped. A worker comes in when it is busier
than another that is in, or that one has gone quiet. What it did while it was out stays
with the others' sum, so that no counter ever falls. Workers of an earlier run are counted
on; the others' sum begins anew with each run.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from heapq import nlargest
from typing import Final

from headframe.runtime.metrics import Exporter, Rows, counter, gauge
from proxy.ledger import OTHER_WORKERS, Row
from proxy.totals import AllBooks

__all__ = ["WorkerFigures", "WorkerNow", "WorkerSeries", "WorkerStats"]

_QUIET_SECONDS: Final = 3600.0
"""A worker without a share for so long gives its place away."""
_FADE_SECONDS: Final = 600.0
"""After so long, work counts a third (1/e) in who is the busiest."""
_STEP: Final = 500
"""Workers that are looked at before others get a turn: about a millisecond of work."""
_BONUS: Final = 2.0
"""So many times as busy must another be to take a place: or two that are alike would change
places at each scrape."""


@dataclass(slots=True, kw_only=True)
class WorkerFigures:
    """What one worker, or all the others together, did."""

    shares_accepted: int = counter("Good shares of a worker.")
    shares_refused: int = counter("Shares of a worker that were refused here.")
    work_accepted: int = counter("Work of a worker's good shares, by its rigs' targets.", "hashes")
    hashrate: float = gauge("Estimate from the good shares of its rigs.", "hashes_per_second")
    rigs: int = gauge("Rigs of a worker that are connected.")
    rigs_hashing: int = gauge("Those of them that send good shares.")
    last_share_timestamp: float | None = gauge(
        "When the metrics first told of a worker's newest good share, since 1970.", "seconds"
    )

    def __post_init__(self) -> None:
        self.last_share_timestamp = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerNow:
    """What the connected rigs of one worker do.

    Attributes:
        hps: hashes in a second, all together.
        rigs: how many there are.
        hashing: those that send good shares.
    """

    hps: float = 0.0
    rigs: int = 0
    hashing: int = 0

    def __add__(self, other: "WorkerNow") -> "WorkerNow":
        return WorkerNow(
            hps=self.hps + other.hps,
            rigs=self.rigs + other.rigs,
            hashing=self.hashing + other.hashing,
        )


@dataclass(slots=True, kw_only=True)
class WorkerStats:
    """How the workers fit into the series."""

    workers_unlisted: int = gauge(
        "Workers with shares in the last hour that have no series of their own."
    )


@dataclass(slots=True, eq=False)
class _Worker:
    """What was seen of one row of the books."""

    figures: WorkerFigures
    shown: bool = False
    offered: int = 0
    accepted: int = 0
    refused: int = 0
    work: int = 0
    busy: float = 0.0
    busy_at: float = 0.0

    def look(self, row: Row, figures: WorkerFigures, now: float, wall: float) -> None:
        """Add what is new to the worker's own figures, or to those of the others."""
        if row.accepted.shares > self.accepted:
            figures.last_share_timestamp = wall
        self.busy = self.business(now) + row.accepted.work - self.work
        self.busy_at = now
        self.grow(row, figures)

    def grow(self, row: Row, figures: WorkerFigures) -> None:
        """Add what is new in the books to some figures."""
        accepted, work = row.accepted.shares, row.accepted.work
        refused = row.offered.shares - accepted
        figures.shares_accepted += accepted - self.accepted
        figures.shares_refused += refused - self.refused
        figures.work_accepted += work - self.work
        self.offered, self.accepted, self.refused = row.offered.shares, accepted, refused
        self.work = work

    def give_to(self, others: WorkerFigures) -> None:
        """Hand its own figures over to those of the others."""
        own, self.figures = self.figures, WorkerFigures()
        others.shares_accepted += own.shares_accepted
        others.shares_refused += own.shares_refused
        others.work_accepted += own.work_accepted
        others.last_share_timestamp = own.last_share_timestamp or others.last_share_timestamp

    def business(self, now: float) -> float:
        """Return its work, older work counting less."""
        return self.busy * math.exp((self.busy_at - now) / _FADE_SECONDS)


class WorkerSeries:
    """Keeps the figures of the busiest workers, and of the others.

    Args:
        ledger: the books.
        present: what connected rigs do, by their worker's name.
        most: workers with series of their own.
    """

    def __init__(
        self, ledger: AllBooks, present: Callable[[], Mapping[str, WorkerNow]], *, most: int
    ) -> None:
        self._ledger = ledger
        self._present = present
        self._most = most
        self._workers: dict[str, _Worker] = {}
        self._others = WorkerFigures()
        self._stats = WorkerStats()
        self._looked = False
        self._fresh: list[_Worker] = []  # since the last look that came to its end
        for name, row in ledger.workers.items():  # books of an earlier run: theirs go on
            known = self._workers[name] = _Worker(WorkerFigures(), shown=True)
            known.grow(row, known.figures)

    def steps(self, now: float, wall: float) -> Iterator[None]:
        """Take note of what is new in the books, and give others a turn wherever this yields.

        To be gone through to its end before another one is begun.

        Args:
            now: monotonic seconds.
            wall: seconds since 1970.
        """
        rows = dict(self._ledger.workers)  # which others may change in their turns
        self._begin(now)
        for count, (name, row) in enumerate(rows.items(), start=1):
            if count % _STEP == 0:
                yield
            worker = self._workers.get(name)
            if worker is None:
                worker = self._workers[name] = _Worker(WorkerFigures())
            if row.offered.shares == worker.offered:
                continue
            if not worker.offered:
                self._fresh.append(worker)
            own = worker.shown or not worker.offered
            worker.look(row, worker.figures if own else self._others, now, wall)
        for name in self._workers.keys() - rows.keys():  # folded: it begins anew if it returns
            del self._workers[name]
        yield from self._choose(now)
        for new in self._fresh:
            if not new.shown:
                new.give_to(self._others)
        self._fresh.clear()
        yield from self._measure()

    def _begin(self, now: float) -> None:
        """Count workers of an earlier run as busy now."""
        if not self._looked:
            self._looked = True
            for known in self._workers.values():
                known.busy_at = now

    def exporter(self, prefix: str) -> Exporter:
        """Make the collector; `prefix` is the program's."""
        return Exporter(prefix + "worker_", [Rows("worker", WorkerFigures, self._rows)])

    @property
    def stats(self) -> WorkerStats:
        """Metrics of the whole, to be exported under the program's prefix."""
        return self._stats

    def _choose(self, now: float) -> Iterator[None]:
        """Give the places to the busiest."""
        since, scores = now - _QUIET_SECONDS, {}
        for count, (name, worker) in enumerate(self._workers.items(), start=1):
            if count % _STEP == 0:
                yield
            if worker.offered and worker.busy_at >= since and name != OTHER_WORKERS:
                scores[name] = worker.business(now) * (_BONUS if worker.shown else 1.0)
        yield
        chosen = set(nlargest(self._most, scores, key=scores.__getitem__))
        self._stats.workers_unlisted = len(scores) - len(chosen)
        for name, worker in self._workers.items():
            worker.shown = name in chosen

    def _measure(self) -> Iterator[None]:
        yield
        present, rest, nobody = dict(self._present()), WorkerNow(), WorkerNow()
        yield
        for count, (name, worker) in enumerate(self._workers.items(), start=1):
            if count % _STEP == 0:
                yield
            here = present.pop(name, nobody)
            if worker.shown:
                _set(worker.figures, here)
            else:
                rest += here
        _set(self._others, sum(present.values(), rest))

    def _rows(self) -> dict[str, WorkerFigures]:
        shown = {name: each.figures for name, each in self._workers.items() if each.shown}
        return {**shown, OTHER_WORKERS: self._others}


def _set(figures: WorkerFigures, here: WorkerNow) -> None:
    figures.hashrate, figures.rigs, figures.rigs_hashing = here.hps, here.rigs, here.hashing
