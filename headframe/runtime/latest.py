"""`Latest`: a cell that holds the newest value, for one writer and many readers.

A slow reader skips values and is never behind; so whatever a reader must not miss is a
counter in the value, never a flag on one of the values.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

__all__ = ["Latest"]

T = TypeVar("T")


class Latest(Generic[T]):
    """The newest value of something, and a way to wait for a newer one.

    Belongs to one event loop; not for other threads.
    """

    def __init__(self, value: T) -> None:
        self._value = value
        self._serial = 0
        self._waiters: set[asyncio.Future[None]] = set()

    def get(self) -> T:
        """Return the newest value."""
        return self._value

    @property
    def serial(self) -> int:
        """How often the value was set; for `wait_newer`."""
        return self._serial

    def set(self, value: T) -> None:
        """Put a newer value and wake everyone who waits."""
        self._value = value
        self._serial += 1
        waiters, self._waiters = self._waiters, set()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def wait_newer(self, serial: int) -> T:
        """Wait until the value was set after `serial` was read; return the newest."""
        while self._serial == serial:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.add(waiter)
            try:
                await waiter
            finally:
                self._waiters.discard(waiter)
        return self._value

    async def __aiter__(self) -> AsyncIterator[T]:
        """Yield the value there is, and then each newer one that the reader is in time for."""
        while True:
            serial = self._serial
            yield self._value
            await self.wait_newer(serial)
