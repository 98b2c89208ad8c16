"""`Monitor`: the miner's figures, put together for whoever asks."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

import native
from headframe import __version__
from headframe.chain.target import difficulty_from_target
from headframe.runtime.clock import monotonic
from headframe.runtime.metrics import Exporter, Rows, render
from headframe.runtime.vitals import Vitals, self_report
from headframe.upstream.base import JobSource, SourceState, SourceStatus
from headframe.upstream.report import upstream_of
from miner.devices.base import Device
from miner.history import MinerHistory
from miner.stats import DEVICE_STATES, DeviceFigures, MinerStats, Rates
from miner.status import (
    BlocksStatus,
    BlockStatus,
    DeviceStatus,
    MinerStatus,
    SharesStatus,
)

__all__ = ["PREFIX", "Monitor"]

PREFIX: Final = "headframe_miner_"
"""Of the miner's own metrics."""


class Monitor:
    """Reads source, devices and counters; changes nothing but the gauges.

    Args:
        source: where work comes from.
        devices: what hashes; may change, but a name is always that of one device.
        stats: the counters, and the gauges that `tick` sets.
        clock: seconds that never go back.
        vitals: how the process is doing.

    Attributes:
        history: what was done in the last minutes.
    """

    def __init__(
        self,
        source: JobSource,
        devices: Sequence[Device],
        stats: MinerStats,
        clock: Callable[[], float] = monotonic,
        vitals: Vitals | None = None,
    ) -> None:
        self._source = source
        self._devices = devices
        self._stats = stats
        self._clock = clock
        self._start = clock()
        self.history = MinerHistory()
        self._rates = Rates()
        self._rate_at_work_hps = 0.0
        self._rates_of: dict[str, Rates] = defaultdict(Rates)
        self._hashes: dict[str, int] = {}  # by device, those that have gone included
        kernels = "python" if native.extension_missing else "native"
        self._collectors = (
            Exporter(PREFIX, [stats, stats.block_stats]),
            Exporter(PREFIX + "device_", [Rows("device", DeviceFigures, self._figures)]),
            stats.pools.exporter(PREFIX),
            *self_report(vitals or Vitals(), program="miner", kernels=kernels),
        )
        self.tick()

    def tick(self) -> None:
        """Measure; to be called about once a second."""
        now, stats = self._clock(), self._stats
        for device in self._devices:
            self._hashes[device.name] = device.stats.hashes
            self._rates_of[device.name].add(now, device.stats.hashes)
            first = device.stats.first_hashes
            while first:
                stats.share_latency["job_to_hash"].observe(first.popleft())
        stats.hashes = sum(self._hashes.values())
        self._rates.add(now, stats.hashes)
        stats.hashrate = self._rates.hps
        stats.uptime = now - self._start
        self.history.note(now, {each.name: each.stats for each in self._devices}, stats)
        self._look_up(now)

    def _look_up(self, now: float) -> None:
        """Take note of how the upstreams are doing."""
        stats, status, job = self._stats, self._source.status.get(), self._source.jobs.get()
        stats.difficulty = 0.0 if job is None else float(difficulty_from_target(job.target))
        known = job is not None and status.job_at is not None
        stats.job_age = max(now - (status.job_at or 0.0), 0.0) if known else None
        stats.upstream_up = int(status.state is SourceState.ACTIVE)
        pools = stats.pools
        pools.look(status, now)
        stats.upstream_connects, stats.upstream_redirects = pools.connects, pools.redirects
        stats.upstream_switches = pools.switches
        self._count_lost(status)

    def _count_lost(self, status: SourceStatus) -> None:
        """Turn the time lost since the last look into hashes, by the rate before it."""
        stats, idle = self._stats, self._stats.pools.idle_seconds
        lost = idle - stats.upstream_idle
        if lost > 0:
            stats.lost_hashes += round(lost * self._rate_at_work_hps)
            stats.upstream_idle = idle
        elif status.state is SourceState.ACTIVE:
            self._rate_at_work_hps = stats.hashrate

    def healthy(self) -> bool:
        """Tell whether the miner does its part; a pool that is down is not its fault."""
        return all(device.stats.state != "failed" for device in self._devices)

    def metrics(self) -> bytes:
        """Write everything for Prometheus."""
        self.tick()
        return render(*self._collectors)

    def status(self) -> dict[str, Any]:
        """Put everything together for the page, the screen and `/api/v1/status`.

        Returns:
            A `MinerStatus` as plain data.
        """
        plain: dict[str, Any] = msgspec.to_builtins(self.snapshot())
        return plain

    def snapshot(self) -> MinerStatus:
        """Put everything together."""
        stats = self._stats
        return MinerStatus(
            version=__version__,
            uptime_seconds=stats.uptime,
            upstream=upstream_of(self._source.status.get()),
            pools=tuple(stats.pools.rows()),
            hashrate_5s_hps=self._rates.hps_5s,
            hashrate_hps=stats.hashrate,
            hashrate_15m_hps=self._rates.hps_15m,
            hashes=stats.hashes,
            difficulty=stats.difficulty,
            best_difficulty=stats.best_difficulty,
            job_age_seconds=stats.job_age,
            lost_hashes=stats.lost_hashes,
            shares=_shares(stats),
            blocks=_blocks(stats),
            devices=tuple(self._device(device) for device in self._devices),
        )

    def _device(self, device: Device) -> DeviceStatus:
        stats, rates = device.stats, self._rates_of[device.name]
        return DeviceStatus(
            name=device.name,
            kernel=stats.kernel,
            state=stats.state,  # type: ignore[arg-type] # one of three words
            hashrate_5s_hps=rates.hps_5s,
            hashrate_hps=rates.hps,
            hashrate_15m_hps=rates.hps_15m,
            hashes=stats.hashes,
            solutions=stats.solutions,
            wrong=stats.wrong,
            retired=stats.retired,
            sensors=dict(stats.sensors),
        )

    def _figures(self) -> dict[str, DeviceFigures]:
        return {
            device.name: DeviceFigures(
                hashes=device.stats.hashes,
                hashrate=self._rates_of[device.name].hps,
                errors={
                    "wrong_nonce": device.stats.wrong,
                    "kernel_retired": device.stats.retired,
                },
                state={state: int(state == device.stats.state) for state in DEVICE_STATES},
                kernel={device.stats.kernel: 1},
                kernel_self_test={
                    name: int(passed) for name, passed in device.stats.self_tests.items()
                },
                temperature_celsius=device.stats.sensors.get("temperature_celsius"),
                power_watts=device.stats.sensors.get("power_watts"),
                clock_hertz=device.stats.sensors.get("clock_hertz"),
            )
            for device in self._devices
        }


def _shares(stats: MinerStats) -> SharesStatus:
    return SharesStatus(
        submitted=stats.shares_submitted,
        accepted=stats.shares_accepted,
        rejected=stats.rejected,
        by_reason={str(key): count for key, count in stats.shares_rejected.items() if count},
        lost=stats.shares_lost,
        dropped=dict(stats.shares_dropped),
    )


def _blocks(stats: MinerStats) -> BlocksStatus:
    return BlocksStatus(
        found=stats.blocks_found,
        accepted=stats.blocks_accepted,
        list=tuple(
            BlockStatus(
                height=block.height, hash=block.hash, time=block.time, verdict=block.verdict
            )
            for block in reversed(stats.blocks)
        ),
    )
