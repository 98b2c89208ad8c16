"""The books and the upstreams of all routes, as one: sums made when somebody asks."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from headframe.chain.share import Reason
from headframe.upstream.base import SourceState, SourceStatus, members_of
from headframe.upstream.failovers import Failovers
from proxy.ledger import Ledger, PoolLeg, Row, Tally

__all__ = ["AllBooks", "Totals", "sum_rows", "sum_statuses"]


class AllBooks(Protocol):
    """What those read who tell of the books: a `Ledger`, or several as one."""

    @property
    def total(self) -> Row:
        """Everyone's together."""

    @property
    def workers(self) -> Mapping[str, Row]:
        """Each worker's, by name."""

    @property
    def blocks_found(self) -> int:
        """Block candidates that went up."""

    @property
    def blocks_accepted(self) -> int:
        """Those that a node accepted."""

    @property
    def blocks_refused(self) -> int:
        """Those that it refused."""


class Totals:
    """Several ledgers as one.

    Args:
        ledgers: tells them, those of routes that are gone included: no sum ever falls.
    """

    def __init__(self, ledgers: Callable[[], Collection[Ledger]]) -> None:
        self._ledgers = ledgers

    @property
    def total(self) -> Row:
        """Everyone's together."""
        return sum_rows("(all)", [each.total for each in self._ledgers()])

    @property
    def workers(self) -> Mapping[str, Row]:
        """Each worker's, by name: a worker may be on several routes."""
        ledgers = tuple(self._ledgers())
        if len(ledgers) == 1:
            return ledgers[0].workers
        rows: dict[str, list[Row]] = {}
        for ledger in ledgers:
            for name, row in ledger.workers.items():
                rows.setdefault(name, []).append(row)
        return {name: sum_rows(name, each) for name, each in rows.items()}

    @property
    def blocks_found(self) -> int:
        """Block candidates that went up."""
        return sum(each.blocks_found for each in self._ledgers())

    @property
    def blocks_accepted(self) -> int:
        """Those that a node accepted."""
        return sum(each.blocks_accepted for each in self._ledgers())

    @property
    def blocks_refused(self) -> int:
        """Those that it refused."""
        return sum(each.blocks_refused for each in self._ledgers())


def sum_rows(name: str, rows: Sequence[Row]) -> Row:
    """Add rows up; a single one is returned as it is.

    Args:
        name: of the sum.
        rows: at least one.
    """
    if len(rows) == 1:
        return rows[0]
    return Row(
        name,
        offered=_sum(row.offered for row in rows),
        refused=_by_reason(row.refused for row in rows),
        accepted=_sum(row.accepted for row in rows),
        kept=sum(row.kept for row in rows),
        pool=_leg([row.pool for row in rows]),
        rescued=_leg([row.rescued for row in rows]),
    )


def _leg(legs: Sequence[PoolLeg]) -> PoolLeg:
    return PoolLeg(
        forwarded=_sum(leg.forwarded for leg in legs),
        pending=_sum(leg.pending for leg in legs),
        acknowledged=_sum(leg.acknowledged for leg in legs),
        refused=_by_reason(leg.refused for leg in legs),
        lost=_sum(leg.lost for leg in legs),
    )


def _sum(tallies: Iterable[Tally]) -> Tally:
    return sum(tallies, Tally())


def _by_reason(each: Iterable[Mapping[Reason, Tally]]) -> dict[Reason, Tally]:
    total: dict[Reason, Tally] = {}
    for refused in each:
        for reason, tally in refused.items():
            total[reason] = total.get(reason, Tally()) + tally
    return total


_WORKING = frozenset({SourceState.ACTIVE, SourceState.DEGRADED})


def sum_statuses(
    statuses: Mapping[str, SourceStatus], gone: SourceStatus | None = None
) -> SourceStatus:
    """Tell of the upstreams of several routes as of one group.

    Args:
        statuses: by route, the first route first; at least one.
        gone: the counts of routes that were taken out, if there were any.
    """
    first = next(iter(statuses.values()))
    if len(statuses) == 1 and gone is None:
        return first
    all_of_them = tuple(statuses.values())
    counted = (*all_of_them, gone) if gone is not None else all_of_them
    bad = {name: each for name, each in statuses.items() if each.state is not SourceState.ACTIVE}
    works = any(each.state in _WORKING for each in all_of_them)
    state = SourceState.DEGRADED if works else first.state
    return replace(
        first,
        state=state if bad else SourceState.ACTIVE,
        detail="; ".join(
            f"route {name}: {each.detail or each.state}" for name, each in bad.items()
        ),
        connects=sum(each.connects for each in counted),
        switches=sum(each.switches for each in counted),
        failovers=Failovers(row for each in counted for row in each.failovers).rows,
        redirects=sum(each.redirects for each in counted),
        idle_seconds=sum(each.idle_seconds for each in counted),
        members=tuple(member for each in all_of_them for member in members_of(each)),
    )
