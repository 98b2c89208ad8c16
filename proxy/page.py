"""What the proxy shows: the page's data, and its metrics. Plain data, no secrets."""

from collections import Counter
from itertools import islice
from typing import Any

import msgspec

import native
from headframe import __version__
from headframe.runtime.metrics import Exporter, render
from headframe.runtime.vitals import Vitals, self_report
from headframe.upstream.base import SourceState
from headframe.upstream.report import UpstreamStatus, upstream_of
from proxy.hub import Hub
from proxy.rig import RigState
from proxy.session import Session
from proxy.stats import RIG_STATES, Lifetime, books_of
from proxy.status import (
    BlocksStatus,
    BlockStatus,
    LegStatus,
    LifetimeStatus,
    ProxyStatus,
    RigStatus,
    SharesStatus,
)
from proxy.store import Figures, Store
from proxy.workers import WorkerSeries

__all__ = ["METRICS_PREFIX", "Page"]

METRICS_PREFIX = "headframe_proxy_"
_MOST_RIGS = 1000
"""Rigs listed; the totals are over all of them."""


class Page:
    """Answers what the web server asks.

    Args:
        hub: rigs, books and source.
        store: history; `None` when it is not kept.
        stratum_url: where rigs connect.
        vitals: how the process is doing.
        worker_series: workers that have metrics of their own.
    """

    def __init__(
        self,
        hub: Hub,
        store: Store | None,
        stratum_url: str,
        vitals: Vitals | None = None,
        *,
        worker_series: int = 200,
    ) -> None:
        self._hub = hub
        self._store = store
        self._url = stratum_url
        self._started = hub.clock.monotonic()
        kernels = "python" if native.extension_missing else "native"
        self._workers = WorkerSeries(hub.ledger, self._rates, most=worker_series)
        self._lasting = (
            Exporter(METRICS_PREFIX, [hub.stats, hub.stats.blocks]),
            hub.stats.pools.exporter(METRICS_PREFIX),
            self._workers.exporter(METRICS_PREFIX),
            *self_report(vitals or Vitals(), program="proxy", kernels=kernels),
        )

    def status(self) -> dict[str, Any]:
        """Return everything the page shows: a `ProxyStatus` as plain data."""
        plain: dict[str, Any] = msgspec.to_builtins(self.snapshot())
        return plain

    def snapshot(self) -> ProxyStatus:
        """Put everything together."""
        hub, now = self._hub, self._hub.clock.monotonic()
        self._look(now)
        sessions = self._sessions()
        rigs = (rig for session in sessions for rig in session.figures(now))
        return ProxyStatus(
            version=__version__,
            uptime_seconds=int(now - self._started),
            stratum_url=self._url,
            upstream=self._upstream(),
            pools=tuple(hub.stats.pools.rows()),
            hashrate_hps=sum(session.hps(now) for session in sessions),
            job_age_seconds=hub.stats.job_age,
            shares=self._shares(),
            pool=self._leg(),
            blocks=self._blocks(),
            rigs_total=hub.stats.rigs,
            rigs=tuple(msgspec.convert(rig, RigStatus) for rig in islice(rigs, _MOST_RIGS)),
            lifetime=self._lifetime(),
        )

    def metrics(self) -> bytes:
        """Return the metrics in Prometheus's text format."""
        now = self._hub.clock.monotonic()
        self._look(now)
        self._workers.look(now)
        self._count_rigs(now)
        totals = [books_of(self._hub.ledger)]
        return render(Exporter(METRICS_PREFIX, [*totals, self._over_restarts()]), *self._lasting)

    def healthy(self) -> bool:
        """Say whether there is work for rigs."""
        state = self._hub.source.status.get().state
        book = self._hub.book
        return (
            state in {SourceState.ACTIVE, SourceState.DEGRADED}
            and book is not None
            and book.current is not None
            and not self._hub.problem
        )

    def _look(self, now: float) -> None:
        """Take note of how the upstreams are doing."""
        stats, source = self._hub.stats, self._hub.source
        status, pools = source.status.get(), stats.pools
        pools.look(status, now)
        stats.upstream_up = int(status.state is SourceState.ACTIVE)
        stats.upstream_connects, stats.upstream_redirects = pools.connects, pools.redirects
        stats.upstream_switches, stats.upstream_idle = pools.switches, pools.idle_seconds
        job = source.jobs.get()
        known = job is not None and status.job_at is not None
        stats.job_age = max(now - (status.job_at or 0.0), 0.0) if known else None

    def _count_rigs(self, now: float) -> None:
        """Count the rigs by state, and the places that are left."""
        stats, slices = self._hub.stats, self._hub.slices
        counts = Counter(state for each in self._sessions() for state in each.states(now))
        stats.rigs_by_state = {state: counts[RigState(state)] for state in RIG_STATES}
        stats.slices_free = None if slices is None else slices.free

    def _rates(self) -> dict[str, float]:
        """Return the hashrate of each worker, all its rigs together."""
        now = self._hub.clock.monotonic()
        rates: dict[str, float] = {}
        for session in self._sessions():
            rates[session.user] = rates.get(session.user, 0.0) + session.hps(now)
        return rates

    def _sessions(self) -> list[Session]:
        return [guest for guest in self._hub.guests if isinstance(guest, Session)]

    def _upstream(self) -> UpstreamStatus:
        told = upstream_of(self._hub.source.status.get())
        return msgspec.structs.replace(told, detail=self._hub.problem or told.detail)

    def _shares(self) -> SharesStatus:
        total = self._hub.ledger.total
        return SharesStatus(
            accepted=total.accepted.shares,
            rejected=total.refused_total.shares,
            by_reason={str(key): tally.shares for key, tally in total.refused.items()},
        )

    def _leg(self) -> LegStatus:
        leg = self._hub.ledger.total.pool
        return LegStatus(
            forwarded=leg.forwarded.shares,
            pending=leg.pending.shares,
            acknowledged=leg.acknowledged.shares,
            lost=leg.lost.shares,
            refused={str(key): tally.shares for key, tally in leg.refused.items()},
        )

    def _blocks(self) -> BlocksStatus:
        hub = self._hub
        return BlocksStatus(
            found=hub.ledger.blocks_found,
            accepted=hub.ledger.blocks_accepted,
            list=tuple(
                BlockStatus(
                    height=block.height,
                    hash=block.hash,
                    time=block.time,
                    verdict=str(block.verdict),
                    detail=block.detail,
                    worker=block.worker,
                )
                for block in reversed(hub.uplink.blocks)
            ),
        )

    def _since_ever(self) -> Figures:
        before = self._store.totals.values() if self._store is not None else ()
        return sum(before, Figures.of(self._hub.ledger.total))

    def _over_restarts(self) -> Lifetime:
        figures = self._since_ever()
        return Lifetime(
            lifetime_shares_offered=figures.offered,
            lifetime_shares_accepted=figures.accepted,
            lifetime_shares_refused=figures.refused,
            lifetime_shares_acknowledged=figures.acknowledged,
            lifetime_work_accepted=figures.work,
        )

    def _lifetime(self) -> LifetimeStatus:
        figures = self._since_ever()
        return LifetimeStatus(
            offered=figures.offered,
            accepted=figures.accepted,
            refused=figures.refused,
            work=str(figures.work),
            problem="" if self._store is None else self._store.problem,
        )
