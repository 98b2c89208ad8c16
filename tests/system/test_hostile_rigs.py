"""Rigs that mean harm: whatever they send or leave unread, the others mine on."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headframe.chain.job import SplitCoinbase
from headframe.chain.share import Reason
from headframe.chain.target import MAX_TARGET, Target
from proxy.listener import Limits
from tests.fakes.pool import FakePool
from tests.fakes.ports import free_port
from tests.fakes.programs import Program, headframe, until
from tests.fakes.proxying import EASY, proxying
from tests.fakes.rig import RawRig, Rig, connected
from tests.fakes.scrapes import Scrapes

pytestmark = [pytest.mark.timeout(240)]

HALF = 4.6566e-10
"""The difficulty that every second hash meets."""
QUARTER = Target(MAX_TARGET >> 2)
MOST_JOBS = 2_000


@asynccontextmanager
async def serving(folder: Path, pool: FakePool, *listeners: str) -> AsyncIterator[Program]:
    file = folder / "proxy.toml"
    vardiff = "".join(f"{name} = {HALF}\n" for name in ("start", "least", "largest"))
    doors = "".join(f"[[listeners]]\n{each}\n" for each in listeners)
    url = f'url = "stratum+tcp://127.0.0.1:{pool.port}"'
    file.write_text(f'[[upstreams]]\n{url}\nuser = "site"\n{doors}[vardiff]\n{vardiff}')
    async with headframe("proxy", "--config", str(file), folder=folder) as program:
        yield program


async def closed(program: Program, **labels: str) -> int:
    """How many connections have ended, for a reason."""
    scrapes = Scrapes()
    scrapes.add((await program.get("/metrics"))[1])
    return int(scrapes.get("headframe_proxy_connections_closed_total", **labels))


async def ensure_mining(rig: Rig) -> None:
    assert (await rig.say(rig.find(await rig.job()))).reason is Reason.ACCEPTED


@pytest.mark.system
async def test_limits_and_deadline_of_the_program_hold_and_others_stay(tmp_path: Path) -> None:
    few, narrow = free_port(), free_port()
    async with (
        FakePool(size=8) as pool,
        serving(
            tmp_path,
            pool,
            f"port = {few}\nmax_connections = 2\nhandshake_seconds = 4",
            f"port = {narrow}\nmax_per_address = 1",
        ) as program,
    ):
        pool.new_block(target=QUARTER)
        async with connected(few, "a.1") as [one], connected(narrow, "a.2") as [two]:
            await ensure_mining(one)
            await ensure_mining(two)
            async with RawRig.to(narrow) as third:
                assert await third.line() == {}, "one from an address"
            async with RawRig.to(few) as silent, RawRig.to(few) as third:
                assert await third.line() == {}, "two in all"
                assert await silent.line() == {}, "it says nothing in time"
            async with connected(few, "a.3") as [late]:
                await ensure_mining(late)
            assert await closed(program, reason="refused") == 2
            assert await closed(program, reason="handshake_late") == 1
            await ensure_mining(one)
            await ensure_mining(two)
            assert not any(rig.lost for rig in (one, two))
        assert "Traceback" not in program.log()


@pytest.mark.system
async def test_a_rig_that_reads_nothing_is_cut_off_by_the_program(tmp_path: Path) -> None:
    port = free_port()
    async with FakePool(size=8) as pool, serving(tmp_path, pool, f"port = {port}") as program:
        first = pool.new_block(target=QUARTER)
        assert isinstance(first.commitment, SplitCoinbase)
        async with AsyncExitStack() as stack:
            [good] = await stack.enter_async_context(connected(port, "good.1"))
            slow = await stack.enter_async_context(RawRig.to(port))
            await slow.join("slow.1")
            slow.writer.transport.pause_reading()  # type: ignore[attr-defined] # a socket's has it
            shown = await good.job()
            for number in range(MOST_JOBS):
                suffix = first.commitment.suffix[:-4] + bytes(20_000) + number.to_bytes(4, "big")
                pool.new_job(target=QUARTER, commitment=replace(first.commitment, suffix=suffix))
                shown = await good.job(after=shown)
                if number % 20 == 0 and await closed(program, reason="slow_reader"):
                    break
            assert await closed(program, reason="slow_reader") == 1
            await until(lambda: rigs_left(program, 1), "the slow one to be gone", program)
            await ensure_mining(good)
        assert "Traceback" not in program.log()


async def rigs_left(program: Program, count: int) -> bool:
    return bool((await program.status())["rigs_total"] == count)


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text(max_size=12)
    | st.sampled_from(["00000001", "ffffffff", "1fffe000", "raw.1", "x", "1", "d=1e-9"]),
    lambda inner: (
        st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)
methods = st.sampled_from(
    [
        *("configure", "subscribe", "authorize", "submit", "extranonce.subscribe", "get_version"),
        *("suggest_difficulty", "suggest_target", "ping", "multi_version", "notify", "x"),
    ]
).map("mining.{}".format)
requests = st.fixed_dictionaries(
    {"id": json_values, "method": methods | json_values, "params": json_values}
).map(lambda message: json.dumps(message).encode())
submits = st.lists(json_values, min_size=5, max_size=6).map(
    lambda params: json.dumps({"id": 9, "method": "mining.submit", "params": params}).encode()
)
answers = json_values.map(lambda value: json.dumps({"id": 1, "result": value}).encode())
torn = requests.flatmap(lambda line: st.integers(0, len(line)).map(lambda at: line[:at]))
junk = st.binary(max_size=60) | st.sampled_from(
    [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET / HTTP/1.1\r\n", b"[" * 3000, b"{" * 99]
)
lines = st.lists(requests | submits | answers | torn | junk, min_size=1, max_size=12)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(said=lines, first=st.booleans(), piece=st.integers(1, 400))
async def test_nothing_that_a_rig_says_stops_another(
    said: list[bytes], first: bool, piece: int
) -> None:
    with structlog.testing.capture_logs() as logs:
        async with (
            proxying(limits=Limits(ban_seconds=0)) as proxy,
            connected(proxy.port, "good") as [good],
        ):
            proxy.publish(target=EASY)
            await good.job()
            async with RawRig.to(proxy.port) as bad:
                if first:
                    await bad.join("bad")
                data = b"\n".join(said) + b"\n"
                for at in range(0, len(data), piece):
                    bad.writer.write(data[at : at + piece])
                bad.writer.write_eof()
                try:
                    async for line in bad.reader:  # whatever it hears is JSON, up to the end
                        json.loads(line)
                except ConnectionError:
                    pass  # it was cut off while more of it was under way
                await ensure_mining(good)
            await proxy.until(lambda: proxy.listener.connections == 1)
            assert not good.lost
            assert proxy.hub.stats.connections_closed["failed"] == 0
            proxy.hub.ledger.verify()
    assert [each for each in logs if each["log_level"] in {"error", "critical"}] == []
