"""The books: every share, and every hash it stands for, on both legs.

    rig leg      offered   = refused (by reason) + accepted        in work by the rig's target
    in between   accepted  = kept + forwarded                      in shares
    pool leg     forwarded = pending + acknowledged + refused (by reason) + lost
                                                                   in work by the pool's target

*Kept* are good shares that are easier than the pool's target. Block candidates that
went up although the rig's share was refused here are *rescued*: they have a pool leg of
their own, so that the equations above stay exact. All figures are whole numbers, and the
equations hold between any two calls (`Ledger.verify`, and in turns `Ledger.check`). The work
of a share is `floor(2^256 / (target + 1))`. The two legs' work agrees only statistically.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from types import MappingProxyType
from typing import Final

from headframe.chain.share import Reason, Verdict

__all__ = ["OTHER_WORKERS", "Ledger", "LedgerError", "PoolLeg", "Row", "Tally"]

OTHER_WORKERS: Final = "(other)"
"""Collects the shares of workers above the limit."""


class LedgerError(Exception):
    """The books do not balance: a bug of ours."""


@dataclass(slots=True)
class Tally:
    """A number of shares, and the hashes they stand for."""

    shares: int = 0
    work: int = 0

    def add(self, work: int) -> None:
        """Count one share."""
        self.shares += 1
        self.work += work

    def remove(self, work: int) -> None:
        """Take one share back."""
        self.shares -= 1
        self.work -= work

    def absorb(self, other: "Tally") -> None:
        """Add another one's figures."""
        self.shares += other.shares
        self.work += other.work

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.shares + other.shares, self.work + other.work)


_NONE_REFUSED: Final[Mapping[Reason, Tally]] = MappingProxyType({})
"""Shared by all whose shares were good so far, in place of an empty dictionary each."""


def _sum(refused: Mapping[Reason, Tally]) -> Tally:
    return sum(refused.values(), Tally())


@dataclass(slots=True)
class PoolLeg:
    """What became of the shares that went up; work by the pool's target."""

    forwarded: Tally = field(default_factory=Tally)
    pending: Tally = field(default_factory=Tally)
    acknowledged: Tally = field(default_factory=Tally)
    refused: dict[Reason, Tally] = field(default_factory=dict)
    lost: Tally = field(default_factory=Tally)

    def sent(self, work: int) -> None:
        """Count a share that goes up."""
        self.forwarded.add(work)
        self.pending.add(work)

    def answered(self, reason: Reason, work: int) -> None:
        """Count the answer to it.

        `PENDING` changes nothing: the journal goes on trying, and the share stays pending.
        """
        if reason is Reason.PENDING:
            return
        self.pending.remove(work)
        match reason:
            case Reason.ACCEPTED:
                self.acknowledged.add(work)
            case Reason.LOST:
                self.lost.add(work)
            case _:
                self.refused.setdefault(reason, Tally()).add(work)

    def absorb(self, other: "PoolLeg") -> None:
        """Add another one's figures."""
        self.forwarded.absorb(other.forwarded)
        self.pending.absorb(other.pending)
        self.acknowledged.absorb(other.acknowledged)
        self.lost.absorb(other.lost)
        for reason, tally in other.refused.items():
            self.refused.setdefault(reason, Tally()).absorb(tally)

    def verify(self, whose: str) -> None:
        """Check the pool leg's equation.

        Raises:
            LedgerError: it does not hold.
        """
        sides = self.pending + self.acknowledged + _sum(self.refused) + self.lost
        if self.forwarded != sides:
            raise LedgerError(f"{whose}: {self.forwarded} forwarded, but {sides} accounted for")
        if self.pending.shares < 0:
            raise LedgerError(f"{whose}: {self.pending.shares} shares pending")


_UNUSED: Final = PoolLeg()
"""Stands for a leg on which nothing went up yet; never written to."""


