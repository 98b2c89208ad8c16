"""`headframe up`, the first thing that anyone runs."""

import asyncio
import os
import re
import signal
import subprocess
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from headframe.node.service import NodeService
from tests.fakes.bitcoind import find_bitcoind, running_bitcoind
from tests.fakes.nodemethods import call
from tests.fakes.ports import free_port
from tests.fakes.programs import Program, headframe_argv, program, until

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

NODES = [
    pytest.param("embedded", marks=pytest.mark.kernel),
    pytest.param("bitcoind", marks=pytest.mark.node),
]


def argv(folder: Path, *more: str) -> list[str]:
    """On free ports, a block a second, one thread."""
    ports = [str(free_port()) for _ in range(3)]
    args = ["--datadir", str(folder), "--pace", "1", "--threads", "1"]
    args += ["--stratum-port", ports[0], "--web-port", ports[1], "--rpc-port", ports[2]]
    return headframe_argv("up", *args, *more)


def run(command: Sequence[str], **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, capture_output=True, text=True, timeout=200, check=False, env={**os.environ, **env}
    )


def heights(text: str) -> list[int]:
    return [
        int(n) for n in re.findall(r"^block +(\d+) accepted by the node +[0-9a-f]{64}$", text, re.M)
    ]


def processes_of(folder: Path) -> list[str]:
    """Command lines of running processes that name the folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if str(folder) in line:
                found.append(line)
    return found


@pytest.mark.parametrize("node", NODES)
def test_blocks_are_mined_and_the_chain_goes_on_next_time(node: str, tmp_path: Path) -> None:
    env = {"BITCOIND": find_bitcoind()} if node == "bitcoind" else {}
    folder = tmp_path / "up"
    first = run(argv(folder, "--node", node, "--blocks", "2"), **env)
    assert first.returncode == 0, first.stdout + first.stderr
    assert heights(first.stdout)[-1] >= 103
    key = re.search(r"^payout +(bcrt1q\w+) +\(its key: (.+)\)$", first.stdout, re.M)
    assert key is not None
    assert Path(key[2]).is_file()
    assert processes_of(folder) == []

    second = run(argv(folder, "--node", node, "--blocks", "1"), **env)
    assert second.returncode == 0, second.stdout + second.stderr
    assert heights(second.stdout)[-1] > heights(first.stdout)[-1]
    assert key[1] in second.stdout

    third = run(argv(folder, "--node", node, "--blocks", "1", "--fresh"), **env)
    assert third.returncode == 0, third.stdout + third.stderr
    assert heights(third.stdout)[0] < heights(second.stdout)[0], "a chain of its own"
    assert key[1] in third.stdout


@pytest.mark.kernel
async def test_ctrl_c_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = tmp_path / "up"
    async with program("up", argv(folder), tmp_path) as running:
        await until(lambda: heights(running.log.read_text()), "a block", Program(running, 0))
        assert len(processes_of(folder)) >= 4
        running.process.send_signal(signal.SIGINT)
        async with asyncio.timeout(30):
            assert await running.process.wait() == 130
        assert processes_of(folder) == []
        assert "Traceback" not in running.log.read_text()


@pytest.mark.kernel
async def test_killed_outright_it_leaves_nothing_behind_either(tmp_path: Path) -> None:
    folder = tmp_path / "up"
    async with program("up", argv(folder), tmp_path) as running:
        await until(lambda: heights(running.log.read_text()), "a block", Program(running, 0))
        running.process.kill()
        await running.process.wait()
        try:
            await until(lambda: processes_of(folder) == [], "the children to end", seconds=30)
        except AssertionError:
            pytest.fail("\n".join(processes_of(folder)))


@pytest.mark.kernel
async def test_blocks_have_transactions_and_pay_their_fees_when_asked_for(tmp_path: Path) -> None:
    folder = tmp_path / "up"
    done = await asyncio.to_thread(run, argv(folder, "--tx-rate", "20", "--blocks", "4"))
    assert done.returncode == 0, done.stdout + done.stderr
    mined = heights(done.stdout)
    async with NodeService(folder / "embedded" / "regtest") as node:
        hashes = [await call(node, "getblockhash", height) for height in mined]
        blocks = [await call(node, "getblock", each, 2) for each in hashes]
    full = [block for block in blocks if block["nTx"] > 1]
    assert full  # one that came right after another may be empty
    for block in full:
        paid = sum(Decimal(bytes(out["value"]).decode()) for out in block["tx"][0]["vout"])
        assert paid * 100_000_000 > 5_000_000_000 >> (block["height"] // 150)


@pytest.mark.node
def test_a_private_signet_is_mined_on_a_real_bitcoind(tmp_path: Path) -> None:
    folder = tmp_path / "up"
    done = run(argv(folder, "--network", "signet", "--blocks", "2"), BITCOIND=find_bitcoind())
    assert done.returncode == 0, done.stdout + done.stderr
    assert heights(done.stdout)[:2] == [1, 2]  # of a chain that nobody else mines
    assert re.search(r"^node .* signet, height 0,", done.stdout, re.M)
    assert re.search(r"^payout +tb1q\w+ +\(its key: .*signet-key.wif\)$", done.stdout, re.M)
    log = (folder / "logs" / "proxy.log").read_text()
    assert '"zmq_connected"' in log
    assert '"source":"node"' in log  # so that the journal knows it on another port, too


@pytest.mark.node
def test_a_node_of_another_network_is_one_clear_line(tmp_path: Path) -> None:
    with running_bitcoind(tmp_path / "bitcoind") as node:
        args = ["--rpc", node.url, "--cookie", str(node.cookie), "--network", "signet"]
        done = run(argv(tmp_path / "up", *args))
    assert done.returncode == 2
    assert "`up` is to run on signet, and the node at" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.node
def test_a_running_node_can_be_used(tmp_path: Path) -> None:
    with running_bitcoind(tmp_path / "bitcoind") as node:
        args = ["--rpc", node.url, "--cookie", str(node.cookie), "--blocks", "1"]
        done = run(argv(tmp_path / "up", *args))
        assert done.returncode == 0, done.stdout + done.stderr
        assert node.call("getblockcount") >= heights(done.stdout)[-1] >= 102


def test_a_node_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    done = run(argv(tmp_path / "up", "--rpc", "ftp://127.0.0.1"))
    assert done.returncode == 2
    assert done.stderr.startswith(
        "error: --rpc 'ftp://127.0.0.1' is no URL of a node: write http://"
    )
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.node
def test_a_wrong_password_is_one_clear_line(tmp_path: Path) -> None:
    with running_bitcoind(tmp_path / "bitcoind") as node:
        done = run(argv(tmp_path / "up", "--rpc", node.url.replace("//", "//me:secret@")))
    assert done.returncode == 2
    assert "wrong user or password (user 'me')" in done.stderr
    assert "secret" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.node
async def test_a_running_node_may_go_and_come_back(tmp_path: Path) -> None:
    with running_bitcoind(tmp_path / "bitcoind") as node:
        args = ["--rpc", node.url, "--cookie", str(node.cookie)]
        async with program("up", argv(tmp_path / "up", *args), tmp_path) as running:
            watched = Program(running, 0)
            await until(lambda: heights(running.log.read_text()), "a block", watched)
            port = node.port
            await asyncio.to_thread(node.stop)
            await until(lambda: "no node answers" in running.log.read_text(), "a word", watched)
            before = heights(running.log.read_text())[-1]
            await asyncio.to_thread(node.start, port)

            def more() -> bool:
                return heights(running.log.read_text())[-1] > before

            await until(more, "blocks after the node came back", watched)
            assert "Traceback" not in running.log.read_text()
