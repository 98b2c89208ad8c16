"""`Routing`: the routes of a process, and which rig is on which.

Each route has a hub with its own upstreams and books; the extranonce, the figures and the
time are of the process. A rig is given its place when it says its name, and again when the
settings change: only those go elsewhere for whom the rules say so now.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from headframe.runtime.logs import get_logger
from headframe.upstream.base import SourceStatus
from headframe.upstream.blocks import BlockStats
from headframe.upstream.roster import Roster
from proxy.bans import Bans
from proxy.hub import Clock, Hub, HubSettings
from proxy.rig import RigSettings
from proxy.routes import Decision, Router, Visitor
from proxy.session import Place, Session
from proxy.shards import Shards
from proxy.space import Space
from proxy.stats import Stats
from proxy.totals import Totals, sum_statuses

__all__ = ["RigTable", "Route", "Routing"]

log = get_logger(__name__)

_BATCH: Final = 64
"""Rigs looked at before others get a turn."""
LINGER_SECONDS: Final = 30.0
"""So long a route that was taken out waits for answers to its last shares."""

RigTable = Mapping[tuple[str, str], RigSettings]
"""What rigs have in common, by the names of their listener and their route."""


@dataclass(slots=True, eq=False)
class Route:
    """A route.

    Attributes:
        name: unique.
        hub: its middle.
        roster: its upstreams; `None` for a source that was given as it is.
        shards: its further connections, where there may be some.
    """

    name: str
    hub: Hub
    roster: Roster | None = None
    shards: Shards | None = None
    _task: asyncio.Task[None] | None = field(default=None, repr=False)

    @property
    def hubs(self) -> tuple[Hub, ...]:
        """The hubs of all its connections, the first one first."""
        return (self.hub,) if self.shards is None else (self.hub, *self.shards.hubs)

    def has(self, hub: Hub) -> bool:
        """Say whether a hub is that of one of its connections."""
        return hub is self.hub or (self.shards is not None and self.shards.has(hub))

    def pick(self, current: Hub | None, *, opens: bool = True) -> Hub:
        """Say which connection a rig goes to that is on another one, or on none."""
        return self.hub if self.shards is None else self.shards.pick(current, opens=opens)

    def seat(self, current: Hub) -> Hub:
        """Say where a rig takes its seat that waits there, and that nobody knows yet."""
        return self.hub if self.shards is None else self.shards.seat(current)

    @property
    def runs(self) -> bool:
        """It serves now, or is about to end."""
        return self._task is not None

    def start(self, group: asyncio.TaskGroup) -> None:
        """Serve until it is ended; again, if it was."""
        self.hub.enlist()
        self._task = group.create_task(self._run(), name=f"route {self.name}")

    async def end(self) -> None:
        """End what runs, and what the hub holds."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        self.hub.retire()
        self._task = None

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.hub.source.run(), name="source")
            group.create_task(self.hub.run(), name="hub")
            if self.shards is not None:
                group.create_task(self.shards.run(), name="shards")


def _ignore(_route: Route) -> None:
    pass


