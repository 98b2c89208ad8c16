"""`KernelChoice`: which kernel a device uses, and what happens to one that lies."""

from collections.abc import Callable, Sequence
from typing import Final

from native import Kernel, KernelError

__all__ = ["WRONG_LIMIT", "KernelChoice"]

WRONG_LIMIT: Final = 3
"""Wrong nonces that a kernel may claim in its life. A sound kernel claims none, but one
flipped bit in a year of hashing is no reason to lose a fast kernel for good."""


class KernelChoice:
    """The kernels of a device, the favourite first; the last one is never retired.

    Args:
        ranked: the favourite, then what takes its place; the last one hashes single
            versions and is the reference, which every other is measured by.
        test: raises `KernelError` if a kernel computes wrongly; asked of a kernel before
            it takes another's place.
    """

    def __init__(self, ranked: Sequence[Kernel], test: Callable[[Kernel], None]) -> None:
        if not ranked or ranked[-1].versions != 1:
            raise ValueError("the last kernel of a device hashes single versions")
        self._ranked = list(ranked)
        self._test = test
        self._wrong: dict[str, int] = {}

    def best(self, room: int) -> Kernel:
        """Return the kernel to use where a job lets `room` versions go together (1 or more)."""
        return next(kernel for kernel in self._ranked if kernel.versions <= room)

    def wrong(self, name: str) -> bool:
        """Count a wrong nonce against a kernel; tell whether that retires it."""
        self._wrong[name] = self._wrong.get(name, 0) + 1
        if self._wrong[name] < WRONG_LIMIT or name not in self._retirable():
            return False
        self._drop(name)
        while len(self._ranked) > 1 and not self._sound(self._ranked[0]):
            self._drop(self._ranked[0].name)
        return True

    def _retirable(self) -> set[str]:
        return {kernel.name for kernel in self._ranked[:-1]}

    def _drop(self, name: str) -> None:
        self._ranked = [kernel for kernel in self._ranked if kernel.name != name]

    def _sound(self, kernel: Kernel) -> bool:
        try:
            self._test(kernel)
        except KernelError:
            return False
        return True
