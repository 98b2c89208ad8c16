"""Pools by preference, for the API of every program: who comes first, and to change that.

What is changed lasts until the settings are read again: they are the operator's word, and a
call to the API is one for the time being.
"""

from collections.abc import Sequence
from typing import Annotated, Final

import msgspec

from headframe.chain.job import SourceId
from headframe.runtime.web import Answer, Endpoint, Reply
from headframe.upstream.base import SourceState, SourceStatus, members_of
from headframe.upstream.endpoint import parse_url
from headframe.upstream.options import PoolsSettings, StrategyName, UpstreamSettings
from headframe.upstream.settings import SCHEMES

__all__ = [
    "POOLS",
    "SWITCH",
    "PoolRow",
    "PoolsTold",
    "RoutePools",
    "SwitchAsked",
    "SwitchTold",
    "no_such_pool",
    "pool_names",
    "preferring",
    "tell_pools",
    "why_not",
]

Meta = msgspec.Meta
_PORTS: Final = {name: scheme.default_port for name, scheme in SCHEMES.items()}


class PoolRow(msgspec.Struct, frozen=True, kw_only=True):
    """An upstream in the order of preference."""

    pool: Annotated[str, Meta(description="Its name; no other upstream has it.")]
    url: Annotated[str, Meta(description="Where it is, without credentials.")]
    user: Annotated[str, Meta(description="The account that shares count for.")]
    state: SourceState
    in_use: Annotated[bool, Meta(description="Its job is the one that is worked on.")]
    detail: Annotated[str, Meta(description="Why it is not active, and what to do.")]


class RoutePools(msgspec.Struct, frozen=True, kw_only=True):
    """The upstreams of a route; a miner has one route, called ""."""

    route: str
    strategy: Annotated[str, Meta(description='How they are used together, or "".')]
    switchable: Annotated[bool, Meta(description="Another one may be preferred by a call.")]
    why_not: Annotated[str, Meta(description='Why it may not, or "".')]
    preferred: Annotated[str, Meta(description="The first in the order.")]
    in_use: Annotated[str | None, Meta(description="The one whose job is worked on.")]
    pools: Annotated[tuple[PoolRow, ...], Meta(description="The preferred first.")]


class PoolsTold(msgspec.Struct, frozen=True, kw_only=True):
    """All upstreams, by route."""

    routes: tuple[RoutePools, ...]


class SwitchAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which upstream to prefer."""

    pool: Annotated[str, Meta(max_length=300, description="Its name, as `/api/v1/pools` has it.")]


class SwitchTold(msgspec.Struct, frozen=True, kw_only=True):
    """The order that is in force now."""

    route: str
    pool: Annotated[str, Meta(description="The one that is preferred.")]
    order: Annotated[tuple[str, ...], Meta(description="All of the route, the preferred first.")]
    in_use: Annotated[
        str | None, Meta(description="The one in use at this moment; it changes within a second.")
    ]


POOLS: Final = Endpoint(
    path="/api/v1/pools",
    summary="The upstreams in the order of preference",
    replies={200: Reply(what="All upstreams, by route.", kind=PoolsTold)},
)
SWITCH: Final = Endpoint(
    path="/api/v1/pools/switch",
    method="POST",
    summary="Prefer an upstream to the others of its route",
    details="It is taken as soon as it has work, without proving itself first; the others "
    "follow in their order, for failover. Lasts until a reload or a restart. Only where the "
    "strategy is failover: the others share work out by themselves.",
    body=SwitchAsked,
    token=True,
    replies={200: Reply(what="It is the preferred one.", kind=SwitchTold)},
    example='{"pool": "spare"}',
)


def pool_names(settings: Sequence[UpstreamSettings]) -> tuple[SourceId, ...]:
    """Return what upstreams are called, in their order."""
    return tuple(SourceId(one.name or parse_url(one.url, _PORTS).place) for one in settings)


def preferring(
    settings: Sequence[UpstreamSettings], pool: str
) -> tuple[UpstreamSettings, ...] | None:
    """Put an upstream before the others; `None` when it is none of them."""
    names = pool_names(settings)
    if pool not in names:
        return None
    first = settings[names.index(SourceId(pool))]
    return (first, *(one for one in settings if one is not first))


def no_such_pool(asked: str, names: Sequence[str]) -> Answer:
    """Answer a call for an upstream that is none of ours, which has these names."""
    return Answer(
        error=f"there is no upstream {asked[:100]!r}",
        what_to_do=f"known: {', '.join(names)}" if names else "none can be switched to here",
    )


def why_not(pools: PoolsSettings) -> str:
    """Say why no upstream can be preferred; "" when one can."""
    if pools.strategy is StrategyName.FAILOVER:
        return ""
    return f"the strategy is {pools.strategy}, which gives each upstream its part"


def tell_pools(
    route: str,
    status: SourceStatus,
    settings: Sequence[UpstreamSettings] | None,
    pools: PoolsSettings | None,
) -> RoutePools:
    """Tell of the upstreams of a route.

    Args:
        route: its name.
        status: of all of them as one.
        settings: of each in the order of preference; `None` for a source that was given as
            it is.
        pools: how they are used together, likewise.
    """
    members = {one.source: one for one in members_of(status)}
    names = tuple(members) if settings is None else pool_names(settings)
    rows = tuple(_row(members[name]) for name in names if name in members)
    no = "it has no settings that could change" if pools is None else why_not(pools)
    return RoutePools(
        route=route,
        strategy="" if pools is None else str(pools.strategy),
        switchable=not no,
        why_not=no,
        preferred=names[0],
        in_use=next((row.pool for row in rows if row.in_use), None),
        pools=rows,
    )


def _row(one: SourceStatus) -> PoolRow:
    return PoolRow(
        pool=one.source,
        url=one.url,
        user=one.user,
        state=one.state,
        in_use=one.in_use,
        detail=one.detail,
    )
