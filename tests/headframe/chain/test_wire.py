import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headframe.chain.errors import WireError
from headframe.chain.wire import Reader, compact_size, var_bytes

# Bitcoin's developer reference, "CompactSize unsigned integers", and the edges of its table.
COMPACT = [
    (0, "00"),
    (252, "fc"),
    (253, "fdfd00"),
    (515, "fd0302"),
    (0xFFFF, "fdffff"),
    (0x10000, "fe00000100"),
    (0xFFFFFFFF, "feffffffff"),
    (0x100000000, "ff0000000001000000"),
    (2**64 - 1, "ffffffffffffffffff"),
]


@pytest.mark.parametrize(("number", "encoded"), COMPACT)
def test_a_compact_size_is_written_and_read(number, encoded):
    raw = bytes.fromhex(encoded)
    assert compact_size(number) == raw
    assert Reader(raw).compact_size() == number


@pytest.mark.parametrize("number", [-1, 2**64])
def test_what_does_not_fit_is_no_compact_size(number):
    with pytest.raises(ValueError, match="compact size"):
        compact_size(number)


@pytest.mark.parametrize("encoded", ["fdfc00", "fdffff"[:4], "fe00000000", "feffff0000", "ff" * 8])
def test_a_compact_size_in_a_longer_form_or_cut_is_refused(encoded):
    with pytest.raises(WireError):
        Reader(bytes.fromhex(encoded)).compact_size()


@pytest.mark.parametrize("form", ["fd0000", "fdfc00", "feffff0000", "ffffffffff00000000"])
def test_a_size_that_has_a_shorter_form_is_named(form):
    with pytest.raises(WireError, match="not in its shortest form"):
        Reader(bytes.fromhex(form)).compact_size()


def test_numbers_are_little_endian_and_the_reader_knows_where_it_is():
    reader = Reader(b"\x01" + struct.pack("<HIQ", 0x0203, 0x04050607, 0x08090A0B0C0D0E0F) + b"end")
    assert reader.remaining == 18
    assert (reader.u8(), reader.u16(), reader.u32(), reader.u64()) == (
        1,
        0x0203,
        0x04050607,
        0x08090A0B0C0D0E0F,
    )
    assert reader.position == 15
    assert reader.peek(2) == b"en"
    assert reader.peek(9) == b"end"
    assert reader.take(3) == b"end"
    reader.finish()


def test_the_end_is_where_nothing_is_left():
    assert Reader(b"").at_end
    assert not Reader(b"x").at_end


def test_what_is_left_over_is_counted():
    reader = Reader(b"abc")
    reader.take(1)
    with pytest.raises(WireError, match="2 bytes are left over after byte 1"):
        reader.finish()


def test_an_early_end_says_how_much_is_missing():
    with pytest.raises(WireError, match="3 bytes too early, at byte 2"):
        Reader(b"ab").take(5)
    with pytest.raises(WireError, match="too early"):
        Reader(b"\x05abc").var_bytes()


def test_a_negative_size_is_refused():
    with pytest.raises(WireError, match="negative"):
        Reader(b"abc").take(-1)


@settings(max_examples=100, deadline=None)
@given(number=st.integers(0, 2**64 - 1), data=st.binary(max_size=300), rest=st.binary(max_size=9))
def test_what_is_written_is_read_back(number, data, rest):
    reader = Reader(compact_size(number) + var_bytes(data) + rest)
    assert reader.compact_size() == number
    assert reader.var_bytes() == data
    assert reader.take(reader.remaining) == rest


READS = ("u8", "u16", "u32", "u64", "compact_size", "var_bytes", "finish")


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=40), reads=st.lists(st.sampled_from(READS), max_size=12))
def test_junk_raises_nothing_but_wire_errors(data, reads):
    reader = Reader(data)
    for read in reads:
        before = reader.position
        try:
            getattr(reader, read)()
        except WireError:
            return
        assert before <= reader.position <= len(data)
