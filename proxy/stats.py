"""Figures of the proxy: plain numbers, read when somebody asks."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from headframe.chain.share import Reason
from headframe.runtime.metrics import Histogram, by_label, counter, gauge, histograms
from headframe.upstream.blocks import BlockStats
from headframe.upstream.report import CLEAN, PoolBook
from proxy.ledger import Row, Tally
from proxy.totals import AllBooks

__all__ = [
    "BANS",
    "CLOSE_REASONS",
    "REASONS",
    "REFUSALS",
    "RIG_STATES",
    "STAGES",
    "SWITCH_KINDS",
    "Books",
    "Rate",
    "Stats",
    "books_of",
    "flows_of",
]

STAGES: Final = ("job_to_rigs", "share_to_sent", "sent_to_verdict")
"""Where time goes here: from a job's arrival until the last rig was told, from a rig's share to
the upstream's socket, from there to the upstream's verdict."""

_LATENCY_BOUNDS: Final = tuple(
    digit * 10.0**power for power in range(-5, 2) for digit in (1, 2.5, 5)
)
"""10 us to 50 s."""

CLOSE_REASONS: Final = (
    "refused",
    "hung_up",
    "slow_reader",
    "protocol_fault",
    "too_costly",
    "handshake_late",
    "idle",
    "no_upstream",
    "no_slice",
    "new_layout",
    "no_route",
    "route_full",
    "no_payout",
    "kicked",
    "banned",
    "listener_closed",
    "shutdown",
    "failed",
)
"""Why a rig's connection ended; the closed list of the metric's label."""


REFUSALS: Final = ("banned", "full", "address_full", "rule", "costly", "no_header")
"""Why a connection was turned away: its address is banned; so many are open, or so many from its
address; a rule refuses it; its address has cost too much lately; the balancer's header is missing.
"""

BANS: Final = ("faults", "operator")
"""Why an address was banned."""

SWITCH_KINDS: Final = ("planned", "lost", "resumed")
"""Why work changed; the values of `proxy.switches.SwitchKind`."""

RIG_STATES: Final = ("connecting", "hashing", "silent", "invalid_only")
"""How a rig can be doing: the values of `proxy.rig.RigState`."""


@dataclass(slots=True)
class Stats:
    """Counters of the proxy that are in no other book."""

    connections_opened: int = counter("Connections that rigs opened.")
    connections_refused: dict[str, int] = by_label(
        "Connections turned away: the address is banned, all or all of its places are taken, a "
        "rule says so, it has cost too much lately, or a balancer's header is missing.",
        "reason",
        REFUSALS,
    )
    connections_closed: dict[str, int] = by_label(
        "Connections that ended, by cause.", "reason", CLOSE_REASONS
    )
    rigs: int = gauge("Rigs that have a seat.")
    rigs_by_state: dict[str, int] = by_label(
        "Rigs by how they are doing; connecting: no share yet, or no seat.",
        "state",
        RIG_STATES,
        kind="gauge",
    )
    rigs_rolling_stopped: int = gauge(
        "Rigs that rolled the version once, and sent fifty good shares without."
    )
    slices_free: int | None = gauge(
        "Places for more rigs in the extranonce that the upstream gave; none before a job."
    )
    jobs: dict[str, int] = by_label(
        "Jobs taken from upstream; a clean one makes all before it worthless.", "clean", CLEAN
    )
    refreshes: int = counter("Jobs shown again with a later time.")
    offers: int = counter("Jobs shown to rigs, counted per rig.")
    retargets: dict[str, int] = by_label(
        "Changes of a rig's target by vardiff: to a higher difficulty, or a lower.",
        "direction",
        ("up", "down"),
    )
    faults: dict[str, int] = by_label(
        "Times that a rig broke the protocol: it was answered, or had to be cut off.",
        "kind",
        ("answered", "fatal"),
    )
    bans: dict[str, int] = by_label(
        "Addresses banned, because of their faults or by the operator.", "reason", BANS
    )
    layout_changes: int = counter("Times that rigs had to be cut off for a new extranonce layout.")
    reseats: int = counter("Rigs that were given another extranonce on their connection.")
    moves: int = counter("Moves of connections from one route to another.")
    ledger_faults: int = counter("Times that the books did not balance: a bug.")
    upstream_up: int = gauge("1 while there is work from the upstream, else 0.")
    upstream_connects: int = counter("Connections made to upstreams.")
    upstream_switches: int = counter("Switches from one upstream to another.")
    upstream_redirects: int = counter("Times that a pool sent us elsewhere, and was followed.")
    upstream_idle: float = counter(
        "Time without live work between two jobs, of gaps that are over.", "seconds"
    )
    switches: dict[str, int] = by_label(
        "Times that rigs were given other work: another upstream's while the one before still "
        "had some (planned) or had none (lost), or the same one's after a gap (resumed).",
        "kind",
        SWITCH_KINDS,
    )
    rigs_idle: float = counter(
        "Time in which rigs had no live work, of gaps that are over.", "seconds"
    )
    lost_hashes: int = counter("Estimate of what rigs hashed in such gaps.", "hashes")
    lost_at_most: int = counter("The same with three times its error.", "hashes")
    shares_untaken: int = counter(
        "Good shares that found no taker at a switch: lost on their way, or stale by then."
    )
    job_age: float | None = gauge("Time since the running job came; none without one.", "seconds")
    share_latency: dict[str, Histogram] = histograms(
        "Time by stage: from a job's arrival until all rigs were told, from a rig's share to the "
        "upstream, from there to its verdict.",
        "seconds",
        _LATENCY_BOUNDS,
        "stage",
        STAGES,
    )

    blocks: BlockStats = field(default_factory=BlockStats)
    pools: PoolBook = field(default_factory=PoolBook)

    def __post_init__(self) -> None:
        self.job_age = self.slices_free = None


REASONS: Final = tuple(
    reason for reason in Reason if reason not in {Reason.ACCEPTED, Reason.PENDING, Reason.LOST}
)
"""Why a share can be refused, on either leg."""


@dataclass(slots=True, kw_only=True)
class Books:
    """The ledger's totals, as they are exported; they go on over restarts."""

    shares_offered: int = counter("Shares that rigs sent.")
    shares_accepted: int = counter("Shares that were good.")
    shares_refused: dict[str, int] = by_label("Shares that were refused here.", "reason", REASONS)
    shares_kept: int = counter("Good shares that are easier than the upstream's target.")
    shares_forwarded: int = counter("Shares sent upstream.")
    shares_pending: int = gauge("Shares that the upstream has not answered yet.")
    shares_acknowledged: int = counter("Shares that the upstream accepted.")
    shares_refused_upstream: dict[str, int] = by_label(
        "Shares that the upstream refused.", "reason", REASONS
    )
    shares_lost: int = counter("Shares whose connection went before the upstream answered.")
    work_offered: int = counter("Work of all shares, by the rigs' targets.", "hashes")
    work_accepted: int = counter("Work of the good ones, by the rigs' targets.", "hashes")
    work_refused: dict[str, int] = by_label(
        "Work of the refused ones, by the rigs' targets.", "reason", REASONS, unit="hashes"
    )
    work_forwarded: int = counter("Work sent up, by the upstream's targets.", "hashes")
    work_pending: int = gauge("Work without an answer yet, by the upstream's targets.", "hashes")
    work_acknowledged: int = counter("Work accepted, by the upstream's targets.", "hashes")
    work_refused_upstream: dict[str, int] = by_label(
        "Work that the upstream refused, by its targets.", "reason", REASONS, unit="hashes"
    )
    work_lost: int = counter("Work whose connection went before an answer.", "hashes")
    blocks_found: int = counter("Block candidates sent upstream.")
    blocks_accepted: int = counter("Blocks that the node accepted.")
    blocks_refused: int = counter("Blocks that the node refused.")
    blocks_rescued: int = counter("Candidates sent although the share was refused here.")


