"""`EventStream`: `/api/v1/events`, the status once a second and the log's events, pushed.

One message is made for all readers of the status. A reader that takes nothing for a while
is let go, and there may be so many of them and no more.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Final

import msgspec

from headframe.runtime.events import MOST_KEPT, EventLevel, EventRing
from headframe.runtime.http import web
from headframe.runtime.web.problems import Problem

__all__ = ["EventStream", "EventsAsked"]

SLOWEST_WRITE_SECONDS: Final = 10.0
"""A reader that takes nothing for so long is let go."""

QUIET_SECONDS: Final = 15.0
"""After so long without a message a comment goes out: balancers cut what is silent."""

_ALL: Final = 3 * MOST_KEPT
_MOST_DIGITS: Final = 16


class EventsAsked(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of the stream."""

    after: Annotated[
        Annotated[int, msgspec.Meta(ge=0, le=2**53)] | msgspec.UnsetType,
        msgspec.Meta(
            description="Begin with the log's events after this serial; 0: all that are kept. "
            "By default with those from now on. The header `Last-Event-ID`, which a browser "
            "sends when it connects again, outranks it.",
        ),
    ] = msgspec.UNSET
    level: Annotated[
        EventLevel, msgspec.Meta(description="Events of the log of this level and worse.")
    ] = "info"
    status: Annotated[bool, msgspec.Meta(description="Whether to send the status, too.")] = True


class EventStream:
    """The readers of one server.

    Args:
        status: the newest status as JSON.
        ring: the log's events.
        interval_seconds: time between two messages.
        most: readers at a time.

    Attributes:
        quiet_seconds: after so long without a message a comment is sent.
        patience_seconds: how long a reader may take nothing.
    """

    def __init__(
        self,
        status: Callable[[], bytes],
        ring: EventRing,
        *,
        interval_seconds: float,
        most: int,
    ) -> None:
        self._status = status
        self._ring = ring
        self._interval = interval_seconds
        self._most = most
        self.quiet_seconds = QUIET_SECONDS
        self.patience_seconds = SLOWEST_WRITE_SECONDS
        self._open = 0
        self._message = b""
        self._made = float("-inf")
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """End all streams."""
        self._stopping.set()

    async def handle(self, request: web.Request, asked: EventsAsked) -> web.StreamResponse:
        """Send messages until the reader goes, or takes nothing any more.

        Raises:
            Problem: there are too many readers.
        """
        if self._open >= self._most:
            raise Problem(
                503,
                f"there are {self._most} open streams, which is the most",
                "close pages that nobody looks at, or poll /api/v1/status",
            )
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        self._open += 1
        try:
            await response.prepare(request)
            with suppress(ConnectionError, TimeoutError):  # the reader has gone, or is too slow
                await self._send(response, asked, self._begin(request, asked))
        finally:
            self._open -= 1
        return response

    def _begin(self, request: web.Request, asked: EventsAsked) -> int:
        """Say after which serial to begin."""
        last = request.headers.get("Last-Event-ID", "")
        if last.isascii() and last.isdecimal() and len(last) <= _MOST_DIGITS:
            return int(last)
        return self._ring.newest if asked.after is msgspec.UNSET else asked.after

    async def _send(self, response: web.StreamResponse, asked: EventsAsked, after: int) -> None:
        clock = asyncio.get_running_loop().time
        spoke = clock()
        while not self._stopping.is_set():
            told = self._newest_status() if asked.status else b""
            if self._ring.newest != after:
                page = self._ring.page(after, limit=_ALL, level=asked.level)
                after = page.newest
                told += b"".join(
                    b"event: log\nid: %d\ndata: %b\n\n" % (each.serial, msgspec.json.encode(each))
                    for each in page.events
                )
            if not told and clock() - spoke >= self.quiet_seconds:
                told = b":\n\n"
            if told:
                spoke = clock()
                async with asyncio.timeout(self.patience_seconds):
                    await response.write(told)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._interval):
                    await self._stopping.wait()

    def _newest_status(self) -> bytes:
        """One message for all readers, made anew at most twice per interval."""
        now = asyncio.get_running_loop().time()
        if now - self._made > self._interval / 2:
            self._made = now
            self._message = b"data: " + self._status() + b"\n\n"
        return self._message
