"""What an operator may do about rigs that run: send them away, and ban where they come from."""

import math
from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import Annotated, Final

import msgspec

from headframe.runtime.logs import get_logger
from headframe.runtime.web import Action, Answer, Endpoint, Reply, Served, telling
from proxy.bans import Ban
from proxy.routing import Routing
from proxy.session import Session

__all__ = [
    "BAN",
    "BANS",
    "KICK",
    "UNBAN",
    "BanAsked",
    "KickAsked",
    "UnbanAsked",
    "access_actions",
    "bans_served",
    "keep_out",
    "list_bans",
]

Meta = msgspec.Meta
log = get_logger(__name__)

_HOUR: Final = 3600.0
_LONGEST_SECONDS: Final = 1e9
"""About 30 years; what is to be for ever is `null`."""

Address = Annotated[
    str,
    Meta(
        max_length=100,
        description="An address or a range, such as 192.0.2.0/24.",
        extra_json_schema={"examples": ["192.0.2.7", "2001:db8::/32"]},
    ),
]


class BanAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom to ban."""

    address: Address
    seconds: Annotated[
        Annotated[float, Meta(gt=0, le=_LONGEST_SECONDS)] | None,
        Meta(description="For how long; null: as long as the proxy runs."),
    ] = _HOUR
    why: Annotated[str, Meta(max_length=200, description="For people.")] = "by the operator"


class UnbanAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose ban to lift."""

    address: Address


class KickAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom to send away: one of both."""

    user: Annotated[
        Annotated[str, Meta(max_length=500)] | None, Meta(description="The whole name of rigs.")
    ] = None
    address: Annotated[
        Annotated[str, Meta(max_length=100)] | None,
        Meta(description="Where they are, with or without a port."),
    ] = None


class BanRow(msgspec.Struct, frozen=True, kw_only=True):
    """A ban."""

    address: Annotated[str, Meta(description="An address or a range.")]
    why: str
    seconds_left: Annotated[
        int | None, Meta(description="null: for good, or as long as the proxy runs.")
    ]
    in_settings: Annotated[bool, Meta(description="It is lifted by changing `bans` there.")]


class BansTold(msgspec.Struct, frozen=True, kw_only=True):
    """Who is banned."""

    bans: Annotated[
        tuple[BanRow, ...], Meta(description="The settings' first, then the newest last.")
    ]


class Banned(msgspec.Struct, frozen=True, kw_only=True):
    """What a ban did."""

    ban: BanRow
    closed: Annotated[int, Meta(ge=0, description="Connections that were ended.")]


class Kicked(msgspec.Struct, frozen=True, kw_only=True):
    """What a kick did."""

    closed: Annotated[int, Meta(ge=0, description="Connections that were ended.")]


class Lifted(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing more is to be told: the ban is lifted."""


BANS: Final = Endpoint(
    path="/api/v1/bans",
    summary="Who is banned",
    replies={200: Reply(what="All bans that count now.", kind=BansTold)},
)
BAN: Final = Endpoint(
    path="/api/v1/ban",
    method="POST",
    summary="Ban an address or a range",
    details="Its rigs are sent away, and none is let in until the ban is over or lifted. A "
    "ban that it has already is replaced.",
    body=BanAsked,
    token=True,
    replies={200: Reply(what="It is banned.", kind=Banned)},
    example='{"address": "192.0.2.0/24", "seconds": 3600, "why": "floods"}',
)
UNBAN: Final = Endpoint(
    path="/api/v1/unban",
    method="POST",
    summary="Lift a ban",
    details="One of the settings is lifted by changing `bans` there.",
    body=UnbanAsked,
    token=True,
    replies={200: Reply(what="It is lifted.", kind=Lifted)},
    example='{"address": "192.0.2.0/24"}',
)
KICK: Final = Endpoint(
    path="/api/v1/kick",
    method="POST",
    summary="Send rigs away",
    details="By name or by address; they may come again at once.",
    body=KickAsked,
    token=True,
    replies={200: Reply(what="They are gone, if there were any.", kind=Kicked)},
    example='{"user": "account.rig7"}',
)


def bans_served(routing: Routing) -> Served:
    """Make the row of `/api/v1/bans`."""
    return telling(BANS, lambda: list_bans(routing))


def access_actions(routing: Routing) -> Mapping[Endpoint, Action]:
    """Make the actions: `ban`, `unban` and `kick`.

    Args:
        routing: the routes in force, and who is banned.
    """

    async def ban(asked: BanAsked) -> Answer:
        return _ban(routing, asked)

    async def unban(asked: UnbanAsked) -> Answer:
        return _unban(routing, asked)

    async def kick(asked: KickAsked) -> Answer:
        return _kick(routing, asked)

    return {BAN: ban, UNBAN: unban, KICK: kick}


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


def list_bans(routing: Routing) -> BansTold:
    """List who is banned."""
    now = routing.clock.monotonic()
    return BansTold(bans=tuple(_row(each, now) for each in routing.bans.rows(now)))


def _ban(routing: Routing, asked: BanAsked) -> Answer:
    now = routing.clock.monotonic()
    seconds = math.inf if asked.seconds is None else asked.seconds
    try:
        made = routing.bans.add(asked.address, now=now, seconds=seconds, why=asked.why)
    except ValueError as error:
        return _no_address(error)
    routing.stats.bans["operator"] += 1
    hit = [each for _, each in routing.sessions() if routing.bans.find(each.host, now) is made]
    for session in hit:
        session.close("banned")
    log.warning("address_banned", address=made.address, why=asked.why, rigs=len(hit))
    return Answer(details={"ban": _row(made, now), "closed": len(hit)})


def _unban(routing: Routing, asked: UnbanAsked) -> Answer:
    try:
        lifted = routing.bans.lift(asked.address)
    except ValueError as error:
        return _no_address(error)
    if not lifted:
        return Answer(
            error=f"{asked.address} is not banned, or by the settings",
            what_to_do="GET /api/v1/bans lists all; what is in the settings is changed there",
        )
    log.info("ban_lifted", address=asked.address)
    return Answer()


def _no_address(error: ValueError) -> Answer:
    return Answer(
        error=f"address: {error}", what_to_do="give an address or a range, such as 192.0.2.0/24"
    )


def _kick(routing: Routing, asked: KickAsked) -> Answer:
    user, address = asked.user, asked.address
    if (user is None) == (address is None):
        return Answer(
            error="either user or address is wanted, and not both",
            what_to_do="give `user`, or `address` with or without a port",
        )
    hit = [
        each
        for _, each in routing.sessions()
        if (each.user == user if address is None else _is_at(each, address))
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


def _row(ban: Ban, now: float) -> BanRow:
    left = None if math.isinf(ban.until) else round(ban.until - now)
    return BanRow(address=ban.address, why=ban.why, seconds_left=left, in_settings=ban.fixed)
