"""What the proxy shows: the page's data, and its metrics. Plain data, no secrets."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

import native
from headframe import __version__
from headframe.runtime.metrics import Exporter, Rows, render_in_turns
from headframe.runtime.vitals import Vitals, self_report
from headframe.upstream.base import SourceState
from headframe.upstream.blocks import BlockStats
from headframe.upstream.report import UpstreamStatus, upstream_of
from proxy.census import Census
from proxy.history_figures import Figures
from proxy.rigview import RigView
from proxy.routetable import RouteFigures, extranonce_of, has_work, route_figures, routes_of, summed
from proxy.routing import Routing
from proxy.stats import books_of
from proxy.status import (
    BlocksStatus,
    BlockStatus,
    LegStatus,
    LifetimeStatus,
    ProxyStatus,
    SharesStatus,
)
from proxy.store import Store
from proxy.workers import WorkerSeries

__all__ = ["METRICS_PREFIX", "Page"]

METRICS_PREFIX = "headframe_proxy_"
_MOST_BLOCKS = 50
_MOST_RIGS = 100
"""Rigs listed; the totals are over all of them, and `rigs` has the rest."""


class Page:
    """Answers what the web server asks.

    Args:
        routing: rigs, books and sources.
        store: history; `None` when it is not kept.
        stratum_url: where rigs connect.
        vitals: how the process is doing.
        worker_series: workers that have metrics of their own.
        others: further figures to be told as metrics.
    """

    def __init__(
        self,
        routing: Routing,
        store: Store | None,
        stratum_url: str,
        vitals: Vitals | None = None,
        *,
        worker_series: int = 200,
        others: Sequence[object] = (),
    ) -> None:
        self._routing = routing
        self._store = store
        self._url = stratum_url
        self.rigs = RigView(routing)
        """What `/api/v1/rigs` tells."""
        self._started = routing.clock.monotonic()
        kernels = "python" if native.extension_missing else "native"
        self._census = Census(routing)
        self._workers = WorkerSeries(
            routing.totals, lambda: self._census.workers, most=worker_series
        )
        self._scraping = asyncio.Lock()
        self._lasting = (
            Exporter(METRICS_PREFIX, [routing.stats, self._workers.stats, *others]),
            routing.stats.pools.exporter(METRICS_PREFIX),
            self._workers.exporter(METRICS_PREFIX),
            *self_report(vitals or Vitals(), program="proxy", kernels=kernels),
        )

    def status(self) -> dict[str, Any]:
        """Return everything the page shows: a `ProxyStatus` as plain data."""
        plain: dict[str, Any] = msgspec.to_builtins(self.snapshot())
        return plain

    def snapshot(self) -> ProxyStatus:
        """Put everything together."""
        now, stats = self._routing.clock.monotonic(), self._routing.stats
        self._look(now)
        return ProxyStatus(
            version=__version__,
            uptime_seconds=int(now - self._started),
            stratum_url=self._url,
            upstream=self._upstream(),
            pools=tuple(stats.pools.rows()),
            hashrate_hps=self.rigs.hps,
            job_age_seconds=stats.job_age,
            shares=self._shares(),
            pool=self._leg(),
            blocks=self._blocks(),
            rigs_total=stats.rigs,
            routes=tuple(routes_of(self._routing, self.rigs.hps_by_route)),
            extranonce=extranonce_of(self._routing),
            rigs_by_state=self.rigs.by_state,
            rigs=self.rigs.first(_MOST_RIGS),
            lifetime=self._lifetime(),
        )

    async def metrics(self) -> bytes:
        """Return the metrics in Prometheus's text format.

        Thousands of rigs are counted a few at a time: shares do not wait for a scrape.
        """
        async with self._scraping:  # a count of the workers must end before another begins
            clock = self._routing.clock
            now = clock.monotonic()
            self._look(now)
            for steps in (self._census.steps(now), self._workers.steps(now, clock.wall())):
                for _ in steps:
                    await asyncio.sleep(0)
            self._count_rigs()
            sums = [books_of(self._routing.totals), self._block_stats()]
            routes = route_figures(self._routing, self._census.hps_by_route)
            return await render_in_turns(
                Exporter(METRICS_PREFIX, sums),
                Exporter(METRICS_PREFIX + "route_", [Rows("route", RouteFigures, lambda: routes)]),
                *self._lasting,
            )

    def _block_stats(self) -> BlockStats:
        known = self._routing.known.values()
        return summed(BlockStats, [*(each.hub.blocks for each in known), *self._routing.strays])

    def healthy(self) -> bool:
        """Say whether there is work for rigs."""
        return any(has_work(hub) for hub in self._routing.hubs)

    def _look(self, now: float) -> None:
        """Take note of how the upstreams are doing."""
        stats, status = self._routing.stats, self._routing.status
        pools = stats.pools
        pools.look(status, now)
        stats.upstream_up = int(status.state is SourceState.ACTIVE)
        stats.upstream_connects, stats.upstream_redirects = pools.connects, pools.redirects
        stats.upstream_switches, stats.upstream_idle = pools.switches, pools.idle_seconds
        works = any(hub.source.jobs.get() is not None for hub in self._routing.hubs)
        known = works and status.job_at is not None
        stats.job_age = max(now - (status.job_at or 0.0), 0.0) if known else None

    def _count_rigs(self) -> None:
        """Tell of the rigs by state, and the places that are left."""
        stats, slices = self._routing.stats, self._routing.space.slices
        stats.rigs_by_state = self._census.by_state
        stats.rigs_rolling_stopped = self._census.stopped_rolling
        stats.slices_free = None if slices is None else slices.free

    def _upstream(self) -> UpstreamStatus:
        told, first = upstream_of(self._routing.status), self._routing.first
        return msgspec.structs.replace(told, detail=first.problem or told.detail)

    def _shares(self) -> SharesStatus:
        total = self._routing.totals.total
        return SharesStatus(
            accepted=total.accepted.shares,
            rejected=total.refused_total.shares,
            by_reason={str(key): tally.shares for key, tally in total.refused.items()},
        )

    def _leg(self) -> LegStatus:
        leg = self._routing.totals.total.pool
        return LegStatus(
            forwarded=leg.forwarded.shares,
            pending=leg.pending.shares,
            acknowledged=leg.acknowledged.shares,
            lost=leg.lost.shares,
            refused={str(key): tally.shares for key, tally in leg.refused.items()},
        )

    def _blocks(self) -> BlocksStatus:
        books = self._routing.totals
        found = sorted(
            (block for each in self._routing.known.values() for block in each.hub.uplink.blocks),
            key=lambda block: -block.time,
        )
        return BlocksStatus(
            found=books.blocks_found,
            accepted=books.blocks_accepted,
            list=tuple(
                BlockStatus(
                    height=block.height,
                    hash=block.hash,
                    time=block.time,
                    verdict=str(block.verdict),
                    detail=block.detail,
                    worker=block.worker,
                    source=block.source,
                    payout=block.payout,
                )
                for block in found[:_MOST_BLOCKS]
            ),
        )

    def _lifetime(self) -> LifetimeStatus:
        figures = Figures.of(self._routing.totals.total)  # the books go on where they ended
        return LifetimeStatus(
            offered=figures.offered,
            accepted=figures.accepted,
            refused=figures.refused,
            work=str(figures.work_accepted),
            problem="" if self._store is None else self._store.problem,
        )
