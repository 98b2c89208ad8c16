import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headframe.stratum.sv1.lines import CLIENT_LINE_LIMIT, SERVER_LINE_LIMIT, LineBuffer
from tests.fakes.stratum_v1 import cut, cuts

lines_of = st.lists(
    st.binary(min_size=1, max_size=60).filter(lambda line: b"\n" not in line), max_size=8
)


def everything(data: bytes, sizes: list[int], limit: int) -> tuple[list[bytes], bool]:
    buffer = LineBuffer(limit)
    lines = [line for piece in cut(data, sizes) for line in buffer.feed(piece)]
    return lines, buffer.overflow


@settings(deadline=None)
@given(lines=lines_of, sizes=cuts)
def test_lines_are_the_same_in_any_cutting(lines: list[bytes], sizes: list[int]) -> None:
    data = b"".join(line + b"\n" for line in lines)
    expected = [line for line in lines if line.strip()]
    assert everything(data, sizes, 60) == (expected, False)


@settings(deadline=None)
@given(lines=lines_of, sizes=cuts, limit=st.integers(min_value=1, max_value=59))
def test_lines_before_one_that_is_too_long_still_come(
    lines: list[bytes], sizes: list[int], limit: int
) -> None:
    data = b"".join(line + b"\n" for line in lines)
    fitting = []
    for line in lines:
        if len(line) > limit:
            break
        fitting.append(line)
    expected = [line for line in fitting if line.strip()]
    assert everything(data, sizes, limit) == (expected, len(fitting) < len(lines))


def test_empty_lines_before_one_that_is_too_long_are_left_out_too() -> None:
    assert LineBuffer(3).feed(b"a\n\n \nbc\nlong\nd\n") == [b"a", b"bc"]


def test_a_line_without_an_end_is_bounded() -> None:
    buffer = LineBuffer(100)
    assert buffer.feed(b"x" * 100) == []
    assert buffer.rest == b"x" * 100
    buffer.feed(b"x")
    assert buffer.overflow
    assert buffer.rest == b""
    assert buffer.feed(b"\nhello\n") == ()


def test_the_rest_is_what_has_no_end_yet() -> None:
    buffer = LineBuffer(100)
    assert buffer.feed(b"one\ntw") == [b"one"]
    assert buffer.rest == b"tw"
    assert buffer.feed(b"o\n") == [b"two"]
    assert buffer.rest == b""


@pytest.mark.parametrize("blank", [b"\n", b"\r\n", b" \t\n", b"\n\n\n"])
def test_empty_lines_are_left_out(blank: bytes) -> None:
    assert LineBuffer(100).feed(blank + b"x\n") == [b"x"]


def test_limits_are_what_the_field_needs() -> None:
    assert SERVER_LINE_LIMIT >= 16 * 1024
    assert CLIENT_LINE_LIMIT >= 1 << 20
