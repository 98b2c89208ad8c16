"""Places of rigs: when they are given, kept, changed and given back."""

from headframe.chain.share import Reason
from headframe.chain.target import Target
from proxy.seating import Place
from proxy.space import SpaceSettings
from proxy.vardiff import Bounds
from tests.fakes.proxying import Proxy, proxying, rig_settings
from tests.fakes.rig import RawRig, connected


def taken(proxy: Proxy) -> int | None:
    """The upstream's id of the newest job that the hub took."""
    book = proxy.hub.book
    return None if book is None or book.current is None else book.current.upstream.id


async def test_a_slice_rests_while_its_jobs_live_and_returns_after():
    space = SpaceSettings(slice_first=7, slice_end=8)
    async with proxying(space=space) as proxy:
        proxy.publish()
        async with connected(proxy.port, "first") as [rig]:
            await rig.job()
            assert rig.core.extranonce1 == b"\x00\x07"
        async with connected(proxy.port, "too early") as [rig]:
            await rig.closed()
        assert proxy.hub.stats.connections_closed["no_slice"] == 1
        proxy.maker.new_block()
        job = proxy.publish()
        await proxy.until(lambda: taken(proxy) == job.id)
        async with connected(proxy.port, "later") as [rig]:
            await rig.job()
            assert rig.core.extranonce1 == b"\x00\x07"


async def test_an_upstream_without_room_closes_rigs_and_gives_them_a_new_layout():
    async with proxying() as proxy:
        proxy.publish(size=8)
        async with connected(proxy.port, "rig", extranonce_subscribe=False) as [rig]:
            assert (await rig.job()).extranonce_size == 4
            proxy.publish(size=4)
            await rig.closed()
        assert proxy.hub.stats.connections_closed["new_layout"] == 1
        async with connected(proxy.port, "rig") as [rig]:
            assert (await rig.job()).extranonce_size == 2
            proxy.publish(size=8, coinbase=b"3")
            job = await rig.job(await rig.job())
            assert job.extranonce_size == 2
            assert (await rig.say(rig.find(job))).reason is Reason.ACCEPTED
        assert proxy.hub.stats.layout_changes == 1


async def test_rigs_that_take_extranonce_changes_stay_over_a_new_layout():
    async with proxying() as proxy, connected(proxy.port, "one", "two") as rigs:
        proxy.publish(size=8, target=2**256 - 1)
        before = [await rig.job() for rig in rigs]
        assert [job.extranonce_size for job in before] == [4, 4]
        proxy.publish(size=4, target=2**256 - 1, coinbase=b"2")
        jobs = [await rig.job(old) for rig, old in zip(rigs, before, strict=True)]
        assert [job.extranonce_size for job in jobs] == [2, 2]
        for rig, job in zip(rigs, jobs, strict=True):
            assert (await rig.say(rig.find(job))).reason is Reason.ACCEPTED
        assert len({rig.core.extranonce1 for rig in rigs}) == 2
        assert proxy.hub.stats.reseats == 2
        assert not any(rig.lost for rig in rigs)


async def test_an_upstream_with_no_room_at_all_is_told():
    async with proxying() as proxy:
        job = proxy.publish(size=2)
        await proxy.until(lambda: bool(proxy.hub.problem))
        assert "leaves 2 extranonce bytes" in proxy.hub.problem
        assert proxy.source.jobs.get() is job


async def test_a_rig_that_came_before_the_first_job_gets_its_place_with_it():
    async with proxying() as proxy, RawRig.to(proxy.port) as rig:
        rig.send(1, "mining.subscribe", "raw/1")
        rig.send(2, "mining.authorize", "w", "x")
        await proxy.until(lambda: any(each.user for _, each in proxy.routing.sessions()))
        proxy.publish()
        assert (await rig.answer(1))["result"][2] == 4
        await rig.until("mining.notify")
        assert proxy.hub.stats.reseats == 0


async def test_new_settings_are_taken_on_the_same_route():
    async with proxying() as proxy, connected(proxy.port, "rig") as [rig]:
        proxy.publish()
        await rig.job()
        [(route, session)] = proxy.routing.sessions()
        bounds = Bounds(per_minute=20, easiest=Target(2**250), hardest=Target(2**249))
        session.move(Place(proxy.hub, rig_settings(bounds=bounds)), 1.0)
        assert (route, session.hub) == ("default", proxy.hub)
        assert session.visitor.login == "rig"
        [figures] = session.figures(1.0)
        assert figures["agent"] == session.agent
        before = rig.jobs.get()
        await proxy.pass_time(1)
        shown = await rig.job(before)
        assert shown.target < 2**251
        session.close("idle")
        session.move(Place(proxy.hub, rig_settings()), 2.0)
        session.reseat(2.0)
        await rig.closed()