class Routing:
    """The routes in force.

    Args:
        routes: at least one; the first is for rigs that no rule fits.
        router: says which rig takes which.
        rigs: what rigs have in common; has all pairs of listeners and routes.
    """

    def __init__(
        self,
        routes: Sequence[Route],
        router: Router,
        rigs: RigTable,
    ) -> None:
        self.router = router
        first = routes[0].hub
        self.clock: Clock = first.clock
        self.stats: Stats = first.stats
        self.space: Space = first.space
        self.bans = Bans()
        """Who is not let in."""
        self.known: dict[str, Route] = {each.name: each for each in routes}
        """Each route that there is or was: its counters stay."""
        self.totals = Totals(lambda: [each.hub.ledger for each in self.known.values()])
        """The books of all of them as one."""
        self.strays: list[BlockStats] = []
        """What becomes of blocks that belong to no route any more."""
        self.on_new_route: Callable[[Route], None] = _ignore
        """Called for a route that there was not before, before it serves anybody."""
        self.on_route_end: Callable[[Route], None] = _ignore
        """Called for a route that was taken out, when it does not run any more."""
        self._routes = dict(self.known)
        self._rigs = dict(rigs)
        self.linger_seconds = LINGER_SECONDS
        """How long a route that is taken out goes on."""
        self._gone: SourceStatus | None = None
        self._tasks: asyncio.TaskGroup | None = None

    @property
    def routes(self) -> Mapping[str, Route]:
        """The routes by name, the first one first."""
        return self._routes

    @property
    def first(self) -> Hub:
        """The hub of the first route."""
        return next(iter(self._routes.values())).hub

    @property
    def hubs(self) -> tuple[Hub, ...]:
        """The hubs of all routes."""
        return tuple(hub for each in self._routes.values() for hub in each.hubs)

    @property
    def status(self) -> SourceStatus:
        """How the upstreams of all routes are doing, as of one group."""
        statuses = {
            name if place == 0 else f"{name}#{place + 1}": hub.source.status.get()
            for name, each in self._routes.items()
            for place, hub in enumerate(each.hubs)
        }
        return sum_statuses(statuses, self._gone)

    def sessions(self) -> Iterator[tuple[str, Session]]:
        """Yield all connections, each with the name of the route that it is on."""
        for name, route in tuple(self._routes.items()):
            for hub in route.hubs:
                for guest in hub.guests:
                    if isinstance(guest, Session):
                        yield name, guest

    def decide(self, visitor: Visitor, on: Hub | None = None) -> Decision:
        """Say where a rig goes, and why.

        Args:
            visitor: what is known of it.
            on: where it is one of the rigs already, if anywhere.
        """
        decision = self.router.choose(visitor)
        if decision.refused or not self._is_full(decision.route, on):
            return decision
        return self.router.choose(
            visitor, [name for name in self._routes if self._is_full(name, on)]
        )

    def _is_full(self, route: str, on: Hub | None) -> bool:
        here = self._routes[route]
        most = here.hub.settings.max_rigs
        return most is not None and here.hub.roll.rigs >= most and on not in here.hubs

    def place(
        self, visitor: Visitor, current: Hub | None = None, *, counts: bool = False
    ) -> Place | Decision:
        """Give a rig that has said its name its place, or say why it is turned away.

        Args:
            visitor: what is known of it.
            current: where it is; it stays there if it may.
            counts: it is one of the rigs there.
        """
        decision = self.decide(visitor, current if counts else None)
        if decision.full:
            self._routes[decision.full].hub.roll.turned_away += 1
        route = decision.route
        if not route:
            return decision
        return Place(self._routes[route].pick(current), self._rigs[visitor.listener, route])

    def entry(self, listener: str, current: Hub | None = None) -> Place:
        """Give a rig that has said nothing yet a place to wait: one with work, if there is."""
        name = self._working()
        hub = self._routes[name].pick(current, opens=False)
        return Place(hub, self._rigs[listener, name])

    def seat(self, listener: str, current: Hub) -> Place:
        """Give a rig that asks for its seat, and has not said its name, a place with room."""
        for name, route in self._routes.items():
            if route.has(current):
                return Place(route.seat(current), self._rigs[listener, name])
        name = self._working()
        return Place(self._routes[name].seat(current), self._rigs[listener, name])

    def _working(self) -> str:
        """Name the first route that has work, or else the first."""
        for name, route in self._routes.items():
            if not route.hub.idle:
                return name
        return next(iter(self._routes))

    def foresee(self, listener: str, address: str) -> Decision | None:
        """Say where all rigs of a place go; `None`: it depends on what they say."""
        return self.router.foresee(listener, address)

    async def run(self) -> None:
        """Serve until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                self._tasks = group
                for route in self._routes.values():
                    route.start(group)
        finally:
            self._tasks = None

    # changes

    def learn(self, rigs: RigTable) -> None:
        """Take note of what rigs have in common on listeners or routes that are to come."""
        self._rigs = {**rigs, **self._rigs}

    def change(
        self,
        routes: Sequence[Route],
        router: Router,
        rigs: RigTable,
        settings: Mapping[str, HubSettings],
    ) -> None:
        """Put other routes and rules into force; rigs that need to move do so soon.

        Args:
            routes: at least one; those that stay are the same objects as before.
            router: as for the making.
            rigs: likewise.
            settings: of each route's hub.
        """
        before, self._routes = self._routes, {each.name: each for each in routes}
        old, self.router = self._rigs, router
        self._rigs = {key: old[key] if old.get(key) == each else each for key, each in rigs.items()}
        for name, route in self._routes.items():
            route.hub.settings = settings[name]
            if name not in self.known:
                self.known[name] = route
                self.on_new_route(route)
            if self._tasks is not None and not route.runs:
                route.start(self._tasks)
        gone = [each for name, each in before.items() if name not in self._routes]
        if self._tasks is not None:
            self._tasks.create_task(self._rearrange(gone), name="rearrangement")

    async def _rearrange(self, gone: Sequence[Route]) -> None:
        """Have every rig be where the rules say now, and end routes that are gone."""
        for count, (_, session) in enumerate([*self._all_of(gone)], start=1):
            self.settle(session)
            if count % _BATCH == 0:
                await asyncio.sleep(0)
        if not gone:
            return
        await asyncio.sleep(self.linger_seconds)
        for route in gone:
            if route.name not in self._routes:  # else it was put back in the meantime
                await self._retire(route)

    def _all_of(self, gone: Sequence[Route]) -> Iterator[tuple[str, Session]]:
        yield from self.sessions()
        for route in gone:
            for hub in route.hubs:
                for guest in hub.guests:
                    if isinstance(guest, Session):
                        yield route.name, guest

    def settle(self, session: Session) -> None:
        """Have a rig be where the rules say now."""
        now = self.clock.monotonic()
        if not session.user:
            session.move(self.entry(session.door.name, session.hub), now)
            return
        place = self.place(session.visitor, session.hub, counts=True)
        if isinstance(place, Decision):
            log.warning("rig_refused", user=session.user, peer=session.address, why=place.told)
            session.close(place.closes)
        else:
            session.move(place, now)

    async def _retire(self, route: Route) -> None:
        for hub in route.hubs:
            hub.close_all("no_route")  # who came between, if anybody did
        await route.end()
        self._gone = sum_statuses({"": route.hub.source.status.get()}, self._gone)
        log.info("route_ended", route=route.name)
        if route.name in self._routes and self._tasks is not None:
            route.start(self._tasks)  # it was put back in the meantime
        self.on_route_end(route)
