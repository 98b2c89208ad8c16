"""What programs tell of their upstreams: rows for the status, and metrics for each pool.

A pool's counters belong to its name and last as long as the program: they do not fall when
a pool is taken out, put in again or connected anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final

import msgspec

from headframe.chain.job import SourceId
from headframe.chain.share import Reason, Verdict
from headframe.runtime.metrics import (
    Exporter,
    Histogram,
    Rising,
    Rows,
    by_label,
    by_labels,
    counter,
    gauge,
    histogram,
)
from headframe.upstream.base import ANSWER_BOUNDS, SourceState, SourceStatus, members_of

__all__ = [
    "CLEAN",
    "PoolBook",
    "PoolChanges",
    "PoolFigures",
    "PoolShares",
    "PoolStatus",
    "UpstreamStatus",
    "upstream_of",
]

CLEAN: Final = ("true", "false")
"""Values of the label that says whether a job makes all before it worthless."""


class UpstreamStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The upstream in use, or the group of all, as one."""

    source: Annotated[str, msgspec.Meta(description="Its name.")]
    url: Annotated[str, msgspec.Meta(description="Where it is, without credentials.")]
    state: SourceState
    detail: Annotated[str, msgspec.Meta(description="Why it is not active, and what to do.")]
    height: Annotated[
        int | None, msgspec.Meta(description="Of the block being worked on, where it is known.")
    ]
    network: Annotated[str, msgspec.Meta(description='Such as "regtest", where it is known.')]


class PoolStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One of the configured upstreams, whether or not it is in use."""

    source: Annotated[str, msgspec.Meta(description="Its name; unique.")]
    url: Annotated[str, msgspec.Meta(description="Where it is, without credentials.")]
    user: Annotated[str, msgspec.Meta(description="The account that shares count for.")]
    state: SourceState
    detail: Annotated[str, msgspec.Meta(description="Why it is not active, and what to do.")]
    in_use: Annotated[bool, msgspec.Meta(description="Its job is the one that is worked on.")]
    height: Annotated[
        int | None, msgspec.Meta(description="Of its newest job's block, where it is known.")
    ]
    connects: Annotated[int, msgspec.Meta(ge=0, description="Connections made so far.")]
    answer_seconds: Annotated[
        float | None,
        msgspec.Meta(description="How long the last answer took: to a share, or with a template."),
    ]
    difficulty: Annotated[
        float, msgspec.Meta(ge=0, description="Of its newest job's shares; 0 before one.")
    ]
    job_age_seconds: Annotated[float | None, msgspec.Meta(description="Since its newest job came.")]
    accepted: Annotated[int, msgspec.Meta(ge=0, description="Shares that it accepted.")]
    rejected: Annotated[int, msgspec.Meta(ge=0, description="Shares that it refused.")]
    lost: Annotated[
        int, msgspec.Meta(ge=0, description="Shares whose connection went before a verdict came.")
    ]
    work_accepted: Annotated[
        float, msgspec.Meta(ge=0, description="Expected hashes behind the accepted shares.")
    ]
    last_share_time: Annotated[
        int | None,
        msgspec.Meta(description="When it accepted a share last, in seconds since 1970."),
    ]


def upstream_of(status: SourceStatus) -> UpstreamStatus:
    """Tell of a source as of one upstream."""
    return UpstreamStatus(
        source=status.source,
        url=status.url,
        state=status.state,
        detail=status.detail,
        height=status.height,
        network=status.network,
    )


@dataclass(slots=True, kw_only=True)
class PoolFigures:
    """A pool's own metrics."""

    state: dict[str, int] = by_label(
        "1 for the state that an upstream is in.", "state", SourceState, kind="gauge"
    )
    in_use: int = gauge("1 for the upstream whose job is worked on, else 0.")
    rank: int = gauge("Place among the upstreams: 1 for the preferred one.")
    height: int | None = gauge("Height of the newest job's block, where it is known.")
    connects: int = counter("Connections made to an upstream.")
    redirects: int = counter("Times that a pool sent us elsewhere, and was followed.")
    faults: int = counter("Times that a pool broke the protocol.")
    job_age: float | None = gauge("Time since an upstream's newest job came.", "seconds")
    difficulty: float = gauge("Difficulty of the newest job's shares; 0 before one.")
    answer: Histogram | None = histogram(
        "How long answers took: a pool's to a share, a node's with a template.",
        "seconds",
        ANSWER_BOUNDS,
    )
    clock_skew: float | None = gauge(
        "How far the newest job's time was ahead of this machine's clock when it came.", "seconds"
    )
    certificate_expiry_timestamp: float | None = gauge(
        "When an upstream's TLS certificate ends, since 1970.", "seconds"
    )
    pays_expected: int | None = gauge(
        "1 when the newest job pays the address of `expect_payout`, 0 when it does not."
    )


@dataclass(slots=True, kw_only=True)
class PoolShares:
    """What became of the shares sent to one pool."""

    shares_accepted: int = counter("Shares that an upstream accepted.")
    shares_rejected: int = counter("Shares that an upstream refused.")
    shares_lost: int = counter("Shares whose connection went before a verdict came.")
    work_accepted: int = counter("Expected hashes behind an upstream's accepted shares.", "hashes")
    last_share_timestamp: float | None = gauge(
        "When an upstream accepted a share last, since 1970.", "seconds"
    )

    def __post_init__(self) -> None:
        self.last_share_timestamp = None


