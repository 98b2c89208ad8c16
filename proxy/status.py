"""What the proxy tells of itself: the data of its page and its API.

The JSON Schema of `ProxyStatus` is in `docs/schema` and served at `/api/v1/schema`. Fields
come to be, and none goes or changes its meaning within `v1`.
"""

from typing import Annotated, Literal

import msgspec

from headframe.upstream.report import PoolStatus, UpstreamStatus
from proxy.rig import RigState
from proxy.routetable import ExtranonceStatus, RouteStatus

__all__ = [
    "BlockStatus",
    "BlocksStatus",
    "LegStatus",
    "LifetimeStatus",
    "ProxyStatus",
    "RigStatus",
    "RigsPage",
    "SharesStatus",
]

Count = Annotated[int, msgspec.Meta(ge=0)]


class SharesStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The shares that rigs sent, as they were judged here."""

    accepted: Count
    rejected: Count
    by_reason: Annotated[dict[str, Count], msgspec.Meta(description="The refused ones, by reason.")]


class LegStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The shares that went up."""

    forwarded: Annotated[Count, msgspec.Meta(description="Sent to an upstream.")]
    pending: Annotated[Count, msgspec.Meta(description="Of these, not answered yet.")]
    acknowledged: Annotated[Count, msgspec.Meta(description="Of these, accepted.")]
    lost: Annotated[Count, msgspec.Meta(description="Of these, those whose connection went first.")]
    refused: Annotated[dict[str, Count], msgspec.Meta(description="Of these, by reason.")]


class BlockStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A block candidate that went up."""

    height: Annotated[int | None, msgspec.Meta(description="Where the upstream told it.")]
    hash: Annotated[str, msgspec.Meta(description="In display order.", pattern="^[0-9a-f]*$")]
    time: Annotated[int, msgspec.Meta(description="When it was found, in seconds since 1970.")]
    verdict: Annotated[
        str, msgspec.Meta(description='"accepted", or why not; "sent" before an answer.')
    ]
    detail: Annotated[str, msgspec.Meta(description="The upstream's words.")]
    worker: Annotated[str, msgspec.Meta(description="Who found it, as its rigs call it.")]
    source: Annotated[str, msgspec.Meta(description="The upstream whose job it answers.")] = ""
    payout: Annotated[
        str,
        msgspec.Meta(
            description='The address that the rig gave to be paid to; "" where the settings say '
            "who is paid, and for a block of an earlier run."
        ),
    ] = ""


class BlocksStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The block candidates that went up."""

    found: Count
    accepted: Count
    list: Annotated[
        tuple[BlockStatus, ...], msgspec.Meta(description="The last ones, the newest first.")
    ]


class RigStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A rig that is connected."""

    name: str
    route: Annotated[str, msgspec.Meta(description="The route that it is on.")]
    listener: Annotated[str, msgspec.Meta(description="The listener that it came to.")]
    user: Annotated[str, msgspec.Meta(description="What it gave as its name.")]
    agent: Annotated[str, msgspec.Meta(description="Its software, as it says.")]
    address: Annotated[str, msgspec.Meta(description="Where it connects from.")]
    payout: Annotated[
        str,
        msgspec.Meta(
            description="The address that its blocks pay, where that is its to say; else empty."
        ),
    ]
    state: RigState
    hashrate_hps: Annotated[float, msgspec.Meta(ge=0, description="By its good shares.")]
    difficulty: Annotated[float, msgspec.Meta(ge=0, description="Of its shares.")]
    accepted: Count
    rejected: Count
    last_share_seconds: Annotated[
        float | None, msgspec.Meta(description="Since its last good share.")
    ]
    quirks: Annotated[
        tuple[str, ...],
        msgspec.Meta(description="What is known of its firmware: rows of docs/quirks.md."),
    ]
    problems: Annotated[
        tuple[str, ...], msgspec.Meta(description="What its firmware cannot do here, in words.")
    ]


class RigsPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some of the connected rigs: what `/api/v1/rigs` answers."""

    total: Annotated[
        Count, msgspec.Meta(description="Connected, those without a seat yet among them.")
    ]
    found: Annotated[Count, msgspec.Meta(description="Of these, all that fit.")]
    by_state: Annotated[
        dict[str, Count], msgspec.Meta(description="All that fit but for their state, by state.")
    ]
    by_route: Annotated[dict[str, Count], msgspec.Meta(description="All rigs, by route.")]
    by_listener: Annotated[dict[str, Count], msgspec.Meta(description="All rigs, by listener.")]
    offset: Annotated[Count, msgspec.Meta(description="Rows left out before the first.")]
    limit: Annotated[int, msgspec.Meta(ge=1, description="Rows told at most.")]
    rigs: tuple[RigStatus, ...]


class LifetimeStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Totals since the history began, over restarts."""

    offered: Count
    accepted: Count
    refused: Count
    work: Annotated[
        str,
        msgspec.Meta(
            description="Expected hashes; a text, as it may be beyond what JSON's readers take.",
            pattern="^[0-9]+$",
        ),
    ]
    problem: Annotated[str, msgspec.Meta(description='Why history is not kept, or "".')]


class ProxyStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How a proxy is doing."""

    program: Literal["proxy"] = "proxy"
    version: str
    uptime_seconds: Annotated[int, msgspec.Meta(ge=0)]
    stratum_url: Annotated[str, msgspec.Meta(description="Where rigs connect.")]
    upstream: UpstreamStatus
    pools: Annotated[
        tuple[PoolStatus, ...],
        msgspec.Meta(description="All upstreams, in the order of preference."),
    ]
    hashrate_hps: Annotated[float, msgspec.Meta(ge=0, description="Of all rigs together.")]
    job_age_seconds: Annotated[
        float | None, msgspec.Meta(description="Since the running job came.")
    ]
    shares: SharesStatus
    pool: Annotated[LegStatus, msgspec.Meta(description="The way up, all upstreams together.")]
    blocks: BlocksStatus
    rigs_total: Annotated[Count, msgspec.Meta(description="Rigs that have a seat.")]
    rigs_by_state: Annotated[
        dict[str, Count], msgspec.Meta(description="How they are doing: how many of each state.")
    ]
    rigs: Annotated[
        tuple[RigStatus, ...],
        msgspec.Meta(description="A hundred of them at most; `/api/v1/rigs` has all."),
    ]
    routes: Annotated[
        tuple[RouteStatus, ...],
        msgspec.Meta(description="All routes, the one for rigs that no rule fits first."),
    ]
    extranonce: Annotated[
        ExtranonceStatus | None, msgspec.Meta(description="None before the first job.")
    ]
    lifetime: LifetimeStatus
