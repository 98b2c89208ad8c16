"""What protocol code raises.

StratumError
    LocalProtocolError      our own mistake: a command that this state does not allow
    RemoteProtocolError     the peer broke the protocol; inside a core this becomes a
                            `PeerFault` event in one place and never leaves it
"""

__all__ = ["LocalProtocolError", "RemoteProtocolError", "StratumError"]


class StratumError(Exception):
    """Anything that goes wrong in protocol code."""


class LocalProtocolError(StratumError):
    """We asked a core for something that its state does not allow: a bug of ours."""


class RemoteProtocolError(StratumError):
    """The peer sent something that cannot be understood."""
