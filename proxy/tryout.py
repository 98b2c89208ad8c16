"""Where rigs go, and where they would go with other settings: for `--dry-run` and the API."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Final

import msgspec

from headframe.runtime.errors import ConfigError, HeadframeError
from headframe.runtime.web import Action, Answer, Endpoint, Reply, Served, telling
from headframe.upstream.payees import PayTo
from proxy.config import ProxyConfig
from proxy.payouts import objection_to
from proxy.routes import Decision, Router, Visitor
from proxy.routing import Routing

__all__ = [
    "ROUTES",
    "TRY",
    "Overview",
    "Rules",
    "Trial",
    "TryAsked",
    "live_rigs",
    "overview",
    "parse_rig",
    "parse_rigs",
    "routes_served",
    "try_rigs",
    "trying",
]

Meta = msgspec.Meta

_MOST_RIGS: Final = 20_000
"""As many as are listed."""
_MOST_TRIED: Final = 5_000
"""As many as a call may bring: a body has a megabyte at most."""


class Trial(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where one rig goes; a route of "" turns it away.

    Attributes:
        listener: the listener that it comes to.
        address: where it comes from, without the port.
        login: the name that it gives first.
        agent: what its software calls itself.
        route: where it is, or goes with the settings in force.
        why: the rule that says so.
        then: where it goes with the settings that are tried.
        then_why: the rule that says so.
    """

    listener: str
    address: str
    login: str
    agent: str = ""
    route: str | None = None
    why: str = ""
    then: str | None = None
    then_why: str = ""

    @property
    def moves(self) -> bool:
        """It would go elsewhere."""
        return self.then is not None and self.route is not None and self.then != self.route

    @property
    def visitor(self) -> Visitor:
        """What rules look at."""
        return Visitor(
            listener=self.listener, address=self.address, login=self.login, agent=self.agent
        )

    @property
    def words(self) -> str:
        """Tell it in one line."""
        who = f"{self.login} from {self.address} at {self.listener}"
        who += f" ({self.agent})" if self.agent else ""
        if self.then is None:
            return f"{who}: {_name(self.route)} ({self.why})"
        way = f"{_name(self.route)} -> {_name(self.then)}" if self.moves else _name(self.then)
        return f"{who}: {way} ({self.then_why})"


class RuleTold(msgspec.Struct, frozen=True, kw_only=True):
    """A rule for rigs."""

    route: Annotated[str, Meta(description='Where rigs go that it fits; "": turned away.')]
    fits: Annotated[str, Meta(description="What it fits, in words.")]


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """Routes, rules, and which rig is where."""

    routes: Annotated[tuple[str, ...], Meta(description="Their names.")]
    otherwise: Annotated[str, Meta(description='For rigs that no rule fits; "": turned away.')]
    rules: Annotated[tuple[RuleTold, ...], Meta(description="The first that fits decides.")]
    rigs: Annotated[tuple[Trial, ...], Meta(description=f"{_MOST_RIGS:,} at most.")]


class TryAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rigs that are to be tried."""

    rigs: Annotated[
        Annotated[tuple[Trial, ...], Meta(max_length=_MOST_TRIED)] | None,
        Meta(description="By default those that are connected."),
    ] = None


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """Where rigs go."""

    rigs: tuple[Trial, ...]
    moves: Annotated[int, Meta(ge=0, description="Of these, those that would go elsewhere.")]


ROUTES: Final = Endpoint(
    path="/api/v1/routes",
    summary="Routes, rules, and which rig is where",
    replies={200: Reply(what="The routes in force.", kind=Overview)},
)
TRY: Final = Endpoint(
    path="/api/v1/routes/try",
    method="POST",
    summary="Say where rigs go now, and after a reload",
    details="Reads the settings as a reload would, and changes nothing.",
    body=TryAsked,
    token=True,
    replies={200: Reply(what="Where each goes, and why.", kind=Tried)},
    example='{"rigs": [{"listener": "front", "address": "10.0.0.7", "login": "me.rig1"}]}',
)


def routes_served(routing: Routing) -> Served:
    """Make the row of `/api/v1/routes`."""
    return telling(ROUTES, lambda: overview(routing))


def parse_rig(text: str) -> Trial:
    """Read "listener,address,login" or "listener,address,login,agent".

    Raises:
        ConfigError: it is none.
    """
    parts = [each.strip() for each in text.split(",", maxsplit=3)]
    if len(parts) < 3 or not parts[2]:
        raise ConfigError(
            f"--rig {text}: expected listener,address,login,agent, such as front,10.0.0.7,me.rig1"
        )
    return Trial(listener=parts[0], address=parts[1], login=parts[2], agent="".join(parts[3:]))


def parse_rigs(plain: object) -> list[Trial]:
    """Read a list of rigs out of JSON.

    Raises:
        ConfigError: it is none.
    """
    try:
        rigs = msgspec.convert(plain, list[Trial])
    except msgspec.ValidationError as error:
        raise ConfigError(f"rigs: {error}") from None
    if len(rigs) > _MOST_RIGS:
        raise ConfigError(f"rigs: {len(rigs)} are more than {_MOST_RIGS} at once")
    return rigs


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Settings that say which rig goes where.

    Attributes:
        router: the rules.
        pays: who is paid, by route; whoever cannot be is turned away.
        most: rigs that may be on a route, for those with a limit.
    """

    router: Router
    pays: Mapping[str, PayTo] = field(default_factory=dict)
    most: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, config: ProxyConfig) -> "Rules":
        """Take them from settings.

        Raises:
            ConfigError: they cannot be used.
        """
        return cls(router=config.router(), pays=config.payouts(), most=config.max_rigs())

    def decide(self, rig: Trial, counts: Mapping[str, int]) -> Decision:
        """Say where a rig goes, given how many are on each route."""
        full = [
            name
            for name, most in self.most.items()
            if counts.get(name, 0) >= most and name != rig.route
        ]
        decision = self.router.choose(rig.visitor, full)
        why = objection_to(rig.login, self.pays.get(decision.route, PayTo.ADDRESS))
        return Decision("", why) if why else decision


