"""The proxy's API: what it answers besides what all programs do."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from headframe.runtime.reload import Reloader
from headframe.runtime.web import Action, Actions, Endpoint, Served, reloading
from headframe.runtime.web.common import BLOCKNOTIFY, RELOAD
from proxy.access import BAN, BANS, KICK, UNBAN, access_actions, bans_served
from proxy.config import ProxyConfig
from proxy.history_api import HISTORY, history_served
from proxy.poolswitch import POOLS, SWITCH, pools_served, switching
from proxy.rigview import RIGS, RigView, rigs_served
from proxy.routing import Routing
from proxy.tryout import ROUTES, TRY, routes_served, trying

__all__ = ["ENDPOINTS", "actions_of", "endpoints_of"]

ENDPOINTS: Final[tuple[Endpoint, ...]] = (
    RIGS,
    HISTORY,
    POOLS,
    ROUTES,
    BANS,
    SWITCH,
    KICK,
    BAN,
    UNBAN,
    TRY,
    RELOAD,
    *BLOCKNOTIFY,
)
"""All that a proxy may answer; `reload` and `blocknotify` are not there in each."""


def endpoints_of(routing: Routing, rigs: RigView, history: Path) -> Iterator[Served]:
    """Yield what may be read.

    Args:
        routing: the routes in force.
        rigs: the connected rigs.
        history: its file.
    """
    yield rigs_served(rigs)
    yield history_served(history)
    yield pools_served(routing)
    yield routes_served(routing)
    yield bans_served(routing)


def actions_of(
    routing: Routing,
    reloader: Reloader[ProxyConfig] | None,
    read: Callable[[], ProxyConfig] | None,
    token: str,
) -> Actions:
    """Make what may be changed.

    Args:
        routing: the routes in force.
        reloader: reads the settings again; `None`: there is no reload.
        read: reads them for a trial.
        token: the operator's, or "".
    """
    rows: dict[Endpoint, Action] = {SWITCH: switching(routing), **access_actions(routing)}
    rows[TRY] = trying(routing, read)
    if reloader is not None:
        rows[RELOAD] = reloading(reloader)
    return Actions(rows, token)
