"""Log lines on their way to the screen: each as an event for the pane, and as a whole line."""

import io
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from headframe.runtime import logs

__all__ = ["Event", "EventStream"]

_REMEMBERED: Final = 200
"""Events for the pane: more than the tallest terminal has lines."""
_ASIDE: Final = frozenset({"timestamp", "level", "event", "logger", "exception"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A log line in short.

    Attributes:
        at: the time of day here, as in `19:45:27`.
        level: "info", "warning", ...
        name: the event, as in `source_lost`.
        about: what varies, as in `source=pool:3333`; no control characters.
    """

    at: str
    level: str
    name: str
    about: str


class EventStream(io.TextIOBase):
    """Takes what `logs.setup` writes as JSON, and hands it on as people read it.

    Args:
        say: takes each line whole, as it would stand on a terminal.
        colours: whether that line is coloured.
    """

    def __init__(self, say: Callable[[str], None], *, colours: bool) -> None:
        super().__init__()
        self._say = say
        self._colours = colours
        self._events: deque[Event] = deque(maxlen=_REMEMBERED)

    @property
    def events(self) -> Sequence[Event]:
        """The newest events, the newest last."""
        return self._events

    def write(self, text: str) -> int:
        """Take one log line."""
        fields: dict[str, Any] = msgspec.json.decode(text)
        line = logs.text_of(fields, colours=self._colours)
        self._events.append(_event_of(fields))
        self._say(line)
        return len(text)


def _event_of(fields: dict[str, Any]) -> Event:
    about = [f"{key}={value}" for key, value in fields.items() if key not in _ASIDE]
    exception = fields.get("exception", "").strip().splitlines()
    return Event(
        at=datetime.fromisoformat(fields["timestamp"]).astimezone().strftime("%H:%M:%S"),
        level=fields["level"],
        name=str(fields["event"]),
        about=logs.printable(" ".join([*about, *exception[-1:]])),
    )
