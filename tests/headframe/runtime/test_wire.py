import asyncio
import contextlib
import errno
import gc
import json
import os
import socket
import ssl
import weakref
from collections.abc import Sequence
from typing import Any

import pytest
import structlog
import trustme

from headframe.runtime.errors import DialError, ListenError
from headframe.runtime.wire import (
    SlowReaderError,
    Wire,
    _why_not_dialled,
    dial,
    listen,
)
from headframe.runtime.wirelog import WireLog
from tests.fakes.loops import port_of

HOST = "127.0.0.1"


class Lines:
    """A core for tests: each line is an event; `say` leaves bytes to send."""

    def __init__(self, greeting: bytes = b"") -> None:
        self._in = b""
        self._out = greeting
        self.eofs = 0

    def say(self, line: bytes) -> None:
        self._out += line

    def receive_data(self, data: bytes) -> Sequence[bytes]:
        *lines, self._in = (self._in + data).split(b"\n")
        return lines

    def receive_eof(self) -> Sequence[bytes]:
        self.eofs += 1
        return [b"EOF"]

    def data_to_send(self) -> bytes:
        out, self._out = self._out, b""
        return out


class End:
    """One end of a connection: its wire, and what it was told."""

    def __init__(self, core: Lines | None = None, **options: Any) -> None:
        self.core = core or Lines()
        self.events: asyncio.Queue[bytes] = asyncio.Queue()
        self.lost: list[Exception | None] = []
        self.wire: Wire[bytes] = Wire(
            self.core, self.on_events, on_lost=self.lost.append, **options
        )

    def on_events(self, events: Sequence[bytes]) -> None:
        for event in events:
            self.events.put_nowait(event)

    def make(self) -> Wire[bytes]:
        return self.wire


