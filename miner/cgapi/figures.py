"""What the answers are made of: the miner's status, and what only this API asks for. Pure."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from headframe.chain.hashes import hash_to_hex
from headframe.chain.job import Job
from headframe.chain.target import difficulty_from_target, target_from_nbits
from headframe.upstream.base import SourceState
from headframe.upstream.options import StrategyName
from headframe.upstream.report import PoolStatus
from miner.cgapi.pools import PoolView
from miner.status import DeviceStatus, MinerStatus

__all__ = ["DIFFICULTY_1_HASHES", "Figures", "condition_of", "kind_of", "number_of", "url_of"]

DIFFICULTY_1_HASHES: Final = 2**48 / 0xFFFF
"""Expected hashes for a share of difficulty 1."""

_STRATEGIES: Final = MappingProxyType(
    {
        StrategyName.FAILOVER: "Failover",
        StrategyName.ROTATE: "Rotate",
        StrategyName.QUOTA: "Load Balance",
    }
)
"""cgminer's words for how several pools are used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The figures at one moment.

    Attributes:
        status: what `/api/v1/status` tells, so that both always agree.
        strategy: how the pools are used.
        pools: all pools by number, also those that are disabled.
        job: the running one.
        now: seconds since 1970.
    """

    status: MinerStatus
    strategy: StrategyName
    pools: tuple[PoolView, ...]
    job: Job | None
    now: int

    @property
    def average_hps(self) -> float:
        """Hashes in a second since the start."""
        seconds = self.status.uptime_seconds
        return self.status.hashes / seconds if seconds else 0.0

    @property
    def wrong(self) -> int:
        """Nonces that hashlib refused."""
        return sum(device.wrong for device in self.status.devices)

    @property
    def solutions(self) -> int:
        """Nonces that devices claimed."""
        return sum(device.solutions for device in self.status.devices)

    @property
    def strategy_name(self) -> str:
        """How the pools are used, in cgminer's words."""
        return _STRATEGIES[self.strategy]

    @property
    def difficulty_accepted(self) -> float:
        """Of all accepted shares together."""
        return sum(pool.status.work_accepted for pool in self.pools) / DIFFICULTY_1_HASHES

    @property
    def network_difficulty(self) -> float:
        """What a block needs at present; 0 without a job."""
        if self.job is None:
            return 0.0
        return float(difficulty_from_target(target_from_nbits(self.job.nbits)))

    @property
    def previous_hash(self) -> str:
        """The newest block's hash in display order; "" without a job."""
        return "" if self.job is None else hash_to_hex(self.job.prev_hash)


def condition_of(pool: PoolView) -> str:
    """Say how a pool is doing in cgminer's words; one that stands by is not called dead."""
    if not pool.enabled:
        return "Disabled"
    return "Dead" if pool.status.state in {SourceState.DOWN, SourceState.CONNECTING} else "Alive"


def url_of(pool: PoolStatus) -> str:
    """Write where a pool is.

    A node has no scheme here: the clients know those of pools alone, and pyasic fails on any
    other.
    """
    return pool.url if pool.url.startswith("stratum") else pool.url.partition("://")[2]


def kind_of(device: DeviceStatus) -> str:
    """Return a device's kind, such as "CPU"."""
    return device.name.partition(":")[0].upper()


def number_of(device: DeviceStatus) -> int:
    """Return a device's number among those of its kind."""
    number = device.name.partition(":")[2]
    return int(number) if number.isdecimal() else 0
