import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvloop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from headframe.runtime.errors import ListenError, PortInUseError
from miner.cgapi.access import Access, Right
from miner.cgapi.request import MOST_BYTES
from miner.cgapi.server import ApiServer, Limits
from tests.fakes.cgminer import ask

LOCAL = Access.of(["127.0.0.0/8"], [])
PATIENT = Limits(whole_seconds=60, pause_seconds=60, linger_seconds=60)


def echo(data: bytes, right: Right) -> bytes:
    if data == b"break\n":
        raise ZeroDivisionError
    return right.name.encode() + b":" + data


@asynccontextmanager
async def serving(
    limits: Limits = PATIENT, access: Access = LOCAL, port: int = 0
) -> AsyncIterator[ApiServer]:
    server = ApiServer("127.0.0.1", port, answer=echo, access=access, limits=limits)
    async with asyncio.timeout(60), server:
        yield server


async def speak_for_ever(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"still here")
        await writer.drain()
        await asyncio.sleep(0)


async def test_a_complete_request_is_answered_at_once() -> None:
    async with serving() as server:
        assert server.place == f"127.0.0.1:{server.port}"
        assert await ask(server.port, b'{"command":"x"}') == b'READ:{"command":"x"}'
        assert await ask(server.port, b"x\n") == b"READ:x\n"


def test_it_works_on_the_loop_that_the_miner_runs_on() -> None:
    async def main() -> None:
        async with serving(Limits(linger_seconds=0.01)) as server:
            assert await ask(server.port, b"x\n") == b"READ:x\n"
            assert await ask(server.port, b"x", eof=True) == b"READ:x"
            _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(b"x\n")
            with contextlib.suppress(ConnectionError):  # the reset, once it has come
                await speak_for_ever(writer)

    uvloop.run(main())


async def test_the_end_of_the_stream_ends_a_request() -> None:
    async with serving() as server:
        assert await ask(server.port, b"summary", eof=True) == b"READ:summary"
        assert await ask(server.port, b"{", eof=True) == b"READ:{"


async def test_a_pause_ends_a_request_that_has_no_end() -> None:
    async with serving(Limits(pause_seconds=0.01)) as server:
        assert await ask(server.port, b"summary") == b"READ:summary"


async def test_a_request_may_come_in_pieces() -> None:
    async with serving() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        for byte in b'{"command":"x"}':
            writer.write(bytes([byte]))
            await writer.drain()
        assert await reader.read() == b'READ:{"command":"x"}'
        writer.close()


async def test_what_comes_after_the_answer_is_thrown_away() -> None:
    async with serving() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"x\n")
        assert await reader.read() == b"READ:x\n"
        writer.write(b"y\n" * 100)
        writer.close()
        assert await ask(server.port, b"z\n") == b"READ:z\n"


async def test_no_more_is_kept_of_a_request_than_makes_sense() -> None:
    async with serving() as server:
        answer = await ask(server.port, b"x" * 100_000)
        assert len(answer) == len(b"READ:") + MOST_BYTES


async def test_a_client_that_says_nothing_is_sent_away() -> None:
    async with serving(Limits(whole_seconds=0.01)) as server:
        with contextlib.suppress(ConnectionResetError):
            assert await ask(server.port, b"") == b""
        assert await ask(server.port, b"", eof=True) == b""


async def test_a_client_that_stays_after_its_answer_is_sent_away() -> None:
    async with serving(Limits(linger_seconds=0.01)) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"x\n")
        assert await reader.read() == b"READ:x\n"
        with pytest.raises(ConnectionError):  # the reset, once it has come
            await speak_for_ever(writer)


async def test_strangers_are_not_answered() -> None:
    async with serving(access=Access.of(["10.0.0.0/8"], [])) as server:
        with contextlib.suppress(ConnectionResetError):
            assert await ask(server.port, b"x\n") == b""


async def test_the_right_of_the_clients_network_is_passed_on() -> None:
    async with serving(access=Access.of([], ["127.0.0.1"])) as server:
        assert await ask(server.port, b"x\n") == b"WRITE:x\n"


async def test_a_crowd_is_sent_away_and_places_become_free_again() -> None:
    limits = Limits(connections=2, whole_seconds=60, pause_seconds=60, linger_seconds=60)
    async with serving(limits) as server:
        held = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(2)]
        with contextlib.suppress(ConnectionResetError):
            assert await ask(server.port, b"x\n") == b""
        for _, writer in held:
            writer.write(b"x\n")
        for reader, writer in held:
            assert await reader.read() == b"READ:x\n"
            writer.close()
            await writer.wait_closed()
        answer = b""
        while not answer:  # until the server has noticed that they left
            with contextlib.suppress(ConnectionResetError):
                answer = await ask(server.port, b"x\n")
        assert answer == b"READ:x\n"


async def test_a_fault_of_ours_costs_one_answer() -> None:
    async with serving() as server:
        with capture_logs() as logs, contextlib.suppress(ConnectionResetError):
            assert await ask(server.port, b"break\n") == b""
        assert [each["event"] for each in logs] == ["api_failed"]
        assert await ask(server.port, b"x\n") == b"READ:x\n"


async def test_the_end_closes_what_is_open() -> None:
    async with serving() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"{")
        await ask(server.port, b"x\n")  # the other one was accepted before
    assert await reader.read() == b""
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await ask(server.port, b"x\n")


async def test_a_taken_port_is_told() -> None:
    async with serving() as server:
        with pytest.raises(PortInUseError, match=f"127.0.0.1:{server.port}"):
            async with serving(port=server.port):
                pass


async def test_an_address_of_another_machine_is_told() -> None:
    with pytest.raises(ListenError, match=r"192\.0\.2\.1"):
        async with ApiServer("192.0.2.1", 0, answer=echo, access=LOCAL):
            pass


@given(st.lists(st.binary(min_size=1, max_size=500), min_size=1, max_size=4))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_bytes_are_answered_once(pieces: list[bytes]) -> None:
    async def main() -> None:
        async with serving(Limits(pause_seconds=0.02)) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            for piece in pieces:
                writer.write(piece)
            writer.write_eof()
            answer = await reader.read()
            writer.close()
            data = b"".join(pieces)
            if data != b"break\n":
                assert answer.startswith(b"READ:")
                assert data.startswith(answer[len(b"READ:") :])
            assert json.dumps(str(await ask(server.port, b"x\n")))

    asyncio.run(main())
