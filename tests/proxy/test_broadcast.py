import asyncio
from array import array

from native.send import Sender
from proxy.broadcast import Broadcast


class Kernel(Sender):
    """Stands in for the sockets.

    Attributes:
        sent: what was handed over, and to which.
        short: what some take, by their number; the others take all.
    """

    def __init__(self, **short: int) -> None:
        super().__init__(cores=1)
        self.sent: list[tuple[bytes, list[int]]] = []
        self.short = {int(name[1:]): taken for name, taken in short.items()}

    def send(self, data: bytes, sockets: "array[int]") -> "array[int]":
        self.sent.append((data, list(sockets)))
        return array("I", [self.short.get(number, len(data)) for number in sockets])


class Outlet(asyncio.WriteTransport):
    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data


def test_those_who_are_sent_the_same_are_sent_it_in_one_go():
    kernel = Kernel()
    broadcast = Broadcast(kernel)
    outlets = [Outlet() for _ in range(10)]
    for number, outlet in enumerate(outlets):
        broadcast.add(b"odd\n" if number % 2 else b"even\n", number, outlet)
    assert kernel.sent == []
    broadcast.send()
    assert kernel.sent == [(b"even\n", [0, 2, 4, 6, 8]), (b"odd\n", [1, 3, 5, 7, 9])]
    assert all(outlet.written == b"" for outlet in outlets)


def test_nothing_is_sent_twice():
    kernel = Kernel()
    broadcast = Broadcast(kernel)
    broadcast.send()
    for number in range(4):
        broadcast.add(b"line\n", number, Outlet())
    broadcast.send()
    broadcast.send()
    assert len(kernel.sent) == 1


def test_what_a_socket_does_not_take_goes_the_usual_way():
    broadcast = Broadcast(Kernel(n1=0, n3=4))
    outlets = [Outlet() for _ in range(5)]
    for number, outlet in enumerate(outlets):
        broadcast.add(b"a line\n", number, outlet)
    broadcast.send()
    assert [outlet.written for outlet in outlets] == [b"", b"a line\n", b"", b"ne\n", b""]


def test_few_are_sent_one_by_one():
    kernel = Kernel()
    broadcast = Broadcast(kernel)
    outlets = [Outlet() for _ in range(3)]
    for number, outlet in enumerate(outlets):
        broadcast.add(b"line\n", number, outlet)
    broadcast.send()
    assert kernel.sent == []
    assert [outlet.written for outlet in outlets] == [b"line\n"] * 3
