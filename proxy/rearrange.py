"""`Rearrangement`: what new settings do to a proxy that runs."""

import asyncio
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

import msgspec

from headframe.runtime.errors import HeadframeError
from headframe.runtime.reload import Commit
from proxy.access import keep_out
from proxy.building import Arrangement, Builder
from proxy.chronicle import Chronicle, LogChange
from proxy.config import ProxyConfig
from proxy.doors import Doors
from proxy.leftovers import Leftovers
from proxy.routing import Routing
from proxy.tables import RouteSettings

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
    "history",
    "share_log",
    "version_mask",
    "extranonce.max_connections",
)
"""Settings that may change while the proxy runs; the others wait for a restart."""


class Rearrangement:
    """Changes routes, rules and listeners of one proxy.

    Args:
        builder: makes routes.
        routing: the routes in force.
        doors: the listeners.
        chronicle: history and share log.
        leftovers: journals of routes that are no more.
    """

    def __init__(
        self,
        builder: Builder,
        routing: Routing,
        doors: Doors,
        chronicle: Chronicle,
        leftovers: Leftovers,
    ) -> None:
        self._builder = builder
        self._routing = routing
        self._doors = doors
        self._chronicle = chronicle
        self._leftovers = leftovers

    async def prepare(self, config: ProxyConfig) -> Commit:
        """Make what new settings need; touches nothing that runs.

        Raises:
            ConfigError: they cannot work.
        """
        banned = config.banned()
        made = self._builder.arrange(config)
        log = self._chronicle.prepare(config.share_log)
        try:
            doors = await self._doors.prepare(config.all_listeners(), made.rigs)
        except HeadframeError:
            await asyncio.to_thread(log.drop)
            raise
        return partial(self._commit, config, made, doors, banned, log)

    def _commit(
        self,
        config: ProxyConfig,
        made: Arrangement,
        doors: Commit,
        banned: Sequence[str],
        log: LogChange,
    ) -> Sequence[str]:
        before = self._routing.routes
        words = [f"route {each.name} added" for each in made.routes if each.name not in before]
        kept = {each.name for each in made.routes}
        words += [f"route {name} removed" for name in before if name not in kept]
        words += _news(self._builder.told, config.routes)
        self._builder.told = config.routes
        for route in made.routes:
            if route.name in made.plans and route.roster is not None:
                news = route.roster.apply(made.plans[route.name])
                words += [f"{_lead(route.name, len(made.routes))}{each}" for each in news]
            if route.shards is not None and route.name in made.wanted:
                route.shards.follow(made.wanted[route.name])
                route.shards.most = config.extranonce.max_connections
        if made.router.rules != self._routing.router.rules:
            words.append("rules")
        words += doors()
        if keep_out(self._routing, banned):
            words.append("bans")
        self._routing.change(made.routes, made.router, made.rigs, made.settings)
        for roster in self._builder.rosters:
            roster.desk.follow(made.blocks)
        self._leftovers.follow(made.blocks)
        return words + self._chronicle.commit(log, config.history)


def _news(before: Sequence[RouteSettings], now: Sequence[RouteSettings]) -> Iterator[str]:
    """Yield in words what is different of routes, but for their upstreams."""
    known = {each.name: each for each in before}
    for route in now:
        old = known.get(route.name, route)
        for name in [each for each in route.__struct_fields__ if each != "upstreams"]:
            was, comes = getattr(old, name), getattr(route, name)
            if was == comes:
                continue
            table = isinstance(was, msgspec.Struct) or isinstance(comes, msgspec.Struct)
            yield f"route {route.name}: {name}" + ("" if table else f": {was} -> {comes}")


def _lead(route: str, count: int) -> str:
    return f"route {route}: " if count > 1 else ""
