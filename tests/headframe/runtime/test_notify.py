import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from headframe.runtime.notify import Notifier, notify, notify_reloaded, notify_reloading
from tests.fakes.manager import Manager

PATIENCE_SECONDS = 30
QUICK = {"WATCHDOG_USEC": "20000"}


@pytest.fixture(params=["path", "abstract"])
async def manager(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Manager]:
    address = str(tmp_path / "notify") if request.param == "path" else f"@headframe-{uuid4()}"
    async with Manager(address) as listening, asyncio.timeout(PATIENCE_SECONDS):
        yield listening


async def test_lines_reach_the_manager_as_one_datagram(manager: Manager) -> None:
    assert notify("READY=1", "STATUS=two\nlines", env=manager.env())
    await manager.wait("READY=1")
    assert manager.heard.get() == (("READY=1", "STATUS=two lines"),)


@pytest.mark.parametrize("address", ["", "vsock:2:1234", "/nowhere/at/all", "@nobody-listens"])
def test_without_a_manager_nothing_happens(address: str) -> None:
    assert not notify("READY=1", env={"NOTIFY_SOCKET": address})
    assert not notify("READY=1", env={})


async def test_a_program_is_ready_then_alive_and_then_stops(manager: Manager) -> None:
    status = iter(["starting", "starting", "well", "well"])
    told = Notifier(
        healthy=lambda: True, status=lambda: next(status, "well"), env=manager.env(**QUICK)
    )
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(told.run())
        await manager.wait("WATCHDOG=1", 4)
        running.cancel()
    await manager.wait("STOPPING=1")
    assert manager.heard.get()[0] == ("READY=1", "STATUS=starting")
    assert manager.lines.count("STATUS=starting") == 1
    assert manager.lines.count("STATUS=well") == 1, "said when it changes"
    assert manager.heard.get()[-1] == ("STOPPING=1", "STATUS=stopping")


async def test_the_watchdog_is_fed_while_the_program_is_healthy_and_no_longer(
    manager: Manager,
) -> None:
    well = [True] * 3
    asked = 0

    def healthy() -> bool:
        nonlocal asked
        asked += 1
        return bool(well and well.pop())

    told = Notifier(healthy=healthy, status=lambda: f"asked {asked}", env=manager.env(**QUICK))
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(told.run())
        await manager.wait("STATUS=asked 6")
        running.cancel()
    assert manager.lines.count("WATCHDOG=1") == 3


@pytest.mark.parametrize(
    "env", [{}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "x"}, {**QUICK, "WATCHDOG_PID": "7"}]
)
async def test_a_watchdog_that_is_not_ours_is_not_fed(
    manager: Manager, env: dict[str, str]
) -> None:
    told = Notifier(healthy=lambda: True, status=lambda: "", env=manager.env(**env), pid=8)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(told.run())
        await manager.wait("READY=1")
        running.cancel()
    await manager.wait("STOPPING=1")
    assert "WATCHDOG=1" not in manager.lines


async def test_the_watchdog_of_this_process_is_fed(manager: Manager) -> None:
    env = manager.env(WATCHDOG_PID="8", **QUICK)
    told = Notifier(healthy=lambda: True, status=lambda: "", env=env, pid=8)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(told.run())
        await manager.wait("WATCHDOG=1")
        running.cancel()


async def test_a_reload_begins_at_a_time_and_ends(manager: Manager) -> None:
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    notify_reloading(manager.env())
    notify_reloaded(manager.env())
    await manager.wait("READY=1")
    (reload_, stamp), ready = manager.heard.get()
    assert reload_ == "RELOADING=1"
    micros = int(stamp.removeprefix("MONOTONIC_USEC="))
    assert before <= micros + 1
    assert micros <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    assert ready == ("READY=1",)


async def test_it_ends_at_once_where_nobody_listens() -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        await Notifier(healthy=lambda: True, status=lambda: "", env={}).run()