@dataclass(slots=True, kw_only=True)
class PoolChanges:
    """How work went from one pool to another."""

    failovers: dict[tuple[str, ...], int] = by_labels(
        "Switches from one upstream to another. lost: the one before had no work any more; "
        "preferred: one that stands before it is back; turn: it was another one's turn; "
        "removed: the settings do not name it any more.",
        ("from", "to", "reason"),
    )


class _Answers:
    """Follows a source's answers, over all that were made of one name."""

    def __init__(self) -> None:
        self._past: Histogram | None = None
        self._now: Histogram | None = None

    def follow(self, answers: Histogram | None) -> Histogram | None:
        """Take the source's own; return all of the name."""
        if answers is not self._now:
            self._past, self._now = self._both(), answers
        return self._both()

    def _both(self) -> Histogram | None:
        if self._past is None or self._now is None:
            return self._now or self._past
        return self._past.with_all_of(self._now)


class _Pool:
    """All that is kept of one name."""

    def __init__(self) -> None:
        self._answers = _Answers()
        self.shares = PoolShares()
        self.figures = PoolFigures()
        self._connects, self._redirects, self._faults = Rising(), Rising(), Rising()

    def look(self, status: SourceStatus, now: float) -> None:
        figures = self.figures
        figures.state = {state: int(state is status.state) for state in SourceState}
        figures.in_use = int(status.in_use)
        figures.rank, figures.height = status.rank, status.height
        figures.connects = int(self._connects.follow(status.connects))
        figures.redirects = int(self._redirects.follow(status.redirects))
        figures.faults = int(self._faults.follow(status.faults))
        figures.job_age = None if status.job_at is None else max(now - status.job_at, 0.0)
        figures.difficulty = status.difficulty
        figures.answer = self._answers.follow(status.answers)
        figures.clock_skew = status.clock_skew_seconds
        figures.certificate_expiry_timestamp = status.certificate_until
        pays = status.pays_expected
        figures.pays_expected = None if pays is None else int(pays)

    def tell(self, status: SourceStatus) -> PoolStatus:
        figures, shares = self.figures, self.shares
        at = shares.last_share_timestamp
        return PoolStatus(
            source=status.source,
            url=status.url,
            user=status.user,
            state=status.state,
            detail=status.detail,
            in_use=status.in_use,
            height=status.height,
            connects=figures.connects,
            answer_seconds=status.answer_seconds,
            difficulty=figures.difficulty,
            job_age_seconds=figures.job_age,
            accepted=shares.shares_accepted,
            rejected=shares.shares_rejected,
            lost=shares.shares_lost,
            work_accepted=float(shares.work_accepted),
            last_share_time=None if at is None else int(at),
        )


class PoolBook:
    """The books of all pools, by name."""

    def __init__(self) -> None:
        self._pools: dict[SourceId, _Pool] = {}
        self._shown: tuple[SourceStatus, ...] = ()
        self._switches, self._idle = Rising(), Rising()
        self._failovers: dict[tuple[str, ...], Rising] = {}
        self._changes = PoolChanges()

    def answered(self, source: SourceId, verdict: Verdict, work: int, wall: float) -> None:
        """Count an upstream's answer to a share.

        Args:
            source: whose it is.
            verdict: `PENDING` counts for nothing: the real one comes later, elsewhere.
            work: expected hashes behind the share, by the upstream's target.
            wall: seconds since 1970.
        """
        shares = self._pool(source).shares
        match verdict.reason:
            case Reason.ACCEPTED:
                shares.shares_accepted += 1
                shares.work_accepted += work
                shares.last_share_timestamp = wall
            case Reason.LOST:
                shares.shares_lost += 1
            case Reason.PENDING:
                pass
            case _:
                shares.shares_rejected += 1

    def look(self, status: SourceStatus, now: float) -> None:
        """Take note of how all are doing; `now` by `runtime.clock.monotonic`."""
        self._shown = members_of(status)
        for one in self._shown:
            self._pool(one.source).look(one, now)
        self._switches.follow(status.switches)
        for row in status.failovers:
            key = (str(row.before), str(row.after), str(row.reason))
            rising = self._failovers.setdefault(key, Rising())
            self._changes.failovers[key] = int(rising.follow(row.count))
        self._idle.follow(status.idle_seconds)

    @property
    def connects(self) -> int:
        """Connections made to any of them."""
        return sum(pool.figures.connects for pool in self._pools.values())

    @property
    def redirects(self) -> int:
        """Redirects followed, of any of them."""
        return sum(pool.figures.redirects for pool in self._pools.values())

    @property
    def switches(self) -> int:
        """Switches from one to another."""
        return int(self._switches.total)

    @property
    def idle_seconds(self) -> float:
        """Time without live work; see `SourceStatus.idle_seconds`."""
        return self._idle.total

    def rows(self) -> list[PoolStatus]:
        """Tell of each pool that is configured, as of the last look."""
        return [self._pool(one.source).tell(one) for one in self._shown]

    def exporter(self, prefix: str) -> Exporter:
        """Make the collector of the pools' metrics; `prefix` is the program's."""
        return Exporter(
            prefix + "pool_",
            [
                self._changes,
                Rows("pool", PoolFigures, lambda: {n: p.figures for n, p in self._present()}),
                Rows("pool", PoolShares, lambda: {n: p.shares for n, p in self._present()}),
            ],
        )

    def _present(self) -> Sequence[tuple[SourceId, _Pool]]:
        return [(one.source, self._pool(one.source)) for one in self._shown]

    def _pool(self, source: SourceId) -> _Pool:
        pool = self._pools.get(source)
        if pool is None:
            pool = self._pools[source] = _Pool()
        return pool
