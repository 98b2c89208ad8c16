"""The answers to what may be asked: one function for each report. Pure.

Field names and units are cgminer's (`api.c` of ckolivas/cgminer); `GHS av` and `GHS 5s` are
those of the firmwares made from it, which pyasic and others read. Whole numbers are whole here
as there, since clients are strict about it; rates and difficulties have more digits than
cgminer gives them, because a CPU's are so small. A field that would have to be made up is left
out.
"""

import sys
from collections.abc import Callable, Mapping
from typing import Final

from headframe import __version__
from miner.cgapi.codes import Code, Value
from miner.cgapi.figures import (
    DIFFICULTY_1_HASHES,
    Figures,
    condition_of,
    kind_of,
    number_of,
    url_of,
)
from miner.cgapi.pools import PoolView
from miner.cgapi.reply import Reply
from miner.status import DeviceStatus, MinerStatus

__all__ = ["API_VERSION", "REPORTS"]

API_VERSION: Final = "3.7"
"""The version of cgminer's API that this follows."""

Report = Callable[[Figures], Reply]
Row = dict[str, Value]

_STATUS: Final = {"hashing": "Alive", "idle": "Alive", "failed": "Dead"}


def version(_figures: Figures) -> Reply:
    """Tell the versions of program and API; clients look for the first under `CGMiner`."""
    row = {"CGMiner": __version__, "API": API_VERSION, "Miner": f"headframe {__version__}"}
    return Reply(code=Code.VERSION, section="VERSION", rows=(row,), titled=True)


def config(figures: Figures) -> Reply:
    """Tell how the miner is set up."""
    row: Row = {
        "ASC Count": len(figures.status.devices),
        "PGA Count": 0,
        "Pool Count": len(figures.pools),
        "Strategy": figures.strategy_name,
        "Log Interval": 5,
        "Device Code": " ".join(dict.fromkeys(kind_of(each) for each in figures.status.devices)),
        "OS": sys.platform.capitalize(),
        "Hotplug": "None",
    }
    return Reply(code=Code.CONFIG, section="CONFIG", rows=(row,), titled=True)


def summary(figures: Figures) -> Reply:
    """Tell what the whole miner has done."""
    shares = figures.status.shares
    stale = shares.dropped.get("stale", 0)
    minutes = max(figures.status.uptime_seconds, 1.0) / 60
    row: Row = {
        "Elapsed": int(figures.status.uptime_seconds),
        **_rates(figures.status, figures.average_hps),
        "GHS av": _giga(figures.average_hps),
        "GHS 5s": _giga(figures.status.hashrate_5s_hps),
        "Found Blocks": figures.status.blocks.found,
        "Accepted": shares.accepted,
        "Rejected": shares.rejected,
        "Hardware Errors": figures.wrong,
        "Utility": round(shares.accepted / minutes, 2),
        "Discarded": sum(shares.dropped.values()) - stale,
        "Stale": stale,
        "Remote Failures": shares.lost,
        "Total MH": round(figures.status.hashes / 1e6, 4),
        "Work Utility": round(figures.status.hashes / DIFFICULTY_1_HASHES / minutes, 2),
        "Difficulty Accepted": _difficulty(figures.difficulty_accepted),
        "Best Share": int(figures.status.best_difficulty),
        "Device Hardware%": _percent(figures.wrong, figures.wrong + figures.solutions),
        "Pool Rejected%": _percent(shares.rejected, shares.accepted + shares.rejected),
    }
    return Reply(code=Code.SUMMARY, section="SUMMARY", rows=(row,), titled=True)


def pools(figures: Figures) -> Reply:
    """Tell of each pool."""
    if not figures.pools:
        return Reply(code=Code.NO_POOLS)
    rows = [_pool(each) for each in figures.pools]
    return Reply(code=Code.POOLS, values=(len(rows),), section="POOLS", rows=rows)


def devices(figures: Figures) -> Reply:
    """Tell of each device; all are of the kind that cgminer calls ASC."""
    if not figures.status.devices:
        return Reply(code=Code.NO_DEVICES)
    rows = [device_row(place, figures) for place in range(len(figures.status.devices))]
    return Reply(code=Code.DEVICES, values=(len(rows),), section="DEVS", rows=rows)