@dataclass(slots=True)
class Row:
    """One worker's books, or everyone's together.

    Attributes:
        name: the worker, as its rigs call it.
        offered: all that was submitted and could be weighed.
        refused: by reason.
        accepted: good shares.
        kept: good, but not for the pool: easier than its target. In shares.
        pool: those that went up.
        rescued: block candidates that went up though refused here.
    """

    name: str
    offered: Tally = field(default_factory=Tally)
    refused: Mapping[Reason, Tally] = field(default_factory=lambda: _NONE_REFUSED)
    accepted: Tally = field(default_factory=Tally)
    kept: int = 0
    pool: PoolLeg = field(default_factory=lambda: _UNUSED)
    rescued: PoolLeg = field(default_factory=lambda: _UNUSED)

    @property
    def refused_total(self) -> Tally:
        """All that was refused."""
        return _sum(self.refused)

    def refuse(self, reason: Reason, work: int) -> None:
        """Count a share that was refused here."""
        self.offered.add(work)
        self._refused_for(reason).add(work)

    def _refused_for(self, reason: Reason) -> Tally:
        tally = self.refused.get(reason)
        if tally is None:
            tally = Tally()
            self.refused = {**self.refused, reason: tally}
        return tally

    def rescue(self, pool_work: int) -> None:
        """Count a block candidate that goes up though its share was refused.

        Args:
            pool_work: its work by the pool's target.
        """
        self.leg(rescued=True).sent(pool_work)

    def leg(self, *, rescued: bool) -> PoolLeg:
        """Return one of the two legs to write to."""
        if rescued:
            if self.rescued is _UNUSED:
                self.rescued = PoolLeg()
            return self.rescued
        if self.pool is _UNUSED:
            self.pool = PoolLeg()
        return self.pool

    @property
    def open(self) -> bool:
        """Shares of it are on their way: it will be written to again."""
        return bool(self.pool.pending.shares or self.rescued.pending.shares)

    def absorb(self, other: "Row") -> None:
        """Add another one's figures."""
        self.offered.absorb(other.offered)
        self.accepted.absorb(other.accepted)
        self.kept += other.kept
        for reason, tally in other.refused.items():
            self._refused_for(reason).absorb(tally)
        if other.pool is not _UNUSED:
            self.leg(rescued=False).absorb(other.pool)
        if other.rescued is not _UNUSED:
            self.leg(rescued=True).absorb(other.rescued)

    def verify(self) -> None:
        """Check all three equations.

        Raises:
            LedgerError: one does not hold.
        """
        sides = self.accepted + self.refused_total
        if self.offered != sides:
            raise LedgerError(f"{self.name}: {self.offered} offered, but {sides} judged")
        if self.accepted.shares != self.kept + self.pool.forwarded.shares:
            raise LedgerError(
                f"{self.name}: {self.accepted.shares} accepted, but {self.kept} kept + "
                f"{self.pool.forwarded.shares} forwarded"
            )
        self.pool.verify(self.name)
        self.rescued.verify(f"{self.name}, rescued")


_PORTION: Final = 256
"""Rows that are checked each second: a millisecond."""
_SUMS: Final = tuple(
    (name, attrgetter(name))
    for name in (
        *(
            f"{account}.{unit}"
            for account in ("offered", "accepted")
            for unit in ("shares", "work")
        ),
        "kept",
        *(
            f"{leg}.{account}.{unit}"
            for leg in ("pool", "rescued")
            for account in ("forwarded", "pending", "acknowledged", "lost")
            for unit in ("shares", "work")
        ),
    )
)
"""What the workers must add up to the total in; with each row's equations, that is all."""


