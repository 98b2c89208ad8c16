"""Count the core cycles of a thread, where the machine lets us.

By the counter that Linux offers (`perf_event_open`), and not by any clock: the time stamp
counter and the frequency that `/proc/cpuinfo` names tick on when the core runs faster or
slower. Virtual machines mostly have no such counter; then there is no figure, rather than a
wrong one.
"""

import ctypes
import os
import platform
import struct
import sys
from types import TracebackType
from typing import Final, Self

__all__ = ["CycleCounter"]

_SYSCALLS: Final = {"x86_64": 298, "aarch64": 241}
"""Number of `perf_event_open` by architecture; the kernel's tables of system calls."""
_ATTRIBUTES: Final = struct.Struct("<IIQQQQQ")
"""`struct perf_event_attr` up to its flags, as its first version has it: type, size, config,
sample period, sample type, read format, flags."""
_FIRST_SIZE: Final = 64
_HARDWARE: Final = 0
_CPU_CYCLES: Final = 0
_EXCLUDE_KERNEL_AND_HYPERVISOR: Final = 1 << 5 | 1 << 6


class CycleCounter:
    """Counts the cycles that the calling thread spends in its own code, while it is entered."""

    def __init__(self) -> None:
        self._file = -1

    def __enter__(self) -> Self:
        """Start to count, if the machine can."""
        self._file = _open_counter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    @property
    def cycles(self) -> int | None:
        """Cycles so far; `None` where they cannot be counted."""
        if self._file < 0:
            return None
        return int.from_bytes(os.read(self._file, 8), sys.byteorder) or None


def _open_counter() -> int:
    """Return a file descriptor to read the counter from, or -1."""
    number = _SYSCALLS.get(platform.machine()) if sys.platform == "linux" else None
    if number is None:
        return -1
    flags = _EXCLUDE_KERNEL_AND_HYPERVISOR
    wanted = _ATTRIBUTES.pack(_HARDWARE, _FIRST_SIZE, _CPU_CYCLES, 0, 0, 0, flags)
    attributes = ctypes.create_string_buffer(wanted, _FIRST_SIZE)
    this_thread, any_cpu, no_group, no_flags = 0, -1, -1, 0
    call = ctypes.CDLL(None, use_errno=True).syscall
    return int(call(number, attributes, this_thread, any_cpu, no_group, no_flags))
