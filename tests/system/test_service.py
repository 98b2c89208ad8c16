"""The programs as a service manager runs them: ready, alive, stopped in good order."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from headframe.chain.share import Reason, Verdict
from headframe.chain.target import MAX_TARGET
from tests.fakes.manager import Manager
from tests.fakes.pool import FakePool
from tests.fakes.programs import headframe_argv

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

PATIENCE_SECONDS = 90
EASY = MAX_TARGET
OPTIONS = ("--no-web", "--log-format", "json")


@pytest.fixture
async def manager(tmp_path: Path) -> AsyncIterator[Manager]:
    async with Manager(str(tmp_path / "notify")) as listening:
        yield listening


@asynccontextmanager
async def serving(
    *args: str, env: Mapping[str, str], folder: Path
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a program as a manager does; it must have ended when the block does."""
    argv = headframe_argv(*args, *OPTIONS, "--state-dir", str(folder / "state"))
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *argv, env={**os.environ, **env}, stdout=log, stderr=log
        )
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            yield process
    except TimeoutError:
        raise AssertionError(f"it said: {(folder / 'log').read_text()}") from None
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def watchdog(manager: Manager, seconds: float = 1) -> dict[str, str]:
    return manager.env(WATCHDOG_USEC=str(int(seconds * 1e6)))


async def ends(process: asyncio.subprocess.Process, number: signal.Signals) -> int:
    process.send_signal(number)
    return await process.wait()


async def test_a_miner_is_ready_alive_and_stops(manager: Manager, tmp_path: Path) -> None:
    async with FakePool() as pool:
        pool.new_block(target=EASY >> 20)
        args = ("mine", "--url", f"stratum+tcp://127.0.0.1:{pool.port}", "--user", "me.rig")
        async with serving(
            *args, "--threads", "1", env=watchdog(manager), folder=tmp_path
        ) as process:
            await manager.wait("READY=1")
            await manager.wait("WATCHDOG=1", 3)
            await pool.wait_heard(1)
            await manager.wait("STATUS=")
            assert await ends(process, signal.SIGTERM) == 0
            await manager.wait("STOPPING=1")
    assert manager.heard.get()[0][0] == "READY=1"
    assert manager.lines.count("READY=1") == 1


async def test_a_reload_begins_and_ends_whether_the_new_settings_are_good_or_bad(
    manager: Manager, tmp_path: Path
) -> None:
    async with FakePool() as pool:
        pool.new_block(target=EASY >> 20)
        config = tmp_path / "miner.toml"
        good = f"[[upstreams]]\nurl = 'stratum+tcp://127.0.0.1:{pool.port}'\nuser = 'x'\n"
        config.write_text(f"threads = 1\n{good}")
        args = ("mine", "--config", str(config))
        async with serving(*args, env=manager.env(), folder=tmp_path) as process:
            await manager.wait("READY=1")
            for number, text in enumerate((f"threads = 2\n{good}", "thraeds = 1\n")):
                config.write_text(text)
                process.send_signal(signal.SIGHUP)
                await manager.wait("READY=1", number + 2)
            await pool.wait_heard(1)
            assert await ends(process, signal.SIGTERM) == 0
    order = [line for line in manager.lines if line in {"READY=1", "RELOADING=1", "STOPPING=1"}]
    assert order == ["READY=1", *["RELOADING=1", "READY=1"] * 2, "STOPPING=1"]
    assert f"{config}:1: no setting 'thraeds'" in (tmp_path / "log").read_text()


async def test_a_miner_is_ready_though_its_pool_is_down(manager: Manager, tmp_path: Path) -> None:
    async with FakePool() as pool:
        url = f"stratum+tcp://127.0.0.1:{pool.port}"
    args = ("mine", "--url", url, "--user", "me", "--threads", "1")
    async with serving(*args, env=watchdog(manager), folder=tmp_path) as process:
        await manager.wait("READY=1")
        await manager.wait("WATCHDOG=1", 2)
        assert await ends(process, signal.SIGTERM) == 0
        await manager.wait("STOPPING=1")


async def test_a_proxy_is_ready_alive_and_stops(manager: Manager, tmp_path: Path) -> None:
    async with FakePool() as pool:
        pool.new_block(target=EASY)
        args = ("proxy", "--url", f"stratum+tcp://127.0.0.1:{pool.port}", "--user", "site")
        async with serving(
            *args, "--listen", "127.0.0.1:0", env=watchdog(manager), folder=tmp_path
        ) as process:
            await manager.wait("READY=1")
            await manager.wait("WATCHDOG=1", 3)
            await manager.wait("STATUS=0 connections")
            assert await ends(process, signal.SIGTERM) == 0
            await manager.wait("STOPPING=1")


async def test_at_the_end_shares_in_flight_get_their_answers(tmp_path: Path) -> None:
    """The pool answers late, but within the two seconds that shares in flight have."""
    async with FakePool() as pool:
        pool.judge = lambda verdict: None
        pool.new_block(target=EASY >> 20)
        args = ("mine", "--url", f"stratum+tcp://127.0.0.1:{pool.port}", "--user", "me.rig")
        async with serving(*args, "--threads", "1", env={}, folder=tmp_path) as process:
            await pool.wait_heard(1)
            process.send_signal(signal.SIGTERM)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5):
                    await process.wait()
            answered = 0
            while process.returncode is None:
                answered += pool.answer_withheld(Verdict(reason=Reason.ACCEPTED))
                await asyncio.sleep(0.05)
            assert process.returncode == 0
    log = (tmp_path / "log").read_text()
    assert answered == len(pool.heard.get()) >= 1
    assert "shares_unanswered" not in log


async def test_a_pool_that_never_answers_holds_the_end_up_for_two_seconds_alone(
    tmp_path: Path,
) -> None:
    async with FakePool() as pool:
        pool.judge = lambda verdict: None
        pool.new_block(target=EASY >> 20)
        args = ("mine", "--url", f"stratum+tcp://127.0.0.1:{pool.port}", "--user", "me.rig")
        async with serving(*args, "--threads", "1", env={}, folder=tmp_path) as process:
            await pool.wait_heard(1)
            began = asyncio.get_running_loop().time()
            assert await ends(process, signal.SIGTERM) == 0
            took = asyncio.get_running_loop().time() - began
    assert 1.9 <= took < 20, "a loaded machine needs some time to end"
    assert '"event":"shares_unanswered"' in (tmp_path / "log").read_text()
