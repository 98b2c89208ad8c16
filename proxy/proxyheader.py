"""The header that a balancer puts before a connection, to say whose it is. Pure.

Versions 1 (text) and 2 (binary) of HAProxy's PROXY protocol
(haproxy/haproxy: doc/proxy-protocol.txt). A reader takes bytes as they come and says how
many belong to the header, so that not one of those behind it is taken.
"""

import re
import struct
from collections.abc import Mapping
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final

from headframe.runtime.wire import format_peer

__all__ = ["MAX_HEADER", "HeaderError", "HeaderReader"]

MAX_HEADER: Final = 4096
"""Longest header, in bytes. Version 1 has 107 at most, version 2 some hundred with what
balancers add about TLS."""
_MAX_TEXT: Final = 107
_SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
_FIXED: Final = struct.Struct(">12sBBH")
_INET: Final = struct.Struct(">4s4sHH")
_INET6: Final = struct.Struct(">16s16sHH")
_STREAMS: Final[Mapping[int, struct.Struct]] = {0x11: _INET, 0x21: _INET6}
_LOCAL, _PROXY = 0x20, 0x21
_KNOWN: Final = frozenset(family << 4 | kind for family in range(4) for kind in range(3))
_PORT: Final = re.compile(rb"0|[1-9][0-9]{0,4}")


class HeaderError(ValueError):
    """What came is no such header; one line that says why."""


class HeaderReader:
    """Reads one header.

    Attributes:
        done: the header is whole.
        peer: who the connection is from, as "host:port"; "" until then, and where the
            header does not say: it is the balancer's own (a health check), or of a kind
            without such an address.
    """

    def __init__(self) -> None:
        self.done = False
        self.peer = ""
        self._head = b""

    def feed(self, data: bytes) -> int:
        """Take bytes; return how many of them belong to the header.

        Raises:
            HeaderError: they are no such header.
        """
        if self.done or not data:
            return 0
        before = len(self._head)
        self._head += data[: MAX_HEADER - before]
        size = self._binary() if self._head[:1] == _SIGNATURE[:1] else self._text()
        if size > len(self._head):
            return len(self._head) - before
        self.done = True
        return size - before

    def _text(self) -> int:
        """Read version 1; return its size, or one more than there are bytes."""
        head = self._head
        if not b"PROXY ".startswith(head[:6]):
            raise HeaderError("no PROXY header: it began otherwise")
        line, end, _ = head[:_MAX_TEXT].partition(b"\r\n")
        if not end:
            if len(head) >= _MAX_TEXT:
                raise HeaderError(f"a PROXY header of more than {_MAX_TEXT} bytes")
            return len(head) + 1
        words = line.split(b" ")
        match words[1:]:
            case [b"UNKNOWN", *_]:
                pass
            case [b"TCP4" | b"TCP6" as family, source, target, port, target_port]:
                self.peer = _peer(_address(family, source), _port(port))
                _address(family, target)
                _port(target_port)
            case _:
                raise HeaderError("a PROXY header of another form")
        return len(line) + 2

    def _binary(self) -> int:
        """Read version 2; return its size, or one more than there are bytes."""
        head = self._head
        if not _SIGNATURE.startswith(head[:12]):
            raise HeaderError("no PROXY header: it began otherwise")
        if len(head) < _FIXED.size:
            return len(head) + 1
        _, command, kind, length = _FIXED.unpack_from(head)
        size = _FIXED.size + length
        if command not in {_LOCAL, _PROXY} or kind not in _KNOWN:
            raise HeaderError(f"a PROXY header of another version or kind: {command:#x} {kind:#x}")
        if size > MAX_HEADER:
            raise HeaderError(f"a PROXY header of {size} bytes: {MAX_HEADER} are taken")
        if len(head) < size:
            return len(head) + 1
        addresses = _STREAMS.get(kind)
        if command == _PROXY and addresses is not None:
            if length < addresses.size:
                raise HeaderError(f"a PROXY header with no room for its addresses: {length} bytes")
            raw, _, port, _ = addresses.unpack_from(head, _FIXED.size)
            self.peer = _peer(IPv4Address(raw) if len(raw) == 4 else IPv6Address(raw), port)
        return int(size)


def _address(family: bytes, text: bytes) -> IPv4Address | IPv6Address:
    kind = IPv4Address if family == b"TCP4" else IPv6Address
    try:
        if b"%" not in text:  # an interface of the balancer's
            return kind(text.decode("ascii"))
    except (AddressValueError, UnicodeDecodeError):
        pass
    raise HeaderError(f"a PROXY header whose address is none of {family.decode()}")


def _port(text: bytes) -> int:
    if not _PORT.fullmatch(text) or int(text) > 0xFFFF:
        raise HeaderError("a PROXY header whose port is none")
    return int(text)


def _peer(address: IPv4Address | IPv6Address, port: int) -> str:
    """Write an address as the rest of the program does; one of IPv4 within IPv6 as itself."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return format_peer((str(address), port))
