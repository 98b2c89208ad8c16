"""Metrics of the workers: the busiest have series of their own, all others are one.

Strangers choose the names, so their number is capped. A worker comes in when it is busier
than another that is in, or that one has gone quiet. What it did while it was out stays
with the others' sum, so that no counter ever falls.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from heapq import nlargest
from typing import Final

from headframe.runtime.metrics import Exporter, Rows, counter, gauge
from proxy.ledger import OTHER_WORKERS, Ledger, Row

__all__ = ["WorkerFigures", "WorkerSeries"]

_QUIET_SECONDS: Final = 3600.0
"""A worker without a share for so long gives its place away."""
_FADE_SECONDS: Final = 600.0
"""After so long, work counts a third (1/e) in who is the busiest."""
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

    def grow(self, row: Row, others: WorkerFigures, now: float) -> None:
        """Add what is new to the worker's own figures, or to those of the others."""
        accepted, work = row.accepted.shares, row.accepted.work
        refused = row.offered.shares - accepted
        figures = self.figures if self.shown else others
        figures.shares_accepted += accepted - self.accepted
        figures.shares_refused += refused - self.refused
        figures.work_accepted += work - self.work
        self.busy = self.business(now) + work - self.work
        self.busy_at = now
        self.offered, self.accepted, self.refused = row.offered.shares, accepted, refused
        self.work = work

    def business(self, now: float) -> float:
        """Return its work, older work counting less."""
        return self.busy * math.exp((self.busy_at - now) / _FADE_SECONDS)


class WorkerSeries:
    """Keeps the figures of the busiest workers, and of the others.

    Args:
        ledger: the books.
        rates: hashrate now, by the worker's name.
        most: workers with series of their own.
    """

    def __init__(
        self, ledger: Ledger, rates: Callable[[], Mapping[str, float]], *, most: int
    ) -> None:
        self._ledger = ledger
        self._rates = rates
        self._most = most
        self._workers: dict[str, _Worker] = {}
        self._others = WorkerFigures()

    def look(self, now: float) -> None:
        """Take note of what is new in the books; `now` in monotonic seconds."""
        for name, row in self._ledger.workers.items():
            worker = self._workers.get(name)
            if worker is None:
                worker = self._workers[name] = _Worker(WorkerFigures())
            if row.offered.shares != worker.offered:
                worker.grow(row, self._others, now)
        self._choose(now)
        self._measure()

    def exporter(self, prefix: str) -> Exporter:
        """Make the collector; `prefix` is the program's."""
        return Exporter(prefix + "worker_", [Rows("worker", WorkerFigures, self._rows)])

    def _choose(self, now: float) -> None:
        """Give the places to the busiest."""
        since = now - _QUIET_SECONDS
        scores = {
            name: worker.business(now) * (_BONUS if worker.shown else 1.0)
            for name, worker in self._workers.items()
            if worker.offered and worker.busy_at >= since and name != OTHER_WORKERS
        }
        chosen = set(nlargest(self._most, scores, key=scores.__getitem__))
        for name, worker in self._workers.items():
            worker.shown = name in chosen

    def _measure(self) -> None:
        rates, self._others.hashrate = self._rates(), 0.0
        for worker in self._workers.values():
            worker.figures.hashrate = 0.0
        for name, hps in rates.items():
            known = self._workers.get(name)
            if known is not None and known.shown:
                known.figures.hashrate = hps
            else:
                self._others.hashrate += hps

    def _rows(self) -> dict[str, WorkerFigures]:
        shown = {name: each.figures for name, each in self._workers.items() if each.shown}
        return {**shown, OTHER_WORKERS: self._others}
