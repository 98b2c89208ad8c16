"""Where rigs go, and where they would go with other settings: for `--dry-run` and the API."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from headframe.runtime.errors import ConfigError, HeadframeError
from headframe.runtime.web import Action, Answer
from proxy.config import ProxyConfig
from proxy.routes import Router, Visitor
from proxy.routing import Routing

__all__ = ["Trial", "live_rigs", "overview", "parse_rig", "parse_rigs", "try_rigs", "trying"]

_MOST_RIGS: Final = 20_000
"""As many as a call may ask for, and as are listed."""


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


def try_rigs(rigs: Iterable[Trial], then: Router) -> list[Trial]:
    """Say where rigs go by rules that are not in force."""
    tried = []
    for rig in rigs:
        decision = then.choose(rig.visitor)
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
                why=routing.decide(seen).why,
            )


def overview(routing: Routing) -> dict[str, Any]:
    """Return routes, rules and which rig is where, as plain data."""
    rigs = [rig for _, rig in zip(range(_MOST_RIGS), live_rigs(routing), strict=False)]
    return {
        "routes": list(routing.routes),
        "otherwise": routing.router.default,
        "rules": [{"route": each.route, "fits": each.words} for each in routing.router.rules],
        "rigs": msgspec.to_builtins(rigs),
    }


def trying(routing: Routing, read: Callable[[], ProxyConfig] | None) -> Action:
    """Make the action that says where rigs go now, and after a reload.

    With `rigs`, a list of them, it says it of these; else of those that are connected.

    Args:
        routing: the routes in force.
        read: reads the settings as a reload would; `None`: there is no reload.
    """

    async def answer(given: Mapping[str, object]) -> Answer:
        try:
            rigs = _asked(routing, given)
            if read is not None:
                settings = await asyncio.to_thread(read)
                rigs = try_rigs(rigs, settings.router())
        except HeadframeError as error:
            return Answer(error=str(error))
        return Answer(
            details={
                "rigs": msgspec.to_builtins(rigs),
                "moves": sum(rig.moves for rig in rigs),
            }
        )

    return answer


def _asked(routing: Routing, given: Mapping[str, object]) -> Sequence[Trial]:
    if "rigs" not in given:
        return list(live_rigs(routing))[:_MOST_RIGS]
    found = []
    for rig in parse_rigs(given["rigs"]):
        decision = routing.decide(rig.visitor)
        found.append(msgspec.structs.replace(rig, route=decision.route, why=decision.why))
    return found


def _name(route: str | None) -> str:
    return route or "turned away"
