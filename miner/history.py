"""`MinerHistory`: what the miner did in each minute of the last day, in memory.

Told in the same form as the proxy's history, so that one chart draws both. It begins anew
with the program: what is to last is what Prometheus is for.
"""

import csv
import io
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal

import msgspec

from headframe.runtime.clock import wall_seconds
from headframe.runtime.http import web
from headframe.runtime.moments import MomentError, stamp
from headframe.runtime.web import Endpoint, Problem, Reply, Served, given, respond
from headframe.runtime.web.span import SpanAsked, csv_response
from miner.devices.base import DeviceStats
from miner.stats import MinerStats

__all__ = ["HISTORY", "HistoryAsked", "HistoryPage", "HistoryRow", "MinerHistory", "history_served"]

Meta = msgspec.Meta

MINUTES: Final = 24 * 60
_MINUTE: Final = 60
_MOST_DEVICES: Final = 64
"""Those that are told one by one; all of them are in the sum."""
_MOST_ROWS: Final = 100_000
_WRONG_CLOCK_SECONDS: Final = 120
"""A clock that goes back further was wrong before: what it dated is forgotten."""


@dataclass(slots=True)
class _Piece:
    """What a device, or all of them, did in a minute."""

    hashes: int = 0
    seconds: float = 0.0
    temperature: float | None = None
    power: float | None = None

    @property
    def hps(self) -> float:
        return self.hashes / self.seconds if self.seconds else 0.0


@dataclass(slots=True)
class _Minute:
    at: int
    whole: _Piece = field(default_factory=_Piece)
    devices: dict[str, _Piece] = field(default_factory=dict)
    accepted: int = 0
    refused: int = 0
    work: int = 0


@dataclass(slots=True, frozen=True)
class _Totals:
    """Counters as they were when they were looked at last."""

    now: float
    hashes: Mapping[str, int]
    accepted: int
    refused: int
    work: int


class HistoryAsked(SpanAsked, frozen=True, kw_only=True):
    """Parameters of the history."""

    step: Annotated[Literal["minute", ""], Meta(description="How long a row is.")] = ""
    by: Annotated[
        Literal["total", "device"],
        Meta(description="A row for each minute, or for each minute and device."),
    ] = "total"
    device: Annotated[
        Annotated[str, Meta(max_length=200)] | msgspec.UnsetType,
        Meta(description="This device alone."),
    ] = msgspec.UNSET
    format: Literal["json", "csv"] = "json"
    limit: Annotated[int, Meta(ge=1, le=_MOST_ROWS, description="Rows at most.")] = 10_000


class HistoryRow(msgspec.Struct, frozen=True, kw_only=True):
    """A minute of the miner, or of one of its devices."""

    time: Annotated[str, Meta(description="The beginning, in UTC.")]
    device: Annotated[str, Meta(description='"" for all together.')]
    hashes: Annotated[str, Meta(description="May be beyond 2^53.", pattern="^[0-9]+$")]
    hashrate_hps: Annotated[float, Meta(ge=0, description="Over the part that was seen.")]
    shares_accepted: Annotated[int, Meta(ge=0, description="Of the whole; 0 for a device.")]
    shares_refused: Annotated[int, Meta(ge=0, description="Likewise.")]
    work_accepted: Annotated[
        str, Meta(description="Expected hashes behind the accepted shares.", pattern="^[0-9]+$")
    ]
    temperature_celsius: Annotated[
        float | None, Meta(description="The highest in that minute, where it is known.")
    ]
    power_watts: Annotated[
        float | None, Meta(description="The last in that minute, where it is known.")
    ]


class HistoryPage(
    msgspec.Struct, frozen=True, kw_only=True, rename={"since": "from", "until": "to"}
):
    """A part of the history."""

    since: Annotated[int, Meta(description="In seconds since 1970.")]
    until: Annotated[int, Meta(description="Likewise; not included.")]
    step: Literal["minute"]
    more: Annotated[bool, Meta(description="There are more rows than `limit`.")]
    rows: Annotated[
        tuple[HistoryRow, ...], Meta(description="By time; the running minute as far as it is.")
    ]


HISTORY: Final = Endpoint(
    path="/api/v1/history",
    summary="What the miner did, minute by minute",
    details="The last 24 hours, in memory: it begins anew with the program. As CSV with "
    "`format=csv`; then the header `Headframe-More: true` tells of more rows.",
    query=HistoryAsked,
    replies={
        200: Reply(what="The rows.", kind=HistoryPage, media=("application/json", "text/csv"))
    },
    example="?from=6h&by=device",
)


