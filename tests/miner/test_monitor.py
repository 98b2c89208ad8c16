import re
from dataclasses import replace

import msgspec
import pytest

from headframe.chain.job import SourceId
from headframe.chain.target import DIFFICULTY_1
from headframe.upstream.base import SourceState, SourceStatus
from miner.monitor import Monitor
from miner.stats import BlockRow, MinerStats
from tests.fakes.device import FakeDevice
from tests.fakes.source import FakeSource, make_job


class Desk:
    """A monitor over fakes, and its clock."""

    def __init__(self) -> None:
        self.now = 50.0
        self.source = FakeSource(make_job(target=DIFFICULTY_1))
        self.devices = [FakeDevice("fake:0"), FakeDevice("fake:1")]
        self.stats = MinerStats()
        self.monitor = Monitor(self.source, self.devices, self.stats, lambda: self.now)

    def hash(self, first: int, second: int) -> None:
        self.now += 1
        self.devices[0].stats.hashes += first
        self.devices[1].stats.hashes += second
        self.monitor.tick()


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_it_measures_each_device_and_all_together(desk: Desk) -> None:
    desk.hash(1000, 3000)
    status = desk.monitor.status()
    assert status["hashrate_hps"] == pytest.approx(4000)
    devices = status["devices"]
    assert [device["hashrate_hps"] for device in devices] == [1000, 3000]
    assert status["uptime_seconds"] == pytest.approx(1)


def test_the_hashes_of_a_device_that_has_gone_stay_counted(desk: Desk) -> None:
    desk.hash(1000, 3000)
    gone = desk.devices.pop()
    desk.now += 1
    desk.monitor.tick()
    assert desk.stats.hashes == 4000
    devices = desk.monitor.status()["devices"]
    assert [device["name"] for device in devices] == ["fake:0"]
    desk.devices.append(gone)
    desk.hash(500, 500)
    assert desk.stats.hashes == 5000


def test_a_switch_costs_the_hashes_of_its_gap_at_the_rate_before_it(desk: Desk) -> None:
    desk.hash(1000, 3000)
    desk.source.report(switches=1, redirects=2, idle_seconds=0.5)
    desk.hash(0, 0)
    desk.hash(0, 0)
    assert desk.stats.lost_hashes == 2000
    assert desk.stats.upstream_idle == 0.5
    assert (desk.stats.upstream_switches, desk.stats.upstream_redirects) == (1, 2)
    page = desk.monitor.metrics().decode()
    assert "headframe_miner_lost_hashes_total 2000.0" in page


def test_the_difficulty_is_that_of_the_running_job(desk: Desk) -> None:
    assert desk.monitor.status()["difficulty"] == 1
    desk.source.jobs.set(None)
    desk.monitor.tick()
    assert desk.monitor.status()["difficulty"] == 0


def test_the_status_is_plain_data_with_the_keys_of_the_page(desk: Desk) -> None:
    desk.stats.shares_rejected["stale"] += 2
    desk.stats.blocks_accepted += 1
    for height in (1, 2):
        desk.stats.blocks.append(
            BlockRow(height=height, hash="00ff", time=1_700_000_000, verdict="accepted")
        )
    status = msgspec.json.decode(msgspec.json.encode(desk.monitor.status()))
    assert status["program"] == "miner"
    assert status["upstream"]["state"] == "active"
    assert status["shares"]["by_reason"] == {"stale": 2}
    assert status["shares"]["rejected"] == 2
    assert status["blocks"]["accepted"] == 1
    assert [block["height"] for block in status["blocks"]["list"]] == [2, 1]


def test_a_pool_that_is_down_does_not_make_the_miner_ill(desk: Desk) -> None:
    desk.source.report(state=SourceState.DOWN)
    desk.monitor.tick()
    assert desk.stats.upstream_up == 0
    assert desk.monitor.healthy()
    desk.devices[1].stats.state = "failed"
    assert not desk.monitor.healthy()


def test_metrics_have_devices_and_kernels_as_labels(desk: Desk) -> None:
    desk.devices[0].stats.self_tests = {"sound": True, "unsound": False}
    desk.hash(1000, 3000)
    text = desk.monitor.metrics().decode()
    assert 'headframe_miner_device_hashes_total{device="fake:1"} 3000.0' in text
    assert 'headframe_miner_device_kernel{device="fake:0",kernel="fake"} 1.0' in text
    name = "headframe_miner_device_kernel_self_test"
    assert f'{name}{{device="fake:0",kernel="sound"}} 1.0' in text
    assert f'{name}{{device="fake:0",kernel="unsound"}} 0.0' in text
    assert "headframe_miner_hashes_total 4000.0" in text


