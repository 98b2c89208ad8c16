"""A proxy's hub and listener on loopback, over a source worked by hand."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import native
from headframe.chain.job import Job
from headframe.chain.target import Target, target_from_difficulty
from proxy.hub import Clock, Hub, HubSettings
from proxy.listener import Limits, Listener
from proxy.rig import RigSettings
from proxy.routes import Router
from proxy.routing import Route, Routing
from proxy.space import Space, SpaceSettings
from proxy.vardiff import Bounds
from tests.fakes.mining import NTIME, JobMaker, ManualSource

__all__ = ["EASY", "HARD", "ManualClock", "Proxy", "proxying", "rig_settings", "routing_of"]

EASY = Target(2**256 // 4)
"""One hash in four."""
HARD = Target(2**256 // 256)
"""One hash in 256."""


@dataclass
class ManualClock:
    """Time that a test moves."""

    now: float = 0.0

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> int:
        return NTIME + int(self.now)

    @property
    def clock(self) -> Clock:
        return Clock(monotonic=self.monotonic, wall=self.wall)


@dataclass
class Proxy:
    """A running proxy, and the ends that a test holds."""

    hub: Hub
    routing: Routing
    listener: Listener
    source: ManualSource
    time: ManualClock
    maker: JobMaker = field(default_factory=JobMaker)

    @property
    def port(self) -> int:
        return self.listener.port

    def publish(self, **changes: Any) -> Job:
        """Let the source have a new job."""
        job = self.maker.make(**({"target": HARD} | changes))
        self.source.publish(job)
        return job

    async def until(self, condition: Callable[[], bool]) -> None:
        """Let the loop turn until something holds."""
        async with asyncio.timeout(20):
            while not condition():
                await asyncio.sleep(0)

    async def pass_time(self, seconds: float) -> None:
        """Move the clock, and let the hub notice."""
        self.time.now += seconds
        await self.hub.tick()


def rig_settings(**changes: Any) -> RigSettings:
    """Make settings under which one hash in four is a share."""
    bounds = Bounds(per_minute=20, easiest=Target(2**256 - 1), hardest=target_from_difficulty(1e9))
    return replace(RigSettings(bounds=bounds, start=EASY), **changes)


def routing_of(hub: Hub, rigs: RigSettings | None = None) -> Routing:
    """Make the routing of a proxy with one route and one listener."""
    table = {("front", "default"): rigs or rig_settings()}
    return Routing([Route("default", hub)], Router((), "default"), table)


@asynccontextmanager
async def proxying(
    source: ManualSource | None = None,
    *,
    hub: HubSettings | None = None,
    rigs: RigSettings | None = None,
    limits: Limits | None = None,
    space: SpaceSettings | None = None,
) -> AsyncIterator[Proxy]:
    """Run a proxy on a free port."""
    time = ManualClock()
    source = source or ManualSource()
    middle = Hub(
        source,
        hub or HubSettings(),
        ids=itertools.count(1),
        hasher=native,
        clock=time.clock,
        space=Space(space),
    )
    routing = routing_of(middle, rigs)
    listener = Listener(routing, "front", limits)
    await listener.start("127.0.0.1", 0)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(middle.run())
        try:
            yield Proxy(middle, routing, listener, source, time)
            middle.ledger.verify()
        finally:
            listener.close("shutdown")
            await listener.wait_closed()
            task.cancel()
