"""The figures that history keeps of a worker, taken from the books and made books again. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import add, attrgetter, sub
from typing import Final, Self

from headframe.chain.share import Reason
from proxy.ledger import PoolLeg, Row, Tally

__all__ = [
    "COUNTS",
    "REASONS",
    "WORKS",
    "Figures",
    "Parts",
    "added",
    "new_parts",
    "parts_of",
    "refusals_in",
    "row_of",
]

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
REASONS: Final = tuple(
    str(reason) for reason in Reason if reason not in {Reason.ACCEPTED, Reason.PENDING, Reason.LOST}
)
"""Why a share may be refused here."""


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


def added(parts: Parts, others: Parts) -> Parts:
    """Add parts up, name by name."""
    if not others:
        return parts
    found = dict(parts)
    for name, (shares, work) in others.items():
        before = found.get(name, (0, 0))
        found[name] = (before[0] + shares, before[1] + work)
    return found


def new_parts(now: Parts, before: Parts) -> Parts:
    """Say by how much parts have grown; only those that did."""
    news: Parts = {}
    for name, (shares, work) in now.items():
        old = before.get(name, (0, 0))
        if (shares, work) != old:
            news[name] = (shares - old[0], work - old[1])
    return news


def refusals_in(parts: Parts) -> Mapping[str, int]:
    """Return the shares that were refused here, by reason; those of other parts are left out."""
    found = {
        name.removeprefix(_REFUSED): shares
        for name, (shares, _) in parts.items()
        if name.startswith(_REFUSED)
    }
    return {reason: shares for reason, shares in found.items() if reason in REASONS}
