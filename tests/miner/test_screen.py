import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from headframe.runtime.logs import get_logger
from miner.screen import ScreenDisplay
from tests.fakes.minerstatus import miner_status
from tests.fakes.terminal import PtyTerminal, pty_terminal

Ask = Callable[[], Mapping[str, Any]]
log = get_logger("test")


@pytest.fixture
async def terminal(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[PtyTerminal]:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("COLORTERM", raising=False)
    async with pty_terminal() as one:
        yield one


async def never(_status: Ask) -> None:
    raise AssertionError("the screen can be drawn")


@asynccontextmanager
async def running(display: ScreenDisplay, ask: Ask = miner_status) -> AsyncIterator[None]:
    with display.shown():
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(display.run(ask))
            yield
            task.cancel()


async def test_the_figures_take_the_terminal_and_give_it_back(terminal: PtyTerminal) -> None:
    display = ScreenDisplay(terminal.stream, "info", never)
    log.info("miner_started", devices="cpu:0")
    async with running(display):
        await terminal.until_shown("Ctrl-C ends")
        assert terminal.emulator.modes == {"1049"}, "the other screen, no cursor, no wrapping"
        assert terminal.emulator.shown()[0].startswith("Headframe 1.2.3")
        await terminal.until_shown("miner_started devices=cpu:0")
    await terminal.until(lambda seen: "up 2 d 3 h" in seen.text())
    assert terminal.emulator.modes == {"7", "25"}, "as it was"
    lines = [line for line in terminal.emulator.text().splitlines() if line]
    assert "miner_started" in lines[0]
    assert lines[1].startswith("123 MH/s | accepted 1204 | rejected 3"), "the last figures stay"
    assert not terminal.emulator.overlong


async def test_every_event_is_on_the_ordinary_screen_as_it_comes(terminal: PtyTerminal) -> None:
    display = ScreenDisplay(terminal.stream, "info", never)
    async with running(display):
        await terminal.until_shown("Ctrl-C ends")
        for i in range(300):
            log.info("block_odd", number=i)  # of other events there are never so many
        log.debug("not_told")
        await terminal.until_shown("number=299")
        assert "number=299" in terminal.emulator.text(), "even if we were killed now"
        log.warning("the_last")
    await terminal.until(lambda seen: "the_last" in seen.text())
    numbers = [line.split("number=")[1] for line in terminal.emulator.text().splitlines()
               if "number=" in line]  # fmt: skip
    assert numbers == [str(i) for i in range(300)]
    assert "not_told" not in terminal.raw


async def test_it_follows_the_size_of_the_terminal(terminal: PtyTerminal) -> None:
    async with running(ScreenDisplay(terminal.stream, "info", never)):
        await terminal.until_shown("Ctrl-C ends")
        for columns, lines in ((60, 20), (200, 60), (33, 9)):
            terminal.resize(columns, lines)
            await terminal.until_filled()
            await terminal.until_shown("Ctrl-C ends")
            assert terminal.emulator.shown()[0].startswith("Headframe")
    assert not terminal.emulator.overlong


async def test_it_shows_what_is_now(terminal: PtyTerminal) -> None:
    figures = miner_status()

    async with running(ScreenDisplay(terminal.stream, "info", never), lambda: figures):
        await terminal.until_shown("1204 accepted")
        figures["shares"]["accepted"] = 1205
        await terminal.until_shown("1205 accepted")


async def test_no_color_is_honoured(terminal: PtyTerminal, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(ScreenDisplay(terminal.stream, "info", never)):
        log.warning("look_here")
        await terminal.until_shown("look_here")
    assert terminal.emulator.colours, "there are colours otherwise"
    terminal.emulator.colours.clear()
    monkeypatch.setenv("NO_COLOR", "1")
    async with running(ScreenDisplay(terminal.stream, "info", never)):
        log.warning("look_there")
        await terminal.until_shown("warning: look_there")
    await terminal.until(lambda seen: "look_there" in seen.text())
    assert not terminal.emulator.colours


async def test_a_screen_that_cannot_be_drawn_becomes_lines(terminal: PtyTerminal) -> None:
    asked = asyncio.Event()

    async def lines(_status: Ask) -> None:
        log.info("lines_instead")
        asked.set()

    def broken() -> Mapping[str, Any]:
        raise ZeroDivisionError

    display = ScreenDisplay(terminal.stream, "info", lines)
    async with running(display, broken):
        async with asyncio.timeout(20):
            await asked.wait()
    await terminal.until(lambda seen: "lines_instead" in seen.text())
    assert "screen_failed" in terminal.emulator.text()
    assert "ZeroDivisionError" in terminal.emulator.text()
    assert terminal.emulator.modes == {"7", "25"}


async def test_a_terminal_without_unicode_gets_what_it_can_write(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    async with pty_terminal() as terminal:
        terminal.stream.reconfigure(encoding="ascii")  # type: ignore[attr-defined]
        async with running(ScreenDisplay(terminal.stream, "info", never)):
            await terminal.until_shown("> pool.example.org:3333")
        assert terminal.raw.isascii()


async def test_a_terminal_that_nobody_reads_stops_nothing(terminal: PtyTerminal) -> None:
    loop = asyncio.get_running_loop()
    display = ScreenDisplay(terminal.stream, "info", never)
    asked = 0

    def ask() -> Mapping[str, Any]:
        nonlocal asked
        asked += 1
        return miner_status()

    with display.shown():
        loop.remove_reader(terminal.master)  # Ctrl-S
        async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
            task = tasks.create_task(display.run(ask))
            for i in range(3000):
                log.info("block_odd", number=i, words="long " * 10)
            while asked < 4:
                await asyncio.sleep(0.05)
            loop.add_reader(terminal.master, terminal.take)  # Ctrl-Q
            await terminal.until_shown("number=2999")
            task.cancel()
    await terminal.until(lambda seen: "accepted 1204" in seen.text())
    assert terminal.emulator.text().count("number=") == 3000


async def test_a_terminal_that_has_gone_is_endured(terminal: PtyTerminal) -> None:
    import os

    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as stream:
        asked = asyncio.Event()

        def ask() -> Mapping[str, Any]:
            asked.set()
            return miner_status()

        async with running(ScreenDisplay(stream, "info", never), ask):
            async with asyncio.timeout(20):
                await asked.wait()
