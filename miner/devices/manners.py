"""How hashing threads behave towards everything else on the machine.

Hashing takes all that a core has, for ever, and nothing waits for a single hash. So a
hashing thread gives way, by default with the lowest nice value there is: what wakes up, our
own event loop first of all, has the core at once. Not `SCHED_IDLE`, though that gives way
still more: between scans a thread holds the interpreter's lock for some microseconds, and
one that then waits for its core makes the event loop wait with it. On a machine that others
fill, the loop stood still for up to 1.8 s with `SCHED_IDLE` threads, 0.13 s with nice ones.
"""

import os
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args

from headframe.runtime.errors import ConfigError
from headframe.runtime.logs import get_logger

__all__ = ["PRIORITIES", "Manners", "Pace", "Priority", "parse_cores", "usable_cores"]

Priority = Literal["low", "idle", "normal"]
"""`low`: nice 19, one and a half percent of a core that somebody else wants, too; `idle`: next
to nothing of it; `normal`: like any program."""
PRIORITIES: Final[tuple[Priority, ...]] = get_args(Priority)

_LOWEST_NICE: Final = 19
_LONGEST_NAME: Final = 15
"""Bytes of a thread's name that Linux keeps."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """What hashing threads may take.

    Attributes:
        priority: see `Priority`.
        cores: numbers of the cores to hash on, one for each thread in turn; none to let
            the operating system choose.
        duty_percent: how much of its core's time each thread may take, 1 to 100.
        scan_seconds: how long a scan may take by the clock, about: what was found waits so
            long, where a thread hardly gets its core or hashes on another device.
    """

    priority: Priority = "low"
    cores: tuple[int, ...] = ()
    duty_percent: int = 100
    scan_seconds: float = 0.25

    def adopt(self, name: str, index: int) -> None:
        """Make the calling thread behave so; what the system refuses is told, not fatal.

        Args:
            name: what `top -H` and debuggers show, cut to 15 bytes.
            index: its place among its like, for the core it gets.
        """
        if sys.platform != "linux":
            return
        thread = threading.get_native_id()
        try:
            Path("/proc/thread-self/comm").write_bytes(name.encode()[:_LONGEST_NAME])
            if self.cores:
                os.sched_setaffinity(thread, {self.cores[index % len(self.cores)]})
            if self.priority == "idle":
                os.sched_setscheduler(thread, os.SCHED_IDLE, os.sched_param(0))
            elif self.priority == "low":
                os.setpriority(os.PRIO_PROCESS, thread, _LOWEST_NICE)
        except OSError as error:
            log.warning("thread_not_adjusted", thread=name, why=str(error))


class Pace:
    """Turns a duty cycle into pauses; belongs to one thread.

    What a thread has used too much is kept as a debt, so the mean is right whatever the
    single scans and pauses turn out to be.

    Args:
        duty_percent: 1 to 100.
    """

    def __init__(self, duty_percent: int) -> None:
        self._rest_per_second = 100 / duty_percent - 1
        self._used = time.thread_time()

    def pause(self, quit_: threading.Event) -> None:
        """Rest for what the thread has used since the last call, or until it shall end."""
        if self._rest_per_second:
            used, self._used = self._used, time.thread_time()
            quit_.wait((self._used - used) * self._rest_per_second)


def usable_cores() -> Sequence[int]:
    """List the cores that this process may run on; containers often allow fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return range(os.cpu_count() or 1)


def parse_cores(text: str) -> tuple[int, ...]:
    """Read a list of cores as `taskset` takes it: `0-3,6`; `all` for each there is; "" for none.

    Raises:
        ConfigError: it is no such list, or names a core that this process may not use.
    """
    if not text:
        return ()
    if sys.platform != "linux":
        raise ConfigError(f"pin = {text!r}: this system cannot pin threads to cores: leave it out")
    usable = usable_cores()
    if text == "all":
        return tuple(usable)
    cores: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise ConfigError(f"pin = {text!r}: expected cores such as 0-3,6, or all")
        cores += range(int(first), int(last or first) + 1)
    strange = [core for core in cores if core not in usable]
    if strange or not cores:
        raise ConfigError(
            f"pin = {text!r}: this process may use the cores {', '.join(map(str, usable))}"
            + (f", not {strange[0]}" if strange else "")
        )
    return tuple(dict.fromkeys(cores))
