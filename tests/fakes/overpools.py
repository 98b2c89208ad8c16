"""A proxy's route over pools on loopback, with real sources and the real clock."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import native
from headframe.chain.job import Lineage, SourceId
from headframe.stratum.sv1.client import ClientOptions
from headframe.upstream.endpoint import Endpoint
from headframe.upstream.group import SourceGroup
from headframe.upstream.stratum import StratumOptions, StratumSource
from proxy.hub import Hub
from proxy.listener import Listener
from proxy.rig import RigSettings
from proxy.space import Space, SpaceSettings
from proxy.terms import Clock, HubSettings
from tests.fakes.groups import failover
from tests.fakes.handsource import quick
from tests.fakes.proxying import routing_of

__all__ = ["Leg", "over_pools"]


@dataclass
class Leg:
    """A running proxy, and its upstreams as one."""

    hub: Hub
    group: SourceGroup
    port: int

    async def until(self, condition: Callable[[], bool]) -> None:
        """Let the loop turn until something holds."""
        async with asyncio.timeout(20):
            while not condition():
                await asyncio.sleep(0)


@asynccontextmanager
async def over_pools(
    *ports: int,
    settings: HubSettings | None = None,
    rigs: RigSettings | None = None,
    space: SpaceSettings | None = None,
    standby: bool = True,
    linger_seconds: float = 30.0,
    clock: Clock | None = None,
) -> AsyncIterator[Leg]:
    """Run a proxy before pools on these ports, called pool0, pool1, and so on."""
    ids = itertools.count(1)
    group = failover(
        _sources(ports, ids),
        standby=standby,
        stable_seconds=0,
        linger_seconds=linger_seconds,
        backoff=quick,
    )
    hub = Hub(
        group,
        settings or HubSettings(),
        ids=itertools.count(1),
        hasher=native,
        clock=clock,
        space=Space(space),
    )
    listener = Listener(routing_of(hub, rigs), "front")
    await listener.start("127.0.0.1", 0)
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(group.run()), tasks.create_task(hub.run())]
        try:
            yield Leg(hub, group, listener.port)
            hub.ledger.verify()
        finally:
            listener.close("shutdown")
            await listener.wait_closed()
            for task in running:
                task.cancel()


def _sources(ports: Sequence[int], ids: "itertools.count[int]") -> list[StratumSource]:
    return [
        StratumSource(
            StratumOptions(
                endpoint=Endpoint(scheme="stratum+tcp", host="127.0.0.1", port=port),
                tls=None,
                client=ClientOptions(user="account"),
            ),
            lineage=Lineage(SourceId(f"pool{place}"), ids),
        )
        for place, port in enumerate(ports)
    ]
