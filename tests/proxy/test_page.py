import re
from dataclasses import replace
from pathlib import Path

import msgspec

from headframe.chain.job import SourceId
from headframe.chain.share import Reason, Verdict
from headframe.upstream.base import SourceState
from proxy.page import Page
from proxy.status import ProxyStatus
from proxy.store import Store
from tests.fakes.mining import ManualSource
from tests.fakes.proxying import HARD, proxying
from tests.fakes.rig import connected


async def test_the_status_is_plain_and_complete(tmp_path: Path):
    source = ManualSource(verdict=Verdict(reason=Reason.ACCEPTED, block=True))
    store = Store(tmp_path / "x.sqlite")
    async with proxying(source) as proxy, connected(proxy.port, "alice") as [rig]:
        page = Page(proxy.routing, store, "stratum+tcp://here:1")
        assert page.healthy() is False
        proxy.publish(target=2**256 - 1, block_target=2**256 - 1)
        job = await rig.job()
        share = rig.find(job)
        await rig.say(share)
        await rig.say(share)
        proxy.time.now += 7
        status = msgspec.json.decode(msgspec.json.encode(page.status()))
        text = (await page.metrics()).decode()
        assert page.healthy() is True
        proxy.publish(size=1)
        await proxy.until(lambda: bool(proxy.hub.problem))
        assert page.healthy() is False
        assert "1 extranonce bytes" in str(page.status()["upstream"])
    assert status["program"] == "proxy"
    assert status["uptime_seconds"] == 7
    assert status["upstream"]["state"] == "active"
    assert status["upstream"]["url"] == "stratum+tcp://pool.test"
    assert status["shares"] == {"accepted": 1, "rejected": 1, "by_reason": {"duplicate": 1}}
    assert (status["blocks"]["found"], status["blocks"]["accepted"]) == (1, 1)
    [block] = status["blocks"]["list"]
    assert (block["verdict"], block["worker"]) == ("accepted", "alice")
    assert [each["user"] for each in status["rigs"]] == ["alice"]
    assert status["rigs_total"] == 1
    assert status["lifetime"]["accepted"] == 1
    assert "headframe_proxy_shares_accepted_total 1.0" in text
    assert "headframe_proxy_shares_offered_total 2.0" in text
    assert 'headframe_proxy_rigs_by_state{state="hashing"} 1.0' in text
    assert 'headframe_proxy_rigs_by_state{state="silent"} 0.0' in text
    assert int(text.split("\nheadframe_proxy_slices_free ")[1].split(".")[0]) > 0
    assert status["pool"]["acknowledged"] == 1


async def test_the_metrics_tell_how_the_upstream_is_doing():
    source = ManualSource()
    status = source.status.get()
    source.status.set(replace(status, connects=3, switches=2, redirects=1, idle_seconds=4.5))
    async with proxying(source) as proxy:
        text = (await Page(proxy.routing, None, "").metrics()).decode()
    assert "headframe_proxy_upstream_connects_total 3.0" in text
    assert "headframe_proxy_upstream_switches_total 2.0" in text
    assert "headframe_proxy_upstream_redirects_total 1.0" in text
    assert "headframe_proxy_upstream_idle_seconds_total 4.5" in text
    assert "headframe_proxy_upstream_up" in text


async def test_the_metrics_have_the_programs_prefix():
    async with proxying() as proxy:
        text = (await Page(proxy.routing, None, "").metrics()).decode()
        assert "headframe_proxy_shares_offered_total 0.0" in text
        assert "headframe_proxy_rigs 0.0" in text
        assert Page(proxy.routing, None, "").status()["lifetime"] == {
            "offered": 0,
            "accepted": 0,
            "refused": 0,
            "work": "0",
            "problem": "",
        }


async def test_each_pool_and_the_age_of_the_job_are_told():
    source = ManualSource()
    known = source.status.get()
    spare = replace(known, source=SourceId("spare"), state=SourceState.IDLE, in_use=False)
    source.status.set(replace(known, members=(known, spare), job_at=0.0))
    async with proxying(source) as proxy:
        page = Page(proxy.routing, None, "")
        assert page.status()["job_age_seconds"] is None
        proxy.publish()
        proxy.time.now += 3
        status, text = page.status(), (await page.metrics()).decode()
    assert status["job_age_seconds"] == 3
    assert [pool["state"] for pool in status["pools"]] == [known.state, "idle"]
    assert "headframe_proxy_job_age_seconds 3.0" in text
    assert 'headframe_proxy_pool_state{pool="spare",state="idle"} 1.0' in text
    assert re.search(r'headframe_build_info\{.*program="proxy"', text)
    assert "headframe_event_loop_lag_seconds_count" in text


async def test_each_worker_is_told_of_while_there_is_room():
    async with (
        proxying(ManualSource(verdict=None)) as proxy,
        connected(proxy.port, "alice") as [rig],
    ):
        proxy.publish()
        page = Page(proxy.routing, None, "")
        none = Page(proxy.routing, None, "", worker_series=0)
        for _ in range(2):
            await rig.say(rig.find(await rig.job()))
            proxy.time.now += 5
            told, untold = (await page.metrics()).decode(), (await none.metrics()).decode()
            proxy.publish()
    name = "headframe_proxy_worker_shares_accepted_total"
    assert f'{name}{{worker="alice"}} 2.0' in told
    assert f'{name}{{worker="(other)"}} 0.0' in told
    rate = 'headframe_proxy_worker_hashrate_hashes_per_second{worker="alice"} '
    assert float(told.split(rate)[1].split()[0]) > 0
    assert "alice" not in untold
    assert f'{name}{{worker="(other)"}} 2.0' in untold


async def test_the_time_that_a_job_takes_to_all_rigs_is_measured():
    async with proxying() as proxy, connected(proxy.port, "alice") as [rig]:
        proxy.time.now = 10.0
        job = proxy.maker.make(target=HARD)
        proxy.source.jobs.set(replace(job, received_at=9.75))
        await rig.job()
        stages = proxy.hub.stats.share_latency
        await proxy.until(lambda: stages["job_to_rigs"].count > 0)
        assert stages["job_to_rigs"].sum == 0.25


async def test_what_is_told_can_be_read_by_the_type_that_the_schema_is_made_of():
    async with proxying() as proxy, connected(proxy.port, "alice") as [rig]:
        proxy.publish()
        await rig.job()
        page = Page(proxy.routing, None, "stratum+tcp://here:1")
        told = msgspec.convert(page.status(), ProxyStatus, strict=True)
    assert told.rigs[0].user == "alice"
    assert told.rigs[0].last_share_seconds is None
