"""Recognise what is not Stratum, so that the log can say what it is instead."""

from typing import Final

from headframe.stratum.sv1.dialect import printable

__all__ = ["foreign_client", "foreign_line", "foreign_server"]

_TLS_ALERT: Final = 0x15
_TLS_HANDSHAKE: Final = 0x16
_JSON_BLANKS: Final = b"\t\r\n "
_SHOWN: Final = 60
"""Bytes of a strange line that are shown."""


def foreign_client(first: int) -> str | None:
    """Judge the first byte of a connection to a server.

    Returns:
        What is wrong with it, or `None`. Any JSON text may begin, and any text at all: a
        line that is no JSON is judged when it is whole.
    """
    if first == _TLS_HANDSHAKE:
        return "speaks TLS to a port without it: use stratum+tcp:// or the port with TLS"
    return _binary(first)


def foreign_server(first: int) -> str | None:
    """Judge the first byte that a client hears; like `foreign_client`."""
    if first in {_TLS_ALERT, _TLS_HANDSHAKE}:
        return "answers in TLS: use stratum+ssl://"
    return _binary(first)


def foreign_line(line: bytes, why: str) -> str:
    """Describe a line that is no Stratum message.

    Args:
        line: the line.
        why: what the decoder says of it.
    """
    if line.startswith((b"GET ", b"POST ", b"HEAD ", b"PUT ", b"OPTIONS ", b"HTTP/")):
        return "speaks HTTP, not Stratum"
    begin = printable(line[:_SHOWN].decode("latin-1"))
    return f"sent a line that is no Stratum message: {begin!r} ({why})"


def _binary(first: int) -> str | None:
    if 0x20 <= first < 0x7F or first in _JSON_BLANKS:
        return None
    return f"does not speak Stratum: its first byte is {first:#04x}"
