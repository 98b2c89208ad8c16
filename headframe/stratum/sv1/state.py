"""Whether a server's core still listens."""

from enum import Enum, auto

__all__ = ["ServerState"]


class ServerState(Enum):
    """Whether the core listens."""

    OPEN = auto()
    CLOSED = auto()
    """The peer broke the protocol or hung up; input is ignored, commands still work."""
