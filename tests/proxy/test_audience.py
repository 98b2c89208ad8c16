import asyncio
import json

from headframe.runtime.wire import Batch
from proxy.jobbook import Entry
from tests.proxy.test_hub import Guest, Stage


async def test_everyone_is_shown_each_job():
    stage = Stage()
    other = Guest()
    stage.hub.join(other)
    entries = [await stage.show(), await stage.show(coinbase=b"2")]
    assert stage.guest.shown == other.shown == entries
    assert stage.guest.settled == 2


async def test_a_guest_that_left_is_shown_nothing():
    stage = Stage()
    stage.hub.leave(stage.guest)
    await stage.show()
    assert stage.guest.shown == []
    stage.hub.leave(stage.guest)


async def test_a_long_broadcast_gives_way_to_a_new_layout():
    """Another route's upstream may leave less room meanwhile: then places fit the new one."""
    stage = Stage()
    guests = [Guest() for _ in range(200)]
    before = await stage.show()

    class Interrupts(Guest):
        def show(self, entry: Entry, now: float, batch: Batch | None = None) -> None:
            super().show(entry, now, batch)
            if entry.job.extranonce_size == before.job.extranonce_size:
                asyncio.get_running_loop().call_soon(stage.hub.space.shrink, 4)

    for guest in (Interrupts(), *guests):
        stage.hub.join(guest)
    await stage.show(coinbase=b"2")
    assert stage.hub.book is not None
    newest = stage.hub.book.current
    assert newest is not None
    assert {guest.reseated for guest in guests} == {1}
    assert all(guest.shown[-1] is newest for guest in guests)
    assert {len(guest.shown) for guest in guests} == {1, 2}


async def test_a_long_broadcast_gives_way_to_a_newer_job():
    stage = Stage()
    guests = [Guest() for _ in range(200)]

    class Interrupts(Guest):
        def show(self, entry: Entry, now: float, batch: Batch | None = None) -> None:
            super().show(entry, now, batch)
            stage.source.publish(stage.maker.make(coinbase=b"newer"))

    stage.hub.join(Interrupts())
    for guest in guests:
        stage.hub.join(guest)
    await stage.show()
    counts = [len(guest.shown) for guest in guests]
    assert sum(counts) < 100


def join_choir(stage: Stage) -> list[Guest]:
    """Let more guests be of the choir than are sent a job in one turn."""
    guests = [Guest(choir=stage.hub.choir) for _ in range(600)]
    for guest in guests:
        stage.hub.join(guest)
    return guests


async def test_those_of_the_choir_are_sent_its_line_and_looked_at_no_further():
    stage = Stage()
    await stage.show()
    guests = join_choir(stage)
    entry = await stage.show(coinbase=b"2")
    assert {(len(guest.heard), len(guest.shown), guest.settled) for guest in guests} == {(1, 0, 0)}
    [line] = guests[0].heard
    assert json.loads(line)["params"][0] == f"{entry.job.id:x}"
    assert stage.guest.shown[-1] is entry
    assert stage.hub.choir.epoch == entry.upstream.epoch
    assert stage.hub.stats.offers == 600


async def test_a_choir_that_was_cut_short_must_drop_its_work_at_the_next_job():
    stage = Stage()
    await stage.show()
    guests = join_choir(stage)
    stage.maker.new_block()
    asyncio.get_running_loop().call_soon(stage.source.publish, stage.maker.make(coinbase=b"3"))
    await stage.show(coinbase=b"2")
    counts = {len(guest.heard) for guest in guests}
    assert counts == {0, 1}
    await stage.show(coinbase=b"3")
    assert {len(guest.heard) - 1 for guest in guests} == counts
    assert {json.loads(guest.heard[-1])["params"][-1] for guest in guests} == {True}
    await stage.show(coinbase=b"4")
    assert {json.loads(guest.heard[-1])["params"][-1] for guest in guests} == {False}


async def test_who_is_in_a_hurry_is_shown_jobs_alone():
    stage = Stage()
    stage.hub.hurry(stage.guest)
    assert stage.guest.parted == 1
