"""The last events of a process, in memory: what its log told, for page and API.

An `EventRing` is a step of the log's pipeline (`runtime.logs`), behind the one that takes
secrets out. It keeps what is of level `info` or worse. Warnings and errors are kept apart,
and so is what concerns blocks: a thousand rigs that come and go push none of them out.

Serials begin at the milliseconds since 1970, so they rise over restarts, too: whoever was
told up to one serial asks a process that was started since for what came after it.
"""

import heapq
import threading
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Mapping
from itertools import islice
from operator import attrgetter
from typing import Annotated, Final, Literal

import msgspec
from structlog.typing import EventDict, WrappedLogger

from headframe.runtime.clock import wall_milliseconds
from headframe.runtime.text import printable

__all__ = ["EVENT_LEVELS", "MOST_KEPT", "RECENT", "Event", "EventLevel", "EventPage", "EventRing"]

Meta = msgspec.Meta

EventLevel = Literal["info", "warning", "error"]
EVENT_LEVELS: Final[tuple[EventLevel, ...]] = ("info", "warning", "error")
"""Each is worse than those before it."""

MOST_KEPT: Final = 500
"""Events of level info that are kept, so many of the others, and so many of blocks."""

_LONGEST_TEXT: Final = 300
"""Characters of a value; a block's data is in the log in full."""
_MOST_FIELDS: Final = 24
_MOST_INT: Final = 2**53
"""Beyond it readers of JSON lose digits."""
_NOT_FIELDS: Final = frozenset({"event", "level", "logger", "timestamp", "exception"})
_BLOCKS: Final = "block_"
"""How events of blocks begin, which are money."""
_REPORTS: Final = frozenset({"mining"})
"""Told again and again while all is well: the status has the same."""

Value = str | int | float | bool | None


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened, as the log has it; secrets are taken out."""

    serial: Annotated[int, Meta(ge=1, description="Rises, over restarts, too; has gaps.")]
    time: Annotated[str, Meta(description="When, in UTC, such as 2026-11-22T22:50:01.123456Z.")]
    level: EventLevel
    event: Annotated[str, Meta(description="What: a name such as `source_lost`.")]
    logger: Annotated[str, Meta(description="The part of the program that says it.")]
    text: Annotated[str, Meta(description="The fields in one line for people.")]
    fields: Annotated[
        dict[str, Value], Meta(description="What varies, by name; long texts are cut.")
    ]


class EventPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some events: what `/api/v1/log` answers."""

    events: Annotated[tuple[Event, ...], Meta(description="The oldest first.")]
    newest: Annotated[int, Meta(ge=0, description="The newest serial there is; 0: none yet.")]
    more: Annotated[bool, Meta(description="There are more than `limit`.")]
    missed: Annotated[
        bool,
        Meta(description="Some after `after` may be gone: pushed out, or before a restart."),
    ]


class EventRing:
    """A structlog processor that remembers; may be used by any thread.

    Args:
        most: events that are kept of each kind: of blocks, those of level info, the others.
        first: the serial to begin with.
    """

    def __init__(
        self, most: int = MOST_KEPT, *, first: Callable[[], int] = wall_milliseconds
    ) -> None:
        self._lock = threading.Lock()
        self._usual: deque[Event] = deque(maxlen=most)
        self._grave: deque[Event] = deque(maxlen=most)
        self._blocks: deque[Event] = deque(maxlen=most)
        self._first = first()
        self._next = self._first
        self._lost = 0  # the newest that was pushed out

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        """Take note of a line, if it is worth it, and pass it on."""
        level = event.get("level", "")
        if level == "debug" or event.get("event") in _REPORTS:
            return event
        made = _make(event, level if level in EVENT_LEVELS else "error")
        ring = self._usual if made.level == "info" else self._grave
        if made.event.startswith(_BLOCKS):
            ring = self._blocks
        with self._lock:
            if len(ring) == ring.maxlen:
                self._lost = max(self._lost, ring[0].serial)
            ring.append(msgspec.structs.replace(made, serial=self._next))
            self._next += 1
        return event

    @property
    def newest(self) -> int:
        """The newest serial; 0 before the first."""
        return self._next - 1 if self._next > self._first else 0

    def page(self, after: int | None, *, limit: int, level: EventLevel = "info") -> EventPage:
        """List events by serial.

        Args:
            after: the first ones after this serial; a serial that is still to come is one of
                an earlier run, and all are after it. `None`: the last ones.
            limit: how many at most.
            level: those of this one, and worse.
        """
        with self._lock:
            newest = self.newest
            since = 0 if after is None or after > newest else after
            rings = (self._usual, self._grave, self._blocks)
            fresh = [_after(ring, since) for ring in rings]
            missed = after is not None and self._has_lost(after, newest)
        fitting = EVENT_LEVELS[EVENT_LEVELS.index(level) :]
        found = [event for event in heapq.merge(*fresh, key=_serial) if event.level in fitting]
        shown = found[-limit:] if after is None else found[:limit]
        return EventPage(
            events=tuple(shown), newest=newest, more=len(found) > len(shown), missed=missed
        )

    def _has_lost(self, after: int, newest: int) -> bool:
        """Tell whether something after a serial is not here, or not here any more."""
        return after > newest or after < self._lost or 0 < after < self._first - 1


RECENT: Final = EventRing()
"""Those of this process: there is one log to a process, and so one of these."""

_serial = attrgetter("serial")


def _after(ring: deque[Event], serial: int) -> list[Event]:
    if not ring or ring[-1].serial <= serial:
        return []
    return list(islice(ring, bisect_right(ring, serial, key=_serial), None))


def _make(event: Mapping[str, object], level: EventLevel) -> Event:
    """Make an event of a line's keys; its serial is still to come."""
    fields: dict[str, Value] = {}
    for key, value in event.items():
        if key not in _NOT_FIELDS and len(fields) < _MOST_FIELDS:
            fields[_cut(str(key))] = _plain(value)
    if "exception" in event:  # a traceback is for the log alone
        fields["exception"] = "see the log"
    return Event(
        serial=1,
        time=str(event.get("timestamp", "")),
        level=level,
        event=_cut(str(event.get("event", ""))),
        logger=str(event.get("logger", "")),
        text=" ".join(f"{key}={value}" for key, value in fields.items()),
        fields=fields,
    )


def _plain(value: object) -> Value:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) <= _MOST_INT:
        return int(value)
    if isinstance(value, float) and value == value and abs(value) != float("inf"):  # noqa: PLR0124
        return float(value)
    if isinstance(value, list | tuple):
        return _cut(", ".join(str(each) for each in value))
    return _cut(str(value))


def _cut(text: str) -> str:
    shown = printable(text[: _LONGEST_TEXT + 1])
    return shown if len(shown) <= _LONGEST_TEXT else f"{shown[: _LONGEST_TEXT - 1]}…"
