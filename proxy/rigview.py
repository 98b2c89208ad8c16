"""`GET /api/v1/rigs`: the connected rigs, searched, sorted and paged here and not in browsers.

All rigs are looked at once a second at most, whoever asks and how often; only the rows that
are shown are worked out in full.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Final, NamedTuple, Protocol

import msgspec

from headframe.runtime.http import web
from headframe.runtime.web import Endpoint, Problem, Reply, Served
from proxy.hub import Clock
from proxy.rig import Rig, RigState
from proxy.session import Session
from proxy.stats import RIG_STATES
from proxy.status import RigsPage, RigStatus

__all__ = ["RIGS", "SORTS", "RigView", "RigsAsked", "rigs_served"]

Meta = msgspec.Meta

LOOK_SECONDS: Final = 1.0
_MOST_ROWS: Final = 200
_MOST_ANSWERS: Final = 64
"""Kept until the next look, for pages that ask for the same."""


class Rigs(Protocol):
    """Where rigs are: a `Routing`."""

    @property
    def clock(self) -> Clock:
        """Tells the time."""

    def sessions(self) -> Iterator[tuple[str, Session]]:
        """Yield all connections, each with the name of its route."""


class _Row(NamedTuple):
    """A rig, or a connection that has none yet, and what all are looked at for."""

    route: str
    session: Session
    rig: Rig | None
    state: str
    hps: float


SORTS: Final[dict[str, Callable[[_Row, float], Any]]] = {
    "name": lambda row, _now: row.session.user.casefold() or None,
    "state": lambda row, _now: row.state,
    "hashrate": lambda row, _now: row.hps,
    "difficulty": lambda row, _now: row.rig and -row.rig.told,
    "accepted": lambda row, _now: row.rig.accepted if row.rig else 0,
    "rejected": lambda row, _now: row.rig.rejected if row.rig else 0,
    "last_share": lambda row, now: row.rig and row.rig.share_age(now),
    "route": lambda row, _now: row.route,
    "listener": lambda row, _now: row.session.door.name,
    "agent": lambda row, _now: row.session.agent.casefold() or None,
    "address": lambda row, _now: row.session.address,
}
"""What rows can be sorted by; rigs without it (`None`) come last, either way."""


class RigsAsked(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of the rigs."""

    search: Annotated[
        str,
        Meta(max_length=200, description="A part of name, software, address, route or listener."),
    ] = ""
    user: Annotated[str | msgspec.UnsetType, Meta(description="The whole name.")] = msgspec.UNSET
    state: Annotated[
        str,
        Meta(description="How they are doing.", extra_json_schema={"enum": ["", *RIG_STATES]}),
    ] = ""
    route: Annotated[str, Meta(description="The route that they are on.")] = ""
    listener: Annotated[str, Meta(description="The listener that they came to.")] = ""
    sort: Annotated[
        str,
        Meta(description="The column to sort by.", extra_json_schema={"enum": ["", *SORTS]}),
    ] = "hashrate"
    desc: Annotated[
        bool | msgspec.UnsetType,
        Meta(description="The largest first; by default for hashrate alone."),
    ] = msgspec.UNSET
    offset: Annotated[int, Meta(ge=0, le=1_000_000, description="Rows to be left out.")] = 0
    limit: Annotated[int, Meta(ge=1, le=_MOST_ROWS, description="Rows at most.")] = 50


RIGS: Final = Endpoint(
    path="/api/v1/rigs",
    summary="The connected rigs, a page of them",
    details="Searched, sorted and paged by the proxy. All are looked at once a second at most.",
    query=RigsAsked,
    replies={200: Reply(what="The rigs that fit.", kind=RigsPage)},
    example="?state=silent&sort=last_share&limit=20",
)