def test_a_retired_kernel_shows_in_status_and_metrics(desk: Desk) -> None:
    desk.devices[1].stats.retired += 1
    text = desk.monitor.metrics().decode()
    name = "headframe_miner_device_errors_total"
    assert f'{name}{{device="fake:0",kind="kernel_retired"}} 0.0' in text
    assert f'{name}{{device="fake:1",kind="kernel_retired"}} 1.0' in text
    assert f'{name}{{device="fake:1",kind="wrong_nonce"}} 0.0' in text
    devices = desk.monitor.status()["devices"]
    assert [device["retired"] for device in devices] == [0, 1]


def test_readings_of_sensors_are_gauges_of_the_devices_that_tell_them(desk: Desk) -> None:
    assert b"device_power_watts" not in desk.monitor.metrics()
    desk.devices[1].stats.sensors = {"power_watts": 321.5, "temperature_celsius": 60.0}
    text = desk.monitor.metrics().decode()
    assert 'headframe_miner_device_power_watts{device="fake:1"} 321.5' in text
    assert 'headframe_miner_device_temperature_celsius{device="fake:1"} 60.0' in text
    assert "fake:0" not in [line for line in text.splitlines() if "_watts" in line][-1]
    assert "device_clock_hertz" not in text


def test_the_rate_is_told_over_three_spans(desk: Desk) -> None:
    for _ in range(30):
        desk.hash(1000, 0)
    for _ in range(5):
        desk.hash(0, 0)
    status = desk.monitor.status()
    for figures in (status, status["devices"][0]):
        assert figures["hashrate_5s_hps"] == 0
        assert figures["hashrate_hps"] == figures["hashrate_15m_hps"] == pytest.approx(30_000 / 35)
    text = desk.monitor.metrics().decode()
    rate = 'headframe_miner_device_hashrate_hashes_per_second{device="fake:0"} '
    assert float(text.split(rate)[1].split()[0]) == pytest.approx(30_000 / 35)


def test_the_age_of_the_job_and_the_state_of_each_pool_are_told(desk: Desk) -> None:
    assert desk.monitor.status()["job_age_seconds"] is None
    assert b"headframe_miner_job_age_seconds" not in desk.monitor.metrics()
    first = replace(desk.source.status.get(), job_at=desk.now, difficulty=2.0, user="alice")
    spare = SourceStatus(source=SourceId("spare"), url="x://spare", state=SourceState.IDLE)
    spare = replace(spare, in_use=False)
    desk.source.report(members=(first, spare), job_at=desk.now)
    desk.hash(0, 0)
    status = desk.monitor.status()
    assert status["job_age_seconds"] == pytest.approx(1)
    assert [pool["source"] for pool in status["pools"]] == ["fake", "spare"]
    assert [pool["state"] for pool in status["pools"]] == ["active", "idle"]
    assert [pool["in_use"] for pool in status["pools"]] == [True, False]
    assert [pool["job_age_seconds"] for pool in status["pools"]] == [1, None]
    text = desk.monitor.metrics().decode()
    assert "headframe_miner_job_age_seconds 1.0" in text
    assert 'headframe_miner_pool_state{pool="spare",state="idle"} 1.0' in text
    assert 'headframe_miner_pool_state{pool="spare",state="active"} 0.0' in text
    desk.source.jobs.set(None)
    desk.hash(0, 0)
    assert desk.monitor.status()["job_age_seconds"] is None


def test_the_time_to_the_first_hash_of_a_job_is_a_stage_of_a_shares_latency(desk: Desk) -> None:
    desk.devices[0].stats.first_hashes.append(0.002)
    desk.hash(0, 0)
    assert not desk.devices[0].stats.first_hashes
    text = desk.monitor.metrics().decode()
    name = "headframe_miner_share_latency_seconds"
    assert f'{name}_bucket{{le="0.001",stage="job_to_hash"}} 0.0' in text
    assert f'{name}_bucket{{le="0.0025",stage="job_to_hash"}} 1.0' in text
    assert f'{name}_count{{stage="sent_to_verdict"}} 0.0' in text


def test_what_it_is_and_how_its_process_does_is_told_once(desk: Desk) -> None:
    text = desk.monitor.metrics().decode()
    assert re.search(r'^headframe_build_info\{.*program="miner".*\} 1\.0$', text, re.M)
    for name in ("process_start_time_seconds", "process_resident_memory_bytes", "process_open_fds"):
        assert len(re.findall(rf"^{name} ", text, re.M)) == 1
    assert "headframe_event_loop_lag_seconds_count 0.0" in text
