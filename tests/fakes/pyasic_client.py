"""Reads a miner with the real pyasic, in a process of its own: its imports warn.

`python pyasic_client.py PORT read cgminer` reads all that pyasic's class for a family of
miners reads; `python pyasic_client.py PORT switchpool 1` sends one of its commands. What came
of it goes to standard output as one JSON object.
"""

import asyncio
import json
import sys
from typing import Any

from pyasic.errors import APIError
from pyasic.miners.backends.bmminer import BMMiner
from pyasic.miners.backends.cgminer import CGMiner

BACKENDS = {"cgminer": CGMiner, "bmminer": BMMiner}
BOARDS = ["expected_hashrate", "hashboards", "fans"]
"""What pyasic asks of boards with chips alone, and its class for all of cgminer's cannot."""


async def read(port: int, backend: str) -> dict[str, Any]:
    """Ask for each figure by itself, for all at once, and for several reports in one request."""
    miner = BACKENDS[backend]("127.0.0.1")
    miner.rpc.port = port
    together = await miner.rpc.multicommand("version", "summary", "pools", "stats", "devs")
    hashrate = await miner.get_hashrate()
    config = await miner.get_config()
    return {
        "hashrate_hps": float(hashrate.into(miner.algo.unit.H)),
        "uptime_seconds": await miner.get_uptime(),
        "pools": [each.model_dump(mode="json") for each in await miner.get_pools()],
        "version": await miner.get_fw_ver(),
        "api": await miner.get_api_ver(),
        "configured": [[each.url, each.user] for each in config.pools.groups[0].pools],
        "data": json.loads((await miner.get_data(exclude=BOARDS)).as_json()),
        "together": together,
    }


async def send(port: int, command: str, *parameters: str) -> dict[str, Any]:
    """Send a command; `{"refused": ...}` where the miner says no."""
    miner = CGMiner("127.0.0.1")
    miner.rpc.port = port
    try:
        answer = await getattr(miner.rpc, command)(*parameters)
    except APIError as error:
        return {"refused": str(error)}
    return dict(answer)


if __name__ == "__main__":
    _, given, verb, *rest = sys.argv
    work = read(int(given), *rest) if verb == "read" else send(int(given), verb, *rest)
    sys.stdout.write(json.dumps(asyncio.run(work)))
