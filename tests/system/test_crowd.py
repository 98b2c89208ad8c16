"""Crowds at one proxy: 10,000 rigs at once, and 50,000 that come and go.

The proxy is a process of its own, as users run it; the rigs are those of the bench, in
processes of their own, and the pool is the bench's too.
"""

import json
import resource
import shutil
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bench.proxy.programs import Fleet, Floor, Proxy, compile_programs, pool_upstream
from tests.fakes.scrapes import Scrapes

pytestmark = [
    pytest.mark.system,
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        not sys.platform.startswith("linux") or shutil.which("cc") is None,
        reason="needs Linux and a C compiler",
    ),
]

KEPT = 1e9
"""A pool's difficulty that no share here meets."""
RIGS = 10_000
ROUND, ROUNDS, WARM_ROUNDS = 1_000, 50, 10
ROUNDS_OF_A_BLOCK = 3
SLICES = 4_096
"""For 50,000 rigs: each must be given out again and again."""
GROWTH_BYTES = 4_000_000
PATIENCE_SECONDS = 60


@pytest.fixture(autouse=True)
def many_files() -> Iterator[None]:
    """Let the rigs, and the servers, have that many connections."""
    before, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most < RIGS + 1_000:
        pytest.skip(f"this machine lets a process open {most} files only")
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 15_000), most))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (before, most))


@contextmanager
def crowded(folder: Path, *overrides: str) -> Iterator[tuple[Floor, Proxy]]:
    compile_programs(folder)
    with (
        Floor(folder, KEPT, 12) as pool,
        Proxy(folder / "proxy", pool_upstream(pool), *overrides) as proxy,
    ):
        yield pool, proxy


class Page:
    """The page of a proxy, and the CPU seconds that it took to tell each time.

    Not seconds of the clock, in which other programs of the machine show.
    """

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._url = next(
            str(entry["web"]) for entry in proxy.log() if entry.get("event") == "proxy_ready"
        ).rstrip("/")
        self.took: dict[str, list[float]] = {}

    def get(self, path: str) -> bytes:
        began = self._proxy.cpu_ns()
        with urllib.request.urlopen(self._url + path, timeout=PATIENCE_SECONDS) as answer:
            body: bytes = answer.read()
        self.took.setdefault(path, []).append((self._proxy.cpu_ns() - began) / 1e9)
        return body

    def status(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.get("/api/v1/status"))
        return told

    def scrape(self) -> Scrapes:
        scrapes = Scrapes()
        scrapes.add(self.get("/metrics"))
        return scrapes

    def wait_rigs(self, count: int) -> None:
        """Wait until so many are connected."""
        ends = time.monotonic() + PATIENCE_SECONDS
        while (there := self.status()["rigs_total"]) != count:
            assert time.monotonic() < ends, f"{there} rigs, not {count}"
            time.sleep(0.02)


def ensure_no_failure(proxy: Proxy, page: Page) -> None:
    log = list(proxy.log())
    assert [each for each in log if each.get("level") in {"error", "critical"}] == []
    assert page.scrape().get("headframe_proxy_ledger_faults_total") == 0


def test_ten_thousand_rigs_are_served_by_one_process(tmp_path: Path):
    with crowded(tmp_path) as (pool, proxy), Fleet(tmp_path, proxy.port) as fleet:
        page = Page(proxy)
        load = fleet.connect(RIGS, 1_500)
        assert (load.ready, load.lost) == (RIGS, 0)
        fleet.say("watch 20")
        pool.job(12)
        (job,) = fleet.wait().jobs[-1:]
        assert job.rigs == RIGS, "the next job reached not all of them"
        load = fleet.rate(1_000, 2)
        assert load.accepted == load.offered > 1_000, load.refusal
        for _ in range(5):
            status = page.status()
            assert (status["rigs_total"], len(status["rigs"])) == (RIGS, 100)
            scrape = page.scrape()
            assert scrape.get("headframe_proxy_rigs") == RIGS
        for path, took in page.took.items():
            assert min(took) < 0.5, f"{path} takes {took}"
        looks = scrape.get("headframe_event_loop_lag_seconds_count")
        soon = scrape.get("headframe_event_loop_lag_seconds_bucket", le="0.25")
        assert looks > 10
        assert soon > looks / 2, "most of the time the loop was late by more than 0.25 s"
        assert fleet.rate(1, 0.1).lost == 0
        ensure_no_failure(proxy, page)


def test_fifty_thousand_rigs_that_come_and_go_leave_nothing_behind(tmp_path: Path):
    """With so few slices that only those of the last blocks may rest."""
    with crowded(tmp_path, f"extranonce.slice_end={SLICES}") as (pool, proxy):
        page = Page(proxy)
        held = []
        for number in range(ROUNDS):
            with Fleet(tmp_path, proxy.port) as fleet:
                load = fleet.connect(ROUND, 5_000)
                assert (load.ready, load.lost) == (ROUND, 0)
                if number % ROUNDS_OF_A_BLOCK == 0:
                    load = fleet.closed(1, 0.01)
                    assert load.accepted == load.offered >= ROUND, load.refusal
            page.wait_rigs(0)
            if number % ROUNDS_OF_A_BLOCK == ROUNDS_OF_A_BLOCK - 1:
                pool.job(12)
            held.append(proxy.rss_bytes())
        scrape = page.scrape()
        assert scrape.get("headframe_proxy_connections_opened_total") == ROUND * ROUNDS
        assert scrape.get("headframe_proxy_connections_refused_total") == 0
        grown = held[-1] - held[WARM_ROUNDS]
        assert grown < GROWTH_BYTES, f"{grown} bytes more: {held[::5]}"
        ensure_no_failure(proxy, page)
