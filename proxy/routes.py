"""Which route a rig takes: rules in order, the first that fits decides. Pure.

A rule looks at the listener that a rig came to, at its address, at the name it gave first
and at what its software calls itself. What a rule does not name fits all. A rig that no
rule fits takes the first route.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from fnmatch import translate
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import NamedTuple

__all__ = ["Decision", "Router", "Rule", "Visitor", "parse_network"]

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule.

    Attributes:
        route: where rigs go that it fits; "" turns them away.
        listener: the name of the listener they came to; "" for any.
        addresses: ranges that they come from; none for any.
        login: a pattern (`*`, `?`, `[...]`) for the name that a rig gives first, in which
            case counts; "" for any.
        agent: a pattern for what it calls itself, in which case does not count; "" for any.
    """

    route: str
    listener: str = ""
    addresses: tuple[Network, ...] = ()
    login: str = ""
    agent: str = ""

    @property
    def words(self) -> str:
        """Say in words what it fits."""
        parts = [
            f"listener {self.listener}" if self.listener else "",
            f"address in {', '.join(map(str, self.addresses))}" if self.addresses else "",
            f"login {self.login}" if self.login else "",
            f"agent {self.agent}" if self.agent else "",
        ]
        return ", ".join(each for each in parts if each) or "every rig"


class Visitor(NamedTuple):
    """What rules look at.

    Attributes:
        listener: the name of the listener that it came to.
        address: where it comes from, without the port.
        login: the name it gave first.
        agent: what its software calls itself.
    """

    listener: str
    address: str
    login: str
    agent: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """Where a rig goes.

    Attributes:
        route: the name of the route; "" when it is turned away.
        why: the rule that said so, in words.
        full: the route that had no room for it, when it is turned away for that.
    """

    route: str
    why: str
    full: str = ""

    @property
    def refused(self) -> bool:
        """It is turned away."""
        return not self.route

    @property
    def told(self) -> str:
        """Why it is turned away, for the log."""
        return self.why if self.full else f"a rule says so: {self.why}"

    @property
    def closes(self) -> str:
        """Why its connection ends then: one of `CLOSE_REASONS`."""
        return "route_full" if self.full else "no_route"


class Router:
    """Chooses routes.

    Args:
        rules: the first that fits decides.
        default: where those go that none fits; "" turns them away.
    """

    def __init__(self, rules: Sequence[Rule], default: str) -> None:
        self.rules = tuple(rules)
        self.default = default
        self._tests = tuple(map(_Test, self.rules))
        self._else = Decision(default, "no rule fits: the first route")
        self._by_address = any(rule.addresses for rule in self.rules)
        self.refuses = not (default and all(rule.route for rule in self.rules))
        """Some rigs are turned away by it."""

    def choose(self, visitor: Visitor, full: Collection[str] = ()) -> Decision:
        """Say where a rig goes.

        Args:
            visitor: what is known of it.
            full: routes without room for it: the next rule that fits it counts, and with
                none it is turned away.
        """
        address, missed = self._read(visitor.address), ""
        for test in self._tests:
            if test.knows(visitor.listener, address) and test.likes(visitor.login, visitor.agent):
                if test.decision.route not in full:
                    return _instead(test.decision, missed)
                missed = missed or test.decision.route
        if not missed and self._else.route not in full:
            return self._else
        missed = missed or self._else.route
        return Decision("", f"route {missed} is full, and no other rule fits", full=missed)

    def foresee(self, listener: str, address: str) -> Decision | None:
        """Say where all rigs of a place go, if neither login nor agent matter there.

        Args:
            listener: as for `Visitor`.
            address: likewise.

        Returns:
            The decision; `None` when it depends on what the rig will say.
        """
        known = self._read(address)
        for test in self._tests:
            if test.knows(listener, known):
                return test.decision if test.is_open else None
        return self._else

    def _read(self, address: str) -> IPv4Address | IPv6Address | None:
        """Read an address, where some rule asks for it: a farm has thousands."""
        return _address(address) if self._by_address else None


class _Test:
    """A rule, made ready."""

    __slots__ = ("_agent", "_login", "_rule", "decision")

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._login = re.compile(translate(rule.login)) if rule.login else None
        self._agent = re.compile(translate(rule.agent), re.IGNORECASE) if rule.agent else None
        self.decision = Decision(rule.route, rule.words)

    @property
    def is_open(self) -> bool:
        """It asks for no login and no agent."""
        return self._login is None and self._agent is None

    def knows(self, listener: str, address: IPv4Address | IPv6Address | None) -> bool:
        rule = self._rule
        if rule.listener and rule.listener != listener:
            return False
        if not rule.addresses:
            return True
        return address is not None and any(address in network for network in rule.addresses)

    def likes(self, login: str, agent: str) -> bool:
        if self._login is not None and self._login.match(login) is None:
            return False
        return self._agent is None or self._agent.match(agent) is not None


def _instead(decision: Decision, missed: str) -> Decision:
    if not missed:
        return decision
    why = f"{decision.why}; route {missed} is full"
    return Decision(decision.route, why, full="" if decision.route else missed)


def parse_network(text: str) -> Network:
    """Read a range of addresses such as `10.0.0.0/8`, or one address.

    Raises:
        ValueError: it is none; says what is wrong.
    """
    return ip_network(text.strip())


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Read an address; one of IPv4 that came over an IPv6 socket is what it stands for."""
    try:
        address = ip_address(text.strip("[]").partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