class RigView:
    """All rigs, looked at now and then.

    Args:
        routing: where they are.
    """

    def __init__(self, routing: Rigs) -> None:
        self._routing = routing
        self._rows: list[_Row] = []
        self._by_route: Counter[str] = Counter()
        self._by_listener: Counter[str] = Counter()
        self._looked_at = float("-inf")
        self._answers: dict[RigsAsked, bytes] = {}

    @property
    def hps(self) -> float:
        """The hashrate of all rigs together."""
        return sum(row.hps for row in self._look())

    @property
    def hps_by_route(self) -> dict[str, float]:
        """The hashrate of each route that has rigs."""
        rates: defaultdict[str, float] = defaultdict(float)
        for row in self._look():
            rates[row.route] += row.hps
        return rates

    @property
    def by_state(self) -> dict[str, int]:
        """How many rigs there are of each state."""
        return _count(self._look())

    def first(self, most: int) -> tuple[RigStatus, ...]:
        """Return some rigs, as many as this at most, in no order."""
        rows, now = self._look()[:most], self._routing.clock.monotonic()
        return tuple(_status(row, now) for row in rows)

    def answer(self, asked: RigsAsked) -> bytes:
        """Return a `RigsPage` as JSON.

        Raises:
            Problem: a parameter cannot be.
        """
        _check(asked)
        rows = self._look()
        known = self._answers.get(asked)
        if known is None:
            known = msgspec.json.encode(self._page(asked, rows))
            if len(self._answers) < _MOST_ANSWERS:
                self._answers[asked] = known
        return known

    def _page(self, asked: RigsAsked, rows: list[_Row]) -> RigsPage:
        now = self._routing.clock.monotonic()
        fitting = list(_fitting(rows, asked))
        found = [row for row in fitting if row.state == asked.state] if asked.state else fitting
        shown = _sorted(found, asked, now)[asked.offset : asked.offset + asked.limit]
        return RigsPage(
            total=len(rows),
            found=len(found),
            by_state=_count(fitting),
            by_route=self._by_route,
            by_listener=self._by_listener,
            offset=asked.offset,
            limit=asked.limit,
            rigs=tuple(_status(row, now) for row in shown),
        )

    def _look(self) -> list[_Row]:
        now = self._routing.clock.monotonic()
        if now - self._looked_at >= LOOK_SECONDS:
            self._looked_at = now
            self._answers.clear()
            self._rows = _rows(self._routing, now)
            self._by_route = Counter(row.route for row in self._rows)
            self._by_listener = Counter(row.session.door.name for row in self._rows)
        return self._rows


def _rows(routing: Rigs, now: float) -> list[_Row]:
    waiting, rows = RigState.CONNECTING, []
    for route, session in routing.sessions():
        for rig in session.rigs or (None,):
            state, hps = (waiting, 0.0) if rig is None else (rig.state(now), rig.hps(now))
            rows.append(_Row(route, session, rig, state, hps))
    return rows


def rigs_served(view: RigView) -> Served:
    """Make the row of `/api/v1/rigs`."""

    async def handle(_request: web.Request, asked: RigsAsked) -> web.StreamResponse:
        return web.Response(body=view.answer(asked), content_type="application/json")

    return Served(RIGS, handle)


def _check(asked: RigsAsked) -> None:
    for name, value, known in (("sort", asked.sort, SORTS), ("state", asked.state, RIG_STATES)):
        if value and value not in known:
            raise Problem(422, f"{name} is {value[:50]!r}", f"expected one of {', '.join(known)}")


def _fitting(rows: list[_Row], asked: RigsAsked) -> Iterator[_Row]:
    wanted = asked.search.strip().casefold()
    for row in rows:
        session = row.session
        if asked.user is not msgspec.UNSET and session.user != asked.user:
            continue
        if asked.route and row.route != asked.route:
            continue
        if asked.listener and session.door.name != asked.listener:
            continue
        if wanted:
            told = (session.user, session.agent, session.address, row.route, session.door.name)
            if wanted not in "\n".join(told).casefold():
                continue
        yield row


def _sorted(rows: list[_Row], asked: RigsAsked, now: float) -> list[_Row]:
    column = SORTS[asked.sort or "hashrate"]
    keyed = [(column(row, now), row) for row in rows]
    falling = asked.sort == "hashrate" if asked.desc is msgspec.UNSET else asked.desc
    known = sorted(
        (pair for pair in keyed if pair[0] is not None), key=lambda pair: pair[0], reverse=falling
    )
    return [row for _, row in known] + [row for key, row in keyed if key is None]


def _count(rows: list[_Row]) -> dict[str, int]:
    counts = Counter(row.state for row in rows)
    return {state: counts[RigState(state)] for state in RIG_STATES}


def _status(row: _Row, now: float) -> RigStatus:
    session = row.session
    place = {"route": row.route, "listener": session.door.name}
    figures = session.no_figures() if row.rig is None else session.figures_of(row.rig, now)
    return msgspec.convert(place | figures, RigStatus)
