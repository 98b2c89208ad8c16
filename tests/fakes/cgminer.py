"""Figures of a miner as the cgminer API takes them, and a client that asks as its tools do."""

import asyncio
import json
from dataclasses import replace
from typing import Any

from miner.cgapi.figures import DeviceFigures, Figures, PoolFigures

__all__ = ["CPU", "FIGURES", "GPU", "NODE", "POOL", "ask", "ask_json", "loads"]

POOL = PoolFigures(
    url="stratum+tcp://pool.example:3333",
    user="me.rig",
    condition="Alive",
    in_use=True,
    stratum=True,
    accepted=12,
    rejected=3,
    difficulty=0.5,
    height=101,
    connects=2,
)
NODE = replace(
    POOL,
    url="bitcoind+http://127.0.0.1:18443",
    user="",
    condition="Dead",
    in_use=False,
    stratum=False,
    accepted=0,
    rejected=0,
)
CPU = DeviceFigures(
    kind="CPU",
    number=0,
    kernel="portable",
    state="hashing",
    celsius=0.0,
    hashes=9_000_000_000,
    solutions=20,
    wrong=0,
    average_hps=1_500_000.0,
    rate_5s_hps=1_600_000.0,
    rate_1m_hps=1_550_000.0,
    rate_15m_hps=1_525_000.0,
)
GPU = replace(CPU, kind="GPU", kernel="opencl", state="failed", celsius=61.5, wrong=5)
FIGURES = Figures(
    now=1332432290,
    elapsed_seconds=6000.4,
    strategy="Failover",
    hashes=18_000_000_000,
    accepted=12,
    rejected=4,
    stale=2,
    discarded=1,
    lost=1,
    wrong=5,
    solutions=40,
    difficulty_accepted=6.0,
    best_difficulty=17.25,
    blocks=1,
    jobs=33,
    network_difficulty=4.656542373906925e-10,
    previous_hash="00" * 31 + "ff",
    average_hps=3_000_000.0,
    rate_5s_hps=3_200_000.0,
    rate_1m_hps=3_100_000.0,
    rate_15m_hps=3_050_000.0,
    pools=(POOL, NODE),
    devices=(CPU, GPU),
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
