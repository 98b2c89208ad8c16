"""The door: accepts rigs, within limits.

Which protocol a port speaks is a row of `PROTOCOLS`.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from headframe.runtime.logs import get_logger
from headframe.runtime.wire import Wire, listen
from headframe.runtime.wirelog import WireLog
from headframe.stratum.core import ServerCore
from headframe.stratum.events import ServerEvent
from headframe.stratum.sv1.server import ServerConnection
from proxy.cost import Cost, Level, Price
from proxy.hub import Hub
from proxy.routes import Visitor
from proxy.routing import Routing
from proxy.session import Place, Session

__all__ = ["PROTOCOLS", "Limits", "Listener"]

log = get_logger(__name__)

_SOFT, _HARD, _DECAY = 2000.0, 20_000.0, 50.0
"""A farm of 2,000 rigs behind one address may come all at once; a loop of connections is
let in 50 times a second at most."""
_ADDRESSES: Final = 4096
"""Addresses whose cost is remembered."""


def _sv1(mask: int) -> ServerCore:
    return ServerConnection(mask=mask)


PROTOCOLS: Final[Mapping[str, Callable[[int], ServerCore]]] = MappingProxyType({"sv1": _sv1})
"""Protocol: makes the core of one connection, from the version bits that rigs may roll."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many rigs are let in.

    Attributes:
        connections: at once.
        per_address: at once, from one address.
    """

    connections: int = 20_000
    per_address: int = 10_000


class _Address(Cost):
    """What an address costs, and how many connections it has."""

    __slots__ = ("open",)

    def __init__(self) -> None:
        super().__init__(soft=_SOFT, hard=_HARD, decay=_DECAY)
        self.open = 0


class Listener:
    """Listens on one port, and makes a session of each connection.

    Args:
        routing: says where rigs belong.
        name: what it is called in rules.
        limits: how many are let in; may be replaced at any time.
        protocol: a row of `PROTOCOLS`.
        wire_log: where what rigs say and hear is written down, if it is.
    """

    def __init__(
        self,
        routing: Routing,
        name: str,
        limits: Limits | None = None,
        *,
        protocol: str = "sv1",
        wire_log: WireLog | None = None,
    ) -> None:
        self.name = name
        self.limits = limits or Limits()
        self._routing = routing
        self._wire_log = wire_log
        self._make_core = PROTOCOLS[protocol]
        self._addresses: dict[str, _Address] = {}
        self._forget_at = _ADDRESSES
        self._open = 0
        self._server: asyncio.Server | None = None
        self._ending: list[Session] = []

    @property
    def port(self) -> int:
        """The port it listens on, once it does."""
        assert self._server is not None  # noqa: S101 - asked too early
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def connections(self) -> int:
        """How many there are now."""
        return self._open

    async def start(self, host: str, port: int) -> None:
        """Begin to accept.

        Raises:
            PortInUseError: another program listens there.
            ListenError: this machine cannot listen there.
        """
        self._server = await listen(host, port, self._make)

    def close(self, why: str) -> None:
        """Accept no more, and end all sessions.

        Args:
            why: one of `CLOSE_REASONS`.
        """
        if self._server is not None:
            self._server.close()
        self._ending = [each for _, each in self._routing.sessions() if each.door is self]
        if self._ending:
            log.warning("rigs_closed", listener=self.name, reason=why, count=len(self._ending))
        for session in self._ending:
            session.close(why)

    async def wait_closed(self) -> None:
        """Wait until the last session has ended, after `close`."""
        for session in self._ending:
            await session.wire.wait_closed()

    def _make(self) -> Wire[ServerEvent]:
        place = self._routing.entry(self.name)
        core = self._make_core(place.settings.mask)
        wire = Session(place.hub, place.settings, core, self).wire
        if self._wire_log is not None:
            wire.record(self._wire_log, "rig")
        return wire

    def place(self, visitor: Visitor, current: Hub) -> Place | None:
        """Say which route a rig takes that is on this one; `None`: it is turned away."""
        return self._routing.place(visitor, current)

    def admit(self, address: str) -> str:
        """Let a connection in, or say why not.

        Args:
            address: the rig's, without the port.
        """
        now = self._routing.clock.monotonic()
        self._routing.stats.connections_opened += 1
        self._open += 1
        known = self._address(address, now)
        known.open += 1
        costly = known.add(Price.CONNECT, now) is not Level.FINE
        why = ""
        if self._open > self.limits.connections:
            why = f"{self.limits.connections} connections are open"
        elif known.open > self.limits.per_address:
            why = f"{self.limits.per_address} connections from this address are open"
        elif self._is_refused(address):
            why = "a rule refuses whoever comes from there"
        elif costly:
            why = "too many connections or faults from this address"
        if why:
            self._routing.stats.connections_refused += 1
            log.debug("connection_refused", address=address, why=why)
        return why

    def release(self, address: str, *, faulty: bool) -> None:
        """Take note that a connection has ended.

        Args:
            address: the rig's, without the port.
            faulty: it broke the protocol; its address pays for that.
        """
        self._open -= 1
        now = self._routing.clock.monotonic()
        known = self._address(address, now)
        known.open -= 1
        if faulty:
            known.add(Price.FAULT, now)

    def _is_refused(self, address: str) -> bool:
        foreseen = self._routing.foresee(self.name, address)
        return foreseen is not None and foreseen.refused

    def _address(self, address: str, now: float) -> _Address:
        known = self._addresses.get(address)
        if known is None:
            if len(self._addresses) >= self._forget_at:
                self._forget(now)
            known = self._addresses[address] = _Address()
        return known

    def _forget(self, now: float) -> None:
        """Drop addresses that have no connection and owe nothing."""
        for address, known in tuple(self._addresses.items()):
            if known.open <= 0 and known.points(now) <= 0:
                del self._addresses[address]
        # Those that stay are not looked at again for each that comes: a large farm has
        # more addresses than this on any day.
        self._forget_at = max(_ADDRESSES, 2 * len(self._addresses))