def flows_of(total: Row) -> dict[str, Any]:
    """Read what the metrics of all books and of one route have in common, by field."""
    pool = total.pool
    return {
        "shares_offered": total.offered.shares,
        "shares_accepted": total.accepted.shares,
        "shares_refused": _shares_by_reason(total.refused),
        "shares_forwarded": pool.forwarded.shares,
        "shares_acknowledged": pool.acknowledged.shares,
        "shares_refused_upstream": _shares_by_reason(pool.refused),
        "shares_lost": pool.lost.shares,
        "work_offered": total.offered.work,
        "work_accepted": total.accepted.work,
        "work_refused": _work_by_reason(total.refused),
        "work_forwarded": pool.forwarded.work,
        "work_acknowledged": pool.acknowledged.work,
        "work_refused_upstream": _work_by_reason(pool.refused),
        "work_lost": pool.lost.work,
    }


def books_of(ledger: AllBooks) -> Books:
    """Read the totals of the books."""
    total, pool = ledger.total, ledger.total.pool
    return Books(
        **flows_of(total),
        shares_kept=total.kept,
        shares_pending=pool.pending.shares,
        work_pending=pool.pending.work,
        blocks_found=ledger.blocks_found,
        blocks_accepted=ledger.blocks_accepted,
        blocks_refused=ledger.blocks_refused,
        blocks_rescued=total.rescued.forwarded.shares,
    )


def _shares_by_reason(tallies: Mapping[Reason, Tally]) -> dict[str, int]:
    """Return the shares of each of `REASONS`."""
    return {reason: tallies[reason].shares if reason in tallies else 0 for reason in REASONS}


def _work_by_reason(tallies: Mapping[Reason, Tally]) -> dict[str, int]:
    """Return the work of each of `REASONS`."""
    return {reason: tallies[reason].work if reason in tallies else 0 for reason in REASONS}


class Rate:
    """A hashrate from the work of shares, with older work fading out.

    Args:
        now: monotonic seconds.
        fade_seconds: after so long a share weighs a third (1/e).
    """

    __slots__ = ("_at", "_fade", "_start", "_sum")

    def __init__(self, now: float, fade_seconds: float = 180.0) -> None:
        self._start = self._at = now
        self._fade = fade_seconds
        self._sum = 0.0

    def add(self, work: int, now: float) -> None:
        """Count a share's work (hashes)."""
        self._sum = self._sum * math.exp((self._at - now) / self._fade) + work
        self._at = now

    def hps(self, now: float) -> float:
        """Return hashes per second, unbiased from the first second on."""
        age = now - self._start
        if age < 1.0:
            return 0.0
        seen = self._fade * -math.expm1(-age / self._fade)
        return self._sum * math.exp((self._at - now) / self._fade) / seen
