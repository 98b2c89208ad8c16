"""`Rearrangement`: what new settings do to a proxy that runs."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from headframe.runtime.reload import Commit
from proxy.access import keep_out
from proxy.building import Arrangement, Builder
from proxy.config import ProxyConfig
from proxy.doors import Doors
from proxy.leftovers import Leftovers
from proxy.routing import Routing

__all__ = ["LIVE", "Rearrangement"]

LIVE: Final = (
    "upstreams",
    "pools",
    "routes",
    "rules",
    "listeners",
    "bans",
    "names",
    "vardiff",
    "refresh_seconds",
    "grace_seconds",
    "verdict",
    "stale",
    "when_dry",
    "blocks",
)
"""Settings that may change while the proxy runs; the others wait for a restart."""


class Rearrangement:
    """Changes routes, rules and listeners of one proxy.

    Args:
        builder: makes routes.
        routing: the routes in force.
        doors: the listeners.
        leftovers: journals of routes that are no more.
    """

    def __init__(
        self, builder: Builder, routing: Routing, doors: Doors, leftovers: Leftovers | None = None
    ) -> None:
        self._builder = builder
        self._routing = routing
        self._doors = doors
        self._leftovers = leftovers

    async def prepare(self, config: ProxyConfig) -> Commit:
        """Make what new settings need; touches nothing that runs.

        Raises:
            ConfigError: they cannot work.
        """
        banned = config.banned()
        made = self._builder.arrange(config)
        doors = await self._doors.prepare(config.all_listeners(), made.rigs)
        return partial(self._commit, made, doors, banned)

    def _commit(self, made: Arrangement, doors: Commit, banned: Sequence[str]) -> Sequence[str]:
        before = self._routing.routes
        words = [f"route {each.name} added" for each in made.routes if each.name not in before]
        kept = {each.name for each in made.routes}
        words += [f"route {name} removed" for name in before if name not in kept]
        for route in made.routes:
            if route.name in made.plans and route.roster is not None:
                news = route.roster.apply(made.plans[route.name])
                words += [f"{_lead(route.name, len(made.routes))}{each}" for each in news]
            if route.shards is not None and route.name in made.wanted:
                route.shards.follow(made.wanted[route.name])
        if made.router.rules != self._routing.router.rules:
            words.append("rules")
        words += doors()
        if keep_out(self._routing, banned):
            words.append("bans")
        self._routing.change(made.routes, made.router, made.rigs, made.settings)
        for roster in self._builder.rosters:
            roster.desk.follow(made.blocks)
        if self._leftovers is not None:
            self._leftovers.follow(made.blocks)
        return words


def _lead(route: str, count: int) -> str:
    return f"route {route}: " if count > 1 else ""
