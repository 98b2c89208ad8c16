"""What every program tells of itself: what it is, its process, its event loop, its settings."""

import asyncio
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from prometheus_client import GC_COLLECTOR, PLATFORM_COLLECTOR, PROCESS_COLLECTOR, Metric
from prometheus_client.core import InfoMetricFamily
from prometheus_client.registry import Collector

from headframe import __version__
from headframe.runtime.metrics import Exporter, Histogram, by_label, gauge, histogram

__all__ = ["BUILD_INFO_HELP", "BUILD_LABELS", "PREFIX", "RELOADS", "Vitals", "self_report"]

PREFIX: Final = "headframe_"
"""Of these metrics' names: they are the same in all programs."""
RELOADS: Final = ("done", "refused")
"""What can become of a reload."""
BUILD_INFO_HELP: Final = "1; its labels say what is running."
BUILD_LABELS: Final = ("program", "version", "python", "implementation", "machine", "kernels")
"""Labels of `headframe_build_info`, the same in all programs."""

_LOOK_SECONDS: Final = 0.5
_LAG_BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


@dataclass(slots=True, kw_only=True)
class Vitals:
    """How the process is doing; `watch` measures."""

    event_loop_lag: Histogram = histogram(
        "How late the event loop woke a task that slept for half a second.",
        "seconds",
        _LAG_BOUNDS,
    )
    config_reloads: dict[str, int] = by_label(
        "Times that the settings were to be read anew.", "result", RELOADS
    )
    config_last_reload_successful: int = gauge("0 after settings that were refused, else 1.")
    config_last_reload_success_timestamp: float = gauge(
        "When settings were taken last, in seconds since 1970; 0 before a reload.", "seconds"
    )

    def __post_init__(self) -> None:
        self.config_last_reload_successful = 1  # those it was started with

    def reloaded(self, wall_seconds: float, *, done: bool) -> None:
        """Count a reload.

        Args:
            wall_seconds: the present, since 1970.
            done: the new settings are in use; else the old ones still are.
        """
        self.config_reloads["done" if done else "refused"] += 1
        self.config_last_reload_successful = int(done)
        if done:
            self.config_last_reload_success_timestamp = wall_seconds

    async def watch(self, every_seconds: float = _LOOK_SECONDS) -> None:
        """Measure how late the event loop is, until cancelled."""
        time = asyncio.get_running_loop().time
        while True:
            due = time() + every_seconds
            await asyncio.sleep(every_seconds)
            self.event_loop_lag.observe(max(time() - due, 0.0))


class _BuildInfo(Collector):
    def __init__(self, program: str, kernels: str) -> None:
        self._facts = {
            "program": program,
            "version": __version__,
            "python": platform.python_version(),
            "implementation": platform.python_implementation(),
            "machine": platform.machine(),
            "kernels": kernels,
        }

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily(PREFIX + "build", BUILD_INFO_HELP, value=self._facts)


def self_report(vitals: Vitals, *, program: str, kernels: str) -> tuple[Collector, ...]:
    """Return the collectors that go into every program's `/metrics`.

    Args:
        vitals: the program's.
        program: its name.
        kernels: "native" where the compiled kernels are there, else "python".
    """
    own = (_BuildInfo(program, kernels), Exporter(PREFIX, [vitals]))
    return (*own, PROCESS_COLLECTOR, PLATFORM_COLLECTOR, GC_COLLECTOR)
