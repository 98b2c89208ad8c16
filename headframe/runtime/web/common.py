"""What every program's server answers, whatever else it does: rows of the API's table."""

from collections.abc import Iterable
from typing import Annotated, Any, Final

import msgspec

from headframe.runtime.events import MOST_KEPT, EventLevel, EventPage
from headframe.runtime.web.endpoints import Endpoint, Reply
from headframe.runtime.web.stream import EventsAsked

__all__ = [
    "ACTIONS",
    "BLOCKNOTIFY",
    "EVENTS",
    "HEALTH",
    "LOG",
    "METRICS",
    "OPENAPI",
    "PAGE",
    "RELOAD",
    "SCHEMA",
    "ActionsTold",
    "LogAsked",
    "Nothing",
    "ReloadTold",
    "files_of",
    "status_of",
]

Meta = msgspec.Meta
_TEXT: Final = ("text/plain",)


class Nothing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An object without fields."""


class LogAsked(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of the log's events."""

    after: Annotated[
        Annotated[int, Meta(ge=0, le=2**53)] | msgspec.UnsetType,
        Meta(
            description="The first ones after this serial; by default the last ones there are.",
        ),
    ] = msgspec.UNSET
    limit: Annotated[int, Meta(ge=1, le=2 * MOST_KEPT, description="How many at most.")] = 100
    level: Annotated[EventLevel, Meta(description="Those of this level and worse.")] = "info"


class ActionsTold(msgspec.Struct, frozen=True, kw_only=True):
    """What may be changed."""

    actions: Annotated[
        tuple[str, ...], Meta(description="Paths below /api/v1/ that take POST with the token.")
    ]
    usable: Annotated[bool, Meta(description="A token is set in the settings.")]


class ReloadTold(msgspec.Struct, frozen=True, kw_only=True):
    """What a reload did."""

    file: Annotated[str, Meta(description='Where settings were read from; "" without a file.')]
    changed: Annotated[tuple[str, ...], Meta(description="What is different now, in words.")]
    needs_a_restart: Annotated[
        tuple[str, ...], Meta(description="Keys that differ from what runs, and have to wait.")
    ]


PAGE: Final = Endpoint(
    path="/",
    summary="The page",
    details="For people; it asks for nothing that this API does not tell.",
    lenient=True,
    replies={200: Reply(what="The page.", media=("text/html",))},
)

METRICS: Final = Endpoint(
    path="/metrics",
    summary="The metrics",
    details="In Prometheus's text format; `docs/metrics.md` lists them.",
    lenient=True,
    replies={200: Reply(what="All metrics.", media=_TEXT)},
)

HEALTH: Final = Endpoint(
    path="/healthz",
    summary="Whether the program does its work",
    details="For supervisors and balancers. A proxy is healthy while it has work for rigs, a "
    "miner while no device has failed: a pool that is down is not its fault.",
    lenient=True,
    replies={200: Reply(what="It does.", media=_TEXT)},
    faults={503: "It does not; the page and the log have the reason."},
)

SCHEMA: Final = Endpoint(
    path="/api/v1/schema",
    summary="The JSON Schema of the status",
    replies={200: Reply(what="The schema.", media=("application/schema+json",))},
)

OPENAPI: Final = Endpoint(
    path="/api/v1/openapi.json",
    summary="This API's description",
    details="OpenAPI 3.1, of what this very process serves: a proxy without a node among its "
    "upstreams takes no `blocknotify`, a program without a settings file has no `reload`.",
    replies={200: Reply(what="The description.", kind=dict[str, Any])},
)

EVENTS: Final = Endpoint(
    path="/api/v1/events",
    summary="The event stream",
    details="Server-sent events: the status once a second, and each event of the log within "
    "a second, as `log` messages with the event's serial as their id.",
    query=EventsAsked,
    endless=True,
    replies={200: Reply(what="Messages without end.", media=("text/event-stream",))},
    faults={503: "There are as many streams as may be."},
    example="?after=0&status=false",
)

LOG: Final = Endpoint(
    path="/api/v1/log",
    summary="The last events of the log",
    details=f"Kept in memory: the last {MOST_KEPT} of level info and, apart from them, the last "
    f"{MOST_KEPT} of the others, and the last {MOST_KEPT} of blocks (`block_*`). What the setting "
    "of the log's level leaves out is not there. To read on, ask again with the last serial as "
    "`after`.",
    query=LogAsked,
    replies={200: Reply(what="Events by serial.", kind=EventPage)},
    example="?level=warning&limit=20",
)

ACTIONS: Final = Endpoint(
    path="/api/v1/actions",
    summary="What may be changed",
    replies={200: Reply(what="The calls that need the token.", kind=ActionsTold)},
)

RELOAD: Final = Endpoint(
    path="/api/v1/reload",
    method="POST",
    summary="Read the settings again",
    details="As SIGHUP does. What stays as it is goes on undisturbed; settings that cannot be "
    "used change nothing.",
    body=Nothing,
    token=True,
    replies={200: Reply(what="They are in force.", kind=ReloadTold)},
)

_HINT: Final = (
    "For bitcoind's `-blocknotify`, from this machine only: all nodes are looked at at once. "
    "What else is in the request is not read."
)

BLOCKNOTIFY: Final = tuple(
    Endpoint(
        path="/api/v1/blocknotify",
        method=method,
        summary="Hint that there may be a new block",
        details=_HINT,
        lenient=True,
        replies={200: Reply(what="Somebody looks.", media=_TEXT)},
        faults={403: "It is not for other machines.", 503: "No node is in use."},
    )
    for method in ("GET", "POST")
)


def status_of(kind: type[msgspec.Struct] | None) -> Endpoint:
    """Make the row of the status; `kind` is what it is made of."""
    return Endpoint(
        path="/api/v1/status",
        summary="How the program is doing",
        details="All that its page shows, without secrets. Fields come to be, and none goes or "
        "changes its meaning within `v1`.",
        replies={200: Reply(what="The status.", kind=kind or dict[str, Any])},
    )


def files_of(names: Iterable[str]) -> Endpoint:
    """Make the row of the page's files."""
    return Endpoint(
        path="/static/{name}",
        summary="The files of the page",
        places={"name": tuple(names)},
        lenient=True,
        replies={
            200: Reply(
                what="The file.",
                media=("text/javascript", "text/css", "text/plain", "image/svg+xml"),
            )
        },
    )
