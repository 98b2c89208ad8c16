"""History on disk: minutes, hours and totals, in SQLite, written by one thread.

The disk may be slow, full or gone: mining goes on. What could not be written waits, summed
up by worker, and is written with the next batch that can be, so that totals stay exact and
only minutes get coarser; it is told, and how much waits is counted. Found blocks do not
depend on this; they have a journal of their own, in `upstream`.
"""

import queue
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from headframe.runtime.clock import wall_seconds
from headframe.runtime.logs import get_logger
from headframe.runtime.metrics import counter, gauge
from proxy.history import Batch, Rollups
from proxy.history_figures import row_of
from proxy.history_file import HistoryFile, Retention
from proxy.history_schema import TooNewError
from proxy.ledger import Ledger

__all__ = ["Store", "StoreStats"]

log = get_logger(__name__)

_BACKLOG: Final = 8
"""Batches that may wait for the thread; with more, the books are not cut for a while."""
_PRUNE_SECONDS: Final = 3600
_TROUBLE: Final = (OSError, sqlite3.Error, ValueError, OverflowError, TooNewError)
_ONGOING_SECONDS: Final = 3600
"""Workers that were seen so shortly before the last end get a row of their own at a start."""


@dataclass(slots=True, kw_only=True)
class StoreStats:
    """How the history is doing."""

    history_writable: int = gauge("1 while the history can be written, else 0.")
    history_write_failures: int = counter("Writes of the history that failed; each is repeated.")
    history_shares_unwritten: int = gauge(
        "Shares that are in no history yet because writing failed."
    )
    history_ends_cut_short: int = counter(
        "Runs that ended without a goodbye, since the history began; each may have cost the "
        "shares of one flush interval."
    )


class Store:
    """The database and its thread.

    Args:
        path: the file; its folder is made if need be.
        retention: how much is kept.
        backlog: batches that may wait for the thread.
        adopt_as: the route that gets what an older release kept without one.
        wall: tells the seconds since 1970.
    """

    def __init__(
        self,
        path: Path,
        *,
        retention: Retention | None = None,
        backlog: int = _BACKLOG,
        adopt_as: str = "",
        wall: Callable[[], int] = wall_seconds,
    ) -> None:
        self.path = path
        self.stats = StoreStats()
        self.problem = ""
        """What is wrong with the disk, for people; "" when all is well."""
        self._retention = retention or Retention()
        self._backlog = backlog
        self._adopt_as = adopt_as
        self._wall = wall
        self._queue: queue.SimpleQueue[Batch | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="store", daemon=True)
        self._file: HistoryFile | None = None
        self._owed: dict[str, Batch] = {}
        self._pruned_at = 0
        self._begun = self._running = False

    @property
    def full(self) -> bool:
        """The thread is behind: cut the books later; what they hold is not lost."""
        return self._queue.qsize() >= self._backlog

    def follow(self, retention: Retention) -> None:
        """Keep so much from now on; what is too much goes within the hour."""
        self._retention = retention

    def start(self) -> None:
        """Open the file, and begin to write; a broken file is told, not raised."""
        try:
            self._file = self._opened()
        except _TROUBLE as error:
            self._trouble(error)
        self._running = True
        self._thread.start()

    def restore(self, ledger: Ledger, rollups: Rollups, now: float) -> None:
        """Let books go on where those of the same route ended.

        Args:
            ledger: the books.
            rollups: cuts them, and has not done so yet.
            now: monotonic seconds.
        """
        if self._file is None:
            return
        try:
            with closing(HistoryFile.open(self.path)) as file:
                kept = list(file.totals(ledger.route))
                counted = file.route_parts(ledger.route)
                ongoing = file.meta("written_at") - _ONGOING_SECONDS
        except _TROUBLE as error:
            log.warning("history_not_read", path=str(self.path), error=str(error))
            return
        for each in reversed(kept):  # the last seen first: they get the rows
            idle = each.seen < ongoing or each.summed_up
            ledger.restore(row_of(each.worker, each.figures, each.parts), idle=idle)
        stored = [(each.worker, each.figures, each.parts) for each in kept if not each.summed_up]
        rollups.know(stored, counted, now)

    def put(self, batch: Batch) -> None:
        """Hand over what is to be written; never waits. Better not while it is `full`."""
        if batch.rollups or batch.parts:
            self._queue.put(batch)

    def stop(self, timeout_seconds: float = 5.0) -> None:
        """Write what is left, as far as the time allows."""
        if not self._running:
            return
        self._queue.put(None)
        self._thread.join(timeout_seconds)
        unwritten = self.stats.history_shares_unwritten
        if unwritten or self._thread.is_alive():
            log.error("history_incomplete", shares=unwritten, path=str(self.path))

    def _run(self) -> None:
        while (batch := self._queue.get()) is not None:
            self._owe(batch)
            self._write()
        if self._owed:
            self._write()
        if self._file is not None:
            with suppress(*_TROUBLE):
                if not self._owed:
                    self._file.end_run()
                self._file.close()

    def _owe(self, batch: Batch) -> None:
        """Put a batch to what is to be written, summed up with what waits of its route."""
        waiting = self._owed.get(batch.route)
        self._owed[batch.route] = batch if waiting is None else waiting + batch

    def _write(self) -> None:
        try:
            if self._file is None:
                self._file = self._opened()
            self._file.write(self._owed.values())
            self._owed.clear()
            self._prune(self._file)
        except _TROUBLE as error:
            self.stats.history_write_failures += 1
            self._trouble(error)
        else:
            if self.problem:
                log.info("history_written_again", path=str(self.path))
            self.problem = ""
            self.stats.history_writable = 1
        self.stats.history_shares_unwritten = sum(
            rollup.figures.offered for batch in self._owed.values() for rollup in batch.rollups
        )

    def _prune(self, file: HistoryFile) -> None:
        now = self._wall()
        if now - self._pruned_at >= _PRUNE_SECONDS:
            self._pruned_at = now
            file.prune(now, self._retention)

    def _opened(self) -> HistoryFile:
        file = HistoryFile.open(self.path)
        if not self._begun:
            self._begin(file)
        self.stats.history_writable = 1
        return file

    def _begin(self, file: HistoryFile) -> None:
        """Take note that a run begins, and say how the last one ended."""
        if self._adopt_as:
            file.adopt(self._adopt_as)
        if not file.begin_run():
            log.warning(
                "history_cut_short",
                detail="the last run ended without a goodbye; shares of the seconds after its "
                "last write are in no total",
                last_write=file.meta("written_at"),
            )
        self.stats.history_ends_cut_short = file.meta("cut_short")
        self._begun = True

    def _trouble(self, error: Exception) -> None:
        if self._file is not None:
            with suppress(*_TROUBLE):
                self._file.close()
            self._file = None
        self.stats.history_writable = 0
        text = f"history is not written to {self.path}: {error}"
        if text != self.problem:
            log.warning("store_failed", detail=text)
        self.problem = text