def try_rigs(
    rigs: Iterable[Trial], then: Rules, others: Mapping[str, int] | None = None
) -> list[Trial]:
    """Say where rigs go by settings that are not in force, one after the other.

    Args:
        rigs: which; those with a route are on it so far.
        then: the settings.
        others: how many more rigs are on each route.
    """
    asked = list(rigs)
    counts = Counter(others or {})
    counts.update(rig.route for rig in asked if rig.route)
    tried = []
    for rig in asked:
        decision = then.decide(rig, counts)
        if decision.route != rig.route:
            counts[rig.route or ""] -= 1
            counts[decision.route] += 1
        tried.append(msgspec.structs.replace(rig, then=decision.route, then_why=decision.why))
    return tried


def live_rigs(routing: Routing) -> Iterator[Trial]:
    """Yield the rigs that are connected and have said their name."""
    for route, session in routing.sessions():
        if session.user:
            seen = session.visitor
            yield Trial(
                listener=seen.listener,
                address=seen.address,
                login=seen.login,
                agent=seen.agent,
                route=route,
                why=routing.decide(seen, session.hub).why,
            )


def overview(routing: Routing) -> Overview:
    """Tell routes, rules and which rig is where."""
    rigs = [rig for _, rig in zip(range(_MOST_RIGS), live_rigs(routing), strict=False)]
    return Overview(
        routes=tuple(routing.routes),
        otherwise=routing.router.default,
        rules=tuple(RuleTold(route=each.route, fits=each.words) for each in routing.router.rules),
        rigs=tuple(rigs),
    )


def trying(routing: Routing, read: Callable[[], ProxyConfig] | None) -> Action:
    """Make the action that says where rigs go now, and after a reload.

    With `rigs` it says it of these; else of those that are connected.

    Args:
        routing: the routes in force.
        read: reads the settings as a reload would; `None`: there is no reload.
    """

    async def answer(asked: TryAsked) -> Answer:
        rigs, others = _asked(routing, asked)
        if read is not None:
            try:
                settings = await asyncio.to_thread(read)
            except HeadframeError as error:
                return Answer(error=str(error), what_to_do="mend the settings")
            rigs = try_rigs(rigs, Rules.of(settings), others)
        return Answer(details={"rigs": rigs, "moves": sum(rig.moves for rig in rigs)})

    return answer


def _asked(routing: Routing, asked: TryAsked) -> tuple[Sequence[Trial], Mapping[str, int]]:
    """Return the rigs, with where they are or would go now, and the number of all others."""
    if asked.rigs is None:
        return list(live_rigs(routing))[:_MOST_RIGS], {}
    hubs = {name: each.hub for name, each in routing.routes.items()}
    others = {name: hub.roll.rigs for name, hub in hubs.items()}
    limits = {name: hub.settings.max_rigs for name, hub in hubs.items()}
    now = Rules(
        router=routing.router,
        most={name: most for name, most in limits.items() if most is not None},
    )
    fresh = [msgspec.structs.replace(rig, route=None) for rig in asked.rigs]
    return [
        msgspec.structs.replace(rig, route=rig.then, why=rig.then_why, then=None, then_why="")
        for rig in try_rigs(fresh, now, others)
    ], others


def _name(route: str | None) -> str:
    return route or "turned away"
