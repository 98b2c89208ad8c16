"""What a scrape by Prometheus takes with 10,000 rigs, and whether shares wait for it.

The proxy runs as users run it, with simulated rigs that send shares all the time. Phases with
scrapes, one after the other, and phases without alternate; what is compared is how long shares
wait for their answers, and how late the event loop says that it was.

    python -m bench scrape [--rigs N] [--shares N] [--series N] [--rounds N]

Linux and a C compiler; without one it says so.
"""

import argparse
import http.client
import re
import resource
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench.proxy.programs import FILES, Fleet, Floor, Load, Proxy, compile_programs, pool_upstream
from headframe.runtime.children import free_port

__all__ = ["main"]

LIMIT_SECONDS: Final = 0.5
KEPT: Final = 1e9
"""A pool's difficulty that no share here meets."""
PHASE_SECONDS: Final = 5.0
FLEETS: Final = 2
"""Each takes half of the rigs: one has addresses for 9,000."""
LISTS: Final = ("/api/v1/rigs", "/api/v1/rigs?sort=name&search=9", "/api/v1/rigs?state=silent")
"""What the page asks for; all rigs are looked at anew when a second has passed."""
LATE: Final = re.compile(r'event_loop_lag_seconds_bucket\{le="([^"]+)"\} (\S+)')


@dataclass(slots=True)
class Scraper:
    """Asks for the metrics again and again while it is told to.

    Attributes:
        seconds: how long each took.
        text: the newest.
    """

    port: int
    seconds: list[float] = field(default_factory=list)
    text: str = ""

    def scrape(self) -> None:
        """Ask once."""
        body, seconds = self.ask("/metrics")
        self.seconds.append(seconds)
        self.text = body.decode()

    def ask(self, path: str) -> tuple[bytes, float]:
        """Ask for anything; return it, and the seconds that it took."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            began = time.perf_counter()
            connection.request("GET", path)
            return connection.getresponse().read(), time.perf_counter() - began
        finally:
            connection.close()

    def scrape_until(self, over: threading.Event) -> None:
        """Ask again and again, with a short rest."""
        while not over.wait(0.1):
            self.scrape()


def late_wakes(before: str, after: str) -> dict[str, int]:
    """Count how often the event loop was late between two scrapes, by the bucket's bound."""
    earlier = dict(LATE.findall(before))
    return {
        bound: round(float(count) - float(earlier.get(bound, 0)))
        for bound, count in LATE.findall(after)
    }


def phase(rigs: Sequence[Fleet], scraper: Scraper, shares: int, *, scraping: bool) -> list[Load]:
    """Let the rigs send shares for a while; scrape meanwhile, or not."""
    over = threading.Event()
    thread = threading.Thread(target=scraper.scrape_until, args=(over,))
    for fleet in rigs:
        fleet.say(f"rate {shares // len(rigs)} {PHASE_SECONDS}")
    if scraping:
        thread.start()
    loads = [fleet.wait() for fleet in rigs]
    over.set()
    if scraping:
        thread.join()
    return loads


def measure(folder: Path, wanted: argparse.Namespace) -> bool:
    """Run all phases and print; true if the median scrape is within its limit."""
    compile_programs(folder)
    web = free_port("127.0.0.1", 0)
    told = [f"web.port={web}", f"web.worker_series={wanted.series}"]
    with ExitStack() as stack:
        pool = stack.enter_context(Floor(folder, KEPT))
        proxy = stack.enter_context(Proxy(folder / "proxy", pool_upstream(pool), *told))
        fleets = [stack.enter_context(Fleet(folder, proxy.port)) for _ in range(FLEETS)]
        for fleet in fleets:
            fleet.connect(wanted.rigs // FLEETS)
        scraper = Scraper(web)
        scraper.scrape()
        first, scraper.seconds = scraper.text, []
        waits: dict[bool, list[float]] = {False: [], True: []}
        worst = dict.fromkeys(waits, 0.0)
        for turn in range(2 * wanted.rounds):
            scraping = bool(turn % 2)
            for load in phase(fleets, scraper, wanted.shares, scraping=scraping):
                waits[scraping].append(load.latency_ms["p99"])
                worst[scraping] = max(worst[scraping], load.latency_ms["max"])
        lists = []
        for path in 5 * LISTS:
            time.sleep(1.1)
            lists.append(scraper.ask(path)[1])
    rigs = re.search(r"^headframe_proxy_rigs (\S+)$", scraper.text, re.MULTILINE)
    middle = statistics.median(scraper.seconds)
    print(
        f"{float(rigs[1]) if rigs else 0:,.0f} rigs, {wanted.shares} shares a second, "
        f"{wanted.series} series of workers, {len(scraper.text):,} bytes"
    )
    print(
        f"a scrape: median {1e3 * middle:.0f} ms, longest {1e3 * max(scraper.seconds):.0f} ms "
        f"of {len(scraper.seconds)}"
    )
    for scraping, label in ((False, "without scrapes"), (True, "with scrapes all the time")):
        print(
            f"a share's answer, {label}: p99 {statistics.median(waits[scraping]):.1f} ms, "
            f"longest {worst[scraping]:.1f} ms"
        )
    print(
        f"a page of 50 rigs for the web: median {1e3 * statistics.median(lists):.0f} ms, "
        f"longest {1e3 * max(lists):.0f} ms of {len(lists)}"
    )
    print(f"wakes of the event loop that were late by at most: {late_wakes(first, scraper.text)}")
    return middle <= LIMIT_SECONDS


def main(argv: Sequence[str]) -> int:
    """Measure and print; 0 if the median scrape is within its limit."""
    parser = argparse.ArgumentParser(prog="bench.scrape")
    parser.add_argument("--rigs", type=int, default=10_000)
    parser.add_argument("--shares", type=int, default=500, help="in a second")
    parser.add_argument("--series", type=int, default=200, help="of workers")
    parser.add_argument("--rounds", type=int, default=2)
    wanted = parser.parse_args(argv)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, FILES), most))
    with tempfile.TemporaryDirectory() as folder:
        try:
            return int(not measure(Path(folder), wanted))
        except OSError as error:
            print(f"scrape: left out: {error}", file=sys.stderr)
            return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