def device_details(figures: Figures) -> Reply:
    """Tell what does not change about each device."""
    if not figures.status.devices:
        return Reply(code=Code.NO_DEVICES)
    rows: list[Row] = [
        {
            "DEVDETAILS": place,
            "Name": kind_of(each),
            "ID": number_of(each),
            "Driver": kind_of(each).lower(),
            "Kernel": each.kernel,
        }
        for place, each in enumerate(figures.status.devices)
    ]
    return Reply(code=Code.DEVICE_DETAILS, section="DEVDETAILS", rows=rows)


def notify(figures: Figures) -> Reply:
    """Tell of each device whether something is wrong with it."""
    if not figures.status.devices:
        return Reply(code=Code.NO_DEVICES)
    rows = [_notice(place, figures, each) for place, each in enumerate(figures.status.devices)]
    return Reply(code=Code.NOTIFY, section="NOTIFY", rows=rows)


def stats(figures: Figures) -> Reply:
    """Tell more of devices, then of pools; `Elapsed` of any row is the miner's uptime."""
    rows = _device_stats(figures)
    for pool in figures.pools:
        rows.append({"STATS": len(rows), "ID": f"POOL{pool.number}", **_elapsed(figures)})
        rows[-1] |= {"Work Diff": _difficulty(pool.status.difficulty)}
    return Reply(code=Code.STATS, section="STATS", rows=rows)


def device_stats(figures: Figures) -> Reply:
    """Tell the same, without the pools: what cgminer's `estats` does."""
    return Reply(code=Code.STATS, section="STATS", rows=_device_stats(figures))


def coin(figures: Figures) -> Reply:
    """Tell of the chain that is mined on."""
    row: Row = {
        "Hash Method": "sha256",
        "Current Block Hash": figures.previous_hash,
        "LP": True,
        "Network Difficulty": _difficulty(figures.network_difficulty),
    }
    return Reply(code=Code.COIN, section="COIN", rows=(row,), titled=True)


def lcd(figures: Figures) -> Reply:
    """Tell the little that fits a small display."""
    using = next((each.status for each in figures.pools if each.status.in_use), None)
    row: Row = {
        "Elapsed": int(figures.status.uptime_seconds),
        "GHS av": _giga(figures.average_hps),
        "GHS 5s": _giga(figures.status.hashrate_5s_hps),
        "Temperature": max(map(_celsius, figures.status.devices), default=0.0),
        "Best Share": int(figures.status.best_difficulty),
        "Found Blocks": figures.status.blocks.found,
        "Current Pool": url_of(using) if using else "none",
        "User": using.user if using else "",
    }
    return Reply(code=Code.LCD, section="LCD", rows=(row,), titled=True)


def asc_count(figures: Figures) -> Reply:
    """Count the devices."""
    row = {"Count": len(figures.status.devices)}
    return Reply(code=Code.ASC_COUNT, section="ASCS", rows=(row,), titled=True)


def pga_count(_figures: Figures) -> Reply:
    """Count the devices of a kind that there is none of."""
    return Reply(code=Code.PGA_COUNT, section="PGAS", rows=({"Count": 0},), titled=True)


def one_device(figures: Figures, parameter: str) -> Reply:
    """Tell of one device.

    Args:
        figures: the miner's.
        parameter: its place among the devices, from 0.
    """
    if not figures.status.devices:
        return Reply(code=Code.NO_DEVICES)
    if not parameter:
        return Reply(code=Code.MISSING_DEVICE)
    last = len(figures.status.devices) - 1
    if not (parameter.isdecimal() and len(parameter) < 6 and int(parameter) <= last):
        return Reply(code=Code.INVALID_ASC, values=(parameter, last))
    place = int(parameter)
    return Reply(code=Code.ASC, values=(place,), section="ASC", rows=(device_row(place, figures),))