class Recorded(Lines):
    """Keeps what was taken away to be written."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []

    def data_to_send(self) -> bytes:
        out = super().data_to_send()
        if out:
            self.writes.append(out)
        return out


class Answering(End):
    """Answers each line with itself, and hangs up after "c", as a careless owner would."""

    def __init__(self) -> None:
        self.written = Recorded()
        super().__init__(self.written)

    def on_events(self, events: Sequence[bytes]) -> None:
        for event in events:
            self.core.say(event + b"!\n")
            self.wire.flush()
            if event == b"c":
                self.wire.close()
                self.core.say(b"last\n")


async def pair(client: End, server_end: End) -> asyncio.Server:
    server = await listen(HOST, 0, server_end.make)
    await dial(HOST, port_of(server), client.make)
    return server


async def hang_up(*ends: End, server: asyncio.Server) -> None:
    server.close()
    for end in ends:
        end.wire.abort()
    for end in ends:
        await end.wire.wait_closed()


def test_greeting_command_and_answer_cross_the_wire(on_loop):
    async def main() -> None:
        client, far = End(Lines(b"hello\n")), End()
        server = await pair(client, far)
        assert await far.events.get() == b"hello"
        far.core.say(b"welcome\nback\n")
        far.wire.flush()
        assert await client.events.get() == b"welcome"
        assert await client.events.get() == b"back"
        assert client.wire.peer == f"{HOST}:{port_of(server)}"
        assert far.wire.peer.startswith(f"{HOST}:")
        await hang_up(client, far, server=server)

    on_loop(main())


def test_what_is_said_and_heard_is_written_down_if_that_is_wanted(on_loop, tmp_path):
    file = tmp_path / "wire.jsonl"

    async def scenario() -> None:
        wire_log = WireLog(file)
        server_end, client = End(Lines(b"hello\n")), End()
        client.wire.record(wire_log, "pool")
        server = await listen(HOST, 0, server_end.make)
        async with server:
            await dial(HOST, port_of(server), client.make)
            assert await client.events.get() == b"hello"
            client.core.say(b"good ")
            client.wire.flush()
            client.core.say(b"day\n")
            client.wire.flush()
            assert await server_end.events.get() == b"good day"
            client.wire.close()
            await client.wire.wait_closed()
            await server_end.wire.wait_closed()
        await asyncio.to_thread(wire_log.close)

    on_loop(scenario())
    records = [json.loads(line) for line in file.read_text().splitlines()]
    assert {(each["connection"], each["leg"]) for each in records} == {(1, "pool")}
    assert all(each["peer"].startswith(f"{HOST}:") for each in records)
    assert [(each.get("direction"), each.get("line") or each["event"]) for each in records] == [
        (None, "opened"),
        ("in", "hello"),
        ("out", "good day"),
        (None, "closed"),
    ]


def test_close_sends_what_is_left_and_both_ends_learn_of_it(on_loop):
    async def main() -> None:
        client, far = End(), End()
        server = await pair(client, far)
        client.core.say(b"bye\n")
        client.wire.close()
        client.wire.close()
        assert client.wire.closing
        await client.wire.wait_closed()
        assert await far.events.get() == b"bye"
        assert await far.events.get() == b"EOF"
        await far.wire.wait_closed()
        client.wire.close()
        assert client.lost == [None]
        assert far.lost == [None]
        assert client.core.eofs == far.core.eofs == 1
        await hang_up(server=server)

    on_loop(main())


def test_all_answers_to_one_read_leave_in_one_write(on_loop):
    async def main() -> None:
        far = Answering()
        client = End(Lines(b"a\nb\nc\n"))
        server = await pair(client, far)
        told = [await client.events.get() for _ in range(5)]
        assert told == [b"a!", b"b!", b"c!", b"last", b"EOF"]
        assert far.written.writes == [b"a!\nb!\nc!\nlast\n"]
        await hang_up(client, far, server=server)

    on_loop(main())


def test_a_slow_reader_is_cut_off_and_no_other_connection_notices(on_loop):
    async def main() -> None:
        far, other_far, other = End(max_buffer_bytes=1 << 16), End(), End()
        server = await listen(HOST, 0, far.make)
        other_server = await pair(other, other_far)
        with socket.create_connection((HOST, port_of(server))) as deaf:
            deaf.setblocking(False)
            while not far.wire.peer:
                await asyncio.sleep(0)
            while not far.lost:
                far.core.say(b"x" * 65_000 + b"\n")
                far.wire.flush()
                await asyncio.sleep(0)
        [reason] = far.lost
        assert isinstance(reason, SlowReaderError)
        assert "65536 bytes unread" in str(reason)
        other.core.say(b"still here\n")
        other.wire.flush()
        assert await other_far.events.get() == b"still here"
        await hang_up(far, server=server)
        await hang_up(other, other_far, server=other_server)

    on_loop(main())


class Kept:
    """A batch that sends when it is told to."""

    def __init__(self) -> None:
        self.added: list[tuple[bytes, int, asyncio.WriteTransport]] = []

    def add(self, data: bytes, number: int, transport: asyncio.WriteTransport) -> None:
        self.added.append((data, number, transport))

    def send(self) -> None:
        for data, number, _ in self.added:
            assert os.write(number, data) == len(data)
        self.added.clear()


def test_a_batch_is_given_a_socket_that_nothing_waits_for(on_loop):
    async def main() -> None:
        client, far = End(), End()
        server = await pair(client, far)
        await far_side_of(far)
        batch = Kept()
        far.wire.flush_with(batch)
        assert batch.added == []
        for line in (b"one\n", b"two\n"):
            far.core.say(line)
            far.wire.flush_with(batch)
            [(data, number, transport)] = batch.added
            assert data == line
            assert transport.get_extra_info("socket").fileno() == number
            batch.send()
        far.core.say(b"three\n")
        far.wire.flush()
        assert [await client.events.get() for _ in range(3)] == [b"one", b"two", b"three"]
        await hang_up(client, far, server=server)
        far.core.say(b"too late\n")
        far.wire.flush_with(batch)
        assert batch.added == []

    on_loop(main())


def test_a_batch_is_given_nothing_that_must_wait_for_other_bytes(on_loop):
    async def main() -> None:
        far, batch = End(max_buffer_bytes=1 << 22), Kept()
        server = await listen(HOST, 0, far.make)
        with socket.create_connection((HOST, port_of(server))) as deaf:
            deaf.setblocking(False)
            await far_side_of(far)
            while True:  # until the system's own buffers are full
                far.core.say(b"x" * 65_000 + b"\n")
                far.wire.flush_with(batch)
                [(data, number, transport)] = batch.added
                batch.added.clear()
                try:
                    taken = os.write(number, data)
                except BlockingIOError:
                    taken = 0
                if taken < len(data):
                    transport.write(data[taken:])
                    break
            far.core.say(b"behind the others\n")
            far.wire.flush_with(batch)
            assert batch.added == []
            while not far.lost:
                far.core.say(b"x" * 65_000 + b"\n")
                far.wire.flush_with(batch)
                await asyncio.sleep(0)
        assert isinstance(far.lost[0], SlowReaderError)
        await hang_up(far, server=server)

    on_loop(main())


def test_a_batch_is_given_nothing_that_tls_must_hide(on_loop):
    async def main() -> None:
        authority = trustme.CA()
        server_tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("localhost", HOST).configure_cert(server_tls)
        client_tls = ssl.create_default_context()
        authority.configure_trust(client_tls)
        client, far, batch = End(), End(), Kept()
        server = await listen(HOST, 0, far.make, tls=server_tls)
        await dial(HOST, port_of(server), client.make, tls=client_tls)
        await far_side_of(far)
        far.core.say(b"over tls\n")
        far.wire.flush_with(batch)
        assert batch.added == []
        assert await client.events.get() == b"over tls"
        await hang_up(client, far, server=server)

    on_loop(main())


async def far_side_of(end: End) -> None:
    """Wait until a connection that was dialled is accepted."""
    while not end.wire.peer:
        await asyncio.sleep(0)


def test_an_exception_in_the_owner_ends_that_connection_only(on_loop):
    async def main() -> None:
        def broken(_events: Sequence[bytes]) -> None:
            raise RuntimeError("a bug")

        bad = End()
        bad.wire = Wire(bad.core, broken, on_lost=bad.lost.append)
        good = End()
        ends = iter([bad, good])
        server = await listen(HOST, 0, lambda: next(ends).wire)
        with structlog.testing.capture_logs() as logged:
            first = End(Lines(b"one\n"))
            await dial(HOST, port_of(server), first.make)
            await first.wire.wait_closed()
            await bad.wire.wait_closed()
        assert isinstance(bad.lost[0], RuntimeError)
        [line, *_] = logged
        assert line["event"] == "connection_failed"
        assert line["exc_info"]
        second = End(Lines(b"two\n"))
        await dial(HOST, port_of(server), second.make)
        assert await good.events.get() == b"two"
        await hang_up(second, good, server=server)

    on_loop(main())


def test_a_vanished_peer_is_told_as_an_error(on_loop):
    async def main() -> None:
        far = End()
        server = await listen(HOST, 0, far.make)
        raw = socket.create_connection((HOST, port_of(server)))
        # Linger of zero: closing sends a reset instead of an orderly end.
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        while not far.wire.peer:
            await asyncio.sleep(0)
        raw.close()
        await far.wire.wait_closed()
        assert isinstance(far.lost[0], ConnectionResetError)
        assert far.core.eofs == 1
        await hang_up(server=server)

    on_loop(main())


def test_sockets_send_at_once_and_watch_for_vanished_peers(on_loop):
    async def main() -> None:
        options: list[int] = []

        class Watching(Wire[bytes]):
            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
                super().connection_made(transport)
                sock = transport.get_extra_info("socket")
                options.append(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
                options.append(sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))

        client, far = End(), End()
        server = await listen(HOST, 0, far.make)
        client.wire = Watching(client.core, client.on_events, on_lost=client.lost.append)
        await dial(HOST, port_of(server), client.make)
        assert all(options)
        assert len(options) == 2
        await hang_up(client, far, server=server)

    on_loop(main())


def test_tls_carries_lines_and_the_owner_hears_of_the_connection(on_loop):
    async def main() -> None:
        authority = trustme.CA()
        server_tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("localhost", HOST).configure_cert(server_tls)
        client_tls = ssl.create_default_context()
        authority.configure_trust(client_tls)
        made: list[str] = []
        far = End(on_made=lambda: made.append("made"))
        client = End(Lines(b"over tls\n"))
        server = await listen(HOST, 0, far.make, tls=server_tls)
        await dial(HOST, port_of(server), client.make, tls=client_tls)
        assert await far.events.get() == b"over tls"
        assert made == ["made"]
        await hang_up(client, far, server=server)

    on_loop(main())


def test_a_peer_that_does_not_take_the_last_bytes_is_cut_off_soon_after_close(on_loop):
    async def main() -> None:
        far = End(max_buffer_bytes=1 << 30, linger_seconds=0.01)
        server = await listen(HOST, 0, far.make)
        with socket.create_connection((HOST, port_of(server))):
            while not far.wire.peer:
                await asyncio.sleep(0)
            far.core.say(b"x" * (64 << 20))
            far.wire.close()
            await far.wire.wait_closed()
        assert far.lost == [None]
        await hang_up(server=server)

    on_loop(main())


def test_an_exception_when_the_connection_is_lost_ends_nothing_else(on_loop):
    async def main() -> None:
        def broken(_reason: Exception | None) -> None:
            raise RuntimeError("a bug")

        far, client = End(), End()
        far.wire = Wire(far.core, far.on_events, on_lost=broken)
        server = await pair(client, far)
        with structlog.testing.capture_logs() as logged:
            client.wire.close()
            await far.wire.wait_closed()
        assert [line["event"] for line in logged] == ["connection_failed"]
        await hang_up(client, server=server)

    on_loop(main())


@contextlib.contextmanager
def free_port():
    with socket.socket() as held:
        held.bind((HOST, 0))
        yield held.getsockname()[1]


def test_refused_connection_is_one_line(on_loop):
    async def main() -> None:
        with free_port() as port, pytest.raises(DialError) as caught:
            await dial(HOST, port, End().make)
        assert str(caught.value) == (
            f"{HOST}:{port} refused the connection: check the port, and that the server runs"
        )

    on_loop(main())


def test_a_name_with_several_addresses_that_all_refuse_is_one_line(on_loop):
    async def main() -> None:
        with free_port() as port, pytest.raises(DialError, match=rf"localhost:{port} refused"):
            await dial("localhost", port, End().make)

    on_loop(main())


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 70 + ".example"])
def test_a_name_that_does_not_resolve_is_one_line(on_loop, host):
    async def main() -> None:
        with pytest.raises(DialError, match=f"the name '{host}' was not resolved"):
            await dial(host, 3333, End().make)

    on_loop(main())


def test_no_answer_in_time_is_one_line(on_loop):
    async def main() -> None:
        # A listener that never accepts, asked for TLS: connected, and silent.
        with socket.socket() as silent:
            silent.bind((HOST, 0))
            silent.listen()
            port = silent.getsockname()[1]
            tls = ssl.create_default_context()
            with pytest.raises(DialError, match=rf"{HOST}:{port} did not answer within 0\.05 s"):
                await dial(HOST, port, End().make, tls=tls, timeout_seconds=0.05)

    on_loop(main())


def test_an_untrusted_certificate_is_one_line(on_loop):
    async def main() -> None:
        server_tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        trustme.CA().issue_cert(HOST).configure_cert(server_tls)
        server = await listen(HOST, 0, lambda: End().wire, tls=server_tls)
        with pytest.raises(DialError, match="has a certificate that is not trusted"):
            await dial(HOST, port_of(server), End().make, tls=ssl.create_default_context())
        server.close()

    on_loop(main())


def test_a_server_without_tls_is_one_line(on_loop):
    async def main() -> None:
        server = await listen(HOST, 0, lambda: End(Lines(b"plain text, no handshake\n")).wire)
        with pytest.raises(DialError, match="does not speak TLS"):
            await dial(HOST, port_of(server), End().make, tls=ssl.create_default_context())
        server.close()

    on_loop(main())


def test_an_impossible_port_is_one_line(on_loop):
    async def main() -> None:
        with pytest.raises(DialError, match="a port is a number"):
            await dial(HOST, 70_000, End().make)
        with pytest.raises(ListenError, match="a port is a number"):
            await listen(HOST, 70_000, End().make)

    on_loop(main())


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError(errno.ENETUNREACH, "Network is unreachable"), "h:1 is not reachable from here"),
        (OSError(errno.EHOSTUNREACH, "No route to host"), "h:1 is not reachable from here"),
        (
            # As asyncio folds the errors of several addresses.
            OSError("Multiple exceptions: [Errno 111] Connect call failed, [Errno 111] Connect"),
            "h:1 refused the connection",
        ),
        (ConnectionAbortedError(), "h:1 could not be connected to: ConnectionAbortedError"),
        (OSError(errno.EMFILE, "Too many open files"), "could not be connected to: Too many open"),
        (ssl.SSLError(1, "odd"), "does not speak TLS as we do (handshake failed)"),
    ],
)
def test_other_dialling_errors_are_one_line(error, text):
    assert text in _why_not_dialled("h", 1, error)


async def test_a_wire_that_never_stood_does_nothing():
    end = End(Lines(b"kept"))
    end.wire.flush()
    end.wire.close()
    end.wire.abort()
    assert end.wire.closing
    assert end.wire.peer == ""
    assert end.core.data_to_send() == b"kept"


async def test_a_wire_that_is_over_and_its_owner_are_freed_without_the_collector():
    end = End()
    freed = weakref.ref(end), weakref.ref(end.wire)
    gc.disable()
    try:
        end.wire.connection_lost(None)
        assert end.lost == [None]
        del end
        assert [each() for each in freed] == [None, None]
    finally:
        gc.enable()
