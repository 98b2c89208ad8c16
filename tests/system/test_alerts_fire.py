"""The main alerts, fired and cleared by what they are for.

The programs are real, and so is the Prometheus that watches them; the rules are ours with their
waiting times divided by sixty (`tests.fakes.prometheus.scaled`).
"""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from headframe.chain.target import MAX_TARGET, Target
from tests.fakes.certificates import write_certificate
from tests.fakes.nodeparts import BlockPlan, EmbeddedNode, running_node
from tests.fakes.pool import FakePool
from tests.fakes.ports import free_port
from tests.fakes.programs import Program, headframe, until
from tests.fakes.prometheus import Prometheus, prometheus
from tests.fakes.rig import RawRig, Rig, connected
from tests.fakes.wallet import Wallet

pytestmark = [
    pytest.mark.system,
    pytest.mark.slow,
    pytest.mark.promtool,
    pytest.mark.timeout(400),
]

FACTOR = 60
EASY = Target(MAX_TARGET >> 20)
BLOCKS = 3


@dataclass
class Watched:
    """A proxy, where rigs reach it, and the Prometheus that watches it."""

    proxy: Program
    port: int
    prometheus: Prometheus


@asynccontextmanager
async def watched(folder: Path, *args: str, port: int = 0) -> AsyncIterator[Watched]:
    """Everything at work; `port` is where the settings have rigs come to, if they say."""
    where = []
    if not port:
        port = free_port()
        where = ["--listen", f"127.0.0.1:{port}"]
    async with (
        headframe("proxy", *args, *where, folder=folder) as proxy,
        prometheus(folder, {"headframe-proxy": [proxy.web]}, factor=FACTOR) as server,
    ):
        yield Watched(proxy, port, server)


def settings(folder: Path, *upstreams: list[str]) -> list[str]:
    """Arguments that make a proxy use these upstreams (lines of TOML), called a, b, ..."""
    path = folder / "proxy.toml"
    lines = ["[pools]", "stable_seconds = 0.1"]
    for name, upstream in zip("ab", upstreams, strict=False):
        lines += ["[[upstreams]]", f'name = "{name}"', *upstream]
    path.write_text("\n".join(lines))
    return ["--config", str(path)]


def on_pool(pool: FakePool) -> list[str]:
    return [f'url = "stratum+tcp://127.0.0.1:{pool.port}"', 'user = "house"']


def on_node(node: EmbeddedNode) -> list[str]:
    return [
        f'url = "bitcoind+http://127.0.0.1:{node.port}"',
        f'cookie = "{node.cookie}"',
        f'address = "{Wallet.numbered(3).address}"',
    ]


async def test_a_pool_that_dies_and_comes_back(tmp_path: Path) -> None:
    async with FakePool() as first, FakePool() as second:
        for pool in (first, second):
            pool.new_block(target=EASY)
        both = settings(tmp_path, on_pool(first), on_pool(second))
        async with watched(tmp_path, *both) as desk:
            server = desk.prometheus
            await first.go_away()
            down = await server.until_fires("HeadframeUpstreamDown", pool="a")
            assert down["annotations"]["summary"] == "a is down"
            fallback = await server.until_fires("HeadframeOnFallback", pool="b")
            assert fallback["labels"]["severity"] == "warning"
            firing = await server.firing()
            assert not {"HeadframeNoWork", "HeadframeTargetDown"} & firing.keys()
            await first.come_back()
            await server.until_clear("HeadframeUpstreamDown")
            await server.until_clear("HeadframeOnFallback")


async def test_no_pool_is_left_and_then_the_proxy_itself_dies(tmp_path: Path) -> None:
    async with FakePool() as pool:
        pool.new_block(target=EASY)
        url = settings(tmp_path, on_pool(pool))
        async with watched(tmp_path, *url) as desk:
            await pool.go_away()
            await desk.prometheus.until_fires("HeadframeNoWork")
            await pool.come_back()
            await desk.prometheus.until_clear("HeadframeNoWork")
            desk.proxy.child.process.kill()
            alert = await desk.prometheus.until_fires("HeadframeTargetDown")
            assert str(desk.proxy.web) in alert["annotations"]["summary"]


async def test_a_pool_that_is_lost_again_and_again(tmp_path: Path) -> None:
    async with FakePool() as first, FakePool() as second:
        for pool in (first, second):
            pool.new_block(target=EASY)
        both = settings(tmp_path, on_pool(first), on_pool(second))
        async with watched(tmp_path, *both) as desk:

            async def in_use(name: str) -> bool:
                pools = (await desk.proxy.status())["pools"]
                return any(pool["in_use"] and pool["source"] == name for pool in pools)

            for _ in range(6):
                await first.go_away()
                await until(lambda: in_use("b"), "the spare one to be in use", desk.proxy)
                await first.come_back()
                await until(lambda: in_use("a"), "the first one to be back", desk.proxy)
            labels = {"from": "a", "to": "b", "reason": "lost"}
            alert = await desk.prometheus.until_fires("HeadframeFailsOverOften", **labels)
            assert alert["annotations"]["description"].endswith(
                "times in an hour it went on with b."
            )
            await desk.prometheus.until_clear("HeadframeFailsOverOften")


