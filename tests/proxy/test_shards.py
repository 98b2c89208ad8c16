import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from structlog.testing import capture_logs

from headframe.upstream.settings import UpstreamSettings
from proxy.hub import Hub
from proxy.shards import Shard, Shards, upstreams_of
from proxy.space import Space, SpaceSettings
from proxy.tables import RouteSettings
from proxy.terms import HubSettings
from tests.fakes.mining import JobMaker, ManualSource, PythonHasher
from tests.proxy.test_hub import Guest


@dataclass
class Scene:
    """Connections to a pool that gives each an extranonce of its own, or all the same."""

    same: bool = False
    room: SpaceSettings = field(default_factory=SpaceSettings)
    sources: list[ManualSource] = field(default_factory=list)
    ids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def hub(self, number: int) -> Hub:
        source, maker = ManualSource(f"pool#{number}"), JobMaker(f"pool#{number}")
        source.publish(maker.make(coinbase=b"same" if self.same else b"<%d>" % number))
        self.sources.append(source)
        return Hub(
            source, HubSettings(), ids=self.ids, hasher=PythonHasher(), space=Space(self.room)
        )

    def make(self, number: int) -> Shard:
        return Shard(number, self.hub(number))


@asynccontextmanager
async def running(shards: Shards, main: Hub) -> AsyncIterator[None]:
    job = main.source.jobs.get()
    assert job is not None
    main.take(job)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(shards.run())
        await asyncio.sleep(0)
        yield
        task.cancel()


async def busy(shards: Shards) -> None:
    """Let the connections that were opened get work."""
    async with asyncio.timeout(20):
        while any(hub.idle for hub in shards.hubs):
            await asyncio.sleep(0)


async def ended(guest: Guest) -> None:
    """Wait until a rig is cut off."""
    async with asyncio.timeout(20):
        while not guest.why:
            await asyncio.sleep(0)


def seat(hub: Hub) -> Guest:
    guest = Guest()
    hub.join(guest)
    return guest


async def test_another_connection_is_opened_when_all_carry_as_many_as_they_may() -> None:
    scene = Scene()
    main = scene.hub(1)
    shards = Shards(main, scene.make, rigs=2)
    assert shards.pick() is main  # nothing runs yet
    async with running(shards, main):
        guests = [(hub, seat(hub)) for hub in (shards.pick() for _ in range(6))]
        await busy(shards)
        assert [len(hub.guests) for hub in (main, *shards.hubs)] == [2, 2, 2]
        for hub, _ in guests:
            assert shards.pick(hub) is hub  # a rig stays where it is
        hub, guest = guests[2]
        hub.leave(guest)
        assert shards.pick() is hub
        assert shards.pick(scene.hub(9)) is hub  # which is on none of them
    assert len(shards.hubs) == 0


async def test_another_connection_is_opened_when_no_slice_is_left() -> None:
    scene = Scene(room=SpaceSettings(slice_size=1, slice_end=2))
    main = scene.hub(1)
    shards = Shards(main, scene.make)
    async with running(shards, main):
        assert main.slices is not None
        leases = [main.slices.take(), main.slices.take()]
        other = shards.pick()
        assert other is not main
        leases[0].release()
        assert shards.pick() is main


async def test_who_only_connects_has_none_opened() -> None:
    scene = Scene()
    main = scene.hub(1)
    shards = Shards(main, scene.make, rigs=1)
    async with running(shards, main):
        for _ in range(50):
            seat(shards.pick(opens=False))
        assert shards.hubs == ()


async def test_who_asks_for_a_seat_unknown_has_a_few_opened() -> None:
    scene = Scene()
    main = scene.hub(1)
    shards = Shards(main, scene.make, rigs=1)
    async with running(shards, main):
        first = seat(main)
        assert shards.seat(main) is main  # it does not count itself
        strangers = []
        for _ in range(50):
            waiting = Guest(is_known=False)
            main.join(waiting)
            hub = shards.seat(main)
            main.leave(waiting)
            hub.join(waiting)
            strangers.append(waiting)
        assert len(shards.hubs) == 8
        mine = shards.pick()  # one that has authorised may have more
        assert mine not in {main, *shards.hubs[:8]}
        seat(mine)
        assert shards.seat(main) is main
        strangers[0].is_known = True
        assert shards.seat(main) not in {main, mine}
        assert len(shards.hubs) == 10
        assert first.why == ""


async def test_there_is_a_limit_for_all() -> None:
    scene = Scene()
    main = scene.hub(1)
    shards = Shards(main, scene.make, rigs=1, most=4)
    async with running(shards, main):
        with capture_logs() as logs:
            for _ in range(9):
                seat(shards.pick())
        assert len(shards.hubs) == 3
        assert len(main.guests) == 6
        told = [each for each in logs if each["event"] == "connections_at_limit"]
        assert [(each["count"], each["source"]) for each in told] == [(4, "pool#1")]
        assert "extranonce.max_connections" in told[0]["what_to_do"]
        shards.most = 5
        assert shards.pick() is not main


async def test_a_connection_that_stays_empty_is_closed() -> None:
    scene = Scene()
    main = scene.hub(1)
    shards = Shards(main, scene.make, rigs=1)
    async with running(shards, main):
        seat(main)
        other = shards.pick()
        guest = seat(other)
        await busy(shards)
        for _ in range(100):
            shards.look()
        [open_] = shards.hubs
        open_.leave(guest)
        for _ in range(60):
            shards.look()
        assert other not in shards.hubs
        assert shards.pick() is not other


async def test_two_connections_with_one_extranonce_never_search_the_same_space() -> None:
    scene = Scene(same=True)
    main = scene.hub(1)
    shards = Shards(main, scene.make, rigs=1)
    async with running(shards, main):
        seat(main)
        guest = seat(shards.pick())
        await busy(shards)
        shards.look()
        await ended(guest)
        assert len(shards.hubs) == 0
        assert "the same extranonce" in shards.problem
        assert shards.pick() is main
        assert len(shards.hubs) == 0


async def test_rigs_are_not_sent_to_a_connection_that_gets_no_work() -> None:
    scene = Scene()
    main = scene.hub(1)
    shards = Shards(main, scene.make, rigs=1, most=2)
    async with running(shards, main):
        seat(main)
        other = shards.pick()
        await busy(shards)
        scene.sources[1].publish(None)
        async with asyncio.timeout(20):
            while not other.idle:
                await asyncio.sleep(0)
        for _ in range(10):
            shards.look()
        assert shards.pick() is main  # and there may be no more


@pytest.mark.parametrize(("name", "named"), [("", "pool.test:3333#2"), ("pool", "pool#2")])
def test_upstreams_of_another_connection_have_names_of_their_own(name: str, named: str) -> None:
    upstream = UpstreamSettings(url="stratum+tcp://pool.test", name=name, user="me")
    [other] = upstreams_of(RouteSettings(name="farm", upstreams=(upstream,)), 2)
    assert (other.name, other.user) == (named, "me")
