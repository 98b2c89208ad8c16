"""What must not be lost and must not be left behind when parts are killed, hang or misbehave.

Nodes, proxies and miners are the installed programs; they are killed outright, stopped in
mid-call and fed rubbish. What the proxy said is then compared with the node's chain.
"""

import asyncio
import json
import random
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.fakes.bitcoind import NodeRpcError, running_bitcoind
from tests.fakes.nodeparts import running_node
from tests.fakes.ports import free_port
from tests.fakes.programs import Program, headframe, until, whole_lines
from tests.fakes.wallet import Wallet

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

MOST_SECONDS_TO_END = 10


class Node(Protocol):
    """A node that can be asked and killed; both kinds have it so."""

    process: Any

    @property
    def port(self) -> int: ...

    @property
    def cookie(self) -> Path: ...

    def call(self, method: str, *params: object) -> Any: ...


NODES = [
    pytest.param(running_bitcoind, marks=pytest.mark.node, id="bitcoind"),
    pytest.param(running_node, marks=pytest.mark.kernel, id="embedded"),
]
StartNode = Callable[[Path], AbstractContextManager[Node]]


def proxy_args(node: Node, port: int) -> list[str]:
    payout = Wallet.numbered(12).address
    args = ["--url", f"bitcoind+http://127.0.0.1:{node.port}", "--cookie", str(node.cookie)]
    return [*args, "--address", payout, "--listen", f"127.0.0.1:{port}", "--pace", "0.3"]


@asynccontextmanager
async def miner(port: int, folder: Path) -> AsyncIterator[Program]:
    args = ["--url", f"stratum+tcp://127.0.0.1:{port}", "--user", "rig", "--threads", "1"]
    async with headframe("mine", *args, "--priority", "normal", folder=folder) as running:
        yield running


def events(text: str, name: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == name]


def hashes(text: str, name: str) -> set[str]:
    """Blocks of which the log says this."""
    return {event["hash"] for event in events(text, name)}


def journal(folder: Path) -> list[dict[str, Any]]:
    path = folder / "proxy-state" / "proxy-blocks.journal"
    return [json.loads(line) for line in whole_lines(path.read_text()).splitlines()]


def of_kind(lines: Iterable[dict[str, Any]], event: str) -> set[str]:
    return {line["hash"] for line in lines if line["event"] == event}


@pytest.mark.parametrize("start_node", NODES)
async def test_blocks_found_while_the_node_hangs_survive_the_death_of_the_proxy(
    start_node: StartNode, tmp_path: Path
) -> None:
    """Each is on disk though the first still waits for its answer, and goes out afterwards."""
    port = free_port()
    with start_node(tmp_path / "node") as node:
        node.call("generatetoaddress", 1, Wallet.numbered(13).address)
        async with miner(port, tmp_path) as rig:
            async with headframe("proxy", *proxy_args(node, port), folder=tmp_path) as proxy:
                await until(lambda: hashes(proxy.log(), "block_accepted"), "a block", proxy, rig)
                node.process.send_signal(signal.SIGSTOP)
                before = hashes(proxy.log(), "block_found")

                def waiting() -> bool:
                    return len(hashes(proxy.log(), "block_found") - before) >= 3

                await until(waiting, "three blocks that the node does not hear of", proxy, rig)
                found = set(sorted(hashes(proxy.log(), "block_found") - before)[:2])
                await until(lambda: found <= of_kind(journal(tmp_path), "found"), "the disk", proxy)
                proxy.child.process.kill()
                await proxy.child.process.wait()
            node.process.send_signal(signal.SIGCONT)
            lines = journal(tmp_path)
            open_before = of_kind(lines, "found") - of_kind(lines, "verdict")
            assert found <= open_before
            async with headframe("proxy", *proxy_args(node, port), folder=tmp_path) as proxy:
                await until(
                    lambda: open_before <= of_kind(journal(tmp_path), "verdict"),
                    "a verdict for each",
                    proxy,
                )
        # On the chain or beside it: where the node hung before it gave the next template, all
        # of them stand beside the block that came just before.
        for each in open_before:
            assert node.call("getblockheader", each)["hash"] == each


