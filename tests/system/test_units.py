"""The systemd units: what they start exists, systemd takes them, and they give little away."""

import asyncio
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from headframe import cli
from headframe.chain.target import MAX_TARGET
from headframe.runtime.errors import EXIT_USAGE
from tests.fakes.pool import FakePool
from tests.fakes.ports import free_port
from tests.fakes.programs import headframe_argv, until

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

UNITS = Path(__file__).parents[2] / "deploy" / "systemd"
NAMES = ("headframe-miner", "headframe-proxy")
INSTALLED = "/opt/headframe/bin/headframe"
MOST_EXPOSED = 2.0
"""Of systemd's scale from 0 to 10; below 2 it says "OK" with its best face."""
MDWE = """
import ctypes, os, sys
PR_SET_MDWE, REFUSE_EXEC_GAIN = 65, 1
if ctypes.CDLL(None).prctl(PR_SET_MDWE, REFUSE_EXEC_GAIN, 0, 0, 0):
    sys.exit(77)
os.execv(sys.argv[1], sys.argv[1:])
"""
"""What MemoryDenyWriteExecute= does, for one program, where the kernel can (6.3 and later)."""


def text_of(name: str) -> str:
    return (UNITS / f"{name}.service").read_text()


def settings_of(name: str) -> dict[str, list[str]]:
    """The unit's settings; each may be there several times."""
    found: dict[str, list[str]] = {}
    for key, value in re.findall(r"^(\w+)=(.*)$", text_of(name), re.MULTILINE):
        found.setdefault(key, []).append(value)
    return found


def analyze(*args: str) -> subprocess.CompletedProcess[str]:
    tool = shutil.which("systemd-analyze")
    if tool is None:
        if os.environ.get("CI"):
            pytest.fail("CI installs systemd, and there is no systemd-analyze")
        pytest.skip("no systemd-analyze here: install Debian's package systemd")
    return subprocess.run([tool, *args], capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture(params=NAMES)
def unit(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A unit that starts the program of this environment."""
    path = tmp_path / f"{request.param}.service"
    path.write_text(text_of(request.param).replace(INSTALLED, headframe_argv()[0]))
    return path


def test_there_are_units_for_miner_and_proxy() -> None:
    assert sorted(each.stem for each in UNITS.glob("*.service")) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_what_a_unit_starts_is_understood(name: str) -> None:
    settings = settings_of(name)
    for line in (*settings["ExecStartPre"], *settings["ExecStart"]):
        program, command, *args = shlex.split(line.removeprefix("-"))
        assert program == INSTALLED
        found = cli.main.get_command(click.Context(cli.main), command)
        assert found is not None
        found.make_context(command, args)


@pytest.mark.parametrize("name", NAMES)
def test_settings_that_cannot_be_used_are_not_tried_again(name: str) -> None:
    settings = settings_of(name)
    assert settings["RestartPreventExitStatus"] == [str(EXIT_USAGE)]
    assert settings["Restart"] == ["on-failure"]
    assert settings["StartLimitIntervalSec"] == ["0"], "a daemon is never given up"
    assert settings["Type"] == ["notify"]


@pytest.mark.parametrize("name", ["headframe-miner", "headframe-proxy"])
def test_a_reload_is_offered(name: str) -> None:
    """The others would be ended by the signal."""
    assert settings_of(name)["ExecReload"] == ["/bin/kill -HUP $MAINPID"]


def test_systemd_takes_each_unit(unit: Path) -> None:
    done = analyze("verify", str(unit))
    assert (done.returncode, done.stderr) == (0, "")


def test_each_unit_gives_little_away(unit: Path) -> None:
    done = analyze("security", "--offline=true", "--no-pager", str(unit))
    assert done.returncode == 0, done.stderr
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert found is not None, done.stdout
    assert float(found[1]) < MOST_EXPOSED, done.stdout


async def test_miner_and_proxy_need_no_memory_that_is_both_written_and_executed(
    tmp_path: Path,
) -> None:
    """A miner mines through a proxy, both under what the units forbid."""
    port = free_port()
    async with FakePool() as pool:
        pool.new_block(target=MAX_TARGET >> 16)
        pairs = (
            ("proxy", f"stratum+tcp://127.0.0.1:{pool.port}", ("--listen", f"127.0.0.1:{port}")),
            ("mine", f"stratum+tcp://127.0.0.1:{port}", ("--threads", "1")),
        )
        running = []
        for command, url, options in pairs:
            argv = headframe_argv(command, "--url", url, "--user", "me", "--no-web", *options)
            argv += ["--state-dir", str(tmp_path / command), "--log-format", "json"]
            with (tmp_path / f"{command}.log").open("wb") as log:
                running.append(
                    await asyncio.create_subprocess_exec(
                        sys.executable, "-c", MDWE, *argv, stdout=log, stderr=log
                    )
                )
        try:
            heard = await until(lambda: pool.heard.get() or ended(running), "a share")
        finally:
            for process in running:
                if process.returncode is None:
                    process.terminate()
            codes = [await process.wait() for process in running]
    if codes == [77, 77]:
        pytest.skip("this kernel has no PR_SET_MDWE")
    logs = "\n".join(each.read_text() for each in tmp_path.glob("*.log"))
    assert heard is not True, logs
    assert codes == [0, 0], logs


def ended(running: list[asyncio.subprocess.Process]) -> bool:
    return any(process.returncode is not None for process in running)
