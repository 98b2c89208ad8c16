"""`Sparing`: say a repeated thing once in a while, and how often it happened meanwhile."""

from collections.abc import Hashable

__all__ = ["Sparing"]


class Sparing:
    """Decides which of many like events is worth a line.

    Args:
        every_seconds: the least time between two lines about the same thing.
    """

    def __init__(self, every_seconds: float = 10.0) -> None:
        self._every = every_seconds
        self._last: dict[Hashable, float] = {}
        self._silent: dict[Hashable, int] = {}

    def say(self, thing: Hashable, now: float) -> int | None:
        """Note that a thing happened.

        Args:
            thing: what; out of a closed set, since it is remembered for good.
            now: seconds of a clock that never goes back.

        Returns:
            How often it happened since the last line, this time included; `None` if it
            is too early for another line.
        """
        count = self._silent.get(thing, 0) + 1
        last = self._last.get(thing)
        if last is not None and now - last < self._every:
            self._silent[thing] = count
            return None
        self._last[thing] = now
        self._silent[thing] = 0
        return count
