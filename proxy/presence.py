"""`Presence`: what can be seen of a rig's connection, by rules, pages and metrics."""

from collections.abc import Collection

from headframe.runtime.wire import Wire
from headframe.stratum.events import ServerEvent
from headframe.upstream.payees import Payee
from proxy.hub import Hub
from proxy.places import Door
from proxy.rig import Rig, RigState
from proxy.routes import Visitor

__all__ = ["Presence"]


class Presence:
    """A connection, to look at; whoever speaks with the rig makes `wire`.

    Args:
        hub: where jobs come from and shares go.
        door: who lets it in.
    """

    __slots__ = ("_agent", "_door", "_host", "_hub", "_named", "_payee", "_rigs", "_user", "wire")

    wire: Wire[ServerEvent]

    def __init__(self, hub: Hub, door: Door) -> None:
        self._hub = hub
        self._door = door
        self._rigs: tuple[Rig, ...] = ()  # one for a channel; a tuple of one is small
        self._named = False  # a worker was authorised
        self._payee: Payee | None = None  # who is paid for its blocks, if that is its to say
        self._agent = ""
        self._host = ""
        self._user = ""

    @property
    def user(self) -> str:
        """The first worker that was authorised on it, or ""."""
        return self._user

    @property
    def is_known(self) -> bool:
        """A worker was authorised on it."""
        return self._named

    @property
    def address(self) -> str:
        """Where the rig is, as "host:port"."""
        return self.wire.peer

    @property
    def agent(self) -> str:
        """What its software calls itself, or ""."""
        return self._agent

    @property
    def host(self) -> str:
        """Where the rig is, without the port."""
        host = self._host
        if not host:  # one text for all who keep it
            host = self._host = self.wire.peer.rpartition(":")[0]
        return host

    @property
    def door(self) -> Door:
        """Who let it in."""
        return self._door

    @property
    def visitor(self) -> Visitor:
        """What rules look at."""
        return self._visitor_as(self._user)

    @property
    def hub(self) -> Hub:
        """The route that it is on."""
        return self._hub

    @property
    def rigs(self) -> Collection[Rig]:
        """Its rigs that have a seat."""
        return self._rigs

    def figures(self, now: float) -> list[dict[str, object]]:
        """Return what the page shows of the session's rigs."""
        return [self.figures_of(rig, now) for rig in self._rigs]

    def figures_of(self, rig: Rig, now: float) -> dict[str, object]:
        """Return what the page shows of one of them."""
        return {**self._head(), **rig.figures(now, self._user)}

    def no_figures(self) -> dict[str, object]:
        """Return what the page shows of a connection that has no seat yet."""
        return {
            **self._head(),
            "hashrate_hps": 0.0,
            "difficulty": 0.0,
            "accepted": 0,
            "rejected": 0,
            "last_share_seconds": None,
            "state": RigState.CONNECTING.value,
            "quirks": [],
            "problems": [],
        }

    def _visitor_as(self, login: str) -> Visitor:
        return Visitor(self._door.name, self.host, login, self._agent)

    def _head(self) -> dict[str, object]:
        payee = "" if self._payee is None else self._payee.address
        head = {"name": self._user, "user": self._user, "agent": self._agent, "payout": payee}
        return {**head, "address": self.address}

    def _rig_on(self, channel: int) -> Rig | None:
        """Return the rig of a channel, if that has a seat."""
        for rig in self._rigs:
            if rig.seat.channel == channel:
                return rig
        return None

    def hps(self, now: float) -> float:
        """Estimate the hashrate of its rigs."""
        return sum(rig.hps(now) for rig in self._rigs)

    def states(self, now: float) -> list[RigState]:
        """Say how its rigs are doing."""
        return [rig.state(now) for rig in self._rigs]
