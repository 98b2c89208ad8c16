from dataclasses import replace
from pathlib import Path

import msgspec

from headframe.chain.share import Reason, Verdict
from proxy.page import Page
from proxy.store import Figures, Store
from tests.fakes.mining import ManualSource
from tests.fakes.proxying import proxying
from tests.fakes.rig import connected


async def test_the_status_is_plain_and_complete(tmp_path: Path):
    source = ManualSource(verdict=Verdict(reason=Reason.ACCEPTED, block=True))
    store = Store(tmp_path / "x.sqlite")
    store.totals["old"] = Figures(offered=5, accepted=4, refused=1, acknowledged=0, work=10)
    async with proxying(source) as proxy, connected(proxy.port, "alice") as [rig]:
        page = Page(proxy.hub, store, "stratum+tcp://here:1")
        assert page.healthy() is False
        proxy.publish(target=2**256 - 1, block_target=2**256 - 1)
        job = await rig.job()
        share = rig.find(job)
        await rig.say(share)
        await rig.say(share)
        proxy.time.now += 7
        status = msgspec.json.decode(msgspec.json.encode(page.status()))
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
    assert status["blocks"]["accepted"] == 1
    [block] = status["blocks"]["list"]
    assert (block["verdict"], block["worker"]) == ("accepted", "alice")
    assert [each["user"] for each in status["rigs"]] == ["alice"]
    assert status["rigs_total"] == 1
    assert status["lifetime"]["accepted"] == 5
    assert status["pool"]["acknowledged"] == 1


async def test_the_metrics_tell_how_the_upstream_is_doing():
    source = ManualSource()
    status = source.status.get()
    source.status.set(replace(status, connects=3, switches=2, redirects=1, idle_seconds=4.5))
    async with proxying(source) as proxy:
        text = Page(proxy.hub, None, "").metrics().decode()
    assert "headframe_proxy_upstream_connects_total 3.0" in text
    assert "headframe_proxy_upstream_switches_total 2.0" in text
    assert "headframe_proxy_upstream_redirects_total 1.0" in text
    assert "headframe_proxy_upstream_idle_seconds_total 4.5" in text
    assert "headframe_proxy_upstream_up" in text


async def test_the_metrics_have_the_programs_prefix():
    async with proxying() as proxy:
        text = Page(proxy.hub, None, "").metrics().decode()
        assert "headframe_proxy_shares_offered_total 0.0" in text
        assert "headframe_proxy_rigs 0.0" in text
        assert Page(proxy.hub, None, "").status()["lifetime"] == {
            "offered": 0,
            "accepted": 0,
            "refused": 0,
            "work": "0",
            "problem": "",
        }
