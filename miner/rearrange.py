"""`Rearrangement`: what new settings do to a miner that runs."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Final

from headframe.runtime.reload import Commit
from headframe.upstream.roster import Plan, Roster
from miner.config import MinerConfig
from miner.devices import renew
from miner.devices.base import Device
from miner.fleet import Fleet

__all__ = ["LIVE", "Rearrangement"]

LIVE: Final = (
    "upstreams",
    "pools",
    "devices",
    "threads",
    "kernel",
    "priority",
    "pin",
    "duty",
    "gpu_latency_ms",
)
"""Settings that may change while the miner runs; the others wait for a restart."""


class Rearrangement:
    """Changes upstreams and devices of one miner.

    Args:
        config: the settings that the miner was made of.
        roster: its upstreams.
        fleet: its devices.
    """

    def __init__(self, config: MinerConfig, roster: Roster, fleet: Fleet) -> None:
        self._config = config
        self._roster = roster
        self._fleet = fleet

    async def prepare(self, config: MinerConfig) -> Commit:
        """Make what new settings need; touches nothing that runs.

        Raises:
            ConfigError: they cannot work.
        """
        devices = await self._devices(config)
        # Last, without a wait behind it: others may change the upstreams, too.
        plan = self._roster.plan(config.upstreams, config.pools)
        return partial(self._commit, config, plan, devices)

    async def _devices(self, config: MinerConfig) -> Sequence[Device]:
        before, wishes, devices = self._config.wishes(), config.wishes(), self._fleet.wanted
        if (before, self._config.devices) == (wishes, config.devices):
            return devices
        # In a thread: a kernel that was not used yet is measured, drivers are asked.
        return await asyncio.to_thread(renew, devices, before, config.devices, wishes)

    def _commit(self, config: MinerConfig, plan: Plan, devices: Sequence[Device]) -> Sequence[str]:
        self._config = config
        self._fleet.change(devices)
        return self._roster.apply(plan)
