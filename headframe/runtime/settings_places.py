"""Where in a TOML file each key stands; `tomllib` tells the values, and no lines.

The scan is light because it is only for text that `tomllib` has read: it need not know
what is wrong, only where keys begin and how values end.
"""

import re
import tomllib
from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

__all__ = ["Places"]

_STRING: Final = (
    r'"""(?:\\.|[^\\])*?"""(?:"{0,2})'  # up to two quotes may stand before the three that end it
    r"|'''.*?'''(?:'{0,2})"
    r'|"(?:\\.|[^"\\])*"'
    r"|'[^']*'"
)
_BLANK: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_KEY_PART: Final = re.compile(rf"[ \t]*({_STRING}|[A-Za-z0-9_-]+)[ \t]*", re.DOTALL)
_VALUE: Final = re.compile(rf"{_STRING}|[^,\]}}\n#]+", re.DOTALL)

Path = tuple[str, ...]


class Places:
    """The lines of all keys of a file.

    Args:
        text: of the file; valid TOML.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._breaks = [found.start() for found in re.finditer("\n", text)]
        self._lines: dict[Path, int] = {}
        self._items: dict[Path, int] = {}  # how many `[[...]]` there were of an array
        self._at = 0
        self._scan()

    @property
    def keys(self) -> frozenset[Path]:
        """Every key and item that was found, as the parts of its path; items by their index."""
        return frozenset(self._lines)

    def line(self, parts: Sequence[str]) -> int | None:
        """Return the line, from 1, where a key stands, or else what is around it.

        Args:
            parts: such as `("upstreams", "0", "url")`.

        Returns:
            The line; `None` when not even the outermost table is in the file.
        """
        for length in range(len(parts), 0, -1):
            line = self._lines.get(tuple(parts[:length]))
            if line is not None:
                return line
        return None

    def _scan(self) -> None:
        table: Path = ()
        self._skip()
        while self._at < len(self._text):
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)
            self._skip()

    def _header(self) -> Path:
        """Read `[a.b]` or `[[a.b]]`; return the path of the table that begins."""
        start = self._at
        many = self._text.startswith("[[", start)
        self._at += 2 if many else 1
        path: Path = ()
        parts = self._key()
        self._at += 2 if many else 1
        for position, part in enumerate(parts):
            path = (*path, part)
            self._note(path, start)
            if many and position == len(parts) - 1:
                self._items[path] = self._items.get(path, 0) + 1
            if path in self._items:
                path = (*path, str(self._items[path] - 1))
                self._note(path, start)
        return path

    def _pair(self, table: Path) -> None:
        """Read `key = value`."""
        start = self._at
        path = table
        for part in self._key():
            path = (*path, part)
            self._note(path, start)
        self._at += 1  # the equals sign
        self._skip()
        self._value(path)

    def _value(self, path: Path) -> None:
        first = self._text[self._at]
        if first == "[":
            self._array(path)
        elif first == "{":
            self._inline_table(path)
        else:
            found = _VALUE.match(self._text, self._at)
            assert found is not None  # noqa: S101 # tomllib has read it
            self._at = found.end()

    def _array(self, path: Path) -> None:
        index = 0
        self._at += 1
        self._skip()
        while self._text[self._at] != "]":
            item = (*path, str(index))
            self._note(item, self._at)
            self._value(item)
            self._skip_comma()
            index += 1
        self._at += 1

    def _inline_table(self, path: Path) -> None:
        self._at += 1
        self._skip()
        while self._text[self._at] != "}":
            self._pair(path)
            self._skip_comma()
        self._at += 1

    def _key(self) -> list[str]:
        parts = []
        while True:
            found = _KEY_PART.match(self._text, self._at)
            assert found is not None  # noqa: S101 # tomllib has read it
            self._at = found.end()
            parts.append(_unquoted(found[1]))
            if self._text[self._at] != ".":
                return parts
            self._at += 1

    def _skip(self) -> None:
        found = _BLANK.match(self._text, self._at)
        assert found is not None  # noqa: S101 # it matches nothing, too
        self._at = found.end()

    def _skip_comma(self) -> None:
        self._skip()
        if self._text[self._at] == ",":
            self._at += 1
            self._skip()

    def _note(self, path: Path, position: int) -> None:
        """Keep the first line of a key; a table may come up again as a part of others."""
        self._lines.setdefault(path, bisect_left(self._breaks, position) + 1)


def _unquoted(text: str) -> str:
    if text[0] not in "\"'":
        return text
    value = tomllib.loads(f"key = {text}")["key"]
    return str(value)
