"""How the miner shows its figures: a screen or one live line on a terminal, log lines elsewhere."""

import asyncio
import io
import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any, Final, Protocol, TextIO, cast

from rich.console import Console
from rich.live import Live
from rich.text import Text

from headframe.runtime import logs
from miner.config import LogSettings
from miner.screen import ScreenDisplay
from miner.show import difficulty_text, duration_text, hashrate_text, line_of

__all__ = ["Display", "LiveDisplay", "PlainDisplay", "make_display"]

log = logs.get_logger(__name__)

Status = Mapping[str, Any]

_LIVE_SECONDS: Final = 1.0
_DUMB: Final = frozenset({"", "dumb", "unknown"})
"""Terminals that cannot move their cursor."""


class Display(Protocol):
    """Shows the figures again and again; a context while it is on."""

    def shown(self) -> AbstractContextManager[object]:
        """Take and give back the terminal."""

    async def run(self, status: Callable[[], Status]) -> None:
        """Show what `status` returns until cancelled."""


class LiveDisplay:
    """One line at the bottom of a terminal; log lines go above it.

    Args:
        console: the terminal.
        every_seconds: how often it is drawn.
    """

    def __init__(self, console: Console, every_seconds: float = _LIVE_SECONDS) -> None:
        self._every = every_seconds
        # Its own thread would draw at odd times; redirection would catch what is not ours.
        self._live = Live(
            console=console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
        )

    def shown(self) -> AbstractContextManager[object]:
        """Take the last line of the terminal."""
        return self._live

    async def run(self, status: Callable[[], Status]) -> None:
        """Draw the line until cancelled."""
        while True:
            line = Text(line_of(status()), no_wrap=True, overflow="ellipsis")
            self._live.update(line, refresh=True)
            await asyncio.sleep(self._every)


class PlainDisplay:
    """A log line with the figures every now and then.

    Args:
        every_seconds: how often.
        numbers: write plain numbers, for programs; else as people read them.
    """

    def __init__(self, every_seconds: float, *, numbers: bool) -> None:
        self._every = every_seconds
        self._numbers = numbers

    def shown(self) -> AbstractContextManager[object]:
        """There is nothing to take."""
        return nullcontext()

    async def run(self, status: Callable[[], Status]) -> None:
        """Log the figures until cancelled."""
        while True:
            await asyncio.sleep(self._every)
            log.info("mining", **(_numbers if self._numbers else _words)(status()))


def make_display(
    settings: LogSettings, stream: TextIO, env: Mapping[str, str] = os.environ
) -> Display:
    """Set logging up for this process, and choose the display that goes with it.

    Args:
        settings: level, format and pace.
        stream: standard output.
        env: the environment, for the kind of terminal.
    """
    if settings.format == "json":
        logs.setup(level=settings.level, format="json", stream=stream)
        return PlainDisplay(settings.every_seconds, numbers=True)
    plain = PlainDisplay(settings.every_seconds, numbers=False)
    if not stream.isatty() or env.get("TERM", "") in _DUMB:
        logs.setup(level=settings.level, format="text", stream=stream)
        return plain
    if settings.format != "text":
        return ScreenDisplay(stream, settings.level, plain.run)
    terminal = cast("TextIO", _Passing(stream))
    console = Console(file=terminal, highlight=False, markup=False, emoji=False)
    logs.setup(level=settings.level, format="text", stream=cast("TextIO", _Above(console)))
    return LiveDisplay(console)


class _Passing(io.TextIOBase):
    """A terminal that may be closed: what is written then is lost, and stops nothing."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream

    @property
    def encoding(self) -> str:  # type: ignore[override] # it is read only in truth
        return self._stream.encoding

    def fileno(self) -> int:
        return self._stream.fileno()

    def isatty(self) -> bool:
        return self._stream.isatty()

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()


class _Above(io.TextIOBase):
    """A text stream whose lines appear above the live line."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self._console.print(Text.from_ansi(text.rstrip("\n")), soft_wrap=True)
        return len(text)


def _words(status: Status) -> dict[str, object]:
    shares = status["shares"]
    return {
        "hashrate": hashrate_text(status["hashrate_hps"]),
        "accepted": shares["accepted"],
        "rejected": shares["rejected"],
        **shares["by_reason"],
        "blocks": status["blocks"]["accepted"],
        "difficulty": difficulty_text(status["difficulty"]),
        "pool": status["upstream"]["source"],
        "state": status["upstream"]["state"],
        "kernel": _kernels(status),
        "uptime": duration_text(status["uptime_seconds"]),
    }


def _numbers(status: Status) -> dict[str, object]:
    shares = status["shares"]
    return {
        "hashrate_hps": status["hashrate_hps"],
        "accepted": shares["accepted"],
        "rejected": shares["rejected"],
        "rejected_by_reason": shares["by_reason"],
        "blocks": status["blocks"]["accepted"],
        "difficulty": status["difficulty"],
        "pool": status["upstream"]["source"],
        "state": status["upstream"]["state"],
        "kernel": _kernels(status),
        "uptime_seconds": status["uptime_seconds"],
    }


def _kernels(status: Status) -> str:
    return ", ".join(dict.fromkeys(device["kernel"] for device in status["devices"]))
