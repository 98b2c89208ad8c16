"""The installed miner, read by the real pyasic over cgminer's API."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from headframe import __version__
from headframe.chain.share import Reason, Verdict
from headframe.chain.target import MAX_TARGET, Target
from tests.fakes.pool import FakePool
from tests.fakes.ports import free_port
from tests.fakes.programs import Program, headframe, until

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

EASY = Target(MAX_TARGET >> 20)
"""Some shares a second, whatever the kernel."""
NEVER = Target(1)
CLIENT = Path(__file__).parents[1] / "fakes" / "pyasic_client.py"
ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"  # BIP 173's key, on regtest


async def pyasic(port: int, *args: str) -> Any:
    client = await asyncio.create_subprocess_exec(
        *(sys.executable, str(CLIENT), str(port), *args),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, error = await client.communicate()
    assert client.returncode == 0, error.decode()
    return json.loads(out)


@asynccontextmanager
async def mining(
    folder: Path, urls: Sequence[str], *more: str
) -> AsyncIterator[tuple[Program, int]]:
    api = free_port()
    args = [each for url in urls for each in ("--url", url)]
    args += ["--user", "me.rig", "--password", "x", "--address", ADDRESS, "--threads", "1"]
    args += ["--kernel", "portable", "--set", f"api.port={api}", *more]
    async with headframe("mine", *args, folder=folder) as miner:
        yield miner, api


class Every:
    """A judge that refuses each third share."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, verdict: Verdict) -> Verdict:
        self.count += 1
        return verdict if self.count % 3 else Verdict(reason=Reason.STALE)


@asynccontextmanager
async def watching(miner: Program) -> AsyncIterator[list[Any]]:
    """Note the miner's status again and again while the block runs."""
    seen = [await miner.status()]

    async def watch() -> None:
        while True:
            seen.append(await miner.status())
            await asyncio.sleep(0.05)

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(watch())
        yield seen
        seen.append(await miner.status())
        task.cancel()


@pytest.mark.parametrize("backend", ["cgminer", "bmminer"])
async def test_pyasic_reads_what_the_status_tells(backend: str, tmp_path: Path) -> None:
    async with FakePool() as pool:
        pool.judge = Every()
        pool.new_block(target=EASY)
        url = f"stratum+tcp://127.0.0.1:{pool.port}"
        urls = [url, "stratum+tcp://127.0.0.1:1", "bitcoind+http://127.0.0.1:2"]
        async with mining(tmp_path, urls) as (miner, port):

            async def settled() -> Any:
                now = await miner.status()
                told = now["shares"]["accepted"] + now["shares"]["rejected"]
                return told == len(pool.heard.get()) and now["uptime_seconds"] > 2 and now

            await until(lambda: len(pool.heard.get()) >= 9, "some shares", miner)
            pool.new_block(target=NEVER)
            await until(settled, "all verdicts to be in", miner)
            async with watching(miner) as seen:
                read = await pyasic(port, "read", backend)
            last = await miner.status()
    agrees_about_rate_and_time(read, seen)
    agrees_about_pools(read, last)
    assert last["shares"]["rejected"] >= 3
    assert read["api"] == "3.7"
    assert read["together"]["summary"][0]["SUMMARY"][0]["Accepted"] == last["shares"]["accepted"]
    assert read["together"]["version"][0]["VERSION"][0]["CGMiner"] == __version__
    assert read["data"]["is_mining"]
    if backend == "cgminer":
        assert read["version"] == __version__
        assert read["data"]["fw_ver"] == __version__


def agrees_about_rate_and_time(read: Any, seen: list[Any]) -> None:
    """The figures are of some moment between the first and the last look."""
    rates = [each["hashrate_5s_hps"] for each in seen]
    assert min(rates) > 0
    for rate in (read["hashrate_hps"], read["data"]["hashrate"]["rate"]):
        assert min(rates) * 0.999 <= rate <= max(rates) * 1.001
    for uptime in (read["uptime_seconds"], read["data"]["uptime"]):
        if uptime is not None:  # bmminer's class does not ask for it
            assert int(seen[0]["uptime_seconds"]) <= uptime <= seen[-1]["uptime_seconds"]


def agrees_about_pools(read: Any, status: Any) -> None:
    """Nothing of this changes any more."""
    assert read["pools"] == read["data"]["pools"]
    assert len(read["pools"]) == len(status["pools"]) == 3
    for number, (pool, told) in enumerate(zip(read["pools"], status["pools"], strict=True)):
        assert pool["index"] == number
        assert (pool["accepted"], pool["rejected"]) == (told["accepted"], told["rejected"])
        assert pool["active"] is told["in_use"]
        assert pool["user"] == told["user"]
        assert pool["alive"] is True
    assert [each["url"] for each in read["pools"]] == [
        status["pools"][0]["url"],
        status["pools"][1]["url"],
        None,  # a node: pyasic has no scheme for it
    ]
    first = read["pools"][0]
    assert first["accepted"] == status["shares"]["accepted"] >= 6
    assert first["rejected"] == status["shares"]["rejected"]
    assert first["user"] == "me.rig"
    assert [each[1] for each in read["configured"]] == [each["user"] for each in status["pools"]]


async def test_pyasic_switches_pools_where_it_may(tmp_path: Path) -> None:
    async with FakePool() as one, FakePool() as two:
        one.new_block(target=EASY)
        two.new_block(target=EASY)
        urls = [f"stratum+tcp://127.0.0.1:{pool.port}" for pool in (one, two)]
        write = ("--set", 'api.write=["127.0.0.1"]')
        async with mining(tmp_path, urls, *write) as (miner, port):
            await until(one.heard.get, "a share of the first pool", miner)
            assert not two.heard.get()
            answer = await pyasic(port, "switchpool", "1")
            assert answer["STATUS"][0]["Msg"] == f"Switching to pool 1:'{urls[1]}'"
            await until(two.heard.get, "a share of the second pool", miner)
            assert (await pyasic(port, "privileged"))["STATUS"][0]["STATUS"] == "S"
            await pyasic(port, "quit")  # it takes cgminer's goodbye for an error
            assert await miner.child.process.wait() == 0


async def test_pyasic_is_refused_where_it_may_only_read(tmp_path: Path) -> None:
    async with FakePool() as pool:
        pool.new_block(target=EASY)
        async with mining(tmp_path, [f"stratum+tcp://127.0.0.1:{pool.port}"]) as (_, port):
            answer = await pyasic(port, "disablepool", "0")
            assert answer == {"refused": "disablepool: Access denied to 'disablepool' command"}
