"""Proofs that counted, so that none counts twice. Pure."""

from collections.abc import Callable
from typing import Final

import native
from headframe.chain.share import Reason
from native import NumberTable

__all__ = ["Proofs"]

IN_FLIGHT: Final = 10
"""Seconds of the job's time that stay open behind a refresh; a share is not longer under way."""


class Proofs:
    """The proofs that counted for one coinbase: low 64 bits each.

    Shared by all ids that stand for the same work. What counted is never taken for new; a
    new proof is taken for one that counted once in 2^64 divided by the number of proofs.

    Bounded: a proof is kept with its share's time, and when there are too many, those of the
    oldest times go, and no share of so old a time counts any more (`floor`). The time that
    rigs were shown last stays open, so that no share under way is refused. Shares of times
    that nobody was shown yet cannot be forgotten like that: they are bounded by themselves.

    Args:
        limit: so many of times up to the newest one shown make it full, and more than so
            many of later times are not taken. 2^21 of them take 45 MB at most.
        shown: the newest time that rigs were given.
        make_table: makes an empty table.

    Attributes:
        floor: the least time of which shares still count.
    """

    __slots__ = ("_ahead", "_limit", "_make_table", "_past", "_shown", "_tables", "floor")

    def __init__(
        self, limit: int, shown: int, make_table: Callable[[], NumberTable] = native.number_table
    ) -> None:
        self._limit = limit
        self._make_table = make_table
        self._tables: dict[int, NumberTable] = {}  # by time
        self._past = 0
        self._ahead = 0
        self._shown = shown
        self.floor = 0

    @property
    def shown(self) -> int:
        """The newest time that rigs were given."""
        return self._shown

    @property
    def full(self) -> bool:
        """Rigs should be shown a later time, so that the oldest proofs can go."""
        return self._past >= self._limit

    def has(self, key: int, ntime: int) -> bool:
        """Say whether a proof of a share of that time counted."""
        table = self._tables.get(ntime)
        return table is not None and key in table

    def record(self, key: int, ntime: int) -> Reason:
        """Remember the proof of a good share.

        Returns:
            `ACCEPTED`; `DUPLICATE` when it counted already; `BAD_NTIME` when there is no room
            for more of times not shown yet.
        """
        ahead = ntime > self._shown
        if ahead and self._ahead >= self._limit:
            return Reason.DUPLICATE if self.has(key, ntime) else Reason.BAD_NTIME
        table = self._tables.get(ntime)
        if table is None:
            table = self._tables[ntime] = self._make_table()
        if not table.add(key):
            return Reason.DUPLICATE
        if ahead:
            self._ahead += 1
        else:
            self._past += 1
        return Reason.ACCEPTED

    def show(self, ntime: int) -> None:
        """Take note that rigs are given a time; forget the oldest if it is full."""
        before, self._shown = self._shown, ntime
        if self.full:
            self.floor = max(self.floor, min(before, ntime - IN_FLIGHT))
            for old in [each for each in self._tables if each < self.floor]:
                del self._tables[old]
        counts = {each: len(table) for each, table in self._tables.items()}
        self._ahead = sum(count for each, count in counts.items() if each > ntime)
        self._past = sum(counts.values()) - self._ahead

    def clear(self) -> None:
        """Forget everything."""
        self._tables.clear()
        self._past = self._ahead = 0