def _on_the_chain(node: Node, block_hash: str) -> bool:
    try:
        return bool(node.call("getblockheader", block_hash)["confirmations"] > 0)
    except NodeRpcError:
        return False


@pytest.mark.slow
@pytest.mark.kernel
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_no_accepted_block_is_missing_whatever_is_killed_when(
    seed: int, tmp_path: Path
) -> None:
    """The proxy is killed again and again at odd moments, and so is the miner."""
    chance, port, said = random.Random(seed), free_port(), ""
    with running_node(tmp_path / "node") as node:
        node.call("generatetoaddress", 1, Wallet.numbered(13).address)
        for number in range(4):
            async with (
                headframe("proxy", *proxy_args(node, port), folder=tmp_path) as proxy,
                miner(port, tmp_path) as rig,
            ):
                await _blocks(1 + chance.randrange(3), proxy, rig)
                await asyncio.sleep(chance.uniform(0, 0.3))
                victim = proxy if number % 2 else rig
                victim.child.process.kill()
                await victim.child.process.wait()
                said += proxy.log()
        lines = journal(tmp_path)
        assert hashes(said, "block_found") <= of_kind(lines, "found")
        assert "Traceback" not in said
        for block_hash in hashes(said, "block_accepted"):
            assert _on_the_chain(node, block_hash), block_hash


async def _blocks(count: int, proxy: Program, rig: Program) -> None:
    def enough() -> bool:
        return len(hashes(proxy.log(), "block_accepted")) >= count

    await until(enough, "accepted blocks", proxy, rig)


RUBBISH = {
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
    "http": b"GET / HTTP/1.1\r\nHost: pool\r\n\r\n",
    "a line of a megabyte": b'{"id":1,"method":"' + b"a" * 1_000_000,
    "nested without end": b"[" * 15_000 + b"\n",
    "all bytes": bytes(range(256)) * 20 + b"\n",
}


UNKNOWN_JOB = b'{"id":4,"method":"mining.submit","params":["rig","ffff","00000000","0","0"]}\n'


@pytest.mark.kernel
async def test_rubbish_from_strangers_disturbs_no_rig(tmp_path: Path) -> None:
    port = free_port()
    with running_node(tmp_path / "node") as node:
        node.call("generatetoaddress", 1, Wallet.numbered(13).address)
        async with headframe("proxy", *proxy_args(node, port), folder=tmp_path) as proxy:
            async with _rig(port) as rig:
                silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(50)]
                for name, rubbish in RUBBISH.items():
                    assert await _answer_to(port, rubbish) == b"", name
                rig.writer.write(UNKNOWN_JOB * 150)
                answers = [json.loads(await rig.answer()) for _ in range(150)]
                assert {answer["error"][0] for answer in answers} == {21}
                async with _rig(port):
                    pass  # whoever comes later gets a job, too
                for connection in silent:
                    connection.close()
            process = proxy.child.process
            process.terminate()
            async with asyncio.timeout(MOST_SECONDS_TO_END):
                assert await process.wait() == 0
        assert "Traceback" not in proxy.log()


async def _answer_to(port: int, data: bytes) -> bytes:
    """Say something that is no Stratum; what comes back before the connection is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        async with asyncio.timeout(20):
            return await reader.read()
    except ConnectionError:  # it did not even want to hear the rest
        return b""
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


class _Rig:
    """A rig, by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def line(self) -> bytes:
        async with asyncio.timeout(30):
            return await self.reader.readline()

    async def answer(self) -> bytes:
        """The next answer; jobs in between are passed over."""
        while b'"method"' in (line := await self.line()):
            pass
        return line


@asynccontextmanager
async def _rig(port: int) -> AsyncIterator[_Rig]:
    """A rig that has subscribed, logged in and got a job."""
    rig = _Rig(*await asyncio.open_connection("127.0.0.1", port))
    try:
        rig.writer.write(b'{"id":1,"method":"mining.subscribe","params":[]}\n')
        rig.writer.write(b'{"id":2,"method":"mining.authorize","params":["rig","x"]}\n')
        while b"mining.notify" not in (line := await rig.line()) or b'"params"' not in line:
            assert line
        yield rig
    finally:
        rig.writer.close()
        with suppress(ConnectionError):
            await rig.writer.wait_closed()
