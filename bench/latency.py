"""How soon a new job reaches every hashing thread, with as many threads as cores.

From `Latest.set` on the event loop to the first scan of the new job in each thread, with
everything in between as in the daemon: the device's task, the stop flag, the end of the scan
in flight, the new headers. Times are wall time, so other programs show in them: a thread
that does not get its core cannot scan. So the figures are given twice: for all switches, and
for those around which the other programs of this machine used less than two ticks of the
CPUs' time (by `/proc/stat`; our threads, being nice, are counted apart there).

    python -m bench.latency [--switches N] [--threads N]
"""

import argparse
import asyncio
import statistics
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from headframe.chain.job import Job, Slice
from headframe.runtime.latest import Latest
from miner.devices.cpu import CpuDevice, rank
from miner.devices.manners import usable_cores
from native import Kernel, ScanResult, StopFlag
from tests.fakes.source import NEVER, make_job

__all__ = ["main"]

MEDIAN_LIMIT_MS = 2.0
P99_LIMIT_MS = 5.0
BETWEEN_SECONDS = (0.05, 0.08, 0.11)
"""Pauses between jobs, in turn: no multiple of each other or of a scan's length."""

QUIET_TICKS = 2


@dataclass
class Watched:
    """A kernel that notes when each thread first scans for a previous hash."""

    inner: Kernel
    seen: dict[tuple[int, bytes], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.name, self.lanes = self.inner.name, self.inner.lanes
        self.versions = self.inner.versions

    def scan(
        self,
        heads: Sequence[bytes],
        tail12: bytes,
        target: bytes,
        first: int,
        count: int,
        stop: StopFlag,
    ) -> ScanResult:
        """Note the time, and scan."""
        now = time.monotonic()
        self.seen.setdefault((threading.get_ident(), heads[0][4:36]), now)
        return self.inner.scan(heads, tail12, target, first, count, stop)


@dataclass(frozen=True)
class Switch:
    """One change of block.

    Attributes:
        told: when the job was set.
        others: ticks that other programs took, from the switch before to the one after.
    """

    told: float
    others: int


def ticks_of_others() -> int:
    """Count the ticks that went to anything but nice threads and idling."""
    fields = Path("/proc/stat").read_text(encoding="ascii").split()
    user, _nice, system, _idle, _iowait, irq, softirq, steal = map(int, fields[1:9])
    return user + system + irq + softirq + steal


async def switch(device: CpuDevice, switches: int) -> dict[bytes, Switch]:
    """Let the device see new blocks; tell of each, by its previous hash."""
    told: dict[bytes, Switch] = {}
    jobs: Latest[Job | None] = Latest(make_job(target=NEVER, epoch=0))
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(device.run(jobs, lambda _job: Slice(), lambda _solution: None))
        await asyncio.sleep(0.5)  # scans have found their length
        for epoch in range(1, switches + 1):
            previous = epoch.to_bytes(32, "little")
            job = make_job(target=NEVER, epoch=epoch, prev_hash=previous)
            before = ticks_of_others()
            await asyncio.sleep(BETWEEN_SECONDS[epoch % len(BETWEEN_SECONDS)])
            now = time.monotonic()
            jobs.set(job)
            await asyncio.sleep(0.02)
            told[previous] = Switch(now, ticks_of_others() - before)
        running.cancel()
    return told


def describe(name: str, delays: Sequence[float]) -> tuple[float, float]:
    """Print median and p99 of delays in ms, and return them."""
    if len(delays) < 2:
        print(f"  {name}: too few to tell")
        return 0.0, 0.0
    ordered = sorted(delays)
    median, p99 = statistics.median(ordered), ordered[int(len(ordered) * 0.99)]
    print(
        f"  {name}: {len(ordered)} times, median {median:.2f} ms, p99 {p99:.2f} ms, "
        f"most {ordered[-1]:.2f} ms"
    )
    return median, p99


def main(argv: Sequence[str]) -> int:
    """Measure and print; 0 if the limits hold for the quiet switches."""
    parser = argparse.ArgumentParser(prog="bench.latency")
    parser.add_argument("--switches", type=int, default=500)
    parser.add_argument("--threads", type=int, default=0, help="default: one on each core")
    wanted = parser.parse_args(argv)
    threads = wanted.threads or len(usable_cores())
    ranked = [Watched(kernel) for kernel in rank()]
    favourite = ranked[0]
    told = asyncio.run(switch(CpuDevice("cpu:0", threads, ranked), wanted.switches))
    delays: dict[str, list[float]] = {"all": [], "quiet": []}
    for (_, previous), seen in favourite.seen.items():
        if previous in told:
            delay = (seen - told[previous].told) * 1000
            delays["all"].append(delay)
            if told[previous].others < QUIET_TICKS:
                delays["quiet"].append(delay)
    print(f"new job to first scan, {threads} threads ({favourite.name}):")
    describe("all", delays["all"])
    median, p99 = describe("quiet", delays["quiet"])
    return int(median > MEDIAN_LIMIT_MS or p99 > P99_LIMIT_MS)


if __name__ == "__main__":
    import sys

    sys.exit(main(sys.argv[1:]))
