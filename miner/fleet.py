"""`Fleet`: the devices that hash, while some come and others go.

Each device has a slot: a byte in front of the extranonce that no other has, and that its
successor does not get, either. So a device that stays goes on in its own part of the
running job when others change, and one that takes another's place repeats nothing.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, overload

from headframe.chain.job import Job, Slice
from headframe.runtime.latest import Latest
from miner.devices.base import Device, DeviceStats, Solution
from miner.space import slices

__all__ = ["Fleet"]

_SLOTS: Final = 256
"""As many as a byte holds."""
_ROOMY_BYTES: Final = 3
"""Extranonce bytes from which on a job is shared out by slots: one for them, one for the
threads of each device, and one that a thread can count with. With fewer, each byte is worth
more than what is hashed twice when devices change."""


class Fleet(Sequence[Device]):
    """Runs devices on a job cell; reads like a list of those that run.

    Args:
        devices: what hashes at first, at least one.
    """

    def __init__(self, devices: Sequence[Device]) -> None:
        self._wanted: Latest[tuple[Device, ...]] = Latest(tuple(devices))
        self._posted = self._wanted.get()
        self._tasks: dict[Device, asyncio.Task[None]] = {}
        self._slots: dict[Device, int] = {}
        self._last_slot = -1
        self._past: dict[str, DeviceStats] = {}
        self._assign_slots()

    @property
    def wanted(self) -> tuple[Device, ...]:
        """The devices that were asked for last; they run as soon as others have ended."""
        return self._wanted.get()

    def change(self, devices: Sequence[Device]) -> None:
        """Let these devices hash from now on; what is in the fleet already goes on.

        A device with the name of one that has gone takes over its counters.

        Args:
            devices: at least one.
        """
        self._wanted.set(tuple(devices))

    async def run(
        self, jobs: Latest[Job | None], found: Callable[[Device, Solution], None]
    ) -> None:
        """Let the devices hash until cancelled; they have stopped when it returns.

        Args:
            jobs: the newest job, or `None` to rest.
            found: called on the event loop for each nonce that a device claims.
        """
        self._tasks.clear()
        async with asyncio.TaskGroup() as tasks:
            async for wanted in self._wanted:
                await self._dismiss([each for each in self._tasks if each not in wanted])
                while self._tasks and self._must_share_anew(jobs.get(), wanted):
                    await self._dismiss([*self._tasks])
                self._post(wanted)
                for device in wanted:
                    if device not in self._tasks:
                        work = device.run(
                            jobs, partial(self._slice_of, device), partial(found, device)
                        )
                        self._tasks[device] = tasks.create_task(work)

    def _must_share_anew(self, job: Job | None, wanted: Sequence[Device]) -> bool:
        """Tell whether the parts of those that stay change with the number of devices."""
        if job is None or wanted == self._posted:
            return False
        return not (_is_roomy(job, len(wanted)) and _is_roomy(job, len(self._posted)))

    async def _dismiss(self, devices: Sequence[Device]) -> None:
        ending = [self._tasks[device] for device in devices]
        for task in ending:
            task.cancel()
        if ending:
            await asyncio.wait(ending)
        for device in devices:
            del self._tasks[device]

    def _post(self, devices: tuple[Device, ...]) -> None:
        """Make these the fleet; nothing may run in between that asks for a slice."""
        gone = [device for device in self._posted if device not in devices]
        come = [device for device in devices if device not in self._posted]
        for device in gone:
            self._past[device.name] = device.stats
            del self._slots[device]
        for device in come:
            earlier = self._past.pop(device.name, None)
            if earlier is not None:
                device.stats.inherit(earlier)
        self._posted = devices
        self._assign_slots()

    def _assign_slots(self) -> None:
        """Give each new device the slot that was free for the longest time."""
        taken = {*self._slots.values()}
        for device in self._posted:
            if device in self._slots:
                continue
            turn = (self._last_slot + step for step in range(1, _SLOTS + 1))
            slot = next((each % _SLOTS for each in turn if each % _SLOTS not in taken), 0)
            taken.add(slot)
            self._slots[device] = self._last_slot = slot

    def _slice_of(self, device: Device, job: Job) -> Slice | None:
        count = len(self._posted)
        if _is_roomy(job, count):
            return Slice(prefix=bytes([self._slots[device]]))
        parts, place = slices(job, count), self._posted.index(device)
        return parts[place] if place < len(parts) else None

    # a list of what runs

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._posted)

    @overload
    def __getitem__(self, index: int) -> Device: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Device]: ...
    def __getitem__(self, index: int | slice) -> Device | Sequence[Device]:
        """Return one, or some, in the order of the settings."""
        return self._posted[index]


def _is_roomy(job: Job, count: int) -> bool:
    """Tell whether a job is shared out by slots; else it is by the number of devices."""
    return job.extranonce_size >= _ROOMY_BYTES and count <= _SLOTS
