"""What of the bare kernel's speed arrives as accepted work: the miner against a local proxy.

The miner runs as `headframe mine` composes it, with all its threads; the proxy is a process
of its own, whose source has a new block every two minutes. The measure is accepted work for
each CPU second of the hashing threads. What it is compared with is measured in the same
threads and the same minutes: after every few scans of the miner's, each thread also runs
the bare kernel for as long, on headers without hits, and that time is counted apart.

Work is counted by accepted shares, so it has an error of one in the root of their number:
0.5 % for 40,000. The ratio by counted hashes, which has not, is shown beside it.

    python -m bench.miner [--shares N] [--threads N] [--kernel NAME]
"""

import argparse
import asyncio
import math
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from headframe.runtime import logs
from headframe.runtime.clock import wall_seconds
from headframe.upstream.roster import make_source
from headframe.upstream.settings import UpstreamSettings
from miner.app import Miner
from miner.config import StopSettings
from miner.devices.cpu import CpuDevice, rank
from miner.devices.manners import usable_cores
from native import Kernel, ScanResult, StopFlag
from proxy.app import Ready
from proxy.app import run as run_proxy
from proxy.config import ProxyConfig
from proxy.tables import ListenerSettings, VardiffSettings, WebSettings
from tests.fakes.mining import JobMaker, ManualSource

__all__ = ["main"]

LEAST_RATIO: Final = 0.99
DIFFICULTY: Final = 2.0**-15
"""One share in 131,072 hashes: some ms of a thread, so that 40,000 come in minutes."""
BLOCK_SECONDS: Final = 120
"""Five times as often as on a real chain: what a thread found and has not told is lost then."""
SCANS_BETWEEN: Final = 3
"""Scans of the miner's for each of the bare kernel's."""
NEVER: Final = bytes(32)


@dataclass
class Used:
    """What one thread did.

    Attributes:
        start: CPU time at its first scan, moved on by what the bare kernel took.
        total: CPU seconds since then, up to its latest scan's start; what a thread has not
            told when all ends is not held against it.
        bare: seconds of the bare kernel.
        hashes: the miner's in that time.
        latest: of the latest scan.
        bare_hashes: the bare kernel's.
        scans: the miner's.
    """

    start: float
    total: float = 0.0
    bare: float = 0.0
    hashes: int = 0
    latest: int = 0
    bare_hashes: int = 0
    scans: int = 0


@dataclass
class Paired:
    """A kernel that is measured bare between the scans it is asked for."""

    inner: Kernel
    threads: dict[int, Used] = field(default_factory=dict)

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
        """Scan, and now and then measure."""
        now = time.thread_time()
        used = self.threads.setdefault(threading.get_ident(), Used(now))
        if used.scans and used.scans % SCANS_BETWEEN == 0:
            self.inner.scan(heads, bytes(12), NEVER, 0, count, StopFlag())
            spent = time.thread_time() - now
            used.start += spent
            used.bare += spent
            used.bare_hashes += count * len(heads)
        used.total = time.thread_time() - used.start
        used.hashes += used.latest
        result = self.inner.scan(heads, tail12, target, first, count, stop)
        used.latest = (result.next - first) * len(heads)
        used.scans += 1
        return result


class Silent:
    """A display that shows how many shares there are, on a terminal."""

    def shown(self) -> AbstractContextManager[object]:
        """Nothing to take."""
        return nullcontext()

    async def run(self, status: Any) -> None:
        """Show the number until cancelled."""
        while True:
            await asyncio.sleep(1)
            if sys.stderr.isatty():
                shares: Mapping[str, int] = status()["shares"]
                print(f"\r{shares['accepted']} shares", end="\r", file=sys.stderr)


async def serve(folder: Path) -> None:
    """Run a proxy whose source is made up; prints where it is."""
    logs.setup(level="warning", format="text", stream=sys.stderr)
    config = ProxyConfig(
        listeners=(ListenerSettings(port=0),),
        web=WebSettings(enabled=False),
        vardiff=VardiffSettings(start=DIFFICULTY, least=DIFFICULTY, largest=DIFFICULTY),
        state_dir=str(folder),
    )
    source, maker = ManualSource("bench"), JobMaker("bench")

    def ready(where: Ready) -> None:
        print(where.stratum_url, flush=True)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(run_proxy(config, source=source, ready=ready))
        while True:
            maker.new_block()
            now = wall_seconds()
            source.publish(maker.make(target=1, ntime=now, ntime_max=now + 7000))
            await asyncio.sleep(BLOCK_SECONDS)


async def mine(url: str, folder: Path, device: CpuDevice, shares: int) -> Miner:
    """Mine until so many shares are accepted."""
    upstreams = (UpstreamSettings(url=url, user="bench"),)
    source = make_source(upstreams, ids=count(1), journal=folder / "blocks")
    miner = Miner(source, [device], stop=StopSettings(shares=shares))
    await miner.run(Silent())
    return miner


async def measure(device: CpuDevice, shares: int) -> Miner:
    """Mine against a proxy in another process."""
    with TemporaryDirectory() as name:
        arguments = ("-m", "bench.miner", "--serve", name)
        proxy = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, stdout=asyncio.subprocess.PIPE
        )
        try:
            assert proxy.stdout is not None  # noqa: S101 # asked for above
            url = (await proxy.stdout.readline()).decode().strip()
            return await mine(url, Path(name), device, shares)
        finally:
            proxy.terminate()
            await proxy.wait()


def tell(miner: Miner, used: Sequence[Used]) -> float:
    """Print what came out; returns the ratio, with two of its errors in its favour."""
    stats = miner.stats
    bare = sum(each.bare_hashes for each in used) / sum(each.bare for each in used)
    seconds = sum(each.total for each in used)
    accepted, hashed = stats.work_accepted / seconds, sum(each.hashes for each in used) / seconds
    error = 1 / math.sqrt(stats.shares_accepted)
    dropped = sum(stats.shares_dropped.values())
    print(
        f"  {stats.shares_accepted} shares accepted, {stats.rejected} refused, {dropped} dropped, "
        f"{stats.shares_lost} lost, {sum(stats.jobs.values())} jobs, {seconds:.0f} CPU seconds\n"
        f"  bare kernel, same threads    {bare / 1e6:8.3f} MH by CPU second\n"
        f"  accepted work                {accepted / 1e6:8.3f} MH by CPU second\n"
        f"  ratio {accepted / bare:.4f} ± {error:.4f} (must be {LEAST_RATIO}); "
        f"by counted hashes {hashed / bare:.4f}"
    )
    return accepted / bare + 2 * error


def main(argv: Sequence[str]) -> int:
    """Measure and print; 0 unless the ratio is surely too low."""
    parser = argparse.ArgumentParser(prog="bench.miner")
    parser.add_argument("--shares", type=int, default=40_000)
    parser.add_argument("--threads", type=int, default=0, help="default: one on each core")
    parser.add_argument("--kernel", default="", help="default: the fastest")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    wanted = parser.parse_args(argv)
    if wanted.serve:
        asyncio.run(serve(wanted.serve))
    logs.setup(level="warning", format="text", stream=sys.stderr)
    threads = wanted.threads or len(usable_cores())
    ranked = [Paired(kernel) for kernel in rank(wanted.kernel)]
    miner = asyncio.run(measure(CpuDevice("cpu:0", threads, ranked), wanted.shares))
    print(f"the miner against a local proxy, {threads} threads ({ranked[0].name}):")
    return int(tell(miner, list(ranked[0].threads.values())) < LEAST_RATIO)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
