"""`Chronicle`: the books of all routes, kept by the store and told to the share log."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Final

from proxy.history import Rollups
from proxy.ledger import Ledger
from proxy.routing import Route, Routing
from proxy.sharelog import ShareLog, Tap
from proxy.store import Store

__all__ = ["Chronicle"]

_TICK_SECONDS: Final = 1.0
_TOTALS_SECONDS: Final = 60
_BATCH: Final = 128
"""Workers' books that are told before others get a turn."""


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
        self._flushed = self._told = 0
        self._rotations = 0

    @property
    def stats(self) -> Sequence[object]:
        """How history and share log are doing, as figures to be exported."""
        return [part.stats for part in (self.store, self.share_log) if part is not None]

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
        if self.share_log is not None:
            tap = self._taps[ledger.route] = self.share_log.tap(ledger.route)
            route.hub.note_shares(tap)
            self._tell(ledger, "start")
            for row in ledger.workers.values():
                tap.worker(row, "start")

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
            await asyncio.to_thread(self.share_log.close)
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
