"""Points in time as people give them, and as our answers tell them."""

import datetime
import re
from typing import Final

from headframe.runtime.errors import HeadframeError

__all__ = ["HOW_TO_GIVE", "MomentError", "parse_time", "stamp"]

_AGO: Final = re.compile(r"(\d{1,9})([smhd])")
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
HOW_TO_GIVE: Final = (
    "as 2026-11-22, 2026-11-22T21:30 (UTC), seconds since 1970, or 90m, 36h, 7d for so long ago"
)


class MomentError(HeadframeError):
    """A text is no point in time."""


def parse_time(text: str, now: int) -> int:
    """Read a time: `2026-11-22`, `2026-11-22T21:30`, seconds since 1970, or `36h` ago.

    Args:
        text: what was typed; without a zone it is UTC.
        now: seconds since 1970.

    Raises:
        MomentError: it is none of these.
    """
    ago = _AGO.fullmatch(text)
    if ago is not None:
        return now - int(ago[1]) * _UNITS[ago[2]]
    if text.isascii() and text.isdecimal() and len(text) > 4:
        return int(text[:12])
    try:
        when = datetime.datetime.fromisoformat(text)
        return int((when if when.tzinfo else when.replace(tzinfo=datetime.UTC)).timestamp())
    except (ValueError, OverflowError):
        raise MomentError(
            f"{text!r} is no time: expected such as 2026-11-22, 2026-11-22T21:30, 36h or 7d (ago), "
            "or seconds since 1970"
        ) from None


def stamp(at: int) -> str:
    """Write seconds since 1970 as a time in UTC."""
    when = datetime.datetime.fromtimestamp(at, datetime.UTC)
    return when.isoformat().replace("+00:00", "Z")
