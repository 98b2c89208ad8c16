"""`Chronicle`: the books of all routes, kept by the store and told to the share log.

Both may be told otherwise while they run. A log that begins within a run says so, and begins
with all books; one that is given up ends with them.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from proxy.history import Rollups
from proxy.history_settings import HistorySettings, ShareLogSettings
from proxy.ledger import Ledger
from proxy.routing import Route, Routing
from proxy.sharelog import ShareLog, ShareLogStats, Tap
from proxy.store import Store

__all__ = ["Chronicle", "LogChange"]

_TICK_SECONDS: Final = 1.0
_TOTALS_SECONDS: Final = 60
_BATCH: Final = 128
"""Workers' books that are told before others get a turn."""


@dataclass(frozen=True, slots=True)
class LogChange:
    """What becomes of the share log; nothing has changed yet.

    Attributes:
        settings: what it shall do.
        fresh: another log, which runs; `None`: the one there is goes on, or there is none.
    """

    settings: ShareLogSettings
    fresh: ShareLog | None = None

    def drop(self) -> None:
        """Leave all as it is."""
        if self.fresh is not None:
            self.fresh.close()


class Chronicle:
    """Keeps history of the routes that there are and will be.

    Args:
        routing: the routes.
        store: takes what is to be kept.
        share_log: takes each share, if that is wanted.
        flush_seconds: time between two writes of the history.
    """

    def __init__(
        self,
        routing: Routing,
        store: Store,
        share_log: ShareLog | None = None,
        *,
        flush_seconds: int = 30,
    ) -> None:
        self.store = store
        self.share_log = share_log
        self._routing = routing
        self._flush_seconds = flush_seconds
        self._rollups: dict[str, Rollups] = {}
        self._taps: dict[str, Tap] = {}
        self._ending: list[ShareLog] = []
        self._log_stats = share_log.stats if share_log is not None else ShareLogStats()
        self._flushed = self._told = 0
        self._rotations = 0

    @property
    def stats(self) -> Sequence[object]:
        """How history and share log are doing, as figures to be exported."""
        return [self.store.stats, self._log_stats]

    def begin(self) -> None:
        """Open store and share log, and let all books go on where they ended.

        Raises:
            ConfigError: the share log cannot be written.
        """
        wall = self._routing.clock.wall()
        self._flushed, self._told = wall // self._flush_seconds, wall // _TOTALS_SECONDS
        if self.share_log is not None:
            self.share_log.start()
        self.store.start()
        for route in self._routing.known.values():
            self._welcome(route)
        self._routing.on_new_route = self._welcome

    def _welcome(self, route: Route) -> None:
        """Let the books of a route go on where they ended; before any share is booked."""
        ledger = route.hub.ledger
        rollups = self._rollups[ledger.route] = Rollups(ledger)
        self.store.restore(ledger, rollups, self._routing.clock.monotonic())
        self._tap(route)

    def _tap(self, route: Route) -> None:
        """Have a route's shares noted in the log from now on, after its books; or no more."""
        ledger, tap = route.hub.ledger, None
        self._taps.pop(ledger.route, None)
        if self.share_log is not None:
            tap = self._taps[ledger.route] = self.share_log.tap(ledger.route)
            self._tell_all_of(ledger, "start")
        for hub in route.hubs:
            hub.note_shares(tap)

    def _tell_all_of(self, ledger: Ledger, why: str) -> None:
        self._tell(ledger, why)
        for row in ledger.workers.values():
            self._taps[ledger.route].worker(row, why)

    # changes

    def prepare(self, settings: ShareLogSettings) -> LogChange:
        """Open another share log, if that is wanted; to be committed, or dropped.

        Raises:
            ConfigError: it cannot be written.
        """
        fresh = settings.log(self._log_stats)
        if fresh is None or (self.share_log is not None and self.share_log.path == fresh.path):
            return LogChange(settings)
        fresh.start(ongoing=True)
        return LogChange(settings, fresh)

    def commit(self, change: LogChange, history: HistorySettings) -> list[str]:
        """Write another share log, and keep history by other rules; say what changed."""
        self.store.follow(history.retention())
        if history.flush_seconds != self._flush_seconds:
            self._flush_seconds = history.flush_seconds
            self._flushed = self._routing.clock.wall() // self._flush_seconds
        old = self.share_log
        if old is not None and change.fresh is None and change.settings.path:
            old.follow(change.settings.rotation())
            return []
        if old is change.fresh:  # there is none, and none is wanted
            return []
        if old is not None:
            for ledger in self._ledgers:
                self._tell_all_of(ledger, "end")
            self._ending.append(old)
        self.share_log, self._rotations = change.fresh, 0
        for route in self._routing.known.values():
            self._tap(route)
        return ["share log"]

    async def run(self) -> None:
        """Do what time asks for, until cancelled."""
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            await self.tick()

    async def tick(self) -> None:
        """Do what time asks for; called each second."""
        wall = self._routing.clock.wall()
        if wall // self._flush_seconds != self._flushed and not self.store.full:
            self._flushed = wall // self._flush_seconds
            await self._cut(self._flushed * self._flush_seconds - 1)
        while self._ending:
            await asyncio.to_thread(self._ending.pop().close)
        if self.share_log is None:
            return
        if self.share_log.rotations != self._rotations:
            self._rotations = self.share_log.rotations
            await self._tell_everything("rotation")
        elif wall // _TOTALS_SECONDS != self._told:
            self._told = wall // _TOTALS_SECONDS
            for ledger in self._ledgers:
                self._tell(ledger, "minute")

    async def end(self) -> None:
        """Hand over what is left, and wait until it is written."""
        clock = self._routing.clock
        for rollups in self._rollups.values():
            self.store.put(rollups.cut(clock.wall(), clock.monotonic()))
        if self.share_log is not None:
            await self._tell_everything("end")
            self._ending.append(self.share_log)
        for log in self._ending:
            await asyncio.to_thread(log.close)
        await asyncio.to_thread(self.store.stop)

    @property
    def _ledgers(self) -> Sequence[Ledger]:
        return [route.hub.ledger for route in self._routing.known.values()]

    async def _cut(self, at: int) -> None:
        """Cut all books; `at` is the time that the pieces belong to."""
        now = self._routing.clock.monotonic()
        for route, rollups in tuple(self._rollups.items()):
            found = []
            for portion in rollups.portions(now):
                found += portion
                await asyncio.sleep(0)
            self.store.put(rollups.batch(at, found))
            tap = self._taps.get(route)
            rollups.fold(now, None if tap is None else partial(tap.worker, why="idle"))

    def _tell(self, ledger: Ledger, why: str) -> None:
        self._taps[ledger.route].totals(ledger, why)

    async def _tell_everything(self, why: str) -> None:
        """Note the books of all routes and workers in the share log."""
        for ledger in self._ledgers:
            self._tell(ledger, why)
            for count, row in enumerate(tuple(ledger.workers.values()), start=1):
                self._taps[ledger.route].worker(row, why)
                if count % _BATCH == 0:
                    await asyncio.sleep(0)
