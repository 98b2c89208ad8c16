"""What is told, in cgminer's units: MH/s, GH/s, difficulty, percent, whole seconds."""

import dataclasses
from typing import Any

import pytest
from msgspec.structs import replace

from headframe import __version__
from miner.cgapi import reports
from miner.cgapi.figures import Figures
from miner.cgapi.reports import REPORTS
from tests.fakes.cgminer import FIGURES, STATUS


def of(**changes: Any) -> Figures:
    return dataclasses.replace(FIGURES, status=replace(STATUS, **changes))


NONE = dataclasses.replace(of(devices=()), pools=())


def row(name: str, figures: Figures = FIGURES, place: int = 0) -> Any:
    return REPORTS[name](figures).rows[place]


def test_the_version_is_found_where_clients_look() -> None:
    told = row("version")
    assert (told["CGMiner"], told["API"]) == (__version__, "3.7")


def test_rates_keep_the_digits_of_a_slow_miner() -> None:
    slow = of(hashes=12340, uptime_seconds=10.0, hashrate_5s_hps=1250.0)
    told = row("summary", slow)
    assert (told["MHS av"], told["MHS 5s"]) == (0.001234, 0.00125)
    assert (told["GHS av"], told["GHS 5s"]) == (0.000001234, 0.00000125)


def test_the_summary_adds_up() -> None:
    told = row("summary")
    assert told["Elapsed"] == 6000
    assert (told["MHS 5s"], told["MHS 1m"], told["MHS 15m"]) == (3.2, 3.1, 3.05)
    assert (told["Accepted"], told["Rejected"], told["Stale"]) == (12, 4, 2)
    assert (told["Discarded"], told["Remote Failures"], told["Hardware Errors"]) == (1, 1, 5)
    assert told["Pool Rejected%"] == 25
    assert told["Device Hardware%"] == pytest.approx(100 * 5 / 45, abs=1e-4)
    assert told["Total MH"] == 18_000
    assert told["Difficulty Accepted"] == 6
    assert told["MHS av"] == round(18_000 / 6000.4, 6)
    assert told["Utility"] == 0.12  # 12 shares in 100 minutes
    assert told["Work Utility"] == 0.04  # 18e9 / 2**32, in 100 minutes
    assert (told["Found Blocks"], told["Best Share"]) == (1, 17)


def test_a_miner_that_just_started_divides_by_nothing() -> None:
    new = of(uptime_seconds=0.0, hashes=0, devices=())
    told = row("summary", new)
    assert (told["MHS av"], told["Device Hardware%"]) == (0, 0)
    assert row("devs", of(uptime_seconds=0.0))["MHS av"] == 0


def test_a_pool_has_its_account_and_its_shares() -> None:
    told = row("pools")
    assert (told["POOL"], told["Priority"]) == (0, 0)
    assert told["URL"] == told["Stratum URL"] == "stratum+tcp://pool.example:3333"
    assert (told["User"], told["Status"]) == ("me.rig", "Alive")
    assert (told["Accepted"], told["Rejected"], told["Pool Rejected%"]) == (12, 4, 25)
    assert (told["Remote Failures"], told["Last Share Time"]) == (1, 1332432280)
    assert told["Difficulty Accepted"] == 6
    assert (told["Has Stratum"], told["Stratum Active"], told["Has GBT"]) == (True, True, False)
    assert told["Stratum Difficulty"] == told["Work Difficulty"] == 0.5
    assert told["Current Block Height"] == 101


def test_a_node_that_stands_by_is_no_stratum_pool() -> None:
    told = row("pools", place=1)
    assert (told["POOL"], told["Status"], told["Stratum URL"]) == (1, "Dead", "")
    assert (told["URL"], told["User"]) == ("127.0.0.1:18443", "")
    assert (told["Last Share Time"], told["Current Block Height"]) == (0, 0)
    assert (told["Has Stratum"], told["Stratum Active"], told["Has GBT"]) == (False, False, True)


def test_devices_have_numbers_kinds_and_states() -> None:
    cpu, gpu = (row("devs", place=place) for place in range(2))
    assert [(each["ASC"], each["Name"], each["ID"]) for each in (cpu, gpu)] == [
        (0, "CPU", 0),
        (1, "GPU", 1),
    ]
    assert (cpu["Status"], gpu["Status"]) == ("Alive", "Dead")
    assert (cpu["Temperature"], gpu["Temperature"]) == (0, 61.5)
    assert (gpu["Hardware Errors"], gpu["Device Hardware%"]) == (5, 20)
    assert cpu["MHS av"] == round(9000 / 6000.4, 6)
    assert (cpu["MHS 5s"], cpu["MHS 15m"], cpu["Diff1 Work"]) == (1.6, 1.525, 2)


def test_a_device_that_failed_is_not_well() -> None:
    cpu, gpu = (row("notify", place=place) for place in range(2))
    assert (cpu["Last Well"], cpu["Last Not Well"], cpu["Reason Not Well"]) == (
        FIGURES.now,
        0,
        "None",
    )
    assert (gpu["Last Well"], gpu["Last Not Well"]) == (0, FIGURES.now)
    assert gpu["Reason Not Well"] != "None"


def test_the_kernel_is_a_detail_of_a_device() -> None:
    assert row("devdetails")["Kernel"] == "portable"


