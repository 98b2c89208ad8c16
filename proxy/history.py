"""What history keeps of the books: figures per worker, cut into pieces of time. Pure.

The books only grow, so history is made of differences: `Rollups` remembers what it took
last of each worker, and takes what is new since. What was taken and what is in the books
agree row by row, so the sums of what is kept agree as well, whenever the process ends.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import add, attrgetter, sub
from typing import Final, Self

from headframe.chain.share import Reason
from proxy.ledger import Ledger, PoolLeg, Row, Tally

__all__ = ["COUNTS", "WORKS", "Batch", "Figures", "Rollup", "Rollups", "parts_of", "row_of"]

COUNTS: Final = (
    "offered",
    "accepted",
    "kept",
    "forwarded",
    "acknowledged",
    "refused_upstream",
    "lost",
)
WORKS: Final = tuple(f"work_{each}" for each in COUNTS if each != "kept")
_values: Final = attrgetter(*COUNTS, *WORKS)
_REFUSED, _UPSTREAM, _RESCUED = "refused.", "upstream.", "rescued."
_IDLE_SECONDS: Final = 3600.0
_CROWDED: Final = 0.9
"""Above this part of the most rows there may be, idle ones go sooner."""
_PORTION: Final = 128
"""Rows looked at in one go: less than a millisecond."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What is kept of a worker, for each piece of time and for ever.

    All else follows: refused here = offered - accepted, on their way = accepted - kept -
    forwarded, not answered yet = forwarded - acknowledged - refused_upstream - lost.

    Attributes:
        offered: shares it sent.
        accepted: those that were good.
        kept: good, but easier than the upstream's target.
        forwarded: shares that went up.
        acknowledged: of these, accepted by the upstream.
        refused_upstream: of these, refused by it.
        lost: of these, those whose connection went first.
        work_offered: hashes that the shares stand for, by the rigs' targets.
        work_accepted: of the good ones.
        work_forwarded: of those that went up, by the upstream's target; the rest likewise.
        work_acknowledged: of those that it accepted.
        work_refused_upstream: of those that it refused.
        work_lost: of those that were lost.
    """

    offered: int = 0
    accepted: int = 0
    kept: int = 0
    forwarded: int = 0
    acknowledged: int = 0
    refused_upstream: int = 0
    lost: int = 0
    work_offered: int = 0
    work_accepted: int = 0
    work_forwarded: int = 0
    work_acknowledged: int = 0
    work_refused_upstream: int = 0
    work_lost: int = 0

    @classmethod
    def of(cls, row: Row) -> Self:
        """Take them from the books."""
        pool = row.pool
        refused = sum(pool.refused.values(), Tally())
        return cls(
            row.offered.shares,
            row.accepted.shares,
            row.kept,
            pool.forwarded.shares,
            pool.acknowledged.shares,
            refused.shares,
            pool.lost.shares,
            row.offered.work,
            row.accepted.work,
            pool.forwarded.work,
            pool.acknowledged.work,
            refused.work,
            pool.lost.work,
        )

    @property
    def refused(self) -> int:
        """Shares that were refused here."""
        return self.offered - self.accepted

    @property
    def work_refused(self) -> int:
        """Work of those."""
        return self.work_offered - self.work_accepted

    def values(self) -> tuple[int, ...]:
        """Return them in the order of `COUNTS` and `WORKS`."""
        found: tuple[int, ...] = _values(self)
        return found

    @classmethod
    def sum(cls, figures: Iterable["Figures"]) -> Self:
        """Add many up, faster than one by one."""
        columns = zip(*map(_values, figures), strict=True)
        return cls(*map(sum, columns))

    def __add__(self, other: "Figures") -> "Figures":
        return Figures(*map(add, _values(self), _values(other)))

    def __sub__(self, other: "Figures") -> "Figures":
        return Figures(*map(sub, _values(self), _values(other)))


Parts = dict[str, tuple[int, int]]
"""Shares and work by name: the refused ones by reason, and the leg of rescued blocks."""


def parts_of(row: Row) -> Parts:
    """Take from the books what `Figures` leaves out; empty for most rows."""
    if not (row.refused or row.pool.refused or row.rescued.forwarded.shares):
        return {}
    found = {_REFUSED + reason: tally for reason, tally in row.refused.items()}
    found |= {_UPSTREAM + reason: tally for reason, tally in row.pool.refused.items()}
    leg = row.rescued
    if leg.forwarded.shares:
        for name in ("forwarded", "acknowledged", "lost"):
            found[_RESCUED + name] = getattr(leg, name)
        found |= {f"{_RESCUED}refused.{key}": tally for key, tally in leg.refused.items()}
    return {name: (tally.shares, tally.work) for name, tally in found.items()}


def row_of(name: str, figures: Figures, parts: Parts) -> Row:
    """Make books that go on where others ended.

    Shares that were on their way then count as lost: their answer was never heard. What
    the parts do not explain counts as refused for other reasons.
    """
    known = figures
    row = Row(name, offered=Tally(known.offered, known.work_offered))
    row.accepted = Tally(known.accepted, known.work_accepted)
    row.kept = known.kept
    row.refused = _reasons(parts, _REFUSED, Tally(known.refused, known.work_refused))
    went_up = Tally(known.accepted - known.kept, known.work_forwarded)
    if went_up.shares:
        row.pool = _leg(
            went_up,
            Tally(known.acknowledged, known.work_acknowledged),
            _reasons(parts, _UPSTREAM, Tally(known.refused_upstream, known.work_refused_upstream)),
        )
    if _RESCUED + "forwarded" in parts:
        row.rescued = _leg(
            Tally(*parts[_RESCUED + "forwarded"]),
            Tally(*parts.get(_RESCUED + "acknowledged", (0, 0))),
            _reasons(parts, _RESCUED + "refused.", None),
        )
    return row


def _leg(forwarded: Tally, acknowledged: Tally, refused: dict[Reason, Tally]) -> PoolLeg:
    """Make a settled leg: what was neither credited nor refused is lost."""
    leg = PoolLeg(forwarded=forwarded, acknowledged=acknowledged, refused=refused)
    judged = sum(refused.values(), acknowledged + Tally())
    leg.lost = Tally(forwarded.shares - judged.shares, forwarded.work - judged.work)
    return leg


def _reasons(parts: Parts, prefix: str, total: Tally | None) -> dict[Reason, Tally]:
    """Read the refused shares by reason, the total's rest being `OTHER`."""
    known = {str(reason): reason for reason in Reason}
    found: dict[Reason, Tally] = {}
    for name, (shares, work) in parts.items():
        reason = known.get(name.removeprefix(prefix)) if name.startswith(prefix) else None
        if reason is not None:
            found[reason] = Tally(shares, work)
    if total is not None:
        rest = sum(found.values(), Tally())
        rest = Tally(total.shares - rest.shares, total.work - rest.work)
        if rest != Tally():
            found.setdefault(Reason.OTHER, Tally()).absorb(rest)
    return found


