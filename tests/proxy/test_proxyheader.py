"""Headers as balancers write them; the examples and limits are the specification's."""

import socket
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.proxyheader import MAX_HEADER, HeaderError, HeaderReader

SIGNATURE = bytes.fromhex("0d0a0d0a000d0a515549540a")
LONGEST_V1 = (
    b"PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
    b"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"
)
"""The worst case that the specification counts, with `UNKNOWN`'s letters left out."""


def v2(command: int, kind: int, body: bytes) -> bytes:
    return SIGNATURE + bytes([command, kind]) + struct.pack(">H", len(body)) + body


def inet(host: str, port: int, more: bytes = b"") -> bytes:
    body = socket.inet_aton(host) + socket.inet_aton("10.0.0.1") + struct.pack(">HH", port, 3333)
    return v2(0x21, 0x11, body + more)


def inet6(host: str, port: int) -> bytes:
    ends = socket.inet_pton(socket.AF_INET6, host) + socket.inet_pton(socket.AF_INET6, "::1")
    return v2(0x21, 0x21, ends + struct.pack(">HH", port, 3333))


WHOLE = [
    (b"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n", "192.168.0.1:56324"),
    (b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255:65535"),
    (b"PROXY TCP6 2001:db8::7 ::1 1 3333\r\n", "[2001:db8::7]:1"),
    (LONGEST_V1, "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"),
    (b"PROXY UNKNOWN\r\n", ""),
    (b"PROXY UNKNOWN whatever comes here\r\n", ""),
    (inet("192.168.0.1", 56324), "192.168.0.1:56324"),
    (inet("192.168.0.1", 56324, b"\x04\x00\x02ab" * 20), "192.168.0.1:56324"),
    (inet6("2001:db8::7", 5), "[2001:db8::7]:5"),
    (inet6("::ffff:10.1.2.3", 5), "10.1.2.3:5"),
    (v2(0x20, 0x00, b""), ""),
    (v2(0x20, 0x11, bytes(12)), ""),
    (v2(0x21, 0x00, b"anything"), ""),
    (v2(0x21, 0x31, bytes(216)), ""),
]


@pytest.mark.parametrize(("header", "peer"), WHOLE)
@pytest.mark.parametrize("rest", [b"", b'{"id":1}\n'])
def test_a_header_is_read_and_nothing_behind_it(header: bytes, peer: str, rest: bytes) -> None:
    reader = HeaderReader()
    assert reader.feed(header + rest) == len(header)
    assert reader.done
    assert reader.peer == peer
    assert reader.feed(rest or b"x") == 0


@pytest.mark.parametrize(("header", "peer"), WHOLE)
def test_a_header_may_come_byte_by_byte(header: bytes, peer: str) -> None:
    reader = HeaderReader()
    for at in range(len(header)):
        assert not reader.done
        assert reader.feed(header[at : at + 1]) == 1
    assert reader.done
    assert reader.peer == peer


BAD = [
    b"{",
    b"GET / HTTP/1.1\r\n\r\n",
    b"\x16\x03\x01",
    b"PROXX",
    b"PROXY\r\n",
    b"PROXY TCP4\r\n",
    b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n",
    b"PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n",
    b"PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n",
    b"PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n",
    b"PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n",
    b"PROXY TCP4 ::1 1.2.3.4 1 2\r\n",
    b"PROXY TCP6 1.2.3.4 ::1 1 2\r\n",
    b"PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
    b"PROXY TCP4 1.2.3.4 \xff 1 2\r\n",
    b"PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n",
    b"PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n",
    b"PROXY UNKNOWN " + b"x" * 107,
    b"\r\n\r\nx",
    v2(0x11, 0x11, bytes(12)),
    v2(0x22, 0x11, bytes(12)),
    v2(0x21, 0x41, bytes(12)),
    v2(0x21, 0x13, bytes(12)),
    v2(0x21, 0x11, bytes(11)),
    v2(0x21, 0x21, bytes(35)),
    v2(0x21, 0x11, bytes(MAX_HEADER)),
]


@pytest.mark.parametrize("data", BAD)
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(HeaderError):
        HeaderReader().feed(data)
    assert _judge(data, [1]) is None, "byte by byte as well, and no later than at the end"


@settings(max_examples=300, deadline=None)
@given(
    data=st.one_of(
        st.binary(max_size=200),
        st.binary(max_size=200).map(lambda more: b"PROXY " + more),
        st.binary(max_size=300).map(lambda more: SIGNATURE + more),
        st.sampled_from([header for header, _ in WHOLE]).flatmap(
            lambda header: st.tuples(st.integers(0, len(header) - 1), st.integers(0, 255)).map(
                lambda edit: header[: edit[0]] + bytes([edit[1]]) + header[edit[0] + 1 :]
            )
        ),
    ),
    sizes=st.lists(st.integers(1, 50), min_size=1, max_size=20),
)
def test_any_bytes_are_a_header_a_beginning_or_refused(data: bytes, sizes: list[int]) -> None:
    """Whatever comes, however cut: the same judgement, and never another exception."""
    whole, pieces = _judge(data, [len(data) or 1]), _judge(data, sizes)
    assert whole == pieces


def _judge(data: bytes, sizes: list[int]) -> tuple[bool, str, int] | None:
    reader, at, taken = HeaderReader(), 0, 0
    while at < len(data) and not reader.done:
        size = sizes[at % len(sizes)]
        try:
            taken += reader.feed(data[at : at + size])
        except HeaderError:
            return None
        at += size
    assert taken <= MAX_HEADER
    return reader.done, reader.peer, taken
