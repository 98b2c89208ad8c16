"""Bytes to lines, with a longest line."""

from collections.abc import Sequence
from typing import Final

import msgspec

__all__ = ["CLIENT_LINE_LIMIT", "SERVER_LINE_LIMIT", "LineBuffer"]

SERVER_LINE_LIMIT: Final = 16 * 1024
"""Longest line a server takes: what Twisted's line receiver takes, and sixteen times
what any miner sends."""
CLIENT_LINE_LIMIT: Final = 1024 * 1024
"""Longest line a client takes: hundreds of times a `mining.notify` with a large coinbase."""


class LineBuffer(msgspec.Struct, gc=False):
    """Joins and cuts what arrives; keeps no more than one line.

    Attributes:
        limit: the longest line, in bytes without its newline.
        parts: the beginning of a line whose end has not come yet, if there is one.
        overflow: a line was longer than the limit; the rest of the stream is lost.
    """

    limit: int
    parts: list[bytes] | None = None  # few lines are ever cut
    overflow: bool = False
    _size: int = 0  # of the parts

    @property
    def rest(self) -> bytes:
        """The beginning of a line whose end has not come yet."""
        return b"".join(self.parts or ())

    def feed(self, data: bytes) -> Sequence[bytes]:
        r"""Take bytes, cut in any way; return the lines that are complete now.

        Lines come without their `\n`; whatever blanks or `\r` they have stay, and empty
        lines are left out. Lines before one that is too long still come.
        """
        if self.overflow:
            return ()
        if not self.parts and data[-1:] == b"\n" and len(data) <= self.limit:
            if data.find(b"\n") == len(data) - 1:  # one line, as nearly always
                return () if data.isspace() else (data[:-1],)
            return [line for line in data.split(b"\n") if line and not line.isspace()]
        longest = self._size + len(data)
        *lines, rest = data.split(b"\n")
        if lines and self.parts:
            lines[0] = b"".join((*self.parts, lines[0]))
            self.parts = None
            self._size = 0
        if rest:
            if self.parts is None:
                self.parts = []
            self.parts.append(rest)
            self._size += len(rest)
        if longest > self.limit and self._too_long(lines):
            return self._overflow(lines)
        return [line for line in lines if line and not line.isspace()]

    def _too_long(self, lines: Sequence[bytes]) -> bool:
        return self._size > self.limit or any(len(line) > self.limit for line in lines)

    def _overflow(self, lines: Sequence[bytes]) -> Sequence[bytes]:
        self.overflow = True
        self.parts = None
        good = []
        for line in lines:
            if len(line) > self.limit:
                break
            if line and not line.isspace():
                good.append(line)
        return good