def _added(parts: Parts, others: Parts) -> Parts:
    if not others:
        return parts
    found = dict(parts)
    for name, (shares, work) in others.items():
        before = found.get(name, (0, 0))
        found[name] = (before[0] + shares, before[1] + work)
    return found


@dataclass(frozen=True, slots=True)
class Rollup:
    """What is new of a worker.

    Attributes:
        worker: its name.
        figures: of this piece of time alone.
        parts: likewise; only those that changed.
    """

    worker: str
    figures: Figures
    parts: Parts = field(default_factory=dict)

    def __add__(self, other: "Rollup") -> "Rollup":
        parts = _added(self.parts, other.parts)
        return Rollup(self.worker, self.figures + other.figures, parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What is to be written of a route.

    Attributes:
        route: whose books.
        at: the time that it belongs to, in seconds since 1970.
        rollups: by worker.
        parts: of the route as a whole, such as `blocks.found`.
    """

    route: str
    at: int
    rollups: Sequence[Rollup]
    parts: Parts = field(default_factory=dict)

    def __add__(self, newer: "Batch") -> "Batch":
        """Sum up with a newer one of the same route; all of it then belongs to its time."""
        found = {rollup.worker: rollup for rollup in self.rollups}
        for rollup in newer.rollups:
            before = found.get(rollup.worker)
            found[rollup.worker] = rollup if before is None else before + rollup
        return Batch(
            route=newer.route,
            at=newer.at,
            rollups=tuple(found.values()),
            parts=_added(self.parts, newer.parts),
        )


@dataclass(slots=True)
class _Seen:
    """What was taken of a row."""

    figures: Figures = field(default_factory=Figures)
    parts: Parts = field(default_factory=dict)
    mark: tuple[int, ...] = ()
    changed_at: float = 0.0


def _mark(row: Row) -> tuple[int, ...]:
    """Tell quickly whether a row has changed: each booking changes one of these."""
    pool, rescued = row.pool, row.rescued
    return (
        row.offered.shares,
        pool.forwarded.shares,
        pool.pending.shares,
        rescued.forwarded.shares,
        rescued.pending.shares,
    )


class Rollups:
    """Cuts the books of a route into pieces of time.

    Args:
        ledger: the books.
        idle_seconds: a worker without a share for so long is folded.
    """

    def __init__(self, ledger: Ledger, *, idle_seconds: float = _IDLE_SECONDS) -> None:
        self._ledger = ledger
        self._idle_seconds = idle_seconds
        self._seen: dict[str, _Seen] = {}
        self._blocks: Parts = self._count_blocks()
        self._settled: list[Rollup] = []

    def know(
        self, stored: Iterable[tuple[str, Figures, Parts]], counted: Parts, now: float
    ) -> None:
        """Take note of what is kept already, and count the blocks among it on.

        Args:
            stored: what is kept of workers; what was open of those without a row is settled.
            counted: what is kept of the route as a whole.
            now: monotonic seconds.
        """
        for name, figures, parts in stored:
            if name in self._ledger.workers:
                self._seen[name] = _Seen(figures, parts, changed_at=now)
                continue
            row = row_of(name, figures, parts)  # what was open is lost: that is news
            news = Rollup(name, Figures.of(row) - figures, _new_parts(parts_of(row), parts))
            if news.parts or news.figures != Figures():
                self._settled.append(news)
        before = {name: counted.get(name, (0, 0)) for name in self._blocks}
        self._ledger.blocks_found += before["blocks.found"][0]
        self._ledger.blocks_accepted += before["blocks.accepted"][0]
        self._ledger.blocks_refused += before["blocks.refused"][0]
        self._blocks = before

    def portions(self, now: float) -> Iterator[list[Rollup]]:
        """Yield what every worker did since the last time; idle ones are left out.

        Between two portions others may have their turn: each row is taken at one moment.

        Args:
            now: monotonic seconds.
        """
        rows = list(self._ledger.workers.items())
        for first in range(0, len(rows), _PORTION):
            found = (self._take(name, row, now) for name, row in rows[first : first + _PORTION])
            yield [rollup for rollup in found if rollup is not None]

    def cut(self, at: int, now: float) -> Batch:
        """Take everything in one go.

        Args:
            at: the time that it belongs to, in seconds since 1970.
            now: monotonic seconds.
        """
        rollups = [rollup for portion in self.portions(now) for rollup in portion]
        return self.batch(at, rollups)

    def batch(self, at: int, rollups: Sequence[Rollup]) -> Batch:
        """Put together what `portions` gave."""
        counted = self._count_blocks()
        news = _new_parts(counted, self._blocks)
        self._blocks = counted
        settled, self._settled = self._settled, []
        return Batch(route=self._ledger.route, at=at, rollups=[*settled, *rollups], parts=news)

    def fold(self, now: float, tell: Callable[[Row], None] | None = None) -> list[str]:
        """Fold workers that were idle for long, sooner where there are many; name them.

        Args:
            now: monotonic seconds.
            tell: hears of each row before it is gone.
        """
        workers, idle = self._ledger.workers, now - self._idle_seconds
        excess = len(workers) - int(self._ledger.max_workers * _CROWDED)
        oldest = sorted(
            (seen.changed_at, name)
            for name, seen in self._seen.items()
            if excess > 0 or seen.changed_at <= idle
        )
        folded = []
        for count, (changed_at, name) in enumerate(oldest):
            row = workers[name]
            due = count < excess or changed_at <= idle
            if due and not row.open and self._seen[name].mark == _mark(row):
                if tell is not None:
                    tell(row)
                self._ledger.fold(name)
                del self._seen[name]
                folded.append(name)
        return folded

    def _take(self, name: str, row: Row, now: float) -> Rollup | None:
        mark = _mark(row)
        seen = self._seen.get(name)
        if seen is None:
            seen = self._seen[name] = _Seen(changed_at=now)
        if seen.mark == mark:
            return None
        figures, parts = Figures.of(row), parts_of(row)
        news = Rollup(name, figures - seen.figures, _new_parts(parts, seen.parts))
        seen.figures, seen.parts, seen.mark, seen.changed_at = figures, parts, mark, now
        return news if news.parts or news.figures != Figures() else None

    def _count_blocks(self) -> Parts:
        ledger = self._ledger
        return {
            "blocks.found": (ledger.blocks_found, 0),
            "blocks.accepted": (ledger.blocks_accepted, 0),
            "blocks.refused": (ledger.blocks_refused, 0),
        }


def _new_parts(now: Parts, before: Parts) -> Parts:
    news: Parts = {}
    for name, (shares, work) in now.items():
        old = before.get(name, (0, 0))
        if (shares, work) != old:
            news[name] = (shares - old[0], work - old[1])
    return news
