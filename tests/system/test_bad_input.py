"""What users get wrong: one clear line that says what to do, and never a traceback."""

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.ports import free_port
from tests.fakes.programs import headframe_argv
from tests.fakes.wallet import Wallet

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

MAINNET_ADDRESS = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"  # BIP 173


def run(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        headframe_argv(*args, "--state-dir", str(folder), "--no-web"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "XDG_STATE_HOME": str(folder)},
    )


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    """The error, which is the last line, and no traceback anywhere."""
    assert "Traceback" not in done.stdout + done.stderr
    return done.stderr.strip().splitlines()[-1]


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield holder.getsockname()[1]


@pytest.mark.parametrize("program", ["mine", "proxy"])
def test_an_unknown_scheme_names_the_known_ones(program: str, tmp_path: Path) -> None:
    done = run(tmp_path, program, "--url", "startum+tcp://127.0.0.1:3333", "--user", "rig")
    assert done.returncode == 2, done
    assert "startum+tcp" in one_line(done)
    assert "stratum+tcp" in one_line(done)


@pytest.mark.parametrize("program", ["mine", "proxy"])
def test_a_node_without_a_payout_address_is_refused(program: str, tmp_path: Path) -> None:
    done = run(tmp_path, program, "--url", "bitcoind+http://127.0.0.1:18443")
    assert done.returncode == 2, done
    assert "address" in one_line(done)


@pytest.mark.parametrize("program", ["mine", "proxy"])
def test_a_broken_address_is_refused_before_anything_starts(program: str, tmp_path: Path) -> None:
    address = Wallet.numbered(5).address[:-1] + "q"
    done = run(tmp_path, program, "--url", "bitcoind+http://127.0.0.1:18443", "--address", address)
    assert done.returncode == 2, done
    assert address in one_line(done)


def test_a_miner_that_shall_try_once_ends_with_69(tmp_path: Path) -> None:
    port = free_port()
    url = f"stratum+tcp://127.0.0.1:{port}"
    done = run(tmp_path, "mine", "--url", url, "--user", "rig", "--once", "--threads", "1")
    assert done.returncode == 69, done
    assert f"127.0.0.1:{port}" in one_line(done)


def test_a_port_in_use_is_named(taken: int, tmp_path: Path) -> None:
    args = ["--url", "stratum+tcp://127.0.0.1:1", "--user", "x", "--listen", f"127.0.0.1:{taken}"]
    done = run(tmp_path, "proxy", *args)
    assert done.returncode != 0
    assert f"127.0.0.1:{taken}" in one_line(done)
    assert "in use" in one_line(done)


def test_an_unknown_setting_names_the_nearest(tmp_path: Path) -> None:
    done = run(
        tmp_path, "mine", "--url", "stratum+tcp://127.0.0.1:1", "--user", "x", "--set", "thraeds=2"
    )
    assert done.returncode == 2, done
    assert "thraeds" in one_line(done)
