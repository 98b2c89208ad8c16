import asyncio
import errno
import socket
import ssl
from contextlib import suppress

import pytest
import trustme

from headframe.runtime.errors import ListenError, PortInUseError
from headframe.runtime.ports import (
    errno_of,
    format_peer,
    listen,
    listen_error,
    plain_error,
    set_socket_options,
)
from tests.fakes.loops import port_of

HOST = "127.0.0.1"


def test_a_port_in_use_is_one_line(on_loop):
    async def main() -> None:
        server = await listen(HOST, 0, asyncio.Protocol)
        port = port_of(server)
        with pytest.raises(PortInUseError) as caught:
            await listen(HOST, port, asyncio.Protocol)
        assert str(caught.value) == (
            f"{HOST}:{port} is in use: stop the program that listens there, or choose another port"
        )
        server.close()

    on_loop(main())


def test_an_address_of_another_machine_cannot_be_listened_on(on_loop):
    async def main() -> None:
        with pytest.raises(ListenError, match=r"this machine has no address 192\.0\.2\.1"):
            await listen("192.0.2.1", 0, asyncio.Protocol)
        with pytest.raises(ListenError, match="no address or name of this machine"):
            await listen("no-such-host.invalid", 0, asyncio.Protocol)

    on_loop(main())


def test_an_empty_host_means_all_interfaces(on_loop):
    async def main() -> None:
        server = await listen("", 0, asyncio.Protocol)
        assert any(each.getsockname()[0] in {"0.0.0.0", "::"} for each in server.sockets)
        server.close()

    on_loop(main())


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError(errno.EACCES, "Permission denied"), "127.0.0.1:80 needs more rights"),
        (OSError(errno.EMFILE, "Too many open files"), "cannot be listened on: Too many open"),
    ],
)
def test_other_listening_errors_are_one_line(error, text):
    assert text in str(listen_error("127.0.0.1", 80, error))


@pytest.mark.parametrize("says", [b"", b'{"id":1,"method":"mining.subscribe"}\n', b"\x16\x03\x01"])
def test_a_peer_that_agrees_on_no_tls_is_cut_off(on_loop, says):
    """Silence ends after the time that is given, other bytes at once; nobody hears of either."""
    made = []

    class Heard(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            made.append(transport)

    async def main() -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        trustme.CA().issue_cert(HOST).configure_cert(context)
        seconds = 60.0 if says[:1] == b"{" else 0.05
        server = await listen(HOST, 0, Heard, tls=context, handshake_seconds=seconds)
        reader, writer = await asyncio.open_connection(HOST, port_of(server))
        writer.write(says)
        with suppress(ConnectionError):
            assert len(await reader.read()) < 100  # an alert, or nothing
        writer.close()
        server.close()

    on_loop(main())
    assert made == []


def test_sockets_that_are_not_tcp_are_left_alone():
    one, other = socket.socketpair()
    with one, other:
        set_socket_options(one)
        set_socket_options(None)
        assert not one.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (("127.0.0.1", 3333), "127.0.0.1:3333"),
        (("::1", 3333, 0, 0), "[::1]:3333"),
        (("pool.example", 443), "pool.example:443"),
        ("/run/socket", ""),
        (None, ""),
    ],
)
def test_peers_are_written_as_host_and_port(name, text):
    assert format_peer(name) == text


def test_what_a_system_says_is_found_in_its_errors():
    assert errno_of(OSError(errno.EPERM, "no")) == errno.EPERM
    assert errno_of(OSError("Multiple exceptions: [Errno 13] no, [Errno 98] no")) == 13
    assert errno_of(ValueError("no")) is None
    assert plain_error(OSError(errno.EPERM, "not permitted")) == "not permitted"
    assert plain_error(ValueError("no")) == "no"
    assert plain_error(ConnectionAbortedError()) == "ConnectionAbortedError"
