"""The load of `python -m bench proxy`: real programs, a few rigs, and what they are told."""

import shutil
import sys
from pathlib import Path

import pytest

from bench.proxy.programs import EASIEST, Fleet, Floor, Proxy, compile_programs, pool_upstream

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(
        not sys.platform.startswith("linux") or shutil.which("cc") is None,
        reason="needs Linux and a C compiler",
    ),
]

HALF = 4.6566e-10
"""The difficulty that every second hash meets."""


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    compile_programs(tmp_path)
    return tmp_path


def test_the_floor_says_yes_to_every_share_and_shows_jobs_to_all(programs):
    with Floor(programs, EASIEST, 12) as floor, Fleet(programs, floor.port) as fleet:
        assert fleet.connect(20, 500).ready == 20
        load = fleet.rate(500, 0.5)
        assert load.accepted == load.offered == floor.shares() > 200
        assert 0 < load.latency_ms["p50"] <= load.latency_ms["max"]
        fleet.say("watch 5")
        told = floor.job(12)
        (job,) = fleet.wait().jobs
        assert job.rigs == 20
        assert told < job.first <= job.last


def test_every_share_of_the_load_is_hashed_by_the_proxy(programs):
    settings = [f"vardiff.{name}={HALF}" for name in ("start", "least", "largest")]
    with (
        Floor(programs, 1e9) as pool,
        Proxy(programs / "proxy", pool_upstream(pool), *settings) as proxy,
        Fleet(programs, proxy.port, rolling=True) as fleet,
    ):
        assert fleet.connect(20, 500).ready == 20
        load = fleet.rate(500, 1)
        assert load.accepted + load.refused == load.offered
        assert 0.3 < load.accepted / load.offered < 0.7
        assert "Low difficulty" in load.refusal
        assert pool.shares() == 0


def test_what_meets_the_pools_target_goes_up(programs):
    with (
        Floor(programs, EASIEST) as pool,
        Proxy(programs / "proxy", pool_upstream(pool)) as proxy,
        Fleet(programs, proxy.port) as fleet,
    ):
        assert fleet.connect(5, 500).ready == 5
        load = fleet.closed(4, 0.3)
        assert load.accepted == load.offered == pool.shares(at_least=load.offered)
