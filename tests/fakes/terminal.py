"""A terminal as programs get one: a pty, with an emulator and a person at its other end."""

import asyncio
import codecs
import os
import pty
import termios
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TextIO

from tests.fakes.emulator import Emulator

__all__ = ["PtyTerminal", "pty_terminal"]

PATIENCE_SECONDS = 60


class PtyTerminal:
    """What a person has before them; made by `pty_terminal`.

    Attributes:
        emulator: what is shown.
        slave: the program's end, a file descriptor.
        stream: the same as a text stream.
        raw: everything that was written.
    """

    def __init__(self, columns: int, lines: int) -> None:
        self.master, self.slave = pty.openpty()
        os.set_blocking(self.master, False)
        termios.tcsetwinsize(self.slave, (lines, columns))
        self.emulator = Emulator(columns, lines)
        self.stream: TextIO = os.fdopen(os.dup(self.slave), "w", encoding="utf-8")
        self.raw = ""
        self._decode = codecs.getincrementaldecoder("utf-8")("strict").decode
        self._read = asyncio.Event()

    def resize(self, columns: int, lines: int) -> None:
        """Drag the window's corner."""
        self.emulator.resize(columns, lines)
        termios.tcsetwinsize(self.master, (lines, columns))

    async def until_filled(self) -> None:
        """Look until a picture is as wide as the window, and forget those that were not."""
        await self.until(lambda seen: len(seen.shown()[0]) == seen.columns)
        self.emulator.overlong.clear()

    def press(self, keys: bytes) -> None:
        """Type."""
        os.write(self.master, keys)

    def take(self) -> None:
        """Show what has come."""
        try:
            data = os.read(self.master, 1 << 16)
        except BlockingIOError:
            return
        text = self._decode(data)
        self.raw += text
        self.emulator.feed(text)
        self._read.set()

    async def until(self, condition: Callable[[Emulator], bool]) -> None:
        """Look until something is shown, and no picture is half done; fail with what is."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while self.emulator.drawing or not condition(self.emulator):
                    self._read.clear()
                    await self._read.wait()
        except TimeoutError:
            raise AssertionError(
                "\n".join([*self.emulator.shown(), str(self.emulator.modes)])
            ) from None

    async def until_shown(self, words: str) -> None:
        """Look until these words are in a line."""
        await self.until(lambda seen: any(words in line for line in seen.shown()))


@asynccontextmanager
async def pty_terminal(columns: int = 80, lines: int = 24) -> AsyncIterator[PtyTerminal]:
    """Open a terminal of this size."""
    terminal = PtyTerminal(columns, lines)
    loop = asyncio.get_running_loop()
    loop.add_reader(terminal.master, terminal.take)
    try:
        yield terminal
    finally:
        loop.remove_reader(terminal.master)
        terminal.stream.close()
        os.close(terminal.slave)
        os.close(terminal.master)
