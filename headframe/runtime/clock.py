"""The clocks. The only module that reads the time of day.

Everything that measures takes `Callable[[], float]`, which in a process is `monotonic`
and in a test is a number that the test moves.
"""

import time

__all__ = ["monotonic", "wall_milliseconds", "wall_seconds"]

monotonic = time.monotonic
"""Seconds that never go back, from an arbitrary start."""


def wall_seconds() -> int:
    """Return the seconds since 1970 by this machine's clock: for `ntime`, and for people."""
    return int(time.time())  # noqa: TID251  # the one place; see the module docstring


def wall_milliseconds() -> int:
    """Return the milliseconds since 1970 by this machine's clock: for logs, and for people."""
    return time.time_ns() // 1_000_000
