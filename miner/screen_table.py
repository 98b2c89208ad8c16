"""Tables and rows of words that fit a terminal of any width. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.cells import cell_len
from rich.text import Text

__all__ = ["Column", "cut", "flow", "table"]

_GAP: Final = 2
"""Cells between two columns."""
_APART: Final = "   "
"""Between two facts in a row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a table.

    Attributes:
        title: what stands above it.
        cells: one for each row.
        right: whether cells stand at the right, as numbers do.
        keep: where there is no room for all, the columns that have the least of this go.
        least: a column that may be cut may be so many cells wide; `None`: it is not cut.
    """

    title: str
    cells: Sequence[Text]
    right: bool = False
    keep: int = 0
    least: int | None = None

    @property
    def natural(self) -> int:
        """Cells for all that it holds."""
        return max(cell_len(self.title), *(each.cell_len for each in self.cells), 0)

    @property
    def narrowest(self) -> int:
        """Cells that it cannot do without."""
        return self.natural if self.least is None else min(self.least, self.natural)


def table(columns: Sequence[Column], width: int) -> list[Text]:
    """Lay a table out: its titles, then a line for each row.

    Columns that do not fit are left out, the first one never.

    Args:
        columns: all with the same number of cells; the first one's title names the table.
        width: of the terminal, in cells.
    """
    kept = list(columns)
    while len(kept) > 1 and _needed(kept) > width:
        kept.remove(min(kept[1:], key=lambda each: each.keep))
    spare = width - _needed(kept)
    widths = []
    for each in kept:
        more = min(max(spare, 0), each.natural - each.narrowest)
        spare -= more
        widths.append(each.narrowest + more)
    styles = ["bold cyan", *["dim"] * len(kept)]
    titles = [Text(each.title, style) for each, style in zip(kept, styles, strict=False)]
    rows = [titles, *([each.cells[i] for each in kept] for i in range(len(kept[0].cells)))]
    return [cut(_line(row, kept, widths), width) for row in rows]


def flow(label: str, facts: Sequence[Text], width: int, indent: int) -> list[Text]:
    """Write facts one after the other behind a label, on as many lines as they take.

    Args:
        label: what they are about.
        facts: none is broken; one that is wider than the terminal is cut.
        width: of the terminal, in cells.
        indent: cells before the first fact, and before those of the next lines.
    """
    lines = [Text(label.ljust(indent), "bold cyan")]
    empty = True
    for fact in facts:
        if not empty and lines[-1].cell_len + len(_APART) + fact.cell_len > width:
            lines.append(Text(" " * indent))
            empty = True
        lines[-1] = Text.assemble(lines[-1], "" if empty else _APART, fact)
        empty = False
    return [cut(line, width) for line in lines]


def cut(text: Text, width: int) -> Text:
    """Return a text that takes at most `width` cells; what is cut ends in an ellipsis."""
    if text.cell_len <= width:
        return text
    shorter = text.copy()
    shorter.truncate(max(width, 0), overflow="ellipsis")
    return shorter


def _needed(columns: Sequence[Column]) -> int:
    return sum(each.narrowest for each in columns) + _GAP * (len(columns) - 1)


def _line(row: Sequence[Text], columns: Sequence[Column], widths: Sequence[int]) -> Text:
    line = Text()
    for i, (cell, column, width) in enumerate(zip(row, columns, widths, strict=True)):
        shown = cut(cell, width)
        room = " " * (width - shown.cell_len)
        parts = (room, shown) if column.right else (shown, room)
        line = Text.assemble(line, " " * _GAP if i else "", *parts)
    line.rstrip()
    return line