async def test_a_stranger_who_is_banned_and_a_certificate_that_ends(tmp_path: Path) -> None:
    async with FakePool() as pool:
        pool.new_block(target=EASY)
        ends = datetime.now(UTC) + timedelta(days=3)
        chain, key = write_certificate(tmp_path, until=ends)
        over_tls = [f'certificate = "{chain}"', f'certificate_key = "{key}"']
        args, port = settings(tmp_path, on_pool(pool)), free_port()
        listeners = [["[[listeners]]", f"port = {port}"]]
        listeners += [["[[listeners]]", 'name = "front"', "port = 0", *over_tls]]
        with (tmp_path / "proxy.toml").open("a") as file:
            file.writelines(f"\n{line}" for listener in listeners for line in listener)
        async with watched(tmp_path, *args, port=port) as desk:
            server = desk.prometheus
            alert = await server.until_fires(
                "HeadframeListenerCertificateExpires", listener="front"
            )
            assert alert["annotations"]["summary"] == "The certificate of listener front ends soon"

            async def is_banned() -> bool:
                async with RawRig.to(desk.port) as stranger:
                    stranger.raw(b"no stratum")
                    assert await stranger.line() == {}
                return bool(json.loads((await desk.proxy.get("/api/v1/bans"))[1])["bans"])

            await until(is_banned, "the stranger to be banned", desk.proxy)
            banned = await server.until_fires("HeadframeAddressBanned", reason="faults")
            assert banned["labels"]["severity"] == "warning"
            write_certificate(tmp_path)
            desk.proxy.child.process.send_signal(signal.SIGHUP)
            await server.until_clear("HeadframeListenerCertificateExpires")
            await server.until_clear("HeadframeAddressBanned")


async def share(rig: Rig) -> None:
    """Find a share of the newest job and send it."""
    job = await rig.job()
    assert (await rig.say(rig.find(job))).reason == "accepted"


async def test_a_rig_that_goes_silent_and_hashes_again(tmp_path: Path) -> None:
    async with FakePool() as pool:
        pool.new_block(target=EASY)
        url = settings(tmp_path, on_pool(pool))
        fast = ["--set", "vardiff.shares_per_minute=240", "--set", "vardiff.start=1e-9"]
        fast += ["--set", "vardiff.largest=1e-8"]
        async with (
            watched(tmp_path, *url, *fast) as desk,
            connected(desk.port, "alice") as [rig],
        ):
            await share(rig)
            assert "HeadframeRigsSilent" not in await desk.prometheus.firing()
            alert = await desk.prometheus.until_fires("HeadframeRigsSilent")
            assert alert["annotations"]["summary"].startswith("1 rigs of ")

            async def over() -> bool:
                await share(rig)
                return "HeadframeRigsSilent" not in await desk.prometheus.firing()

            await until(over, "the rig to count as hashing", desk.proxy)


def extend(node: EmbeddedNode, blocks: int) -> None:
    """Give a node blocks that no other node has."""
    for _ in range(blocks):
        plan = BlockPlan(template=node.call("getblocktemplate", {"rules": ["segwit"]}))
        assert node.call("submitblock", plan.build().hex()) is None


def relay(here: EmbeddedNode, there: EmbeddedNode) -> None:
    """Give a node all blocks of another that it lacks."""
    top, known = here.call("getblockcount"), there.call("getblockcount")
    for height in range(known + 1, top + 1):
        raw = here.call("getblock", here.call("getblockhash", height), 0)
        assert there.call("submitblock", raw) is None


@pytest.mark.kernel
async def test_a_node_that_lags_and_one_that_dies(tmp_path: Path) -> None:
    with running_node(tmp_path / "first") as first, running_node(tmp_path / "second") as second:
        extend(first, BLOCKS)
        relay(first, second)
        both = settings(tmp_path, on_node(first), on_node(second))
        async with watched(tmp_path, *both) as desk:
            server = desk.prometheus
            await asyncio.to_thread(extend, second, BLOCKS)
            behind = await server.until_fires("HeadframeUpstreamBehind", pool="a")
            told = behind["annotations"]["description"]
            assert (
                told == f"Its newest work is for a block {BLOCKS} below that of another upstream."
            )
            await asyncio.to_thread(relay, second, first)
            await server.until_clear("HeadframeUpstreamBehind")
            port = first.port
            await asyncio.to_thread(first.stop)
            await server.until_fires("HeadframeUpstreamDown", pool="a")
            await asyncio.to_thread(first.start, "--rpc-port", str(port))
            await server.until_clear("HeadframeUpstreamDown")
