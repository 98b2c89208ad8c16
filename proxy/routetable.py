"""What the proxy tells of its routes: rows of the status, and metrics for each."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import msgspec

from headframe.runtime.metrics import by_label, counter, gauge
from headframe.upstream.base import SourceState
from headframe.upstream.report import UpstreamStatus, upstream_of
from proxy.hub import Hub
from proxy.routing import Routing
from proxy.stats import REASONS, flows_of
from proxy.switches import UpstreamSwitch

__all__ = [
    "ExtranonceStatus",
    "RouteFigures",
    "RouteStatus",
    "extranonce_of",
    "has_work",
    "route_figures",
    "routes_of",
    "summed",
]

T = TypeVar("T")

_WORKING = frozenset({SourceState.ACTIVE, SourceState.DEGRADED})


class ExtranonceStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How the extranonce is shared out among all rigs, for the upstream that left the least."""

    lane_bytes: Annotated[int, msgspec.Meta(ge=0, description="That name this process.")]
    slice_bytes: Annotated[int, msgspec.Meta(ge=0, description="That tell rigs apart.")]
    rig_bytes: Annotated[int, msgspec.Meta(ge=0, description="That each rig rolls.")]
    changes: Annotated[
        int, msgspec.Meta(ge=0, description="Times that an upstream left less than any before.")
    ]
    reseated: Annotated[
        int, msgspec.Meta(ge=0, description="Rigs that took another place on their connection.")
    ]
    closed: Annotated[
        int, msgspec.Meta(ge=0, description="Rigs that had to come again for another place.")
    ]


class RouteStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A route: where the work of some of the rigs comes from."""

    name: str
    upstream: Annotated[UpstreamStatus, msgspec.Meta(description="All of its own, as one.")]
    works: Annotated[bool, msgspec.Meta(description="It has work for rigs.")]
    extranonce_bytes: Annotated[
        int | None, msgspec.Meta(description="That its upstream leaves; none without a job.")
    ]
    connections: Annotated[int, msgspec.Meta(ge=0)]
    rigs: Annotated[int, msgspec.Meta(ge=0, description="Connections that have authorised.")]
    max_rigs: Annotated[
        int | None, msgspec.Meta(description="So many may be on it; null: any number.")
    ]
    turned_away: Annotated[
        int, msgspec.Meta(ge=0, description="Rigs that found it full, and no other rule for them.")
    ]
    hashrate_hps: Annotated[float, msgspec.Meta(ge=0, description="Of its rigs together.")]
    accepted: Annotated[int, msgspec.Meta(ge=0, description="Good shares of its rigs.")]
    rejected: Annotated[int, msgspec.Meta(ge=0, description="Those that were refused here.")]
    forwarded: Annotated[int, msgspec.Meta(ge=0, description="Shares sent to its upstreams.")]
    acknowledged: Annotated[int, msgspec.Meta(ge=0, description="Of these, accepted.")]
    switches: Annotated[
        tuple[UpstreamSwitch, ...],
        msgspec.Meta(description="Its last changes of upstream, the newest first."),
    ] = ()


@dataclass(slots=True, kw_only=True)
class RouteFigures:
    """Metrics of one route."""

    up: int = gauge("1 while the route has work for rigs, else 0.")
    connections: int = gauge("Connections of rigs on the route.")
    rigs: int = gauge("Those of them that have authorised.")
    max_rigs: int | None = gauge("So many of them may be on the route; none without a limit.")
    rigs_turned_away: int = counter("Rigs that found the route full, and no other rule for them.")
    hashrate: float = gauge("Estimate from the good shares of its rigs.", "hashes_per_second")
    shares_offered: int = counter("Shares that rigs on the route sent.")
    shares_accepted: int = counter("Those that were good.")
    shares_refused: dict[str, int] = by_label("Those that were not.", "reason", REASONS)
    shares_forwarded: int = counter("Shares sent to the route's upstreams.")
    shares_acknowledged: int = counter("Shares that they accepted.")
    shares_refused_upstream: dict[str, int] = by_label(
        "Shares that they refused.", "reason", REASONS
    )
    shares_lost: int = counter("Shares whose connection went before they answered.")
    work_offered: int = counter("Work of all shares, by the rigs' targets.", "hashes")
    work_accepted: int = counter("Work of the good shares, by the rigs' targets.", "hashes")
    work_refused: dict[str, int] = by_label(
        "Work of the others, by the rigs' targets.", "reason", REASONS, unit="hashes"
    )
    work_forwarded: int = counter("Work sent up, by the upstreams' targets.", "hashes")
    work_acknowledged: int = counter("Work accepted, by the upstreams' targets.", "hashes")
    work_refused_upstream: dict[str, int] = by_label(
        "Work that they refused, by their targets.", "reason", REASONS, unit="hashes"
    )
    work_lost: int = counter("Work whose connection went before they answered.", "hashes")


def has_work(hub: Hub) -> bool:
    """Say whether a route has work for rigs."""
    book = hub.book
    return (
        hub.source.status.get().state in _WORKING
        and book is not None
        and book.current is not None
        and not hub.problem
    )


def routes_of(routing: Routing, rates: Mapping[str, float]) -> Iterator[RouteStatus]:
    """Tell of each route; `rates` are the hashrates of those that have rigs."""
    for name, route in routing.routes.items():
        hub, total = route.hub, route.hub.ledger.total
        told, job = upstream_of(hub.source.status.get()), hub.source.jobs.get()
        yield RouteStatus(
            name=name,
            upstream=msgspec.structs.replace(told, detail=hub.problem or told.detail),
            works=has_work(hub),
            extranonce_bytes=None if job is None else job.extranonce_size,
            connections=sum(len(each.guests) for each in route.hubs),
            rigs=hub.roll.rigs,
            max_rigs=hub.settings.max_rigs,
            turned_away=hub.roll.turned_away,
            hashrate_hps=rates.get(name, 0.0),
            accepted=total.accepted.shares,
            rejected=total.refused_total.shares,
            forwarded=total.pool.forwarded.shares,
            acknowledged=total.pool.acknowledged.shares,
            switches=tuple(reversed(hub.meter.recent)),
        )


def extranonce_of(routing: Routing) -> ExtranonceStatus | None:
    """Tell how the extranonce is shared out; `None` before the first job."""
    layout, stats = routing.space.layout, routing.stats
    if layout is None:
        return None
    return ExtranonceStatus(
        lane_bytes=len(layout.lane),
        slice_bytes=layout.slice_size,
        rig_bytes=layout.rollable,
        changes=stats.layout_changes,
        reseated=stats.reseats,
        closed=stats.connections_closed["new_layout"],
    )


def route_figures(routing: Routing, rates: Mapping[str, float]) -> Mapping[str, RouteFigures]:
    """Return the metrics of each route there is or was, so that no counter goes.

    Args:
        routing: the routes.
        rates: hashes in a second of those that have rigs.
    """
    found = {}
    for name, route in routing.known.items():
        figures = found[name] = RouteFigures(**flows_of(route.hub.ledger.total))
        figures.up = int(name in routing.routes and has_work(route.hub))
        figures.connections = sum(len(each.guests) for each in route.hubs)
        roll = route.hub.roll
        figures.rigs, figures.rigs_turned_away = roll.rigs, roll.turned_away
        figures.max_rigs = route.hub.settings.max_rigs
        figures.hashrate = rates.get(name, 0.0)
    return found


def summed(kind: type[T], each: Sequence[T]) -> T:
    """Add objects of counters and gauges up, field by field.

    Args:
        kind: a dataclass whose fields are numbers, or numbers by label.
        each: what to add.
    """
    total = kind()
    for field in dataclasses.fields(kind):  # type: ignore[arg-type] # a dataclass
        values: list[Any] = [getattr(one, field.name) for one in each]
        start = getattr(total, field.name)
        if isinstance(start, dict):
            value: Any = {key: sum(one[key] for one in values) for key in start}
        else:
            value = sum(values)
        setattr(total, field.name, value)
    return total