def test_stats_number_devices_then_pools() -> None:
    told = REPORTS["stats"](FIGURES).rows
    assert [(each["STATS"], each["ID"]) for each in told] == [
        (0, "CPU0"),
        (1, "GPU1"),
        (2, "POOL0"),
        (3, "POOL1"),
    ]
    assert {each["Elapsed"] for each in told} == {6000}
    assert REPORTS["estats"](FIGURES).rows == told[:2]


def test_the_set_up_is_counted() -> None:
    told = row("config")
    assert (told["ASC Count"], told["PGA Count"], told["Pool Count"]) == (2, 0, 2)
    assert (told["Strategy"], told["Device Code"], told["OS"]) == ("Failover", "CPU GPU", "Linux")


def test_the_coin_is_what_the_job_says() -> None:
    told = row("coin")
    assert told["Hash Method"] == "sha256"
    assert told["Current Block Hash"] == bytes(reversed(range(32))).hex()
    assert told["Network Difficulty"] == pytest.approx(4.656542373906925e-10, rel=1e-8)
    waiting = row("coin", dataclasses.replace(FIGURES, job=None))
    assert (waiting["Current Block Hash"], waiting["Network Difficulty"]) == ("", 0)


def test_a_small_display_shows_the_pool_in_use() -> None:
    told = row("lcd")
    assert (told["Current Pool"], told["User"]) == ("stratum+tcp://pool.example:3333", "me.rig")
    assert told["Temperature"] == 61.5
    assert row("lcd", NONE)["Current Pool"] == "none"


@pytest.mark.parametrize("name", ["devs", "edevs", "devdetails", "notify"])
def test_no_devices_is_told(name: str) -> None:
    assert REPORTS[name](NONE).code.number == 10
    assert reports.one_device(NONE, "0").code.number == 10


def test_no_pools_is_told() -> None:
    assert REPORTS["pools"](NONE).code.number == 8


@pytest.mark.parametrize("parameter", ["-1", "2", "x", "9" * 5000, "²", "0x1"])
def test_a_device_that_is_not_there_is_told(parameter: str) -> None:
    assert reports.one_device(FIGURES, parameter).code.number == 107


OF_CGMINER = {
    "version": "CGMiner,API",
    "config": "ASC Count,PGA Count,Pool Count,Strategy,Log Interval,Device Code,OS,Hotplug",
    "summary": "Elapsed,MHS av,MHS 5s,MHS 1m,MHS 5m,MHS 15m,Found Blocks,Getworks,Accepted,"
    "Rejected,"
    "Hardware Errors,Utility,Discarded,Stale,Get Failures,Local Work,Remote Failures,"
    "Network Blocks,Total MH,Work Utility,Difficulty Accepted,Difficulty Rejected,Difficulty Stale,"
    "Best Share,Device Hardware%,Device Rejected%,Pool Rejected%,Pool Stale%,Last getwork",
    "pools": "POOL,URL,Status,Priority,Quota,Long Poll,Getworks,Accepted,Rejected,Works,Discarded,"
    "Stale,Get Failures,Remote Failures,User,Last Share Time,Diff1 Shares,Proxy Type,Proxy,"
    "Difficulty Accepted,Difficulty Rejected,Difficulty Stale,Last Share Difficulty,"
    "Work Difficulty,Has Stratum,Stratum Active,Stratum URL,Stratum Difficulty,Has Vmask,Has GBT,"
    "Best Share,Pool Rejected%,Pool Stale%,Bad Work,Current Block Height,Current Block Version",
    "devs": "ASC,Name,ID,Enabled,Status,Temperature,MHS av,MHS 5s,MHS 1m,MHS 5m,MHS 15m,Accepted,"
    "Rejected,Hardware Errors,Utility,Last Share Pool,Last Share Time,Total MH,Diff1 Work,"
    "Difficulty Accepted,Difficulty Rejected,Last Share Difficulty,No Device,Last Valid Work,"
    "Device Hardware%,Device Rejected%,Device Elapsed",
    "devdetails": "DEVDETAILS,Name,ID,Driver,Kernel,Model,Device Path",
    "coin": "Hash Method,Current Block Time,Current Block Hash,LP,Network Difficulty",
    "notify": "NOTIFY,Name,ID,Last Well,Last Not Well,Reason Not Well,*Dev Nostart",
    "lcd": "Elapsed,GHS av,GHS 5m,GHS 5s,Temperature,Last Share Difficulty,Last Share Time,"
    "Best Share,Last Valid Work,Found Blocks,Current Pool,User",
}
"""Fields that cgminer 4.11.1 gives, in its order (api.c)."""
OURS = {"version": {"Miner"}, "summary": {"GHS av", "GHS 5s"}}
WHOLE = {"Elapsed", "Accepted", "Rejected", "Best Share", "Found Blocks", "Stale", "Discarded"}
WHOLE |= {"Remote Failures", "Hardware Errors", "Last Share Time", "Current Block Height"}
WHOLE |= {"POOL", "ASC", "Priority", "Diff1 Work", "ASC Count", "Log Interval"}


@pytest.mark.parametrize("name", OF_CGMINER)
def test_fields_are_cgminers_and_in_its_order(name: str) -> None:
    theirs = OF_CGMINER[name].split(",")
    ours = [field for field in row(name) if field not in OURS.get(name, ())]
    assert ours == [field for field in theirs if field in ours]


@pytest.mark.parametrize("name", REPORTS)
def test_whole_numbers_are_whole(name: str) -> None:
    for each in REPORTS[name](FIGURES).rows:
        wrong = {field for field in each if (field in WHOLE) and type(each[field]) is not int}
        assert not wrong
