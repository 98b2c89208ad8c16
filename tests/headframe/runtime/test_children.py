"""Real processes of this very Python: started, watched, ended."""

import asyncio
import os
import socket
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from headframe.runtime.children import ChildError, Children, child, free_port

WAITS = "import time; print('started', flush=True); time.sleep(60)"
STUBBORN = "import signal, time; signal.signal(15, 1); print('started', flush=True); time.sleep(60)"
FAILS = "import sys; print('first'); print('port 3333 is taken'); sys.exit(3)"


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def log_says(log: Path, text: str) -> None:
    async with asyncio.timeout(20):
        while text not in log.read_text():
            await asyncio.sleep(0.01)


async def test_a_child_lives_as_long_as_its_block(tmp_path: Path) -> None:
    async with child("waits", python(WAITS), tmp_path) as running:
        await log_says(running.log, "started")
        assert is_alive(running.process.pid)
    assert not is_alive(running.process.pid)


async def test_a_child_that_ignores_the_kind_signal_is_killed(tmp_path: Path) -> None:
    async with child("stubborn", python(STUBBORN), tmp_path, end_seconds=0.2) as running:
        await log_says(running.log, "started")
    assert running.process.returncode == -9


async def test_children_end_in_reverse_order(tmp_path: Path) -> None:
    code = (
        "import signal, sys, time\n"
        "def end(*_):\n    open(sys.argv[1], 'a').write(sys.argv[2]); sys.exit(0)\n"
        "signal.signal(15, end); print('started', flush=True); time.sleep(60)"
    )
    async with AsyncExitStack() as exits:
        children = Children(tmp_path, exits)
        for name in ("node", "proxy", "miner"):
            argv = [*python(code), str(tmp_path / "order"), name[0]]
            await log_says((await children.start(name, argv)).log, "started")
        children.check()
    assert (tmp_path / "order").read_text() == "mpn"


async def test_a_child_that_ends_by_itself_is_named_with_its_last_words(tmp_path: Path) -> None:
    async with AsyncExitStack() as exits:
        children = Children(tmp_path, exits)
        running = await children.start("proxy", python(FAILS))
        await running.process.wait()
        with pytest.raises(
            ChildError, match="the proxy ended with status 3; last it said: port 3333 is taken"
        ):
            children.check()


async def test_a_child_that_logs_in_json_is_told_in_words(tmp_path: Path) -> None:
    line = '{"level": "error", "event": "page_failed", "error": "port 9332 is taken"}'
    async with AsyncExitStack() as exits:
        children = Children(tmp_path, exits)
        code = f"import os, signal; print({line!r}, flush=True); os.kill(os.getpid(), 9)"
        running = await children.start("proxy", python(code))
        await running.process.wait()
        told = "the proxy was ended by SIGKILL; last it said: page_failed: port 9332 is taken"
        with pytest.raises(ChildError, match=told):
            children.check()


async def test_a_silent_child_is_named_too(tmp_path: Path) -> None:
    async with AsyncExitStack() as exits:
        children = Children(tmp_path, exits)
        running = await children.start("node", python("pass"))
        await running.process.wait()
        with pytest.raises(ChildError, match="status 0; last it said: it said nothing"):
            children.check()


def test_a_free_port_is_kept() -> None:
    wanted = free_port("127.0.0.1", 0)
    assert free_port("127.0.0.1", wanted) == wanted


def test_a_taken_port_is_replaced() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        taken = holder.getsockname()[1]
        assert free_port("127.0.0.1", taken) != taken


def test_a_host_that_is_not_ours_is_one_clear_line() -> None:
    with pytest.raises(ChildError, match=r"no port can be opened on 192\.0\.2\.1"):
        free_port("192.0.2.1", 3333)
