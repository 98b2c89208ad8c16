"""`EventLimit`: an event that repeats itself fills no disk and hides no other.

Of each event of each logger so many lines pass in a minute; the others are counted, and one
line tells how many there were when the minute is over and anything is logged at all.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog
from structlog.typing import EventDict, WrappedLogger

from headframe.runtime.clock import monotonic

__all__ = ["PER_MINUTE", "EventLimit"]

PER_MINUTE: Final = 60
"""Lines of one event that pass in a minute: far above what a good day brings."""
_WINDOW_SECONDS: Final = 60.0
_MOST_EVENTS: Final = 1000
"""Events that are kept apart; our own are some hundred, but libraries log any text."""
_KEY: Final = "suppressed"
_ALWAYS: Final = "block_"
"""How events begin that are worth a line each, however many: a block is money."""


@dataclass(slots=True)
class _Window:
    ends: float
    level: str
    passed: int = 0
    left_out: int = 0


class EventLimit:
    """A structlog processor; behind those that add `level` and `logger`.

    What is logged as `debug` always passes: it is wanted in full by whoever asks for it. So
    do events of blocks.

    Args:
        tell: logs that so many lines of an event were left out: its logger, level, name,
            and the count.
        per_minute: lines of one event that pass.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        tell: Callable[[str, str, str, int], None],
        *,
        per_minute: int = PER_MINUTE,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._tell = tell
        self._per_minute = per_minute
        self._clock = clock
        self._windows: dict[tuple[str, str], _Window] = {}
        self._due = float("inf")

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        """Let an event pass, or drop it."""
        level = str(event.get("level", ""))
        name = str(event.get("event", ""))
        if level == "debug" or _KEY in event or name.startswith(_ALWAYS):
            return event
        now = self._clock()
        if now >= self._due or len(self._windows) > _MOST_EVENTS:
            self._close_windows(now)
        key = (str(event.get("logger", "")), name)
        window = self._windows.get(key)
        if window is None or now >= window.ends:
            window = self._windows[key] = _Window(now + _WINDOW_SECONDS, level)
        if window.passed >= self._per_minute:
            window.left_out += 1
            self._due = min(self._due, window.ends)
            raise structlog.DropEvent
        window.passed += 1
        return event

    def leaves_out(self, logger: str, name: str) -> bool:
        """Say whether a line would be dropped; if so, it is counted here and needs no making.

        Quick, and never wrong by dropping too much: at the end of a minute it leaves the
        decision to the call.

        Args:
            logger: whose it is.
            name: of the event, of a level above `debug`.
        """
        window = self._windows.get((logger, name))
        if window is None or window.passed < self._per_minute:
            return False
        now = self._clock()
        if now >= window.ends or now >= self._due:
            return False
        window.left_out += 1
        self._due = min(self._due, window.ends)
        return True

    def _close_windows(self, now: float) -> None:
        """Tell what was left out in minutes that are over, and forget them."""
        over = {key: each for key, each in self._windows.items() if now >= each.ends}
        for key in over:
            del self._windows[key]
        if len(self._windows) > _MOST_EVENTS:
            self._windows.clear()
        waiting = [each.ends for each in self._windows.values() if each.left_out]
        self._due = min(waiting, default=float("inf"))
        for (logger, name), window in over.items():
            if window.left_out:
                self._tell(logger, window.level, name, window.left_out)
