"""`Place` and `Door`: where a rig belongs, and who says so."""

from typing import NamedTuple, Protocol

from proxy.hub import Hub
from proxy.rig import RigSettings
from proxy.routes import Decision, Visitor

__all__ = ["Door", "Place"]


class Place(NamedTuple):
    """Where a rig belongs.

    Attributes:
        hub: where its jobs come from and its shares go.
        settings: what rigs of its listener and route have in common.
    """

    hub: Hub
    settings: RigSettings


class Door(Protocol):
    """What a session needs of its listener."""

    @property
    def name(self) -> str:
        """What it is called."""

    def admit(self, address: str) -> str:
        """Let a connection in, or say why not; the address is without the port."""

    def release(self, address: str, *, faulty: bool) -> None:
        """Take note that a connection has ended; `faulty`: it broke the protocol."""

    def is_news(self, address: str) -> bool:
        """Say whether no fault of this address was told of within a minute; then one is now."""

    def seat(self, current: Hub) -> Place:
        """Say where a rig takes its seat that waits there, and has not said its name."""

    def place(self, visitor: Visitor, current: Hub, *, counts: bool) -> Place | Decision:
        """Say which route a rig takes, or why it is turned away.

        Args:
            visitor: what is known of it.
            current: where it is, or waits.
            counts: it is one of the rigs there: that one is full means nothing to it.
        """
