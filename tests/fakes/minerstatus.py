"""A status of the miner as `Monitor.status` makes it, with something in each of its parts."""

import copy
from typing import Any, Final

import msgspec

from miner.status import MinerStatus

__all__ = ["miner_status"]

_HASHES: Final = (
    "00000000000000000000a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f6",
    "00000000000000000000b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f607",
)

_POOL: Final = {
    "source": "pool.example.org:3333",
    "url": "stratum+tcp://pool.example.org:3333",
    "user": "rig1",
    "state": "active",
    "detail": "",
    "in_use": True,
    "connects": 1,
    "answer_seconds": 0.0381,
    "lost": 5,
    "work_accepted": 2.5e12,
    "last_share_time": 1_700_000_600,
    "accepted": 1200,
    "rejected": 3,
    "difficulty": 0.5,
    "job_age_seconds": 12.2,
    "height": 840_123,
}
_DEVICE: Final = {
    "name": "cpu:0",
    "kernel": "shani",
    "state": "hashing",
    "hashrate_5s_hps": 61e6,
    "hashrate_hps": 60.2e6,
    "hashrate_15m_hps": 59e6,
    "hashes": 6_000_000_000,
    "solutions": 600,
    "wrong": 0,
    "retired": 0,
    "sensors": {},
}
_STATUS: Final = {
    "program": "miner",
    "version": "1.2.3",
    "uptime_seconds": 183_900.0,
    "upstream": {
        "source": "pool.example.org:3333",
        "url": "stratum+tcp://pool.example.org:3333",
        "state": "active",
        "detail": "",
        "height": 840_123,
        "network": "",
    },
    "hashrate_5s_hps": 121.1e6,
    "hashrate_hps": 123.4e6,
    "hashrate_15m_hps": 118.9e6,
    "hashes": 12_000_000_000,
    "difficulty": 0.5,
    "best_difficulty": 12345.678,
    "job_age_seconds": 12.2,
    "lost_hashes": 0,
    "shares": {
        "submitted": 1212,
        "accepted": 1204,
        "rejected": 3,
        "by_reason": {"stale": 2, "low_difficulty": 1},
        "lost": 5,
        "dropped": {"stale": 4, "duplicate": 0, "invalid": 0},
    },
    "blocks": {
        "found": 2,
        "accepted": 1,
        "list": [
            {"height": 840_111, "hash": _HASHES[0], "time": 1_700_000_500, "verdict": "accepted"},
            {"height": 840_100, "hash": _HASHES[1], "time": 1_700_000_000, "verdict": "stale"},
        ],
    },
    "pools": [
        _POOL,
        _POOL
        | {
            "source": "backup.example.net:443",
            "state": "down",
            "detail": "backup.example.net:443: connection refused: is a pool listening there?",
            "in_use": False,
            "answer_seconds": None,
            "lost": 0,
            "last_share_time": None,
            "accepted": 4,
            "rejected": 0,
            "difficulty": 0.0,
            "job_age_seconds": None,
            "height": None,
        },
    ],
    "devices": [
        _DEVICE,
        _DEVICE
        | {
            "name": "gpu:0",
            "kernel": "opencl",
            "wrong": 3,
            "retired": 1,
            "sensors": {"temperature_celsius": 61.0, "power_watts": 321.4},
        },
    ],
}


def miner_status(**changes: Any) -> dict[str, Any]:
    """Return such a status; `changes` replace whole parts of it.

    Raises:
        msgspec.ValidationError: the miner would not tell that.
    """
    whole = msgspec.convert(copy.deepcopy(_STATUS) | changes, MinerStatus)
    status: dict[str, Any] = msgspec.to_builtins(whole)
    return status
