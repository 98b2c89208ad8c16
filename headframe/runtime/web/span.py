"""A span of time that is asked for, and rows of it as CSV: what histories have in common."""

from typing import Annotated, Final

import msgspec

from headframe.runtime.http import web
from headframe.runtime.moments import HOW_TO_GIVE, parse_time

__all__ = ["SpanAsked", "csv_response"]

Meta = msgspec.Meta

_TIMES: Final = {"examples": ["6h", "2026-11-22", "2026-11-22T21:30:00Z", "0s"]}


class SpanAsked(msgspec.Struct, frozen=True, kw_only=True, rename={"since": "from", "until": "to"}):
    """Parameters that name a span; structs of more parameters begin with it."""

    since: Annotated[
        str,
        Meta(max_length=40, description=f"From then on: {HOW_TO_GIVE}.", extra_json_schema=_TIMES),
    ] = "1h"
    until: Annotated[
        str, Meta(max_length=40, description="Up to then, likewise.", extra_json_schema=_TIMES)
    ] = "0s"

    def seconds(self, now: int) -> tuple[int, int]:
        """Return both ends in seconds since 1970.

        Args:
            now: seconds since 1970.

        Raises:
            MomentError: one of them is no time.
        """
        return parse_time(self.since, now), parse_time(self.until, now)


def csv_response(text: str, *, more: bool) -> web.Response:
    """Answer with CSV; `more`: there are rows beyond these, and a header says so."""
    headers = {"Headframe-More": "true"} if more else {}
    return web.Response(text=text, content_type="text/csv", headers=headers)
