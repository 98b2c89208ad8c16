"""What is on the screen: the miner's figures laid out for a terminal of any size. Pure.

What does not fit is left out, the least wanted first; no line is wider than the terminal.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from headframe.runtime.logs import printable
from miner.screen_events import Event
from miner.screen_table import Column, cut, flow, table
from miner.show import difficulty_text, duration_text, spans_text

__all__ = ["draw"]

Row = Mapping[str, Any]

_LABEL: Final = 10
"""Cells for the words at the left."""
_AIRY: Final = 22
"""From so many lines on there is a blank line above each section."""
_LOW: Final = 16
"""With fewer lines each row of facts has but one."""
_FEW_EVENTS: Final = 4
"""Lines for the events, with their title, before other sections get more than a row."""
_ROOMY: Final = 120
"""From so many cells on what is wrong with a pool has a column of its own."""
_EVENT_LINES: Final = 3
"""An event takes at most so many lines."""
_STYLES: Final = {
    "active": "green",
    "hashing": "green",
    "accepted": "green",
    "idle": "dim",
    "down": "red",
    "failed": "red",
}
"""By state or verdict; others are yellow."""
_RULER: Final = Console(file=io.StringIO(), width=80)
"""Rich wants a console to wrap a text, and only looks at its tabs."""
_CALM: Final = frozenset({"info", "debug"})
"""Levels that are not named; others are, and have a second line for their reason."""
_LEVELS: Final = {"warning": "yellow", "error": "red", "critical": "red", "debug": "dim"}


@dataclass(slots=True, kw_only=True)
class _Section:
    """A part that may be shortened; `least` lines of it say something, fewer are left out."""

    lines: list[Text]
    least: int
    more: str = ""
    """What the lines that are left out are."""
    given: int = 0

    def shown(self, width: int) -> list[Text]:
        if self.given >= len(self.lines) or self.given <= self.least:
            return self.lines[: self.given]
        left_out = len(self.lines) - self.given + 1
        note = Text(f"  … {left_out} more {self.more}", "dim")
        return [*self.lines[: self.given - 1], cut(note, width)]


def draw(status: Row, events: Sequence[Event], width: int, height: int) -> list[Text]:
    """Lay the screen out.

    Args:
        status: as `Monitor.status` makes it.
        events: the newest last.
        width: of the terminal, in cells.
        height: of the terminal, in lines.

    Returns:
        Exactly `height` lines of at most `width` cells.
    """
    above = [Text()] if height >= _AIRY else []
    top = _summary(status, width, 1 if height < _LOW else 2)
    bottom = _footer(status, width)
    room = height - len(top) - 1
    if room < 2:
        return [*top, bottom, *[Text()] * height][:height]
    parts = [
        make(status, width)
        for make, rows in (
            (_pools, status["pools"]),
            (_devices, status["devices"]),
            (_blocks, status["blocks"]["list"]),
        )
        if rows
    ]
    body: list[Text] = []
    for each in _share_out(parts, room, len(above)):
        body += [*above, *each.shown(width)]
    room -= len(body)
    if room > len(above) + 1:
        body += [*above, *_events(events, width, room - len(above))]
    return [*top, *body, *[Text()] * (height - len(top) - len(body) - 1), bottom]


def _share_out(sections: Sequence[_Section], room: int, above: int) -> list[_Section]:
    """Give each section its lines: first what says something, then what there is.

    A third of the room is kept for the events.
    """
    kept: list[_Section] = []
    for each in sections:
        if each.least + above <= room:
            kept.append(each)
            each.given = each.least
            room -= each.least + above
    spare = max(0, room - max(above + _FEW_EVENTS, room // 3))
    for each in kept:
        more = min(spare, len(each.lines) - each.given)
        each.given += more
        spare -= more
    return kept


# the upper part


def _summary(status: Row, width: int, most: int) -> list[Text]:
    rates = [
        Text.assemble((f"{span} ", "dim"), (text, "bold" if span == "1 min" else ""))
        for span, text in spans_text(status)
    ]
    shares = [
        flow("Shares", _shares(status["shares"], detail), width, _LABEL) for detail in (2, 1, 0)
    ]
    return [
        _title(status, width),
        *flow("Hashrate", rates, width, _LABEL)[:most],
        *next((each for each in shares if len(each) <= most), shares[-1])[:most],
        *flow("Work", _work(status), width, _LABEL)[:most],
    ]


def _title(status: Row, width: int) -> Text:
    upstream = status["upstream"]
    height = "" if upstream["height"] is None else f"height {upstream['height']}"
    about = " ".join(each for each in (upstream["network"], height) if each)
    left = Text.assemble(("Headframe", "bold"), f" {status['version']}")
    right = Text(f"up {duration_text(status['uptime_seconds'])}", "dim")
    if left.cell_len + len(about) + right.cell_len + 6 <= width:
        left = Text.assemble(left, "   ", (about, "dim"))
    gap = width - left.cell_len - right.cell_len
    return Text.assemble(left, " " * gap, right) if gap > 1 else cut(left, width)


def _shares(shares: Row, detail: int) -> list[Text]:
    """Say what became of shares; with detail 1 also how many percent, with 2 also why."""
    rejected, dropped = shares["rejected"], sum(shares["dropped"].values())
    judged = shares["accepted"] + rejected
    percent = f", {100 * rejected / judged:.2g} %" if rejected and detail > 0 else ""
    reasons = (shares["by_reason"], shares["dropped"]) if detail > 1 else ({}, {})
    facts = [
        _fact(shares["accepted"], "accepted", "green" if shares["accepted"] else ""),
        _fact(rejected, f"rejected{percent}", "yellow" if rejected else "", reasons[0]),
    ]
    if shares["lost"]:
        facts.append(_fact(shares["lost"], "lost", "yellow"))
    if dropped:
        facts.append(_fact(dropped, "not sent", "", reasons[1]))
    return facts


def _fact(count: int, word: str, style: str, by: Mapping[str, int] | None = None) -> Text:
    parts = [f"{name} {number}" for name, number in (by or {}).items() if number]
    why = f" ({', '.join(parts)})" if parts else ""
    return Text.assemble((str(count), style), f" {word}", (why, "dim"))


def _work(status: Row) -> list[Text]:
    blocks = status["blocks"]
    facts = [f"difficulty {difficulty_text(status['difficulty'])}"]
    if status["best_difficulty"]:
        facts.append(f"best share {difficulty_text(status['best_difficulty'])}")
    judged = f" ({blocks['accepted']} accepted)" if blocks["found"] else ""
    facts.append(f"blocks {blocks['found']}{judged}")
    return [Text(each) for each in facts]


# pools, devices, blocks


def _pools(status: Row, width: int) -> _Section:
    pools = status["pools"]
    trouble = [Text(printable(pool["detail"]), "yellow") for pool in pools]
    columns = [
        Column(title="Pools", cells=[_pool_name(pool) for pool in pools], least=24),
        Column(title="state", cells=[_state(pool["state"]) for pool in pools], keep=9),
        _numbers("accepted", [pool["accepted"] for pool in pools], keep=7),
        _numbers("rejected", [pool["rejected"] for pool in pools], keep=6),
        _words("difficulty", [_or_dash(pool["difficulty"], difficulty_text) for pool in pools], 5),
        _words("job", [_or_dash(pool["job_age_seconds"], duration_text) for pool in pools], 4),
        _words("height", [_or_dash(pool["height"], str) for pool in pools], 3),
        _numbers("lost", [pool["lost"] for pool in pools], keep=2),
        _words("answer", [_or_dash(pool["answer_seconds"], _milliseconds) for pool in pools], 1),
    ]
    if width >= _ROOMY:
        columns.append(Column(title="last error", cells=trouble, keep=8, least=30))
        return _Section(lines=table(columns, width), least=2, more="pools")
    heading, *rows = table(columns, width)
    lines = [heading]
    for row, words in zip(rows, trouble, strict=True):
        lines.append(row)
        if words:
            lines.append(cut(Text.assemble("    ", words), width))
    return _Section(lines=lines, least=2, more="lines")


def _pool_name(pool: Row) -> Text:
    if pool["in_use"]:
        return Text.assemble(("▸ ", "green"), (printable(pool["source"]), "bold"))
    return Text(f"  {printable(pool['source'])}")


def _devices(status: Row, width: int) -> _Section:
    devices = status["devices"]
    rates = [spans_text(device) for device in devices]
    columns = [
        Column(title="Devices", cells=[Text(f"  {each['name']}") for each in devices], least=12),
        Column(title="kernel", cells=[Text(each["kernel"]) for each in devices], keep=6, least=6),
        Column(title="state", cells=[_state(each["state"]) for each in devices], keep=8),
        *(
            _words(span, [dict(each)[span] for each in rates], keep)
            for span, keep in (("5 s", 3), ("1 min", 9), ("15 min", 2))
        ),
        _numbers("wrong", [each["wrong"] for each in devices], keep=5),
    ]
    if any(each["retired"] for each in devices):
        columns.append(_numbers("retired", [each["retired"] for each in devices], keep=1))
    columns += [
        _words(title, [_or_dash(each["sensors"].get(name), "{:.0f}".format) for each in devices], 7)
        for title, name in (("°C", "temperature_celsius"), ("W", "power_watts"))
        if any(name in each["sensors"] for each in devices)
    ]
    return _Section(lines=table(columns, width), least=2, more="devices")


def _blocks(status: Row, width: int) -> _Section:
    blocks = status["blocks"]["list"]
    columns = [
        Column(title="Blocks", cells=[Text(f"  {_or_dash(b['height'], str)}") for b in blocks]),
        Column(title="verdict", cells=[_state(b["verdict"]) for b in blocks], keep=9, least=8),
        Column(title="found", cells=[Text(_moment(b["time"])) for b in blocks], keep=8),
        Column(title="hash", cells=[Text(b["hash"]) for b in blocks], keep=7, least=20),
    ]
    return _Section(lines=table(columns, width), least=2, more="blocks")


# events and footer


def _events(events: Sequence[Event], width: int, room: int) -> list[Text]:
    """Show the newest events, the newest at the bottom, as many as there is room for."""
    lines: list[Text] = []
    room -= 1
    for event in reversed(events):
        if len(lines) == room:
            break
        wanted = 1 if event.level in _CALM else 2
        most = min(_EVENT_LINES, max(wanted, room // 3), room - len(lines))
        lines = _wrapped(event, width, most) + lines
    return [cut(Text("Events", "bold cyan"), width), *lines] if lines else []


def _wrapped(event: Event, width: int, most: int) -> list[Text]:
    """Break an event into lines; those after the first stand under its name."""
    start = f"{event.at}  "
    level = "" if event.level in _CALM else f"{event.level}: "
    name = (f"{level}{event.name}", _LEVELS.get(event.level, "bold"))
    indent = len(start) if width > 2 * len(start) else 0
    pieces = list(Text.assemble(name, " ", event.about).wrap(_RULER, width - indent))
    for each in pieces:
        each.rstrip()
    if len(pieces) > most:
        rest = Text(" ").join(pieces[most - 1 :])
        pieces = [*pieces[: most - 1], cut(rest, width - indent)]
    first = Text.assemble((start[:indent], "dim"), pieces[0])
    lines = [first, *(Text.assemble(" " * indent, each) for each in pieces[1:])]
    return [cut(each, width) for each in lines]


def _footer(status: Row, width: int) -> Text:
    facts = [status.get("page", ""), "Ctrl-C ends", "all events stay in the scrollback"]
    (first, *_) = flow("", [Text(each, "dim") for each in facts if each], width, 0)
    return first


# words


def _numbers(title: str, numbers: Sequence[int], keep: int) -> Column:
    cells = [Text(str(each), "" if each else "dim") for each in numbers]
    return Column(title=title, cells=cells, right=True, keep=keep)


def _words(title: str, words: Sequence[str], keep: int) -> Column:
    return Column(title=title, cells=[Text(each) for each in words], right=True, keep=keep)


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms"


def _or_dash(value: Any, words: Callable[[Any], str]) -> str:
    """Write a value that may be unknown; 0 of what is measured is unknown, too."""
    return words(value) if value else "-"


def _state(state: str) -> Text:
    return Text(printable(state), _STYLES.get(state, "yellow"))


def _moment(time: int) -> str:
    return datetime.fromtimestamp(time).astimezone().strftime("%Y-%m-%d %H:%M:%S")
