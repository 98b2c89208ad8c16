"""`Doors`: all listeners of a process, opened and closed as the settings say."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from headframe.runtime.errors import ConfigError, ListenError
from headframe.runtime.logs import get_logger
from headframe.runtime.metrics import Rows, gauge
from headframe.runtime.wirelog import WireLog
from proxy.entrance import Entrance, entrance_of
from proxy.listener import Limits, Listener
from proxy.routing import RigTable, Routing
from proxy.tables import ListenerSettings

__all__ = ["DoorFigures", "Doors", "limits_of"]

log = get_logger(__name__)

Key = tuple[str, int, str]


@dataclass(slots=True, kw_only=True)
class DoorFigures:
    """Metrics of one listener."""

    listener_connections: int = gauge("Connections open at a listener.")
    listener_certificate_expiry_timestamp: float | None = gauge(
        "When the certificate that a listener shows ends, since 1970.", "seconds"
    )


@dataclass(frozen=True, slots=True)
class _Door:
    """A listener and the settings in force."""

    settings: ListenerSettings
    listener: Listener


class Doors:
    """The listeners.

    Args:
        routing: says where rigs belong.
        wire_log: where what rigs say and hear is written down, if it is.
    """

    def __init__(self, routing: Routing, wire_log: WireLog | None = None) -> None:
        self._routing = routing
        self._wire_log = wire_log
        self._doors: dict[Key, _Door] = {}
        self._closing: list[Listener] = []

    @property
    def listeners(self) -> tuple[Listener, ...]:
        """All that are open, in the order of the settings."""
        return tuple(door.listener for door in self._doors.values())

    @property
    def rows(self) -> Rows:
        """The listeners' metrics."""
        return Rows("listener", DoorFigures, self._figures)

    async def prepare(
        self, settings: Sequence[ListenerSettings], rigs: RigTable
    ) -> Callable[[], list[str]]:
        """Open what is new; nothing else changes before the returned call is made.

        Args:
            settings: of all listeners.
            rigs: what rigs have in common that come to them.

        Returns:
            Puts them into force, and says what changed.

        Raises:
            ConfigError: this machine cannot listen at one of the addresses.
        """
        self._routing.learn(rigs)
        fresh: dict[Key, _Door] = {}
        entrances = [self._entrance(one) for one in settings]
        try:
            for one, entrance in zip(settings, entrances, strict=True):
                key = _key(one)
                if key not in self._doors:
                    fresh[key] = _Door(one, await self._open(one, entrance))
        except ListenError as error:
            for door in fresh.values():
                door.listener.close("listener_closed")
            raise ConfigError(str(error)) from error
        return lambda: self._commit(settings, entrances, fresh)

    def _figures(self) -> dict[str, DoorFigures]:
        return {
            each.name: DoorFigures(
                listener_connections=each.connections,
                listener_certificate_expiry_timestamp=each.entrance.until,
            )
            for each in self.listeners
        }

    def _entrance(self, settings: ListenerSettings) -> Entrance:
        entrance, door = entrance_of(settings), self._doors.get(_key(settings))
        if door is None:
            return entrance
        now = door.listener.entrance
        if (now.tls is None) is not (entrance.tls is None):
            raise ConfigError(
                f"listener {settings.label}: TLS cannot begin or end on a port in use: give it "
                "another port, or restart"
            )
        if entrance.tls is not None and (now.trusted is None) is not (entrance.trusted is None):
            raise ConfigError(
                f"listener {settings.label}: PROXY headers before TLS cannot begin or end on a "
                "port in use: give it another port, or restart"
            )
        return entrance

    async def close(self) -> None:
        """Close all, and wait until every connection has ended."""
        for door in self._doors.values():
            door.listener.close("shutdown")
        for listener in [*self._closing, *self.listeners]:
            await listener.wait_closed()

    async def _open(self, settings: ListenerSettings, entrance: Entrance) -> Listener:
        listener = Listener(
            self._routing, settings.label, limits_of(settings), wire_log=self._wire_log
        )
        await listener.start(settings.host, settings.port, entrance)
        return listener

    def _commit(
        self,
        settings: Sequence[ListenerSettings],
        entrances: Sequence[Entrance],
        fresh: Mapping[Key, _Door],
    ) -> list[str]:
        before, self._doors = self._doors, {}
        words = [f"listener {door.settings.label} opened" for door in fresh.values()]
        for one, entrance in zip(settings, entrances, strict=True):
            key = _key(one)
            door = fresh.get(key) or _Door(one, before[key].listener)
            door.listener.name, door.listener.limits = one.label, limits_of(one)
            if key not in fresh:
                door.listener.admit_by(entrance, one.certificate, one.certificate_key)
            self._doors[key] = door
        for key, door in before.items():
            if key not in self._doors:
                door.listener.close("listener_closed")
                self._closing.append(door.listener)
                words.append(f"listener {door.settings.label} closed")
        self._closing = [each for each in self._closing if each.connections]
        return words


def limits_of(settings: ListenerSettings) -> Limits:
    """Make what a listener needs."""
    return Limits(
        connections=settings.max_connections,
        per_address=settings.max_per_address,
        ban_seconds=settings.ban_seconds,
    )


def _key(settings: ListenerSettings) -> Key:
    """Say what makes a listener the one it is; those on free ports are told apart by name."""
    return settings.host, settings.port, "" if settings.port else settings.label
