import asyncio
from array import array

from headframe.stratum.events import NewJob
from native.send import Sender
from proxy.broadcast import Broadcast
from tests.fakes.proxying import proxying
from tests.fakes.rig import RawRig, connected


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


async def test_a_crowd_is_shown_each_job_once_and_in_order():
    names = [f"rig{number}" for number in range(70)]
    async with proxying() as proxy, connected(proxy.port, *names) as rigs:
        proxy.publish()
        newest = [await rig.job() for rig in rigs]
        ids = [newest[0].id]
        for number in range(5):
            proxy.publish(coinbase=bytes([10 + number]))
            newest = [await rig.job(job) for rig, job in zip(rigs, newest, strict=True)]
            share = rigs[number].find(newest[number])
            assert (await rigs[number].say(share)).reason == "accepted"
            ids.append(newest[0].id)
        for rig in rigs:
            shown = [event.job.commitment for event in rig.events if isinstance(event, NewJob)]
            assert len(shown) == len(ids) == len(set(shown))


async def test_in_a_crowd_who_reads_nothing_is_cut_off_and_no_other_notices():
    names = [f"rig{number}" for number in range(8)]
    async with proxying() as proxy, connected(proxy.port, *names) as rigs:
        proxy.publish()
        newest = [await rig.job() for rig in rigs]
        async with RawRig.to(proxy.port) as slow:
            await slow.join("slow")
            slow.writer.transport.pause_reading()  # type: ignore[attr-defined] # a socket's has it
            number = 0
            while proxy.hub.stats.connections_closed["slow_reader"] == 0:
                number += 1
                proxy.publish(coinbase=number.to_bytes(2, "big") + bytes(40_000))
                newest = [await rig.job(job) for rig, job in zip(rigs, newest, strict=True)]
                assert number < 1000
        assert not any(rig.lost for rig in rigs)
        assert proxy.hub.stats.rigs == len(rigs)
