"""The miner on a terminal, as people run it: the real program on a pty."""

import asyncio
import fcntl
import os
import signal
import termios
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from headframe.chain.target import Target
from tests.fakes.emulator import Emulator
from tests.fakes.pool import FakePool
from tests.fakes.programs import headframe_argv
from tests.fakes.terminal import PtyTerminal, pty_terminal

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

EASY = Target(2**256 // 2_000_000)
"""A share for so many hashes: some a second even for the slowest kernel."""
AS_IT_WAS = {"7", "25"}
"""Modes of a terminal that nobody has: lines wrap, and the cursor is seen."""


@asynccontextmanager
async def mining(
    terminal: PtyTerminal, pool: FakePool, folder: Path, *args: str, **env: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    argv = headframe_argv("mine", "--url", f"stratum+tcp://127.0.0.1:{pool.port}", "--user", "rig")
    argv += ["--threads", "1", "--web-port", "0", "--state-dir", str(folder)]
    argv += ["--set", "api.enabled=false", *args]
    slave = terminal.slave
    given = {key: value for key, value in os.environ.items() if key not in {"NO_COLOR"}}
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=given | {"TERM": "xterm-256color"} | env,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def pool_with_work() -> AsyncIterator[FakePool]:
    async with FakePool() as pool:
        pool.new_block(target=EASY)
        yield pool


def has_shares(count: int) -> Callable[[Emulator], bool]:
    def seen(emulator: Emulator) -> bool:
        rows = [line.split() for line in emulator.shown() if line.startswith("Shares")]
        return bool(rows) and int(rows[0][1]) >= count

    return seen


async def test_the_screen_comes_lives_and_leaves_the_terminal_as_it_was(tmp_path: Path) -> None:
    async with pool_with_work() as pool, pty_terminal(80, 24) as terminal:
        async with mining(terminal, pool, tmp_path) as miner:
            emulator = terminal.emulator
            await terminal.until(has_shares(1))
            assert emulator.modes == {"1049"}
            await terminal.until_shown(f"▸ 127.0.0.1:{pool.port}  active")
            lines = emulator.shown()
            assert lines[0].startswith("Headframe ")
            assert any(line.startswith("  cpu") and "hashing" in line for line in lines)
            assert lines[-1].startswith("http://127.0.0.1:")
            first = int(next(line for line in lines if line.startswith("Shares")).split()[1])
            await terminal.until(has_shares(first + 1))
            assert not emulator.overlong
            terminal.press(b"\x03")  # Ctrl-C
            async with asyncio.timeout(60):
                assert await miner.wait() == 130
            await terminal.until(lambda seen: seen.modes == AS_IT_WAS and "| up" in seen.text())
        assert emulator.modes == AS_IT_WAS
        assert "miner_started" in emulator.text(), "what was said stays readable"
        assert "| accepted " in emulator.text().strip().splitlines()[-1]
        assert emulator.colours


async def test_it_follows_the_window_and_needs_no_colours(tmp_path: Path) -> None:
    async with pool_with_work() as pool, pty_terminal(80, 24) as terminal:
        async with mining(terminal, pool, tmp_path, NO_COLOR="1") as miner:
            await terminal.until(has_shares(1))
            for columns, lines in ((50, 16), (150, 50)):
                terminal.resize(columns, lines)
                await terminal.until_filled()
                await terminal.until_shown("Ctrl-C ends")
                assert any(line.startswith("Events") for line in terminal.emulator.shown())
            miner.terminate()
            async with asyncio.timeout(60):
                assert await miner.wait() == 0
            await terminal.until(lambda seen: seen.modes == AS_IT_WAS)
        assert not terminal.emulator.overlong
        assert not terminal.emulator.colours


async def test_a_pool_that_goes_away_is_told_with_the_reason(tmp_path: Path) -> None:
    async with (
        pool_with_work() as pool,
        pty_terminal(80, 24) as terminal,
        mining(terminal, pool, tmp_path),
    ):
        row = f"▸ 127.0.0.1:{pool.port}  active"
        await terminal.until_shown(row)
        await pool.go_away()
        await terminal.until_shown("warning: source_lost")
        await terminal.until(lambda seen: not any(row in line for line in seen.shown()))
        await pool.come_back()
        await terminal.until_shown(row)


def wait_stopped(pid: int) -> None:
    while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
        time.sleep(0.01)


async def test_while_it_is_stopped_the_shell_has_its_terminal(tmp_path: Path) -> None:
    async with (
        pool_with_work() as pool,
        pty_terminal(80, 24) as terminal,
        mining(terminal, pool, tmp_path) as miner,
    ):
        await terminal.until(has_shares(1))
        terminal.press(b"\x1a")  # Ctrl-Z
        await terminal.until(lambda seen: seen.modes == AS_IT_WAS)
        assert "miner_started" in terminal.emulator.text()
        await asyncio.to_thread(wait_stopped, miner.pid)  # a signal before that would be too early
        miner.send_signal(signal.SIGCONT)
        await terminal.until(lambda seen: seen.on_other_screen and has_shares(2)(seen))


async def test_a_dumb_terminal_gets_lines(tmp_path: Path) -> None:
    async with pool_with_work() as pool, pty_terminal(80, 24) as terminal:
        every = ("--set", "log.every_seconds=0.2")
        async with mining(terminal, pool, tmp_path, *every, TERM="dumb"):
            await terminal.until(lambda seen: "hashrate=" in seen.text())
        assert "1049" not in terminal.raw
