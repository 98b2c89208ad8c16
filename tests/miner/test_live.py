import asyncio
import io
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Literal

import pytest

from headframe.runtime.logs import get_logger
from miner.config import LogSettings
from miner.live import Display, LiveDisplay, PlainDisplay, make_display
from miner.screen import ScreenDisplay

STATUS = {
    "hashrate_hps": 12_300_000.0,
    "shares": {"accepted": 120, "rejected": 2, "by_reason": {"stale": 2}, "lost": 0},
    "blocks": {"accepted": 1},
    "difficulty": 0.01,
    "upstream": {"source": "pool:3333", "state": "active", "detail": "", "height": 7},
    "devices": [{"kernel": "shani"}, {"kernel": "python"}],
    "uptime_seconds": 245.0,
}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


async def show(display: Display, times: int) -> None:
    """Run a display until it has asked for the status so many times."""
    asked = asyncio.Event()
    count = 0

    def status() -> Mapping[str, Any]:
        nonlocal count
        count += 1
        if count >= times:
            asked.set()
        return STATUS

    with display.shown():
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            task = tasks.create_task(display.run(status))
            await asked.wait()
            await asyncio.sleep(0)
            task.cancel()


async def test_without_a_terminal_there_are_plain_lines_for_people() -> None:
    out = io.StringIO()
    display = make_display(LogSettings(every_seconds=0.001), out)
    assert isinstance(display, PlainDisplay)
    await show(display, 2)
    line = out.getvalue().splitlines()[0]
    for words in ("mining", "12.3 MH/s", "accepted=120", "rejected=2", "stale=2", "4 min 5 s"):
        assert words in line
    assert "shani, python" in line


async def test_on_request_each_line_is_a_json_object_with_numbers() -> None:
    out = Terminal()
    await show(make_display(LogSettings(format="json", every_seconds=0.001), out), 2)
    line = json.loads(out.getvalue().splitlines()[0])
    assert line["event"] == "mining"
    assert line["hashrate_hps"] == 12_300_000
    assert line["rejected_by_reason"] == {"stale": 2}
    assert line["uptime_seconds"] == 245


XTERM = {"TERM": "xterm-256color"}


@pytest.mark.parametrize("format_", ["auto", "screen"])
def test_a_terminal_gets_the_screen(format_: Literal["auto", "screen"]) -> None:
    assert isinstance(make_display(LogSettings(format=format_), Terminal(), XTERM), ScreenDisplay)


@pytest.mark.parametrize("format_", ["auto", "screen", "text"])
@pytest.mark.parametrize(
    ("out", "env"), [(io.StringIO(), XTERM), (Terminal(), {"TERM": "dumb"}), (Terminal(), {})]
)
def test_what_cannot_move_its_cursor_gets_lines(
    format_: Literal["auto", "screen", "text"], out: io.StringIO, env: dict[str, str]
) -> None:
    assert isinstance(make_display(LogSettings(format=format_), out, env), PlainDisplay)


async def test_as_text_a_terminal_gets_one_live_line_with_the_log_above_it() -> None:
    out = Terminal()
    display = make_display(LogSettings(format="text"), out, XTERM)
    assert isinstance(display, LiveDisplay)
    with display.shown():
        get_logger("test").info("share_rejected", words="not [red]now[/red]")
    await show(display, 1)
    text = out.getvalue()
    assert "12.3 MH/s | accepted 120 | rejected 2 (stale 2)" in text
    assert text.index("share_rejected") < text.index("12.3 MH/s")
    assert "not [red]now[/red]" in text, "a pool's words are no markup"


def test_the_level_is_honoured() -> None:
    out = io.StringIO()
    make_display(LogSettings(level="warning"), out)
    get_logger("test").info("quiet")
    get_logger("test").warning("loud")
    assert "quiet" not in out.getvalue()
    assert "loud" in out.getvalue()


async def test_a_terminal_that_was_closed_stops_nothing() -> None:
    ours, theirs = os.openpty()
    well = False
    with suppress(OSError), os.fdopen(theirs, "w") as terminal:  # what is left in its buffer
        display = make_display(LogSettings(format="text"), terminal, {"TERM": "xterm"})
        assert isinstance(display, LiveDisplay)
        os.close(ours)
        with display.shown():
            get_logger("test").info("hello")
            async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
                asked = asyncio.Event()

                def status() -> Mapping[str, Any]:
                    asked.set()
                    return STATUS

                task = tasks.create_task(display.run(status))
                await asked.wait()
                await asyncio.sleep(0)
                assert not task.done()
                task.cancel()
        well = True
    assert well
