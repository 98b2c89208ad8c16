"""`Chronicle`: the books of all routes, cut into minutes and handed to the store."""

import asyncio
from typing import Final

from proxy.history import Rollups
from proxy.routing import Route, Routing
from proxy.store import Store

__all__ = ["Chronicle"]

_CUT_SECONDS: Final = 60.0


class Chronicle:
    """Keeps history of the routes that there are and will be.

    Args:
        routing: the routes.
        store: takes what is to be kept.
    """

    def __init__(self, routing: Routing, store: Store) -> None:
        self.store = store
        self._routing = routing
        self._rollups: dict[str, Rollups] = {}

    def begin(self) -> None:
        """Open the store, and let all books go on where they ended."""
        self.store.start()
        for route in self._routing.known.values():
            self._welcome(route)
        self._routing.on_new_route = self._welcome

    def _welcome(self, route: Route) -> None:
        """Let the books of a route go on where they ended; before any share is booked."""
        ledger = route.hub.ledger
        rollups = self._rollups[ledger.route] = Rollups(ledger)
        self.store.restore(ledger, rollups, self._routing.clock.monotonic())

    async def run(self) -> None:
        """Cut the books each minute until cancelled."""
        while True:
            await asyncio.sleep(_CUT_SECONDS)
            if not self.store.full:
                await self._cut()

    async def end(self) -> None:
        """Hand over what is left, and wait until it is written."""
        clock = self._routing.clock
        for rollups in self._rollups.values():
            self.store.put(rollups.cut(clock.wall(), clock.monotonic()))
        await asyncio.to_thread(self.store.stop)

    async def _cut(self) -> None:
        clock = self._routing.clock
        for rollups in tuple(self._rollups.values()):
            found = []
            for portion in rollups.portions(clock.monotonic()):
                found += portion
                await asyncio.sleep(0)
            self.store.put(rollups.batch(clock.wall(), found))
            rollups.fold(clock.monotonic())
