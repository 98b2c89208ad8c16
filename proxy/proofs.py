"""Proofs that counted, so that none counts twice. Pure."""

from collections.abc import Callable, Sequence
from typing import Final
from weakref import WeakSet

import native
from headframe.chain.share import Reason
from native import NumberTable

__all__ = ["ProofShelf", "Proofs"]

MAX_PROOFS: Final = 1 << 21
"""Proofs remembered for one upstream job, 45 MB at most: those of seven minutes at 5,000
shares a second. At the bound the job is refreshed, and shares of its oldest times are stale."""
MAX_TOTAL: Final = 1 << 22
"""Proofs remembered in all, 90 MB at most."""
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
        state: its numbers, and its tables for the judge in C, which counts by itself.
        left_at: since when rigs are shown other work (monotonic seconds); `None` while this is
            the newest.
    """

    __slots__ = (
        "__weakref__",
        "_make_table",
        "_tables",
        "_tight",
        "left_at",
        "state",
    )

    def __init__(
        self, limit: int, shown: int, make_table: Callable[[], NumberTable] = native.number_table
    ) -> None:
        self.state = native.proof_state()
        self.state.limit, self.state.shown = limit, shown
        self._make_table = make_table
        self._tables: dict[int, NumberTable] = {}  # by time
        self._tight = False
        self.left_at: float | None = None

    @property
    def count(self) -> int:
        """How many there are."""
        return self.state.past + self.state.ahead

    @property
    def floor(self) -> int:
        """The least time of which shares still count."""
        return self.state.floor

    @property
    def shown(self) -> int:
        """The newest time that rigs were given."""
        return self.state.shown

    @property
    def full(self) -> bool:
        """Rigs should be shown a later time, so that the oldest proofs can go."""
        return self._tight or self.state.past >= self.state.limit

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
        state = self.state
        ahead = ntime > state.shown
        if ahead and state.ahead >= state.limit:
            return Reason.DUPLICATE if self.has(key, ntime) else Reason.BAD_NTIME
        table = self._tables.get(ntime)
        if table is None:
            table = self._tables[ntime] = self._make_table()
            native.link_table(state, ntime, table)
        if not table.add(key):
            return Reason.DUPLICATE
        if ahead:
            state.ahead += 1
        else:
            state.past += 1
        return Reason.ACCEPTED

    def show(self, ntime: int) -> None:
        """Take note that rigs are given a time; forget the oldest if it is full."""
        state = self.state
        before, state.shown = state.shown, ntime
        if self.full:
            state.floor = max(state.floor, min(before, ntime - IN_FLIGHT))
            self._forget([each for each in self._tables if each < state.floor])
            self._tight = False
        counts = {each: len(table) for each, table in self._tables.items()}
        state.ahead = sum(count for each, count in counts.items() if each > ntime)
        state.past = sum(counts.values()) - state.ahead

    def squeeze(self) -> None:
        """Be full, however few there are: until a later time is shown."""
        self._tight = True

    def give_up(self) -> None:
        """Forget everything, and take no share any more but of times that are shown later."""
        state = self.state
        state.shown = max([state.shown, *self._tables])
        state.floor = state.shown + 1
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._forget([*self._tables])
        self.state.past = self.state.ahead = 0

    def _forget(self, times: Sequence[int]) -> None:
        for ntime in times:
            native.unlink_table(self.state, ntime, self._tables.pop(ntime))


class ProofShelf:
    """All proofs of a process, within one bound: several jobs are alive at a time.

    When there are too many, those of jobs go first that rigs were shown other work for, the
    longest ago first; then the largest of those that rigs work on is refreshed.

    Args:
        each: bound of one job.
        total: bound of all; passed by what counts between two looks.
    """

    def __init__(self, *, each: int = MAX_PROOFS, total: int = MAX_TOTAL) -> None:
        self._each = each
        self._total = total
        self._all: WeakSet[Proofs] = WeakSet()

    def make(self, shown: int) -> Proofs:
        """Make room for the proofs of a job; `shown`: the time that rigs are given first."""
        made = Proofs(self._each, shown)
        self._all.add(made)
        return made

    @property
    def count(self) -> int:
        """How many there are in all."""
        return sum(each.count for each in self._all)

    def look(self, now: float) -> None:
        """Keep within the bound; to be called each second, with monotonic seconds."""
        excess = self.count - self._total
        if excess <= 0:
            return
        left = [(each.left_at, each) for each in self._all if each.left_at is not None]
        for left_at, each in sorted(left, key=lambda known: known[0]):
            if excess > 0 and now - left_at >= IN_FLIGHT:
                excess -= each.count
                each.give_up()
        shown = [each for each in self._all if each.left_at is None]
        if excess > 0 and shown:
            max(shown, key=lambda each: each.count).squeeze()
