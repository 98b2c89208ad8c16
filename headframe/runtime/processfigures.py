"""What the system and Python know of this process: memory, CPU, files; collections of garbage.

The names are those that Prometheus's client libraries give these metrics, so that dashboards
made for any program show ours too. What is read of `/proc` is told in proc(5); where there is
no `/proc`, it is left out.
"""

import gc
import os
import platform
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from headframe.runtime.exposition import Family, Kind

__all__ = ["ProcessFigures", "PythonFigures"]

_GARBAGE: Final = (
    ("collected", "python_gc_objects_collected", "Objects that the garbage collector freed."),
    ("uncollectable", "python_gc_objects_uncollectable", "Objects that it could not free."),
    ("collections", "python_gc_collections", "Times that it ran."),
)


class ProcessFigures:
    """Collects what `/proc` says of this process.

    Args:
        proc: where it is mounted.
    """

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc

    def collect(self) -> Iterator[Family]:
        """Yield what can be read."""
        with suppress(OSError):
            yield from self._times_and_memory()
        with suppress(OSError):
            files = len(list((self._proc / "self/fd").iterdir()))
            yield _one("process_open_fds", "gauge", "Files and sockets that are open.", files)
        with suppress(OSError):
            for line in (self._proc / "self/limits").read_text().splitlines():
                if line.startswith("Max open files"):
                    most = line.split()[3]  # the soft limit
                    number = float("inf") if most == "unlimited" else float(most)
                    yield _one("process_max_fds", "gauge", "How many may be open.", number)

    def _times_and_memory(self) -> Iterator[Family]:
        # The second field is the program's name in brackets, which may hold anything; what
        # follows it is counted from the third.
        fields = (self._proc / "self/stat").read_bytes().rpartition(b")")[2].split()
        user, system, started, size, pages = (int(fields[at]) for at in (11, 12, 19, 20, 21))
        ticks = os.sysconf("SC_CLK_TCK")
        yield _one("process_virtual_memory_bytes", "gauge", "Size of the address space.", size)
        resident = pages * os.sysconf("SC_PAGE_SIZE")
        yield _one("process_resident_memory_bytes", "gauge", "Memory that is in use.", resident)
        for line in (self._proc / "stat").read_text().splitlines():
            if line.startswith("btime "):
                since = int(line.split()[1]) + started / ticks
                about = "When the process began, in seconds since 1970."
                yield _one("process_start_time_seconds", "gauge", about, since)
        spent = (user + system) / ticks
        yield _one("process_cpu_seconds", "counter", "CPU time, the system's part included.", spent)


class PythonFigures:
    """Collects what Python says of itself."""

    def collect(self) -> Iterator[Family]:
        """Yield which Python it is, and what its garbage collector did in each generation."""
        major, minor, patch = platform.python_version_tuple()
        facts = {
            "implementation": platform.python_implementation(),
            "major": major,
            "minor": minor,
            "patchlevel": patch,
            "version": platform.python_version(),
        }
        info = Family("python_info", "gauge", "1; its labels say which Python runs.", [*facts])
        info.add([*facts.values()], 1)
        yield info
        stats = gc.get_stats()
        for key, name, about in _GARBAGE:
            family = Family(name, "counter", about, ["generation"])
            for generation, figures in enumerate(stats):
                family.add([str(generation)], figures[key])
            yield family


def _one(name: str, kind: Kind, about: str, number: float) -> Family:
    family = Family(name, kind, about)
    family.add((), number)
    return family
