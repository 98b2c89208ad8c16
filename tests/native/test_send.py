import socket
from array import array
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from native.compiled import extension_missing
from native.send import Sender, send_in_c, send_in_python

needs_extension = pytest.mark.skipif(bool(extension_missing), reason=extension_missing or "there")

Send = Callable[[bytes, "array[int]"], "array[int]"]
Pairs = Callable[[int], list[tuple[socket.socket, socket.socket]]]


def in_one_go(data: bytes, numbers: "array[int]") -> "array[int]":
    def nobody(_call: Callable[[], object]) -> Callable[[], object]:
        return bool

    return send_in_c(data, numbers, nobody)


def all_elsewhere(data: bytes, numbers: "array[int]") -> "array[int]":
    def elsewhere(call: Callable[[], object]) -> Callable[[], object]:
        call()
        return call  # and once more when nothing is left

    return send_in_c(data, numbers, elsewhere)


@pytest.fixture
def pairs() -> Iterator[Pairs]:
    """Connected sockets: the first of each pair does not block."""
    with ExitStack() as stack:

        def make(count: int) -> list[tuple[socket.socket, socket.socket]]:
            made = [socket.socketpair() for _ in range(count)]
            for ours, theirs in made:
                stack.enter_context(ours).setblocking(False)
                stack.enter_context(theirs).settimeout(30)
            return made

        yield make


def numbers_of(pairs: list[tuple[socket.socket, socket.socket]]) -> "array[int]":
    return array("i", [ours.fileno() for ours, _ in pairs])


@pytest.mark.parametrize(
    "send",
    [
        pytest.param(send_in_python, id="python"),
        pytest.param(in_one_go, id="c", marks=needs_extension),
        pytest.param(all_elsewhere, id="elsewhere", marks=needs_extension),
        pytest.param(Sender(cores=1).send, id="one core"),
        pytest.param(Sender(cores=2).send, id="two cores"),
    ],
)
class TestSend:
    @pytest.mark.parametrize("count", [0, 1, 31, 32, 33, 100])
    def test_everybody_gets_it_once(self, send: Send, pairs: Pairs, count: int):
        made = pairs(count)
        assert list(send(b"a line\n", numbers_of(made))) == [7] * count
        assert list(send(b"!", numbers_of(made))) == [1] * count
        assert [theirs.recv(100) for _, theirs in made] == [b"a line\n!"] * count

    def test_who_does_not_read_takes_a_part_and_then_nothing(self, send: Send, pairs: Pairs):
        made = pairs(40)
        _, slow = made[3]
        data = bytes(range(256)) * 16
        taken = 0
        while (part := send(data, numbers_of(made[3:4]))[0]) == len(data):
            taken += part
        before = taken + part
        assert list(send(data, numbers_of(made))) == [
            0 if index == 3 else len(data) for index in range(40)
        ]
        got = b""
        while len(got) < before:
            got += slow.recv(1 << 20)
        assert got == (data * (before // len(data) + 1))[:before]

    def test_who_has_gone_takes_nothing_and_stops_nobody(self, send: Send, pairs: Pairs):
        made = pairs(40)
        made[7][1].close()
        made[39][1].close()
        taken = send(b"a line\n", numbers_of(made))
        assert [index for index, each in enumerate(taken) if each == 0] == [7, 39]
        assert made[8][1].recv(100) == b"a line\n"

    def test_a_number_that_is_no_socket_takes_nothing(self, send: Send):
        assert list(send(b"a line\n", array("i", [-1]))) == [0]
