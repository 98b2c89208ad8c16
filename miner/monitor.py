"""`Monitor`: the miner's figures, put together for whoever asks."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from headframe import __version__
from headframe.chain.target import difficulty_from_target
from headframe.runtime.clock import monotonic
from headframe.runtime.metrics import Exporter, render
from headframe.upstream.base import JobSource, SourceState, SourceStatus
from miner.devices.base import Device
from miner.stats import HashMeter, MinerStats

__all__ = ["Monitor"]

_PREFIX = "headframe_miner_"
_SENSORS: Final = {
    "temperature_celsius": "Temperature of a device that tells it.",
    "power_watts": "Power that a device takes, where it tells.",
    "clock_hertz": "Clock of a device that tells it.",
}


class Monitor:
    """Reads source, devices and counters; changes nothing but the gauges.

    Args:
        source: where work comes from.
        devices: what hashes; may change, but a name is always that of one device.
        stats: the counters, and the gauges that `tick` sets.
        clock: seconds that never go back.
    """

    def __init__(
        self,
        source: JobSource,
        devices: Sequence[Device],
        stats: MinerStats,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._source = source
        self._devices = devices
        self._stats = stats
        self._clock = clock
        self._start = clock()
        self._meter = HashMeter()
        self._rate_at_work_hps = 0.0
        self._meters: dict[str, HashMeter] = defaultdict(HashMeter)
        self._hashes: dict[str, int] = {}  # by device, those that have gone included
        self._exporter = Exporter(_PREFIX, [stats], self._of_devices)
        self.tick()

    def tick(self) -> None:
        """Measure; to be called about once a second."""
        now, stats, job = self._clock(), self._stats, self._source.jobs.get()
        for device in self._devices:
            self._hashes[device.name] = device.stats.hashes
            self._meters[device.name].add(now, device.stats.hashes)
        stats.hashes = sum(self._hashes.values())
        self._meter.add(now, stats.hashes)
        stats.hashrate = self._meter.rate_hps
        stats.uptime = now - self._start
        stats.difficulty = 0.0 if job is None else float(difficulty_from_target(job.target))
        status = self._source.status.get()
        stats.upstream_up = int(status.state is SourceState.ACTIVE)
        stats.upstream_connects = status.connects
        stats.upstream_switches, stats.upstream_redirects = status.switches, status.redirects
        self._count_lost(status)

    def _count_lost(self, status: SourceStatus) -> None:
        """Turn the time lost since the last look into hashes, by the rate before it."""
        stats = self._stats
        lost = status.idle_seconds - stats.upstream_idle
        if lost > 0:
            stats.lost_hashes += round(lost * self._rate_at_work_hps)
            stats.upstream_idle = status.idle_seconds
        elif status.state is SourceState.ACTIVE:
            self._rate_at_work_hps = stats.hashrate

    def healthy(self) -> bool:
        """Tell whether the miner does its part; a pool that is down is not its fault."""
        return all(device.stats.state != "failed" for device in self._devices)

    def metrics(self) -> bytes:
        """Write everything for Prometheus."""
        return render(self._exporter)

    def status(self) -> dict[str, object]:
        """Put everything together for the page, the live line and `/api/v1/status`."""
        stats, upstream = self._stats, self._source.status.get()
        return {
            "program": "miner",
            "version": __version__,
            "uptime_seconds": stats.uptime,
            "upstream": {
                "source": upstream.source,
                "url": upstream.url,
                "state": upstream.state.value,
                "detail": upstream.detail,
                "height": upstream.height,
                "network": upstream.network,
            },
            "hashrate_hps": stats.hashrate,
            "difficulty": stats.difficulty,
            "shares": {
                "accepted": stats.shares_accepted,
                "rejected": stats.rejected,
                "by_reason": {str(key): n for key, n in stats.shares_rejected.items() if n},
                "lost": stats.shares_lost,
                "dropped": dict(stats.shares_dropped),
            },
            "blocks": {
                "found": stats.blocks_found,
                "accepted": stats.blocks_accepted,
                "list": [block.as_row() for block in reversed(stats.blocks)],
            },
            "devices": [
                {
                    "name": device.name,
                    "kernel": device.stats.kernel,
                    "hashrate_hps": self._meters[device.name].rate_hps,
                    "wrong": device.stats.wrong,
                    "retired": device.stats.retired,
                    "state": device.stats.state,
                    "sensors": dict(device.stats.sensors),
                }
                for device in self._devices
            ],
        }

    def _of_devices(self) -> Iterable[Metric]:
        labels = ["device"]
        hashes = CounterMetricFamily(
            _PREFIX + "device_hashes", "Hashes done by one device.", labels=labels
        )
        wrong = CounterMetricFamily(
            _PREFIX + "device_wrong", "Wrong nonces that one device claimed.", labels=labels
        )
        retired = CounterMetricFamily(
            _PREFIX + "device_kernels_retired",
            "Kernels that one device gave up for their wrong nonces.",
            labels=labels,
        )
        kernel = GaugeMetricFamily(
            _PREFIX + "device_kernel", "1 for the kernel in use.", labels=["device", "kernel"]
        )
        for device in self._devices:
            hashes.add_metric([device.name], device.stats.hashes)
            wrong.add_metric([device.name], device.stats.wrong)
            retired.add_metric([device.name], device.stats.retired)
            kernel.add_metric([device.name, device.stats.kernel], 1)
        return hashes, wrong, retired, kernel, *self._of_sensors()

    def _of_sensors(self) -> Iterable[Metric]:
        """Make a gauge of each reading that some device tells; none where none does."""
        for name, help_ in _SENSORS.items():
            family = GaugeMetricFamily(_PREFIX + "device_" + name, help_, labels=["device"])
            for device in self._devices:
                if name in device.stats.sensors:
                    family.add_metric([device.name], device.stats.sensors[name])
            if family.samples:
                yield family
