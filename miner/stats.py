"""What the miner counts, and how fast it is by its own measure."""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from headframe.chain.share import Reason
from headframe.runtime.metrics import Histogram, by_label, counter, gauge, histogram

__all__ = ["DROPPED", "REFUSED", "BlockRow", "HashMeter", "MinerStats"]

DROPPED: Final = ("stale", "duplicate", "invalid")
"""Why a found share is not sent: its job is dead; it was sent before (sources tell of one
job twice); it breaks a rule of its job, which is a mistake of ours."""

REFUSED: Final = tuple(
    reason for reason in Reason if reason not in {Reason.ACCEPTED, Reason.LOST, Reason.PENDING}
)
"""Verdicts that mean no."""

_MOST_BLOCKS: Final = 50
"""Found blocks that are shown."""

_ROUND_TRIP_BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockRow:
    """A block that was found, for people.

    Attributes:
        height: its height, where the source told.
        hash: in display order.
        time: when the verdict came, in seconds since 1970.
        verdict: "accepted", or why not.
    """

    height: int | None
    hash: str
    time: int
    verdict: str

    def as_row(self) -> dict[str, object]:
        """Return it as plain data."""
        return {
            "height": self.height,
            "hash": self.hash,
            "time": self.time,
            "verdict": self.verdict,
        }


@dataclass(slots=True, kw_only=True)
class MinerStats:
    """Counters and gauges of the miner; see each field's help."""

    jobs: int = counter("Jobs that the upstream told of.")
    shares_submitted: int = counter("Shares sent to the upstream.")
    shares_accepted: int = counter("Shares that the upstream accepted.")
    shares_rejected: dict[str, int] = by_label(
        "Shares that the upstream refused.", "reason", REFUSED
    )
    shares_lost: int = counter("Shares whose connection went before a verdict came.")
    shares_pending: int = counter("Blocks that wait in the journal for a node's verdict.")
    shares_dropped: dict[str, int] = by_label("Shares found but not sent.", "cause", DROPPED)
    work_accepted: int = counter("Expected hashes behind the accepted shares.", "hashes")
    blocks_found: int = counter(
        "Blocks found and judged. A pool does not tell where every share would be a block."
    )
    blocks_accepted: int = counter("Blocks that the upstream accepted.")
    nonces_wrong: int = counter("Nonces that a kernel claimed and hashlib refused.")
    hashes: int = counter("Hashes done, all devices together.", "hashes")
    hashrate: float = gauge("Hashes in a second over the last minute.", "hashes_per_second")
    difficulty: float = gauge("Difficulty of the running job's shares; 0 without a job.")
    upstream_up: int = gauge("1 while there is work from the upstream, else 0.")
    upstream_connects: int = counter("Connections made to upstreams.")
    upstream_switches: int = counter("Switches from one upstream to another.")
    upstream_redirects: int = counter("Times that a pool sent us elsewhere, and was followed.")
    upstream_idle: float = counter(
        "Time without live work between two jobs, of gaps that are over.", "seconds"
    )
    lost_hashes: int = counter("Hashes that those gaps cost, by the rate before each.", "hashes")
    uptime: float = gauge("Time since the miner started.", "seconds")
    share_round_trip: Histogram = histogram(
        "From sending a share to its verdict.", "seconds", _ROUND_TRIP_BOUNDS
    )

    blocks: deque[BlockRow] = field(default_factory=lambda: deque(maxlen=_MOST_BLOCKS))

    @property
    def rejected(self) -> int:
        """All shares that the upstream refused."""
        return sum(self.shares_rejected.values())


class HashMeter:
    """The hashrate over the last while, from a counter that only rises.

    Args:
        window_seconds: how far back it looks.
    """

    def __init__(self, window_seconds: float = 60.0) -> None:
        self._window = window_seconds
        self._samples: deque[tuple[float, int]] = deque()

    def add(self, now: float, hashes: int) -> None:
        """Note the counter's value; `now` in seconds of a clock that never goes back."""
        self._samples.append((now, hashes))
        while len(self._samples) > 2 and self._samples[1][0] <= now - self._window:
            self._samples.popleft()

    @property
    def rate_hps(self) -> float:
        """Hashes in a second; 0 until there are two samples."""
        if len(self._samples) < 2:
            return 0.0
        (start, before), (end, after) = self._samples[0], self._samples[-1]
        return (after - before) / (end - start) if end > start else 0.0