REPORTS: Final[Mapping[str, Report]] = {
    "version": version,
    "config": config,
    "summary": summary,
    "pools": pools,
    "devs": devices,
    "edevs": devices,
    "devdetails": device_details,
    "stats": stats,
    "estats": device_stats,
    "coin": coin,
    "notify": notify,
    "lcd": lcd,
    "asccount": asc_count,
    "pgacount": pga_count,
}
"""What anybody who may read can ask, also several together."""


def device_row(place: int, figures: Figures) -> Row:
    """Make the row of one device, as `devs` and `asc` give it."""
    device = figures.status.devices[place]
    seconds = figures.status.uptime_seconds
    average = device.hashes / seconds if seconds else 0.0
    return {
        "ASC": place,
        "Name": kind_of(device),
        "ID": number_of(device),
        "Enabled": "Y",
        "Status": _STATUS.get(device.state, "Unknown"),
        "Temperature": _celsius(device),
        **_rates(device, average),
        "Hardware Errors": device.wrong,
        "Total MH": round(device.hashes / 1e6, 4),
        "Diff1 Work": int(device.hashes / DIFFICULTY_1_HASHES),
        "Device Hardware%": _percent(device.wrong, device.wrong + device.solutions),
        "Device Elapsed": int(figures.status.uptime_seconds),
    }


def _pool(view: PoolView) -> Row:
    pool = view.status
    url, stratum = url_of(pool), pool.url.startswith("stratum")
    speaks = stratum and pool.in_use and view.enabled
    return {
        "POOL": view.number,
        "URL": url,
        "Status": condition_of(view),
        "Priority": view.priority,
        "Long Poll": "N",
        "Accepted": pool.accepted,
        "Rejected": pool.rejected,
        "Remote Failures": pool.lost,
        "User": pool.user,
        "Last Share Time": pool.last_share_time or 0,
        "Difficulty Accepted": _difficulty(pool.work_accepted / DIFFICULTY_1_HASHES),
        "Work Difficulty": _difficulty(pool.difficulty),
        "Has Stratum": stratum,
        "Stratum Active": speaks,
        "Stratum URL": url if speaks else "",
        "Stratum Difficulty": _difficulty(pool.difficulty) if speaks else 0.0,
        "Has GBT": not stratum,
        "Pool Rejected%": _percent(pool.rejected, pool.accepted + pool.rejected),
        "Current Block Height": pool.height or 0,
    }


def _notice(place: int, figures: Figures, device: DeviceStatus) -> Row:
    failed = device.state == "failed"
    return {
        "NOTIFY": place,
        "Name": kind_of(device),
        "ID": number_of(device),
        "Last Well": 0 if failed else figures.now,
        "Last Not Well": figures.now if failed else 0,
        "Reason Not Well": "Device failed" if failed else "None",
        "*Dev Nostart": int(failed),
    }


def _device_stats(figures: Figures) -> list[Row]:
    return [
        {
            "STATS": place,
            "ID": f"{kind_of(each)}{number_of(each)}",
            **_elapsed(figures),
            "Kernel": each.kernel,
            "Nonces": each.solutions,
            "Wrong Nonces": each.wrong,
        }
        for place, each in enumerate(figures.status.devices)
    ]


def _celsius(device: DeviceStatus) -> float:
    return round(device.sensors.get("temperature_celsius", 0.0), 2)


def _elapsed(figures: Figures) -> Row:
    return {"Elapsed": int(figures.status.uptime_seconds)}


def _rates(of: MinerStatus | DeviceStatus, average_hps: float) -> Row:
    return {
        "MHS av": _mega(average_hps),
        "MHS 5s": _mega(of.hashrate_5s_hps),
        "MHS 1m": _mega(of.hashrate_hps),
        "MHS 15m": _mega(of.hashrate_15m_hps),
    }


def _mega(hps: float) -> float:
    return round(hps / 1e6, 6)


def _giga(hps: float) -> float:
    return round(hps / 1e9, 9)


def _difficulty(difficulty: float) -> float:
    """Keep nine digits, wherever they are: a test pool's difficulty is in the billionths."""
    return float(f"{difficulty:.9g}")


def _percent(part: float, whole: float) -> float:
    return round(100 * part / whole, 4) if whole else 0.0
