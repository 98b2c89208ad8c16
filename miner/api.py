"""The miner's API: what it answers besides what all programs do."""

from collections.abc import Iterator
from typing import Final

import msgspec

from headframe.runtime.reload import Reloader
from headframe.runtime.web import Action, Actions, Answer, Endpoint, Served, reloading, telling
from headframe.runtime.web.common import RELOAD
from headframe.upstream.base import members_of
from headframe.upstream.preference import (
    POOLS,
    SWITCH,
    PoolsTold,
    SwitchAsked,
    SwitchTold,
    no_such_pool,
    pool_names,
    tell_pools,
    why_not,
)
from miner.cgapi.codes import Code
from miner.cgapi.service import ApiService
from miner.config import MinerConfig
from miner.history import HISTORY, MinerHistory, history_served

__all__ = ["ENDPOINTS", "actions_of", "endpoints_of"]

ENDPOINTS: Final[tuple[Endpoint, ...]] = (HISTORY, POOLS, SWITCH, RELOAD)
"""All that a miner may answer; `reload` is there when it has a settings file."""

_ROUTE: Final = ""
"""A miner has one, and it needs no name."""


def endpoints_of(history: MinerHistory, service: ApiService | None) -> Iterator[Served]:
    """Yield what may be read.

    Args:
        history: the last minutes.
        service: knows the pools; `None` for a source that was given as it is.
    """
    yield history_served(history)
    if service is not None:
        yield _pools(service)


def actions_of(
    reloader: Reloader[MinerConfig] | None, service: ApiService | None, token: str
) -> Actions:
    """Make what may be changed.

    Args:
        reloader: reads the settings again; `None`: there is no reload.
        service: changes pools, by the numbers that cgminer's clients know them by, too.
        token: the operator's, or "".
    """
    rows: dict[Endpoint, Action] = {}
    if service is not None:
        rows[SWITCH] = _switching(service)
    if reloader is not None:
        rows[RELOAD] = reloading(reloader)
    return Actions(rows, token)


def _pools(service: ApiService) -> Served:
    def tell() -> PoolsTold:
        roster = service.roster
        status = roster.group.status.get()
        return PoolsTold(routes=(tell_pools(_ROUTE, status, roster.settings, roster.pools),))

    return telling(POOLS, tell)


def _switching(service: ApiService) -> Action:
    async def switch(asked: SwitchAsked) -> Answer:
        roster, pools = service.roster, service.pools
        names = pool_names(roster.settings)
        if asked.pool not in names:
            return no_such_pool(asked.pool, names)
        no = why_not(roster.pools)
        if no:
            return Answer(error=no, what_to_do="change it in the settings")
        number = next(each.number for each in pools.view(()) if each.status.source == asked.pool)
        if pools.change("switchpool", str(number)).code is not Code.SWITCHED:
            return Answer(error="it could not be done", what_to_do="the log has the reason")
        members = members_of(roster.group.status.get())
        told = SwitchTold(
            route=_ROUTE,
            pool=asked.pool,
            order=pool_names(roster.settings),
            in_use=next((one.source for one in members if one.in_use), None),
        )
        return Answer(details=msgspec.to_builtins(told))

    return switch
