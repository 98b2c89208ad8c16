"""A proxy with several routes on loopback, each over a source worked by hand."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import native
from headframe.chain.job import Job
from proxy.hub import Hub
from proxy.ledger import Ledger
from proxy.listener import Listener
from proxy.rig import RigSettings
from proxy.routes import Router, Rule
from proxy.routing import Route, Routing
from proxy.space import Space, SpaceSettings
from proxy.stats import Stats
from proxy.terms import HubSettings
from tests.fakes.mining import JobMaker, ManualSource
from tests.fakes.proxying import HARD, ManualClock, rig_settings

__all__ = ["LISTENERS", "Farm", "farming"]

LISTENERS = ("front", "back")


@dataclass
class Farm:
    """Routes, listeners, and the ends that a test holds."""

    routing: Routing
    time: ManualClock
    sources: dict[str, ManualSource]
    makers: dict[str, JobMaker]
    make: Callable[[str], Route]
    listeners: dict[str, Listener] = field(default_factory=dict)
    serials: Iterator[int] = field(default_factory=itertools.count)

    def port(self, listener: str = "front") -> int:
        return self.listeners[listener].port

    def publish(self, route: str, **changes: Any) -> Job:
        """Let a route's source have a new job, unlike all others."""
        own = f"<{route}{next(self.serials)}>".encode()
        settings: dict[str, Any] = {"target": HARD, "coinbase": own, **changes}
        job = self.makers[route].make(**settings)
        self.sources[route].publish(job)
        return job

    def table(self, *routes: str, rigs: RigSettings) -> dict[tuple[str, str], RigSettings]:
        return {(door, route): rigs for door in LISTENERS for route in routes}

    def change(
        self,
        *routes: str,
        rules: Sequence[Rule] = (),
        rigs: RigSettings | None = None,
        most: Mapping[str, int] | None = None,
    ) -> None:
        """Put other routes and rules into force; `most`: how many rigs may be on a route."""
        known = self.routing.known
        self.routing.change(
            [known.get(name) or self.make(name) for name in routes],
            Router(rules, routes[0]),
            self.table(*routes, rigs=rigs or rig_settings()),
            {name: HubSettings(max_rigs=(most or {}).get(name)) for name in routes},
        )

    async def until(self, condition: Callable[[], bool]) -> None:
        """Let the loop turn until something holds."""
        async with asyncio.timeout(20):
            while not condition():
                await asyncio.sleep(0)

    def users(self, route: str) -> list[str]:
        """Who is on a route."""
        return sorted(each.user for name, each in self.routing.sessions() if name == route)


@asynccontextmanager
async def farming(
    *routes: str, rules: Sequence[Rule] = (), space: SpaceSettings | None = None
) -> AsyncIterator[Farm]:
    """Run a proxy with these routes, and two listeners on free ports."""
    time, ids, shared, stats = ManualClock(), itertools.count(1), Space(space), Stats()
    sources: dict[str, ManualSource] = {}
    makers: dict[str, JobMaker] = {}

    def make(name: str) -> Route:
        source = sources[name] = ManualSource(name)
        makers[name] = JobMaker(name)
        hub = Hub(
            source,
            HubSettings(),
            ids=ids,
            hasher=native,
            clock=time.clock,
            space=shared,
            ledger=Ledger(route=name),
            stats=stats,
        )
        return Route(name, hub)

    table = {(door, route): rig_settings() for door in LISTENERS for route in routes}
    routing = Routing([make(name) for name in routes], Router(rules, routes[0]), table)
    routing.linger_seconds = 0
    farm = Farm(routing, time, sources, makers, make)
    for name in LISTENERS:
        farm.listeners[name] = Listener(routing, name)
        await farm.listeners[name].start("127.0.0.1", 0)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(routing.run())
        try:
            yield farm
            for route in routing.known.values():
                route.hub.ledger.verify()
        finally:
            for listener in farm.listeners.values():
                listener.close("shutdown")
                await listener.wait_closed()
            task.cancel()
