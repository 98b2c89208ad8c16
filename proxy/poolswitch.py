"""The API of a proxy's upstreams: how they stand, and which of a route is preferred."""

import msgspec

from headframe.runtime.errors import ConfigError
from headframe.runtime.logs import get_logger
from headframe.runtime.web import Action, Answer, Served, telling
from headframe.upstream.base import SourceStatus, members_of
from headframe.upstream.options import UpstreamSettings
from headframe.upstream.preference import (
    POOLS,
    SWITCH,
    PoolsTold,
    RoutePools,
    SwitchAsked,
    SwitchTold,
    no_such_pool,
    pool_names,
    preferring,
    tell_pools,
    why_not,
)
from headframe.upstream.roster import Roster
from proxy.routing import Route, Routing

__all__ = ["POOLS", "SWITCH", "pools_served", "switching"]

log = get_logger(__name__)


def pools_served(routing: Routing) -> Served:
    """Make the row of `/api/v1/pools`."""
    return telling(POOLS, lambda: PoolsTold(routes=tuple(map(_tell, routing.routes.values()))))


def switching(routing: Routing) -> Action:
    """Make the action that prefers an upstream to the others of its route."""

    async def switch(asked: SwitchAsked) -> Answer:
        for route in routing.routes.values():
            roster = route.roster
            order = None if roster is None else preferring(roster.settings, asked.pool)
            if roster is not None and order is not None:
                return _prefer(route, roster, order)
        rosters = [each.roster for each in routing.routes.values() if each.roster is not None]
        names = [name for roster in rosters for name in pool_names(roster.settings)]
        return no_such_pool(asked.pool, names)

    return switch


def _prefer(route: Route, roster: Roster, order: tuple[UpstreamSettings, ...]) -> Answer:
    no = why_not(roster.pools)
    if no:
        return Answer(error=f"route {route.name}: {no}", what_to_do="change it in the settings")
    names = pool_names(order)
    try:
        roster.apply(roster.plan(order, roster.pools))
        if route.shards is not None and route.shards.settings is not None:
            settings = msgspec.structs.replace(route.shards.settings, upstreams=order)
            route.shards.follow(settings)
    except ConfigError as error:  # such as a file with a secret that is not there any more
        return Answer(error=str(error), what_to_do="mend the settings, and reload")
    log.info("pool_preferred", route=route.name, pool=names[0])
    told = SwitchTold(
        route=route.name, pool=names[0], order=names, in_use=_in_use(route.hub.source.status.get())
    )
    return Answer(details=msgspec.to_builtins(told))


def _tell(route: Route) -> RoutePools:
    roster, status = route.roster, route.hub.source.status.get()
    if roster is None:
        return tell_pools(route.name, status, None, None)
    return tell_pools(route.name, status, roster.settings, roster.pools)


def _in_use(status: SourceStatus) -> str | None:
    return next((one.source for one in members_of(status) if one.in_use), None)
