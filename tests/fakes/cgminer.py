"""Figures of a miner as the cgminer API takes them, and a client that asks as its tools do."""

import asyncio
import json
from collections.abc import Iterable, Sequence
from typing import Any

from msgspec.structs import replace

from headframe.runtime.errors import ConfigError
from headframe.upstream.base import SourceState
from headframe.upstream.options import StrategyName, UpstreamSettings
from headframe.upstream.report import PoolStatus, UpstreamStatus
from miner.cgapi.figures import Figures
from miner.cgapi.pools import PoolView
from miner.status import BlocksStatus, DeviceStatus, MinerStatus, SharesStatus
from tests.fakes.source import make_job

__all__ = [
    "CPU",
    "FIGURES",
    "GPU",
    "JOB",
    "NODE",
    "POOL",
    "STATUS",
    "FakeUpstreams",
    "ask",
    "ask_json",
    "loads",
    "views",
]


def views(pools: Iterable[PoolStatus]) -> tuple[PoolView, ...]:
    """Number pools in their order, all of them enabled."""
    return tuple(
        PoolView(number=place, priority=place, enabled=True, status=each)
        for place, each in enumerate(pools)
    )


class FakeUpstreams:
    """The upstreams of a miner that there is not.

    Attributes:
        current: those in force.
        refuses: why the next change cannot be; "" to take it.
    """

    def __init__(self, *urls: str) -> None:
        self.current: tuple[UpstreamSettings, ...] = tuple(
            UpstreamSettings(url=url, user="me") for url in urls
        )
        self.refuses = ""

    def change(self, upstreams: Sequence[UpstreamSettings]) -> None:
        if self.refuses:
            raise ConfigError(self.refuses)
        self.current = tuple(upstreams)


POOL = PoolStatus(
    source="pool.example:3333",
    url="stratum+tcp://pool.example:3333",
    user="me.rig",
    state=SourceState.ACTIVE,
    detail="",
    in_use=True,
    height=101,
    connects=2,
    answer_seconds=0.01,
    difficulty=0.5,
    job_age_seconds=1.0,
    accepted=12,
    rejected=4,
    lost=1,
    work_accepted=6.0 * 2**48 / 0xFFFF,
    last_share_time=1332432280,
)
NODE = replace(
    POOL,
    source="127.0.0.1:18443",
    url="bitcoind+http://127.0.0.1:18443",
    user="",
    state=SourceState.DOWN,
    in_use=False,
    height=None,
    accepted=0,
    rejected=0,
    lost=0,
    work_accepted=0.0,
    last_share_time=None,
)
CPU = DeviceStatus(
    name="cpu:0",
    kernel="portable",
    state="hashing",
    hashrate_5s_hps=1_600_000.0,
    hashrate_hps=1_550_000.0,
    hashrate_15m_hps=1_525_000.0,
    hashes=9_000_000_000,
    solutions=20,
    wrong=0,
    retired=0,
    sensors={},
)
GPU = replace(
    CPU,
    name="gpu:1",
    kernel="opencl",
    state="failed",
    wrong=5,
    sensors={"temperature_celsius": 61.5},
)
STATUS = MinerStatus(
    version="0.1.0",
    uptime_seconds=6000.4,
    upstream=UpstreamStatus(
        source=POOL.source, url=POOL.url, state=POOL.state, detail="", height=101, network=""
    ),
    pools=(POOL, NODE),
    hashrate_5s_hps=3_200_000.0,
    hashrate_hps=3_100_000.0,
    hashrate_15m_hps=3_050_000.0,
    hashes=18_000_000_000,
    difficulty=0.5,
    best_difficulty=17.25,
    job_age_seconds=1.0,
    lost_hashes=0,
    shares=SharesStatus(
        submitted=17,
        accepted=12,
        rejected=4,
        by_reason={"stale": 4},
        lost=1,
        dropped={"stale": 2, "duplicate": 1, "invalid": 0},
    ),
    blocks=BlocksStatus(found=1, accepted=1, list=()),
    devices=(CPU, GPU),
)
JOB = make_job(nbits=0x207FFFFF, prev_hash=bytes(range(32)))
FIGURES = Figures(
    status=STATUS,
    pools=views(STATUS.pools),
    strategy=StrategyName.FAILOVER,
    job=JOB,
    now=1332432290,
)


async def ask(port: int, request: bytes, *, eof: bool = False) -> bytes:
    """Send a request and read until the miner ends the connection."""
    async with asyncio.timeout(30):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(request)
            if eof:
                writer.write_eof()
            return await reader.read()
        finally:
            writer.close()


async def ask_json(port: int, command: str, parameter: str = "") -> Any:
    """Ask as the tools do, and read the answer."""
    request = {"command": command, "parameter": parameter}
    return loads(await ask(port, json.dumps(request).encode()))


def loads(answer: bytes) -> Any:
    """Read an answer in JSON, with the one NUL that ends it."""
    assert answer.endswith(b"\0")
    assert answer.count(b"\0") == 1
    return json.loads(answer[:-1])
