"""`ScreenDisplay`: the miner's figures on the whole terminal, again and again.

Log lines go to the terminal's ordinary screen as they come, and so into its scrollback: none
is lost, even if the process is killed, and none is kept in memory for the end. The newest
are shown among the figures as well.
"""

import asyncio
import io
import itertools
import os
import signal
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final, TextIO, cast

from rich.console import Console
from rich.text import Text

from headframe.runtime import logs
from miner.screen_events import EventStream
from miner.screen_layout import draw
from miner.screen_terminal import CLEAR, ENTER, LEAVE, Terminal, painted
from miner.show import line_of

__all__ = ["ScreenDisplay"]

log = logs.get_logger(__name__)

Status = Mapping[str, Any]
Run = Callable[[Callable[[], Status]], Awaitable[None]]

_LOOK_SECONDS: Final = 0.5
"""How often there may be a new picture: at once in each second look, else for an event or
another size of the terminal."""
_LAST_SECONDS: Final = 1.0
"""How long a terminal has for what it is told at the end."""
_MOST_WAITING: Final = 10_000
"""Log lines kept for a terminal that is stopped; a week of them."""
_PLAIN: Final = str.maketrans("▸…°", ">~ ")
"""For terminals that do not write Unicode."""


class ScreenDisplay:
    """The figures on the whole of a terminal.

    Args:
        stream: a terminal, with a file descriptor.
        level: the least that is told of events.
        instead: runs when the screen cannot be drawn.
    """

    def __init__(self, stream: TextIO, level: str, instead: Run) -> None:
        self._stream = stream
        self._instead = instead
        self._encoding = stream.encoding or "utf-8"
        self._console = Console(
            file=io.StringIO(),
            force_terminal=True,
            legacy_windows=False,
            highlight=False,
            markup=False,
            emoji=False,
        )
        colours = self._console.color_system is not None and not self._console.no_color
        self._events = EventStream(self._say, colours=colours)
        self._waiting: deque[str] = deque(maxlen=_MOST_WAITING)
        self._terminal: Terminal | None = None
        self._size = (0, 0)
        self._drawn = False
        self._last = ""
        logs.setup(level=level, format="json", stream=cast("TextIO", self._events))

    def shown(self) -> AbstractContextManager[object]:
        """Take the terminal; at the end it is as it was, and the last figures stand on it."""
        return self._shown()

    @contextmanager
    def _shown(self) -> Iterator[None]:
        self._stream.flush()
        terminal = self._terminal = Terminal(self._stream.fileno())
        try:
            yield
        finally:
            if self._last:
                self._say(self._last)
            self._give_back(terminal)

    async def run(self, status: Callable[[], Status]) -> None:
        """Draw until cancelled; a screen that cannot be drawn becomes lines."""
        terminal = self._terminal
        assert terminal is not None, "shown() comes first"  # noqa: S101
        try:
            with self._stoppable(terminal):
                await self._keep_drawing(terminal, status)
        except Exception:  # a bug of ours: hashing goes on
            log.exception("screen_failed")
        finally:
            self._leave(terminal)  # now: a second Ctrl-C ends the process at once
        self._give_back(terminal)
        await self._instead(status)

    async def _keep_drawing(self, terminal: Terminal, status: Callable[[], Status]) -> None:
        for look in itertools.count():
            if look % 2 == 0 or self._waiting or terminal.size() != self._size:
                self._draw(terminal, status())
            await asyncio.sleep(_LOOK_SECONDS)

    # drawing

    def _draw(self, terminal: Terminal, status: Status) -> None:
        self._last = line_of(status)
        if not terminal.idle:
            return  # it is stopped, or slow
        if not terminal.ours():
            self._leave(terminal)
            return
        size = terminal.size()
        before = self._turn_over()
        if size != self._size:
            before += CLEAR
        self._drawn, self._size = True, size
        lines = draw(status, self._events.events, *size)
        terminal.write(self._encode(painted(self._ansi(lines, size[0]), before=before)))

    def _turn_over(self) -> str:
        """Return what puts the waiting log lines onto the ordinary screen, and ours on top."""
        lines = self._taken()
        if self._drawn:
            return f"{LEAVE}{lines}{ENTER}" if lines else ""
        return lines + ENTER

    def _taken(self) -> str:
        taken = []
        while self._waiting:
            taken += self._waiting.popleft().splitlines()
        return "".join(f"{each}\r\n" for each in taken)

    def _ansi(self, lines: list[Text], width: int) -> list[str]:
        """Turn lines into what a terminal reads, each as wide as it is."""
        self._console.width = width
        whole = Text("\n").join(_padded(each, width) for each in lines)
        with self._console.capture() as captured:
            self._console.print(whole, no_wrap=True, overflow="crop", end="")
        return captured.get().split("\n")

    def _leave(self, terminal: Terminal) -> None:
        """Give the terminal back, with all log lines on it."""
        # Where there is no other screen the figures stay: go below them.
        back = f"\x1b[{self._size[1]};1H\r\n{LEAVE}" if self._drawn else ""
        self._drawn = False
        text = back + self._taken()
        if text:
            terminal.write(self._encode(text))

    def _give_back(self, terminal: Terminal) -> None:
        """Write to the stream itself from now on."""
        self._leave(terminal)
        terminal.close(_LAST_SECONDS)
        self._terminal = None

    def _encode(self, text: str) -> bytes:
        if not self._encoding.lower().replace("-", "").startswith("utf"):
            text = text.translate(_PLAIN)
        return text.encode(self._encoding, "replace")

    # what happens meanwhile

    def _say(self, line: str) -> None:
        """Take a log line, from whatever thread."""
        if self._terminal is None:
            self._stream.write(f"{line}\n")
            self._stream.flush()
        else:
            self._waiting.append(line)

    @contextmanager
    def _stoppable(self, terminal: Terminal) -> Iterator[None]:
        """Give the terminal back when Ctrl-Z stops the process; the next picture takes it."""
        loop = asyncio.get_running_loop()

        def stop() -> None:
            self._leave(terminal)
            terminal.wait(_LAST_SECONDS)
            os.kill(os.getpid(), signal.SIGSTOP)

        main = threading.current_thread() is threading.main_thread()
        if main:
            loop.add_signal_handler(signal.SIGTSTP, stop)
        try:
            yield
        finally:
            if main:
                loop.remove_signal_handler(signal.SIGTSTP)


def _padded(line: Text, width: int) -> Text:
    padded = line.copy()
    padded.truncate(width, overflow="ellipsis", pad=True)
    return padded
