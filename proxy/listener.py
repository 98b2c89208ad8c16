"""The door: accepts rigs, within limits.

Which protocol a port speaks is a row of `PROTOCOLS`.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

from headframe.runtime.logs import get_logger
from headframe.runtime.wire import Wire, listen
from headframe.runtime.wirelog import WireLog
from headframe.stratum.core import ServerCore
from headframe.stratum.events import ServerEvent
from headframe.stratum.sv1.skim import SkimmedConnection
from proxy.balancer import Headed
from proxy.cost import Cost, Level, Price
from proxy.entrance import Entrance
from proxy.hub import Hub
from proxy.routes import Decision, Visitor
from proxy.routing import Routing
from proxy.session import Place, Session

__all__ = ["PROTOCOLS", "Limits", "Listener"]

log = get_logger(__name__)

_SOFT, _HARD, _DECAY = 2000.0, 20_000.0, 50.0
"""A farm of 2,000 rigs behind one address may come all at once; a loop of connections is
let in 50 times a second at most."""
_TELL_SECONDS: Final = 60.0
"""So seldom a fault of one address is worth a warning: what is wrong there comes again."""
_BAN_FAULTS: Final = 10.0
"""So many faults within ten minutes, with no other connection beside them, are a ban."""
_ADDRESSES: Final = 4096
"""Addresses whose cost is remembered."""


def _sv1(mask: int) -> ServerCore:
    return SkimmedConnection(mask=mask)


PROTOCOLS: Final[Mapping[str, Callable[[int], ServerCore]]] = MappingProxyType({"sv1": _sv1})
"""Protocol: makes the core of one connection, from the version bits that rigs may roll."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many rigs are let in.

    Attributes:
        connections: at once.
        per_address: at once, from one address.
        ban_seconds: for how long an address is banned from which nothing but faults come;
            0 for never.
    """

    connections: int = 20_000
    per_address: int = 10_000
    ban_seconds: float = 600.0


class _Address(Cost, gc=False, kw_only=True):
    """What an address costs, and how many connections it has."""

    soft: float = _SOFT
    hard: float = _HARD
    decay: float = _DECAY
    open: int = 0
    faults: Cost | None = None
    told_until: float = 0.0


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
        self._entrance = Entrance()
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

    @property
    def entrance(self) -> Entrance:
        """How rigs come in."""
        return self._entrance

    async def start(self, host: str, port: int, entrance: Entrance | None = None) -> None:
        """Begin to accept.

        Args:
            host: an address or a name of this machine.
            port: 0 for a free one.
            entrance: how rigs come in; plain by default.

        Raises:
            PortInUseError: another program listens there.
            ListenError: this machine cannot listen there.
        """
        self._entrance = entrance or self._entrance
        behind = self._entrance.trusted is not None  # then TLS comes after the header
        self._server = await listen(
            host,
            port,
            self._receive,
            tls=None if behind else self._entrance.tls,
            handshake_seconds=self._entrance.handshake_seconds,
        )
        if self._entrance.fingerprint:
            log.info("tls_certificate", listener=self.name, fingerprint=self._entrance.fingerprint)

    def admit_by(self, entrance: Entrance, certificate: str, key: str) -> None:
        """Let rigs in another way, from the next connection on.

        Args:
            entrance: with TLS if there was TLS, else without.
            certificate: the file that it shows from now on, if with TLS.
            key: its key.
        """
        if self._entrance.tls is not None:  # the listener goes on with the context it has
            self._entrance.tls.load_cert_chain(
                Path(certificate).expanduser(), Path(key).expanduser()
            )
            if entrance.fingerprint != self._entrance.fingerprint:
                log.info("tls_certificate", listener=self.name, fingerprint=entrance.fingerprint)
        self._entrance = replace(entrance, tls=self._entrance.tls)

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

    def _receive(self) -> asyncio.BaseProtocol:
        """Make what takes a new connection."""
        known = self._entrance
        if known.trusted is None:
            return self._make()
        return Headed(
            self._make,
            known.trusted,
            self._turn_away,
            tls=known.tls,
            handshake_seconds=known.handshake_seconds,
        )

    def _turn_away(self) -> None:
        """Count a connection that came without the header it needs."""
        self._routing.stats.connections_opened += 1
        self._routing.stats.connections_refused["no_header"] += 1

    def _make(self) -> Wire[ServerEvent]:
        place = self._routing.entry(self.name)
        core = self._make_core(place.settings.mask)
        wire = Session(place.hub, place.settings, core, self).wire
        if self._wire_log is not None:
            wire.record(self._wire_log, "rig")
        return wire

    def seat(self, current: Hub) -> Place:
        """Say where a rig takes its seat that waits there, and has not said its name."""
        return self._routing.seat(self.name, current)

    def place(self, visitor: Visitor, current: Hub, *, counts: bool) -> Place | Decision:
        """Say which route a rig takes, or why it is turned away; see `Door.place`."""
        return self._routing.place(visitor, current, counts=counts)

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
        kind = why = ""
        ban = self._routing.bans.find(address, now)
        if ban is not None:
            kind, why = "banned", f"{ban.address} is banned: {ban.why}"
        elif self._open > self.limits.connections:
            kind, why = "full", f"{self.limits.connections} connections are open"
        elif known.open > self.limits.per_address:
            kind = "address_full"
            why = f"{self.limits.per_address} connections from this address are open"
        elif self._routing.router.refuses and self._is_refused(address):
            kind, why = "rule", "a rule refuses whoever comes from there"
        elif costly:
            kind, why = "costly", "too many connections or faults from this address"
        if kind:
            self._routing.stats.connections_refused[kind] += 1
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
            self._ban_if_bad(address, known, now)

    def is_news(self, address: str) -> bool:
        """Say whether no fault of this address was told of within a minute; then one is now."""
        now = self._routing.clock.monotonic()
        known = self._address(address, now)
        if now < known.told_until:
            return False
        known.told_until = now + _TELL_SECONDS
        return True

    def _ban_if_bad(self, address: str, known: "_Address", now: float) -> None:
        """Ban an address from which nothing but faults has come lately.

        Not one that has other connections: a farm's rigs may share an address, and one
        that is broken must not stop the others.
        """
        seconds = self.limits.ban_seconds
        if not seconds or known.open > 0:
            return
        if known.faults is None:
            known.faults = Cost(soft=_BAN_FAULTS, hard=_BAN_FAULTS, decay=_BAN_FAULTS / 600)
        if known.faults.add(1.0, now) is Level.HARD:
            known.faults = None
            self._routing.stats.bans["faults"] += 1
            self._routing.bans.add(
                address.strip("[]"),
                now=now,
                seconds=seconds,
                why="it broke the protocol again and again",
            )
            log.warning("address_banned", address=address, seconds=seconds)

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
