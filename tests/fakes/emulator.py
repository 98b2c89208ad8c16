"""A terminal in memory: what programs write to a real one, as a person would see it.

It knows the control sequences of ECMA-48 and xterm that our screen uses, and refuses any
other, so that a test fails where a real terminal might show rubbish.
"""

import re
import unicodedata

__all__ = ["Emulator"]

_TOKEN = re.compile(r"\x1b\[(\?)?([\d;]*)([A-Za-z])|([\x00-\x1f\x7f])|([^\x00-\x1f\x7f])")
_TAIL = re.compile(r"\x1b(\[\??[\d;]*)?$")
_COLOURS = range(30, 50)
_MODES = {"7", "25", "1049", "2026"}


class _Row(list[str]):
    """The cells of a line; `goes_on` in the next one when it was too long."""

    goes_on = False

    def __str__(self) -> str:
        text = "".join(self)
        return text if self.goes_on else text.rstrip() + "\n"


class Emulator:
    """A terminal with an ordinary and an alternate screen.

    Args:
        columns: its width.
        lines: its height.

    Attributes:
        scrollback: rows that left the ordinary screen at its top.
        modes: which private modes are on; 25 is a visible cursor, 7 wrapping.
        colours: numbers of SGR colours that were used.
        overlong: lines on which something was written beyond the last column.
    """

    def __init__(self, columns: int, lines: int) -> None:
        self.scrollback: list[_Row] = []
        self.modes = {"7", "25"}
        self.colours: set[int] = set()
        self.overlong: list[str] = []
        self._rest = ""
        self._saved = (0, 0)
        self.resize(columns, lines)

    def resize(self, columns: int, lines: int) -> None:
        """Have another size; what was shown is gone, as real terminals mangle it."""
        self.columns, self.lines = columns, lines
        self._screens = {name: self._blank() for name in ("main", "other")}
        self._row = self._column = 0

    @property
    def on_other_screen(self) -> bool:
        """Whether the alternate screen is shown."""
        return "1049" in self.modes

    @property
    def drawing(self) -> bool:
        """Whether a picture has begun and is not whole yet (mode 2026)."""
        return "2026" in self.modes

    def shown(self) -> list[str]:
        """Return the lines in sight, without the blanks at their ends."""
        return ["".join(row).rstrip() for row in self._cells]

    def text(self) -> str:
        """Return the ordinary screen with what was scrolled out of it, long lines whole."""
        return "".join(map(str, [*self.scrollback, *self._screens["main"]]))

    def feed(self, text: str) -> None:
        """Take what a program writes, in any pieces."""
        text = self._rest + text
        tail = _TAIL.search(text)
        self._rest = tail[0] if tail else ""
        if tail:
            text = text[: tail.start()]
        at = 0
        while at < len(text):
            token = _TOKEN.match(text, at)
            assert token, f"a terminal may not know {text[at : at + 12]!r}"
            private, numbers, command, control, char = token.groups()
            if command:
                self._command(bool(private), numbers, command)
            elif control:
                self._control(control)
            else:
                self._put(char)
            at = token.end()

    @property
    def _cells(self) -> list[_Row]:
        return self._screens["other" if self.on_other_screen else "main"]

    def _blank_row(self) -> _Row:
        return _Row([" "] * self.columns)

    def _blank(self) -> list[_Row]:
        return [self._blank_row() for _ in range(self.lines)]

    def _put(self, char: str) -> None:
        if unicodedata.combining(char):
            return
        width = 2 if unicodedata.east_asian_width(char) in "WF" else 1
        if self._column + width > self.columns:
            if "7" not in self.modes:
                self.overlong.append(self.shown()[self._row])
                return
            self._cells[self._row].goes_on = True
            self._column = 0
            self._feed_line()
        self._cells[self._row][self._column] = char
        if width == 2:
            self._cells[self._row][self._column + 1] = ""
        self._column += width

    def _control(self, char: str) -> None:
        if char == "\r":
            self._column = 0
        elif char == "\n":
            self._feed_line()
        else:
            raise AssertionError(f"control character {char!r}")

    def _feed_line(self) -> None:
        self._row += 1
        if self._row == self.lines:
            gone = self._cells.pop(0)
            if not self.on_other_screen:
                self.scrollback.append(gone)
            self._cells.append(self._blank_row())
            self._row -= 1

    def _command(self, private: bool, numbers: str, command: str) -> None:
        match private, command, numbers:
            case True, "h", number if number in _MODES:
                self._switch(number, on=True)
            case True, "l", number if number in _MODES:
                self._switch(number, on=False)
            case False, "H", _:
                row, column = (numbers or "1;1").split(";")
                self._row = min(int(row), self.lines) - 1
                self._column = min(int(column), self.columns) - 1
            case False, "J", "2":
                self._cells[:] = self._blank()
            case False, "m", _:
                codes = [int(each or 0) for each in numbers.split(";")]
                self.colours |= {code for code in codes if code in _COLOURS}
            case _:
                raise AssertionError(f"unknown sequence {private} {numbers}{command}")

    def _switch(self, number: str, *, on: bool) -> None:
        if number == "1049" and on == self.on_other_screen:
            raise AssertionError("the cursor's place would be forgotten")
        if number == "1049" and on:
            self._saved = (self._row, self._column)
        (self.modes.add if on else self.modes.discard)(number)
        if number == "1049" and on:
            self._cells[:] = self._blank()
        elif number == "1049":
            self._row, self._column = self._saved
