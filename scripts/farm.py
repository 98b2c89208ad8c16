"""Rigs for pictures: they speak Stratum as their firmware's name says, and really hash.

Each has a share of one kernel's time; some behave as rigs do that an operator looks for.
"""

import asyncio
import itertools
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from headframe.chain.job import Job
from headframe.chain.share import Share
from headframe.runtime.clock import wall_seconds
from miner.devices.base import Work
from miner.space import SearchSpace
from native import Kernel, StopFlag
from tests.fakes.rig import Rig

__all__ = ["FARM", "Habit", "Machine", "knock", "mill"]

TURN_SECONDS: Final = 1.0
RUBBISH_SECONDS: Final = 8.0
_NONCES: Final = 1 << 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Habit:
    """What a rig is, and how it behaves.

    Attributes:
        name: as it logs in.
        agent: its software, as it says.
        hall: the listener that it comes to.
        hps: hashes in a second.
        silent_after: seconds after which it hashes no more.
        rubbish: all its shares are wrong; it sends one each few seconds.
        lag: seconds that it takes to notice a new job.
        restarts: seconds between its restarts; 0 for none.
    """

    name: str
    agent: str
    hall: int
    hps: int
    silent_after: float = float("inf")
    rubbish: bool = False
    lag: float = 0.0
    restarts: float = 0.0


def _habits() -> Iterator[Habit]:
    models = (
        ("s21", "bmminer/2.0.0/Antminer S21/30000", 260_000),
        ("s19", "bosminer-plus-tuner/0.9.0", 170_000),
        ("m50", "whatsminer/v1.0", 200_000),
        ("a15", "cgminer/4.11.1", 140_000),
        ("bitaxe", "bitaxe/BM1370/v2.6.0", 30_000),
    )
    seeded = random.Random(1)  # noqa: S311 - the same farm each time
    for hall, (model, agent, hps), number in itertools.product((0, 1), models, (1, 2, 3)):
        yield Habit(
            name=f"farm.{'ab'[hall]}-{model}-{number:02}",
            agent=agent,
            hall=hall,
            hps=int(hps * seeded.uniform(0.85, 1.15)),
        )


def _special(habits: Iterator[Habit]) -> Iterator[Habit]:
    changes: dict[str, dict[str, Any]] = {
        "farm.a-a15-03": {"silent_after": 240.0},
        "farm.b-s19-02": {"silent_after": 420.0},
        "farm.b-a15-01": {"rubbish": True},
        "farm.a-m50-02": {"lag": 6.0},
        "farm.b-bitaxe-03": {"restarts": 170.0},
    }
    for habit in habits:
        yield replace(habit, **changes.get(habit.name, {}))


FARM: Final = tuple(_special(_habits()))
"""Thirty rigs in two halls: two go silent, one sends rubbish, one is late, one restarts."""


class Machine:
    """One of them.

    Args:
        habit: what it is.
        port: where its listener is, on this machine.
    """

    def __init__(self, habit: Habit, port: int) -> None:
        self.habit = habit
        self._port = port
        self._rig: Rig | None = None
        self._began = time.monotonic()
        self._seen: tuple[Job, float] | None = None
        self._space: SearchSpace | None = None
        self._work: Work | None = None
        self._nonce = 0
        self._rubbish_at = 0.0

    async def connect(self) -> None:
        """Connect, or connect anew."""
        if self._rig is not None:
            self._rig.wire.close()
        self._seen = self._space = None
        self._began = time.monotonic()
        self._rubbish_at = 0.0
        self._rig = Rig(self.habit.name, agent=self.habit.agent)
        await self._rig.connect(self._port)

    async def turn(self, kernel: Kernel, seconds: float) -> None:
        """Hash for so long, and send what was found."""
        habit, age = self.habit, time.monotonic() - self._began
        if self._rig is None or self._rig.lost or (habit.restarts and age > habit.restarts):
            await self.connect()
        job = self._job()
        if job is None or age > habit.silent_after or self._rig is None or self._rig.lost:
            return
        found = await asyncio.to_thread(self._scan, kernel, job, int(habit.hps * seconds))
        if habit.rubbish and age - self._rubbish_at < RUBBISH_SECONDS:
            return
        for share in found[:1] if habit.rubbish else found:
            self._rubbish_at = age
            self._rig.submit(replace(share, nonce=share.nonce ^ 1) if habit.rubbish else share)

    def _job(self) -> Job | None:
        newest = None if self._rig is None else self._rig.jobs.get()
        now = time.monotonic()
        if newest is None:
            return None
        seen = self._seen
        if seen is None or seen[0] is newest or now - seen[1] >= self.habit.lag:
            self._seen = seen = (newest, now)
        return seen[0]

    def _scan(self, kernel: Kernel, job: Job, count: int) -> list[Share]:
        if self._space is None or self._space.job is not job:
            self._space, self._work = SearchSpace(job), None
        if self._work is None or self._nonce + count > _NONCES:
            work = self._space.next(wall_seconds())
            if not isinstance(work, Work):
                return []
            self._work, self._nonce = work, 0
        heads, tail = self._work.encode()
        target = job.target.to_bytes(32, "little")
        result = kernel.scan(heads, tail, target, self._nonce, count, StopFlag())
        self._nonce = result.next
        return [self._work.share(head, nonce) for head, nonce in result.hits]


async def mill(machines: Sequence[Machine], kernel: Kernel) -> None:
    """Let all of them hash, one after the other, until cancelled."""
    while True:
        start = time.monotonic()
        for each in machines:
            try:
                await each.turn(kernel, TURN_SECONDS)
            except OSError:
                await asyncio.sleep(TURN_SECONDS)  # the proxy may be gone for a moment
        await asyncio.sleep(max(start + TURN_SECONDS - time.monotonic(), 0))


async def knock(port: int) -> None:
    """Connect and say nothing, again and again, as what is no rig does."""
    while True:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.sleep(15)
        writer.close()
