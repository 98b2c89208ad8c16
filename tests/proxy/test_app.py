import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from headframe.chain.share import Reason
from headframe.chain.target import MAX_TARGET
from headframe.runtime.errors import ConfigError
from headframe.runtime.settings import load
from proxy.app import Ready, check, run
from proxy.config import ProxyConfig
from tests.fakes.mining import JobMaker, ManualSource
from tests.fakes.proxying import HARD
from tests.fakes.rig import connected


def port_of(ready: Ready) -> int:
    return int(ready.stratum_url.rpartition(":")[2])


@asynccontextmanager
async def app(folder: Path, source: ManualSource | None, *overrides: str) -> AsyncIterator[Ready]:
    """Run a whole proxy on free ports."""
    base = [f"state_dir={folder}", "listeners.0.port=0", "web.port=0"]
    config = load(ProxyConfig, overrides=[*base, *overrides])
    up: asyncio.Future[Ready] = asyncio.get_running_loop().create_future()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(run(config, source=source, ready=up.set_result))
        async with asyncio.timeout(20):
            ready = await up
        try:
            yield ready
        finally:
            task.cancel()


async def test_a_rig_mines_and_the_page_shows_it(tmp_path: Path):
    source, maker = ManualSource(), JobMaker()
    async with app(tmp_path, source, "vardiff.start=4.6e-10") as ready:
        source.publish(maker.make(target=MAX_TARGET))
        async with connected(port_of(ready), "alice") as [rig]:
            assert (await rig.say(rig.find(await rig.job()))).reason is Reason.ACCEPTED
            async with aiohttp.ClientSession() as session:
                async with session.get(f"{ready.web_url}api/v1/status") as answer:
                    status = await answer.json()
                async with session.get(f"{ready.web_url}metrics") as answer:
                    metrics = await answer.text()
                async with session.get(f"{ready.web_url}healthz") as answer:
                    assert answer.status == 200
        assert [each["user"] for each in status["rigs"]] == ["alice"]
        assert "headframe_proxy_rigs 1.0" in metrics


async def hint(ready: Ready) -> int:
    """Tell the proxy of a block, as bitcoind's blocknotify does; the status of its answer."""
    url = f"{ready.web_url}api/v1/blocknotify?hash={'00' * 32}"
    async with aiohttp.ClientSession() as web, web.get(url) as answer:
        return answer.status


async def test_a_nodes_blocknotify_is_taken_where_there_is_a_node(tmp_path: Path):
    async with app(tmp_path, ManualSource()) as ready:
        assert await hint(ready) == 404
    node = ("upstreams.0.url=bitcoind+http://127.0.0.1:1", "upstreams.0.user=u")
    address = "upstreams.0.address=bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"  # BIP 173
    async with app(tmp_path, None, *node, address, "upstreams.0.password=p") as ready:
        assert await hint(ready) == 503  # it is configured, and away


async def test_what_was_counted_is_on_disk_after_the_end(tmp_path: Path):
    source, maker = ManualSource(), JobMaker()
    for expected in (1, 2):
        async with app(tmp_path, source, "web.enabled=false", "vardiff.start=4.6e-10") as ready:
            assert ready.web_url == ""
            source.publish(maker.make(target=MAX_TARGET, coinbase=bytes([expected])))
            async with connected(port_of(ready), "alice") as [rig]:
                verdict = await rig.say(rig.find(await rig.job()))
            assert verdict.reason is Reason.ACCEPTED
            assert ready.routing.first.ledger.workers["alice"].offered.shares == expected


async def test_two_proxies_chained_bring_a_share_home(tmp_path: Path):
    """The second one's upstream is the first: real source, real session, real rig."""
    source, maker = ManualSource(), JobMaker()
    async with app(tmp_path / "near", source, "vardiff.start=4.6e-10") as near:
        upstream = [
            f"upstreams.0.url=stratum+tcp://127.0.0.1:{port_of(near)}",
            "upstreams.0.user=site",
            "vardiff.start=4.6e-10",
        ]
        async with app(tmp_path / "far", None, *upstream) as far:
            time = near.routing.first.clock.wall()
            job = maker.make(target=HARD, block_target=HARD, ntime=time, ntime_max=time + 7000)
            source.publish(job)
            async with connected(port_of(far), "rig1", "rig2") as rigs:
                for rig in rigs:
                    shown = await rig.job()
                    assert shown.extranonce_size == 2
                    assert shown.prev_hash == job.prev_hash
                    share = rig.find(shown, at_most=HARD)
                    assert (await rig.say(share)).reason is Reason.ACCEPTED
                async with asyncio.timeout(20):
                    await source.wait_for(2)
            assert all(proof <= HARD for proof in source.proofs())
            assert {share.job_id for share, _, _ in source.sent} == {job.id}
            assert list(near.routing.first.ledger.workers) == ["site"]
            assert set(far.routing.first.ledger.workers) == {"rig1", "rig2"}
            far.routing.first.ledger.verify()
            near.routing.first.ledger.verify()


async def test_a_port_in_use_is_a_configuration_error(tmp_path: Path):
    async with app(tmp_path, ManualSource(), "web.enabled=false") as ready:
        config = load(
            ProxyConfig, overrides=[f"state_dir={tmp_path}", f"listeners.0.port={port_of(ready)}"]
        )
        with pytest.raises(ConfigError, match="is in use"):
            await run(config, source=ManualSource())


async def test_the_pages_port_in_use_is_one_too(tmp_path: Path):
    async with app(tmp_path, ManualSource()) as ready:
        port = ready.web_url.rstrip("/").rpartition(":")[2]
        overrides = [f"state_dir={tmp_path}", "listeners.0.port=0", f"web.port={port}"]
        with pytest.raises(ConfigError, match=f"{port} is in use"):
            await run(load(ProxyConfig, overrides=overrides), source=ManualSource())


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="state_dir"):
        check(ProxyConfig(state_dir=str(tmp_path / "file" / "x")))
