"""A terminal that nobody waits for: a thread of its own writes, and may be held up.

Whoever stops the output of a terminal (Ctrl-S, a lost connection that has not timed out)
stops each program that writes to it. A miner must not care.
"""

import os
import queue
import select
import threading
from contextlib import suppress
from typing import Final

__all__ = ["CLEAR", "ENTER", "LEAVE", "Terminal", "painted"]

CLEAR: Final = "\x1b[2J"
ENTER: Final = f"\x1b[?1049h\x1b[?25l\x1b[?7l{CLEAR}"
"""The other screen of the terminal, without cursor, and without wrapping long lines."""
LEAVE: Final = "\x1b[?7h\x1b[?25h\x1b[?1049l"
"""Back, with the cursor where it was."""
_BEGIN: Final = "\x1b[?2026h"
_END: Final = "\x1b[?2026l"
"""What lies between is shown at once, by terminals that know how; others ignore it."""

_DEFAULT_SIZE: Final = os.terminal_size((80, 24))


class Terminal:
    """Writes to a terminal in the background.

    Args:
        fd: the terminal; it stays open.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._queue: queue.Queue[bytes | None] = queue.Queue()
        # A daemon, since one that is held up for ever must not hold up the end of the process.
        self._thread = threading.Thread(target=self._work, name="terminal", daemon=True)
        self._thread.start()

    @property
    def idle(self) -> bool:
        """Whether all that was written has left."""
        return not self._queue.unfinished_tasks

    def size(self) -> tuple[int, int]:
        """Tell its columns and lines; 80 and 24 where it does not say."""
        try:
            found = os.get_terminal_size(self._fd)
        except OSError:
            found = _DEFAULT_SIZE
        return found.columns or _DEFAULT_SIZE.columns, found.lines or _DEFAULT_SIZE.lines

    def ours(self) -> bool:
        """Tell whether we may draw: not while the shell has it, and we run in the background."""
        try:
            return os.tcgetpgrp(self._fd) == os.getpgrp()
        except OSError:
            return True  # not the terminal that controls us, or none at all

    def write(self, data: bytes) -> None:
        """Write, later; what cannot be written is lost."""
        self._queue.put(data)

    def wait(self, seconds: float) -> bool:
        """Wait until all is written, at most so long; tell whether it is."""
        with self._queue.all_tasks_done:
            return self._queue.all_tasks_done.wait_for(lambda: self.idle, seconds)

    def close(self, seconds: float) -> None:
        """End the thread; it has so long for what it still has to write."""
        self._queue.put(None)
        self._thread.join(seconds)

    def _work(self) -> None:
        while (data := self._queue.get()) is not None:
            with suppress(OSError):  # it has gone: a miner does not need one
                self._write(data)
            self._queue.task_done()
        self._queue.task_done()

    def _write(self, data: bytes) -> None:
        while data:
            try:
                data = data[os.write(self._fd, data) :]
            except BlockingIOError:  # somebody who shares it made it so
                select.select([], [self._fd], [])


def painted(lines: list[str], *, before: str = "") -> str:
    """Return what paints a whole screen at once.

    Args:
        lines: one for each line of the terminal, as wide as it.
        before: what goes out in the same moment, before it.
    """
    body = "".join(f"\x1b[{row};1H{line}" for row, line in enumerate(lines, 1))
    return f"{_BEGIN}{before}{body}{_END}"
