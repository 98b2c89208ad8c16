"""Connecting to names that have several addresses."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import pytest
import uvloop

from headframe.runtime.sockets import Address, interleave, open_any, open_socket

V4, V6 = socket.AF_INET, socket.AF_INET6
HOST = "127.0.0.1"


def at(port: int) -> Address:
    return V4, (HOST, port)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server((HOST, 0)) as server:
        yield server


@pytest.fixture
def closed_port() -> int:
    with socket.create_server((HOST, 0)) as server:
        return int(server.getsockname()[1])


@contextlib.contextmanager
def black_hole() -> Iterator[int]:
    """A port that answers nothing: its queue of connections is full."""
    with socket.create_server((HOST, 0), backlog=0) as server, contextlib.ExitStack() as stack:
        for _ in range(3):
            client = stack.enter_context(socket.socket())
            client.settimeout(0)
            client.connect_ex(server.getsockname())
        yield int(server.getsockname()[1])


def test_families_take_turns_and_the_first_stays_first() -> None:
    six = [(V6, (f"::{each}", 1, 0, 0)) for each in "123"]
    four = [(V4, (f"10.0.0.{each}", 1)) for each in "12"]
    assert interleave([*six, *four]) == [six[0], four[0], six[1], four[1], six[2]]
    assert interleave([four[0], four[0]]) == [four[0]]
    assert interleave([]) == []


async def test_a_name_is_resolved_and_connected_to(listener: socket.socket) -> None:
    # localhost may be ::1 first, where nobody listens.
    with await open_socket("localhost", listener.getsockname()[1]) as sock:
        assert sock.getpeername() == listener.getsockname()
        assert sock.gettimeout() == 0


async def test_an_ipv6_address_is_one_like_any_other() -> None:
    try:
        server = socket.create_server(("::1", 0), family=V6)
    except OSError:
        pytest.skip("this machine has no IPv6")
    with server, await open_socket("::1", server.getsockname()[1]) as sock:
        assert sock.family is V6


async def test_one_that_refuses_makes_room_for_the_next_at_once(
    listener: socket.socket, closed_port: int
) -> None:
    began = asyncio.get_running_loop().time()
    port = listener.getsockname()[1]
    with await open_any([*[at(closed_port)] * 15, at(port)]) as sock:
        assert sock.getpeername()[1] == port
    assert asyncio.get_running_loop().time() - began < 3, "with a head start of 0.25 s each, 3.75"


async def test_one_that_does_not_answer_is_not_waited_for(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    with black_hole() as hole:
        async with asyncio.timeout(20):
            with await open_any([at(hole), at(port)]) as sock:
                assert sock.getpeername()[1] == port


async def test_the_first_error_is_told_when_all_fail(closed_port: int) -> None:
    with pytest.raises(ConnectionRefusedError):
        await open_any([at(closed_port), at(closed_port)])


async def test_a_name_that_is_none() -> None:
    with pytest.raises(OSError, match=r".+"):
        await open_socket("no-such-name.invalid", 1)


async def test_a_cancelled_race_leaves_no_socket_open() -> None:
    with black_hole() as hole, pytest.raises(TimeoutError):  # an open socket is a warning
        async with asyncio.timeout(0.05):
            await open_any([at(hole), at(hole)])


def test_addresses_are_tried_in_turn_on_uvloop_too(
    listener: socket.socket, closed_port: int
) -> None:
    async def go() -> int:
        with black_hole() as hole:
            ports = (closed_port, hole, listener.getsockname()[1])
            async with asyncio.timeout(20):
                with await open_any([at(port) for port in ports]) as sock:
                    return int(sock.getpeername()[1])

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(go()) == listener.getsockname()[1]
