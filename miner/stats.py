"""What the miner counts, and how fast it is by its own measure."""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from headframe.chain.share import Reason
from headframe.runtime.metrics import Histogram, by_label, counter, gauge, histograms
from headframe.upstream.blocks import BlockStats
from headframe.upstream.report import CLEAN, PoolBook

__all__ = [
    "DEVICE_ERRORS",
    "DEVICE_STATES",
    "DROPPED",
    "REFUSED",
    "STAGES",
    "BlockRow",
    "DeviceFigures",
    "HashMeter",
    "MinerStats",
    "Rates",
]

DROPPED: Final = ("stale", "duplicate", "invalid")
"""Why a found share is not sent: its job is dead; it was sent before (sources tell of one
job twice); it breaks a rule of its job, which is a mistake of ours."""

REFUSED: Final = tuple(
    reason for reason in Reason if reason not in {Reason.ACCEPTED, Reason.LOST, Reason.PENDING}
)
"""Verdicts that mean no."""

_MOST_BLOCKS: Final = 50
"""Found blocks that are shown."""

STAGES: Final = ("job_to_hash", "found_to_sent", "sent_to_verdict")
"""Where a share's time goes: from a job's arrival to the first hash of it, from the end of the
scan that found a share to the socket, from there to the upstream's verdict."""

DEVICE_STATES: Final = ("idle", "hashing", "failed")
DEVICE_ERRORS: Final = ("wrong_nonce", "kernel_retired")

_LATENCY_BOUNDS: Final = tuple(
    digit * 10.0**power for power in range(-5, 2) for digit in (1, 2.5, 5)
)
"""10 us to 50 s: the stages within the program take less than a pool's answer by far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockRow:
    """A block that was found, for people.

    Attributes:
        height: its height, where the source told.
        hash: in display order.
        time: when the verdict came, in seconds since 1970.
        verdict: "accepted", or why not; "orphaned" when it left the chain again.
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

    jobs: dict[str, int] = by_label(
        "Jobs that the upstream told of; a clean one makes all before it worthless.",
        "clean",
        CLEAN,
    )
    shares_submitted: int = counter("Shares sent to the upstream.")
    shares_accepted: int = counter("Shares that the upstream accepted.")
    shares_rejected: dict[str, int] = by_label(
        "Shares that the upstream refused.", "reason", REFUSED
    )
    shares_lost: int = counter("Shares whose connection went before a verdict came.")
    shares_pending: int = gauge("Shares whose block waits in the journal for a node's verdict.")
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
    share_latency: dict[str, Histogram] = histograms(
        "Time by stage: from a job's arrival to the first hash of it, from the end of the scan "
        "that found a share to its sending, from there to its verdict.",
        "seconds",
        _LATENCY_BOUNDS,
        "stage",
        STAGES,
    )
    job_age: float | None = gauge("Time since the running job came; none without one.", "seconds")
    best_difficulty: float = gauge("Difficulty of the best share that was sent.")

    pools: PoolBook = field(default_factory=PoolBook)
    block_stats: BlockStats = field(default_factory=BlockStats)
    blocks: deque[BlockRow] = field(default_factory=lambda: deque(maxlen=_MOST_BLOCKS))

    def __post_init__(self) -> None:
        self.job_age = None

    @property
    def rejected(self) -> int:
        """All shares that the upstream refused."""
        return sum(self.shares_rejected.values())


@dataclass(slots=True, kw_only=True)
class DeviceFigures:
    """Metrics of one device; `None` where it does not tell."""

    hashes: int = counter("Hashes done by a device.")
    hashrate: float = gauge(
        "Hashes of a device in a second over the last minute.", "hashes_per_second"
    )
    errors: dict[str, int] = by_label("Mistakes of a device.", "kind", DEVICE_ERRORS)
    state: dict[str, int] = by_label(
        "1 for the state that a device is in.", "state", DEVICE_STATES, kind="gauge"
    )
    kernel: dict[str, int] = by_label(
        "1 for the kernel that a device uses.", "kernel", (), kind="gauge"
    )
    kernel_self_test: dict[str, int] = by_label(
        "1 for a kernel that computed rightly when the device tried it, 0 for one that did not "
        "and is not used.",
        "kernel",
        (),
        kind="gauge",
    )
    temperature_celsius: float | None = gauge("Temperature of a device that tells it.")
    power_watts: float | None = gauge("Power that a device takes, where it tells.")
    clock_hertz: float | None = gauge("Clock of a device that tells it.")


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


class Rates:
    """The hashrate over 5 seconds, a minute and a quarter of an hour."""

    __slots__ = ("_long", "_minute", "_short")

    def __init__(self) -> None:
        self._short, self._minute, self._long = HashMeter(5.0), HashMeter(60.0), HashMeter(900.0)

    def add(self, now: float, hashes: int) -> None:
        """Note the counter's value; see `HashMeter.add`."""
        for meter in (self._short, self._minute, self._long):
            meter.add(now, hashes)

    @property
    def hps_5s(self) -> float:
        """Hashes in a second over the last five."""
        return self._short.rate_hps

    @property
    def hps(self) -> float:
        """Hashes in a second over the last minute: the one that is shown where one is."""
        return self._minute.rate_hps

    @property
    def hps_15m(self) -> float:
        """Hashes in a second over the last quarter of an hour."""
        return self._long.rate_hps
