"""What the miner did, minute by minute."""

import json
from typing import Any

import pytest

from headframe.chain.share import Reason
from miner.devices.base import DeviceStats
from miner.history import HISTORY, HistoryRow, MinerHistory, history_served
from miner.stats import MinerStats
from tests.fakes.webapi import serving_rows

START = 1_700_000_040  # the beginning of a minute


class Bench:
    """A miner with devices and clocks that a test moves."""

    def __init__(self, **options: Any) -> None:
        self.wall = START
        self.now = 0.0
        self.stats = MinerStats()
        self.devices = {"cpu:0": DeviceStats(), "gpu:0": DeviceStats()}
        self.history = MinerHistory(lambda: self.wall, **options)
        self.look()

    def look(self) -> None:
        self.history.note(self.now, self.devices, self.stats)

    def work(self, seconds: int, *, cpu: int = 0, gpu: int = 0, shares: int = 0) -> None:
        """Hash for some seconds, so much in each."""
        for _ in range(seconds):
            self.now += 1
            self.wall += 1
            self.devices["cpu:0"].hashes += cpu
            if "gpu:0" in self.devices:
                self.devices["gpu:0"].hashes += gpu
            self.stats.shares_accepted += shares
            self.stats.work_accepted += shares << 32
            self.look()

    def rows(self, **query: Any) -> list[HistoryRow]:
        return list(self.history.rows(0, 1 << 40, **query))


def test_a_minute_has_the_hashes_of_all_and_the_shares() -> None:
    bench = Bench()
    bench.work(59, cpu=10, gpu=100, shares=1)
    bench.stats.shares_rejected[Reason.STALE] += 2
    bench.work(60, cpu=10)
    first, second = bench.rows()
    assert first == HistoryRow(
        time="2023-11-14T22:14:00Z",
        device="",
        hashes=str(59 * 110),
        hashrate_hps=110.0,
        shares_accepted=59,
        shares_refused=0,
        work_accepted=str(59 << 32),
        temperature_celsius=None,
        power_watts=None,
    )
    assert second.time == "2023-11-14T22:15:00Z"
    assert (second.hashes, second.shares_refused) == ("600", 2)


def test_a_device_has_its_own_hashes_and_sensors() -> None:
    bench = Bench()
    gpu = bench.devices["gpu:0"]
    gpu.sensors = {"temperature_celsius": 70.0, "power_watts": 200.0}
    bench.work(10, cpu=1, gpu=5)
    gpu.sensors = {"temperature_celsius": 60.0, "power_watts": 100.0}
    bench.work(10, cpu=1, gpu=5)
    [cpu_row, gpu_row] = bench.rows(by_device=True)
    assert (cpu_row.device, cpu_row.hashes, cpu_row.hashrate_hps) == ("cpu:0", "20", 1.0)
    assert cpu_row.temperature_celsius is None
    assert (gpu_row.device, gpu_row.hashes) == ("gpu:0", "100")
    assert (gpu_row.temperature_celsius, gpu_row.power_watts) == (70.0, 100.0)
    [whole] = bench.rows()
    assert (whole.temperature_celsius, whole.power_watts) == (70.0, 100.0)
    assert bench.rows(device="gpu:0") == [gpu_row]
    assert bench.rows(device="gpu:1") == []


def test_devices_may_come_go_and_count_anew() -> None:
    bench = Bench()
    bench.work(5, cpu=10, gpu=10)
    bench.devices["cpu:0"] = DeviceStats()
    del bench.devices["gpu:0"]
    bench.work(5, cpu=10)
    [whole] = bench.rows()
    assert whole.hashes == str(5 * 20 + 5 * 10)
    assert {row.device: row.hashes for row in bench.rows(by_device=True)} == {
        "cpu:0": "100",
        "gpu:0": "50",
    }


def test_a_day_is_kept_and_no_more() -> None:
    bench = Bench(minutes=3)
    for _ in range(10):
        bench.work(60, cpu=1)
    rows = bench.rows()
    assert [row.time for row in rows][-1] == "2023-11-14T22:24:00Z"
    assert len(rows) == 3
    assert MinerHistory()._minutes.maxlen == 24 * 60


def test_devices_without_number_are_in_the_sum_alone() -> None:
    bench = Bench()
    bench.devices = {f"gpu:{number}": DeviceStats() for number in range(100)}
    bench.look()
    for device in bench.devices.values():
        device.hashes += 1
    bench.now += 1
    bench.look()
    [whole] = bench.rows()
    assert whole.hashes == "100"
    assert len(bench.rows(by_device=True)) == 64


def test_a_clock_that_is_set_right_leaves_no_minutes_in_the_future() -> None:
    bench = Bench()
    bench.work(30, cpu=1)
    bench.wall -= 60
    bench.work(1, cpu=1)
    assert [row.hashes for row in bench.rows()] == ["31"], "a little is no matter"
    bench.wall += 86_400
    bench.work(1, cpu=1)
    bench.wall -= 86_400
    bench.work(60, cpu=1)
    assert [row.time for row in bench.rows()] == ["2023-11-14T22:14:00Z"]


async def ask(bench: Bench, query: str) -> tuple[int, str, Any]:
    async with (
        serving_rows([history_served(bench.history)]) as session,
        session.get(HISTORY.path + query) as answer,
    ):
        return answer.status, await answer.text(), answer.headers


async def test_it_is_told_over_http_in_the_form_of_the_proxys() -> None:
    bench = Bench()
    bench.work(150, cpu=1, gpu=1)
    status, text, _ = await ask(bench, "?from=1d&limit=2")
    told = json.loads(text)
    assert status == 200
    assert {key: told[key] for key in ("from", "to", "step", "more")} == {
        "from": bench.wall - 86_400,
        "to": bench.wall,
        "step": "minute",
        "more": True,
    }
    assert [row["hashes"] for row in told["rows"]] == ["118", "120"]
    told = json.loads((await ask(bench, "?by=device&device=gpu:0"))[1])
    assert [row["device"] for row in told["rows"]] == ["gpu:0"] * 3
    assert json.loads((await ask(bench, "?to=1h"))[1])["rows"] == []


async def test_it_is_told_as_csv() -> None:
    bench = Bench()
    bench.work(70, cpu=1)
    _, text, headers = await ask(bench, "?format=csv&limit=1")
    assert text.splitlines() == [
        "time,device,hashes,hashrate_hps,shares_accepted,shares_refused,work_accepted,"
        "temperature_celsius,power_watts",
        "2023-11-14T22:14:00Z,,59,1.0,0,0,0,,",
    ]
    assert headers["Headframe-More"] == "true"
    assert headers["Content-Type"].startswith("text/csv")
    assert "Headframe-More" not in (await ask(bench, "?format=csv"))[2]


@pytest.mark.parametrize("query", ["?from=then", "?step=hour", "?by=worker", "?limit=0", "?x=1"])
async def test_what_cannot_be_asked_for_is_told(query: str) -> None:
    status, text, _ = await ask(Bench(), query)
    assert status == 422
    assert set(json.loads(text)) == {"error", "what_to_do"}
