"""The same bytes to many sockets at once; in C where that was built.

What a job to thousands of rigs costs is the kernel's sending. In C it is done with the
interpreter's lock released, by two threads where there are two cores.
"""

import os
from array import array
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Final, TypeAlias

from native.compiled import extension_missing

if not extension_missing:
    from native._native import ffi, lib

    _SOCKETS, _TAKEN = ffi.typeof("int32_t[]"), ffi.typeof("uint32_t[]")

__all__ = ["Sender", "send_in_c", "send_in_python"]

_WORTH_SHARING: Final = 32
"""Sockets from which on a second thread helps: to wake it costs as much as three."""

Numbers: TypeAlias = "array[int]"


def send_in_python(data: bytes, sockets: Numbers) -> Numbers:
    """Send to one socket after another: the oracle, and the way without a compiler.

    Arguments and result are those of `Sender.send`.
    """
    taken = array("I", bytes(4 * len(sockets)))
    for index, number in enumerate(sockets):
        with suppress(OSError):
            taken[index] = os.write(number, data)
    return taken


def send_in_c(
    data: bytes, sockets: Numbers, share: Callable[[Callable[[], object]], Callable[[], object]]
) -> Numbers:
    """Send in C, a part of it elsewhere where there is much.

    Args:
        data: as for `Sender.send`.
        sockets: likewise.
        share: begins to call something elsewhere, too, if that can be; returns what waits
            until that call has ended or will never come.
    """
    count = len(sockets)
    taken = array("I", bytes(4 * count))
    numbers, results = ffi.from_buffer(_SOCKETS, sockets), ffi.from_buffer(_TAKEN, taken)
    # Whoever calls it takes sockets that nobody has taken, until there are none.
    send = partial(lib.hf_send_all, results, ffi.new("uint32_t *"), numbers, count, data, len(data))
    if count < _WORTH_SHARING:
        send()
        return taken
    wait = share(send)
    send()
    wait()
    return taken


class Sender:
    """Sends to many sockets.

    Args:
        cores: that this process may use; asked of the system if not given.
    """

    def __init__(self, cores: int | None = None) -> None:
        self._cores = _cores() if cores is None else cores
        self._second: ThreadPoolExecutor | None = None

    def send(self, data: bytes, sockets: Numbers) -> Numbers:
        """Send to each socket what it takes at once, and return when that is done.

        Args:
            data: the same for all.
            sockets: descriptors of connected sockets that do not block, of type "i"; they
                stay open meanwhile.

        Returns:
            How many bytes each took, of type "I": 0 also after an error, which whoever
            uses that socket next will meet.
        """
        if extension_missing:
            return send_in_python(data, sockets)
        return send_in_c(data, sockets, self._share)

    def _share(self, call: Callable[[], object]) -> Callable[[], object]:
        if self._cores < 2:
            return bool
        if self._second is None:  # it ends with this object
            self._second = ThreadPoolExecutor(1, thread_name_prefix="send")
        return partial(_finish, self._second.submit(call))


def _finish(part: Future[object]) -> None:
    """Wait for what has begun; what has not is done already."""
    if not part.cancel():
        part.result()


def _cores() -> int:
    """Count the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
