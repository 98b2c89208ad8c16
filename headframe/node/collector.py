"""Keeping the garbage collector from running inside a callback of a C library.

A library that holds a lock while it calls us back, as libbitcoinkernel does for each line of its
log, must not be entered again from there. Python enters it whenever it frees one of the
library's objects, and the collector may free any at any allocation, those of other owners in
the process among them. So it rests while the library is at work; what is freed by its
reference count is not touched by this, and is freed where its owner says.
"""

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Rest", "collector_at_rest"]


class Rest:
    """Lets the collector rest while anybody needs it to; for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._needed_by = 0
        self._ran_before = False

    @contextmanager
    def needed(self) -> Iterator[None]:
        """Let it rest for the length of the block, and run again after the last one if it did."""
        with self._lock:
            if not self._needed_by:
                self._ran_before = gc.isenabled()
                gc.disable()
            self._needed_by += 1
        try:
            yield
        finally:
            with self._lock:
                self._needed_by -= 1
                if not self._needed_by and self._ran_before:
                    gc.enable()


collector_at_rest = Rest().needed
"""For a `with` block: the rest of this process's collector."""
