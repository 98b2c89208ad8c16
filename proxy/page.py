"""What the proxy shows: the page's data, and its metrics. Plain data, no secrets."""

from itertools import islice

from headframe import __version__
from headframe.runtime.metrics import Exporter, render
from headframe.upstream.base import SourceState
from proxy.hub import Hub
from proxy.session import Session
from proxy.stats import books_of
from proxy.store import Figures, Store

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
    """

    def __init__(self, hub: Hub, store: Store | None, stratum_url: str) -> None:
        self._hub = hub
        self._store = store
        self._url = stratum_url
        self._started = hub.clock.monotonic()

    def status(self) -> dict[str, object]:
        """Return everything the page shows."""
        hub, now = self._hub, self._hub.clock.monotonic()
        sessions = self._sessions()
        total = hub.ledger.total
        rigs = (rig for session in sessions for rig in session.figures(now))
        return {
            "program": "proxy",
            "version": __version__,
            "uptime_seconds": int(now - self._started),
            "stratum_url": self._url,
            "upstream": self._upstream(),
            "hashrate_hps": sum(session.hps(now) for session in sessions),
            "shares": {
                "accepted": total.accepted.shares,
                "rejected": total.refused_total.shares,
                "by_reason": {str(key): tally.shares for key, tally in total.refused.items()},
            },
            "pool": self._pool(),
            "blocks": {"accepted": hub.ledger.blocks_accepted, "list": self._blocks()},
            "rigs_total": hub.stats.rigs,
            "rigs": list(islice(rigs, _MOST_RIGS)),
            "lifetime": self._lifetime(),
        }

    def metrics(self) -> bytes:
        """Return the metrics in Prometheus's text format."""
        stats, status = self._hub.stats, self._hub.source.status.get()
        stats.upstream_up = int(status.state is SourceState.ACTIVE)
        stats.upstream_connects, stats.upstream_switches = status.connects, status.switches
        stats.upstream_redirects = status.redirects
        stats.upstream_idle = status.idle_seconds
        return render(Exporter(METRICS_PREFIX, [stats, books_of(self._hub.ledger)]))

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

    def _sessions(self) -> list[Session]:
        return [guest for guest in self._hub.guests if isinstance(guest, Session)]

    def _upstream(self) -> dict[str, object]:
        status = self._hub.source.status.get()
        return {
            "source": status.source,
            "url": status.url,
            "state": status.state.value,
            "detail": self._hub.problem or status.detail,
            "height": status.height,
            "network": status.network,
        }

    def _pool(self) -> dict[str, object]:
        """The leg to the upstream."""
        leg = self._hub.ledger.total.pool
        return {
            "forwarded": leg.forwarded.shares,
            "pending": leg.pending.shares,
            "acknowledged": leg.acknowledged.shares,
            "lost": leg.lost.shares,
            "refused": {str(key): tally.shares for key, tally in leg.refused.items()},
        }

    def _blocks(self) -> list[dict[str, object]]:
        return [
            {
                "height": block.height,
                "hash": block.hash,
                "time": block.time,
                "verdict": block.verdict,
                "detail": block.detail,
                "worker": block.worker,
            }
            for block in reversed(self._hub.uplink.blocks)
        ]

    def _lifetime(self) -> dict[str, object]:
        """Totals since the history began, over restarts."""
        before = self._store.totals.values() if self._store is not None else ()
        figures = sum(before, Figures.of(self._hub.ledger.total))
        return {
            "offered": figures.offered,
            "accepted": figures.accepted,
            "refused": figures.refused,
            "work": str(figures.work),
            "problem": "" if self._store is None else self._store.problem,
        }