class Ledger:
    """All workers' books of a route, and the totals.

    A worker that was idle for long may be folded (`fold`): its figures stay in `idle`, and
    when it comes again it begins anew.

    Args:
        route: whose books they are; "" where there is only one.
        max_workers: names that get a row of their own; a stranger chooses names, so
            the rest share `OTHER_WORKERS`.
    """

    def __init__(self, *, route: str = "", max_workers: int = 10_000) -> None:
        self.route = route
        self.max_workers = max_workers
        self.total = Row("(all)")
        self.idle = Row("(idle)")
        self.workers: dict[str, Row] = {}
        self._unchecked: list[Row] = []
        self._checks = 0
        self.blocks_found = 0
        self.blocks_accepted = 0
        self.blocks_refused = 0

    def worker(self, name: str) -> Row:
        """Return a worker's row, opening it if need be."""
        row = self.workers.get(name)
        if row is None:
            if len(self.workers) >= self.max_workers:
                name = OTHER_WORKERS
            row = self.workers.setdefault(name, Row(name))
        return row

    def refuse(self, row: Row, reason: Reason, work: int) -> None:
        """Book a share that was refused here."""
        row.refuse(reason, work)
        self.total.refuse(reason, work)

    def keep(self, row: Row, work: int, count: int = 1) -> None:
        """Book good shares that stay here, each of so much work.

        Spelt out, since this is called for every share.
        """
        work *= count
        for book in (row, self.total):
            offered, accepted = book.offered, book.accepted
            offered.shares += count
            offered.work += work
            accepted.shares += count
            accepted.work += work
            book.kept += count

    def send(self, row: Row, work: int, pool_work: int) -> None:
        """Book a good share that goes up; its work by the rig's target and the pool's."""
        for book in (row, self.total):
            leg = book.leg(rescued=False)
            for tally in (book.offered, book.accepted):
                tally.shares += 1
                tally.work += work
            for tally in (leg.forwarded, leg.pending):
                tally.shares += 1
                tally.work += pool_work

    def rescue(self, row: Row, pool_work: int) -> None:
        """Book a block candidate that goes up though its share was refused here."""
        row.rescue(pool_work)
        self.total.rescue(pool_work)

    def answer(self, row: Row, verdict: Verdict, pool_work: int, *, rescued: bool) -> None:
        """Book the upstream's verdict on what went up."""
        for book in (row, self.total):
            book.leg(rescued=rescued).answered(verdict.reason, pool_work)
        if verdict.block:
            self.judge_block(verdict)

    def judge_block(self, verdict: Verdict) -> None:
        """Count the verdict on a block; by itself for one whose share is not in these books."""
        if verdict.reason is Reason.ACCEPTED:
            self.blocks_accepted += 1
        elif verdict.reason not in {Reason.PENDING, Reason.LOST}:
            self.blocks_refused += 1

    def restore(self, row: Row, *, idle: bool) -> None:
        """Add books of an earlier run.

        Args:
            row: of one worker, settled: nothing of it is on its way.
            idle: it has not been seen for long, and gets no row of its own.
        """
        self.total.absorb(row)
        known = self.workers.get(row.name)
        if known is not None:
            known.absorb(row)
        elif idle or len(self.workers) >= self.max_workers:
            self.idle.absorb(row)
        else:
            self.workers[row.name] = row

    def fold(self, name: str) -> bool:
        """Take a worker's row out, its figures going to `idle`; not while shares are open."""
        row = self.workers[name]
        if row.open:
            return False
        self.idle.absorb(row)
        del self.workers[name]
        return True

    def check(self) -> None:
        """Check the totals, the next few rows and the next sum: cheap enough for each second.

        Raises:
            LedgerError: the books do not balance.
        """
        self.total.verify()
        self.idle.verify()
        if not self._unchecked:
            self._unchecked = list(self.workers.values())
        for row in self._unchecked[-_PORTION:]:
            row.verify()
        del self._unchecked[-_PORTION:]
        self._compare(self._checks % len(_SUMS))
        self._checks += 1

    def verify(self) -> None:
        """Check every row, and that the workers add up to the total.

        Raises:
            LedgerError: the books do not balance.
        """
        self.total.verify()
        self.idle.verify()
        for row in self.workers.values():
            row.verify()
        for index in range(len(_SUMS)):
            self._compare(index)

    def _compare(self, index: int) -> None:
        """Compare one sum over all workers with the total."""
        name, figure = _SUMS[index]
        found = sum(map(figure, self.workers.values()), figure(self.idle))
        if found != figure(self.total):
            raise LedgerError(
                f"{name}: the workers add up to {found}, the total says {figure(self.total)}"
            )
