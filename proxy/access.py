"""What an operator may do about rigs that run: send them away, and ban where they come from."""

import math
from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import Final

from headframe.runtime.logs import get_logger
from headframe.runtime.web import Action, Answer
from proxy.bans import Ban
from proxy.routing import Routing
from proxy.session import Session

__all__ = ["access_actions", "keep_out", "list_bans"]

log = get_logger(__name__)

_HOUR: Final = 3600.0
_LONGEST_WHY: Final = 200


def access_actions(routing: Routing) -> Mapping[str, Action]:
    """Make the actions: `ban`, `unban` and `kick`.

    Args:
        routing: the routes in force, and who is banned.
    """

    async def ban(given: Mapping[str, object]) -> Answer:
        return _ban(routing, given)

    async def unban(given: Mapping[str, object]) -> Answer:
        return _unban(routing, given)

    async def kick(given: Mapping[str, object]) -> Answer:
        return _kick(routing, given)

    return {"ban": ban, "unban": unban, "kick": kick}


def keep_out(routing: Routing, banned: Sequence[str]) -> bool:
    """Put the settings' bans into force, and send away whom they name.

    Args:
        routing: the routes in force, and who is banned.
        banned: addresses and ranges.

    Returns:
        Whether they are others than before.

    Raises:
        ValueError: one of them is no address or range; nothing has changed then.
    """
    now = routing.clock.monotonic()
    before = {each.network for each in routing.bans.rows(now) if each.fixed}
    routing.bans.fix(banned)
    if {each.network for each in routing.bans.rows(now) if each.fixed} == before:
        return False
    for _, session in list(routing.sessions()):
        if routing.bans.find(session.host, now) is not None:
            session.close("banned")
    return True


def list_bans(routing: Routing) -> dict[str, object]:
    """List who is banned, as plain data."""
    now = routing.clock.monotonic()
    return {"bans": [_plain(each, now) for each in routing.bans.rows(now)]}


def _ban(routing: Routing, given: Mapping[str, object]) -> Answer:
    address, seconds = given.get("address"), given.get("seconds", _HOUR)
    why = str(given.get("why", "by the operator"))[:_LONGEST_WHY]
    if not isinstance(address, str):
        return Answer(error="`address` is missing: an address or a range, such as 192.0.2.0/24")
    if seconds is not None and (
        not isinstance(seconds, int | float) or isinstance(seconds, bool) or not seconds > 0
    ):
        return Answer(error="`seconds` is a number above zero, or null for as long as this runs")
    now = routing.clock.monotonic()
    try:
        made = routing.bans.add(
            address, now=now, seconds=math.inf if seconds is None else float(seconds), why=why
        )
    except ValueError as error:
        return Answer(error=f"`address`: {error}")
    routing.stats.bans["operator"] += 1
    hit = [each for _, each in routing.sessions() if routing.bans.find(each.host, now) is made]
    for session in hit:
        session.close("banned")
    log.warning("address_banned", address=made.address, why=why, rigs=len(hit))
    return Answer(details={"ban": _plain(made, now), "closed": len(hit)})


def _unban(routing: Routing, given: Mapping[str, object]) -> Answer:
    address = given.get("address")
    try:
        lifted = routing.bans.lift(str(address))
    except ValueError as error:
        return Answer(error=f"`address`: {error}")
    if not lifted:
        return Answer(error=f"{address} is not banned, or by the settings: change `bans` there")
    log.info("ban_lifted", address=address)
    return Answer()


def _kick(routing: Routing, given: Mapping[str, object]) -> Answer:
    user, address = given.get("user"), given.get("address")
    if (user is None) == (address is None):
        return Answer(error="give either `user`, or `address` with or without a port")
    hit = [
        each
        for _, each in routing.sessions()
        if (each.user == user if address is None else _is_at(each, str(address)))
    ]
    for session in hit:
        session.close("kicked")
    log.info("rigs_kicked", user=user, address=address, count=len(hit))
    return Answer(details={"closed": len(hit)})


def _is_at(session: Session, address: str) -> bool:
    if address in {session.address, session.host}:
        return True
    try:
        return ip_address(address) == ip_address(session.host.strip("[]"))
    except ValueError:
        return False


def _plain(ban: Ban, now: float) -> dict[str, object]:
    left = None if math.isinf(ban.until) else round(ban.until - now)
    return {
        "address": ban.address,
        "why": ban.why,
        "seconds_left": left,
        "in_settings": ban.fixed,
    }
