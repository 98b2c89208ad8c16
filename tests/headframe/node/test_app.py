"""The node as a process: ready, killed, stopped, and in each other's way."""

import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from headframe.node.app import default_datadir
from tests.fakes.bitcoind import NodeRpcError, rpc_call
from tests.fakes.nodeparts import EmbeddedNode, Key, need_kernel, running_node

pytestmark = [pytest.mark.kernel, pytest.mark.system]

ADDRESS = Key().address


def node_process(*args: str) -> "subprocess.CompletedProcess[str]":
    need_kernel()
    return subprocess.run(
        [sys.executable, "-m", "headframe.node", *args],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_ready_line_says_what_a_program_needs(tmp_path: Path) -> None:
    with running_node(tmp_path) as node:
        assert node.ready["datadir"] == str(tmp_path)
        assert node.ready["height"] == 0
        assert node.ready["cookie_file"] == str(node.cookie)
        assert str(node.ready["rpc"]).startswith("http://127.0.0.1:")
        assert stat.S_IMODE(node.cookie.stat().st_mode) == 0o600
        assert node.call("getblockcount") == 0


def test_a_killed_node_loses_no_block(tmp_path: Path) -> None:
    need_kernel()
    node = EmbeddedNode(tmp_path)
    try:
        for round_ in range(1, 4):
            node.start()
            assert node.ready["height"] == 10 * (round_ - 1)
            hashes = node.call("generatetoaddress", 10, ADDRESS)
            assert node.call("getbestblockhash") == hashes[-1]
            node.kill()
        node.start()
        assert node.ready["height"] == 30
        assert node.ready["tip"] == hashes[-1]
        node.call("generatetoaddress", 1, ADDRESS)
        assert node.stop() == 0
        assert node.start().ready["height"] == 31
    finally:
        node.stop()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_good_order(tmp_path: Path, number: signal.Signals) -> None:
    with running_node(tmp_path) as node:
        node.call("generatetoaddress", 3, ADDRESS)
        assert node.process is not None
        node.process.send_signal(number)
        code = node.process.wait(timeout=30)
        assert code == (0 if number == signal.SIGTERM else 130)
        assert not node.cookie.exists()
        assert not (tmp_path / "regtest" / "dirty").exists()


def test_the_method_stop_ends_it(tmp_path: Path) -> None:
    with running_node(tmp_path) as node:
        assert node.call("stop") == "Headframe node stopping"
        assert node.process is not None
        assert node.process.wait(timeout=30) == 0


def test_a_second_node_on_the_same_folder_is_refused_in_one_line(tmp_path: Path) -> None:
    with running_node(tmp_path) as node:
        second = node_process("--datadir", str(tmp_path), "--rpc-port", "0")
        assert second.returncode == 2
        line = "another process has the chain in"
        assert [row for row in second.stderr.splitlines() if line in row] == [
            f"error: {line} {tmp_path}/regtest open; stop it, or use another --datadir"
        ]
        assert "Traceback" not in second.stderr
        assert node.call("getblockcount") == 0


def test_a_port_in_use_is_one_line_and_lets_the_chain_go(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = node_process("--datadir", str(tmp_path), "--rpc-port", str(port))
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"error: 127.0.0.1:{port} is in use")
    assert len(ended.stderr.splitlines()) == 1
    with running_node(tmp_path) as node:
        assert node.ready["height"] == 0


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    ended = node_process("--datadir", str(file), "--rpc-port", "0")
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"error: the folder {file}/regtest cannot be used")
    assert len(ended.stderr.splitlines()) == 1


def test_a_wrong_cookie_is_refused_and_a_new_start_makes_a_new_one(tmp_path: Path) -> None:
    with running_node(tmp_path) as node:
        first = node.cookie.read_text()
        with pytest.raises(NodeRpcError) as caught:
            rpc_call(node.port, "__cookie__:wrong", "getblockcount")
        assert caught.value.code == 401
    with running_node(tmp_path) as node:
        assert node.cookie.read_text() != first
        with pytest.raises(NodeRpcError):
            rpc_call(node.port, first, "getblockcount")


def test_the_default_folder_is_the_state_folder() -> None:
    assert default_datadir({"XDG_STATE_HOME": "/s"}) == Path("/s/headframe/node")
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 - an outside answer to compare with
    assert default_datadir({}) == home / ".local" / "state" / "headframe" / "node"