class MinerHistory:
    """The last minutes.

    Args:
        wall: seconds since 1970.
        minutes: how many are kept.
    """

    def __init__(self, wall: Callable[[], int] = wall_seconds, *, minutes: int = MINUTES) -> None:
        self.wall = wall
        self._minutes: deque[_Minute] = deque(maxlen=minutes)
        self._before: _Totals | None = None

    def note(self, now: float, devices: Mapping[str, DeviceStats], stats: MinerStats) -> None:
        """Add what was done since the last call; to be called each second or so.

        Args:
            now: monotonic seconds.
            devices: those at work, by name.
            stats: the miner's counters.
        """
        before, here = self._before, _totals(now, devices, stats)
        self._before = here
        if before is None:
            return
        minute, seconds = self._minute(), max(now - before.now, 0.0)
        minute.accepted += here.accepted - before.accepted
        minute.refused += here.refused - before.refused
        minute.work += here.work - before.work
        minute.whole.seconds += seconds
        for name, count in here.hashes.items():
            known = before.hashes.get(name, 0)
            done = count - known if count >= known else count  # made anew, and counts anew
            minute.whole.hashes += done
            piece = minute.devices.get(name)
            if piece is None and len(minute.devices) < _MOST_DEVICES:
                piece = minute.devices[name] = _Piece()
            if piece is not None:
                piece.hashes += done
                piece.seconds += seconds
                _sense(piece, devices[name].sensors)
        _sum_sensors(minute)

    def rows(
        self, since: int, until: int, *, by_device: bool = False, device: str | None = None
    ) -> Iterator[HistoryRow]:
        """Yield rows by time.

        Args:
            since: from then on, in seconds since 1970.
            until: up to then, not included.
            by_device: each device by itself.
            device: this one alone.
        """
        for minute in self._minutes:
            if not since <= minute.at < until:
                continue
            if by_device or device is not None:
                for name, piece in minute.devices.items():
                    if device in {None, name}:
                        yield _row(minute.at, name, piece)
            else:
                yield _row(minute.at, "", minute.whole, minute)

    def _minute(self) -> _Minute:
        """Return the running minute; time that goes back a little stays in it."""
        at = self.wall() // _MINUTE * _MINUTE
        while self._minutes and self._minutes[-1].at > at + _WRONG_CLOCK_SECONDS:
            self._minutes.pop()
        if not self._minutes or self._minutes[-1].at < at:
            self._minutes.append(_Minute(at))
        return self._minutes[-1]


def history_served(history: MinerHistory) -> Served:
    """Make the row of `/api/v1/history`."""

    async def handle(_request: web.Request, asked: HistoryAsked) -> web.Response:
        now = history.wall()
        try:
            since, until = asked.seconds(now)
        except MomentError as error:
            raise Problem(422, str(error)) from None
        device = given(asked.device)
        rows = list(history.rows(since, until, by_device=asked.by == "device", device=device))
        more, rows = len(rows) > asked.limit, rows[: asked.limit]
        if asked.format == "csv":
            return csv_response(_as_csv(rows), more=more)
        return respond(
            HistoryPage(since=since, until=until, step="minute", more=more, rows=tuple(rows))
        )

    return Served(HISTORY, handle)


def _totals(now: float, devices: Mapping[str, DeviceStats], stats: MinerStats) -> _Totals:
    return _Totals(
        now=now,
        hashes={name: device.hashes for name, device in devices.items()},
        accepted=stats.shares_accepted,
        refused=stats.rejected,
        work=stats.work_accepted,
    )


def _sense(piece: _Piece, sensors: Mapping[str, float]) -> None:
    temperature = sensors.get("temperature_celsius")
    if temperature is not None:
        known = piece.temperature
        piece.temperature = temperature if known is None else max(temperature, known)
    piece.power = sensors.get("power_watts", piece.power)


def _sum_sensors(minute: _Minute) -> None:
    """Tell the hottest device's temperature, and the power of all."""
    pieces = minute.devices.values()
    hot = [each.temperature for each in pieces if each.temperature is not None]
    powers = [each.power for each in pieces if each.power is not None]
    minute.whole.temperature = max(hot, default=None)
    minute.whole.power = sum(powers) if powers else None


def _row(at: int, device: str, piece: _Piece, minute: _Minute | None = None) -> HistoryRow:
    return HistoryRow(
        time=stamp(at),
        device=device,
        hashes=str(piece.hashes),
        hashrate_hps=piece.hps,
        shares_accepted=0 if minute is None else minute.accepted,
        shares_refused=0 if minute is None else minute.refused,
        work_accepted="0" if minute is None else str(minute.work),
        temperature_celsius=piece.temperature,
        power_watts=piece.power,
    )


def _as_csv(rows: list[HistoryRow]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HistoryRow.__struct_fields__)
    writer.writerows(msgspec.structs.astuple(row) for row in rows)
    return out.getvalue()
