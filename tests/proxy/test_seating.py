"""Places of rigs: when they are given, kept, changed and given back."""

import itertools
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

import native
from headframe.chain.job import Job, SplitCoinbase
from headframe.chain.network import Network
from headframe.chain.share import Reason
from headframe.chain.target import Target
from headframe.stratum.events import NewJob
from headframe.upstream.payees import PayTo, payee_of
from proxy.hub import Hub, HubSettings
from proxy.seating import Place
from proxy.space import Space, SpaceSettings
from proxy.vardiff import Bounds
from tests.fakes.mining import JobMaker, ManualSource, PayingSource
from tests.fakes.proxying import HARD, Proxy, proxying, rig_settings
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


async def test_a_share_in_flight_to_another_space_is_judged_by_the_place_that_it_was_found_in():
    async with proxying() as proxy, connected(proxy.port, "rig") as [rig]:
        job = proxy.publish()
        before = await rig.job()
        await rig.say(rig.find(before, above=HARD))  # by now it has asked for extranonce changes
        share, slice_ = rig.find(before, at_most=HARD), rig.core.extranonce1
        there = ManualSource("there")
        other = Hub(
            there,
            HubSettings(),
            ids=itertools.count(10_000),
            hasher=native,
            clock=proxy.time.clock,
            space=Space(SpaceSettings(slice_first=700)),
        )
        there.publish(JobMaker("there").make(target=HARD, size=4))
        newest = there.jobs.get()
        assert newest is not None
        other.take(newest)
        [(_, session)] = proxy.routing.sessions()
        session.move(Place(other, rig_settings()), 0.0)
        after = await rig.job(before)
        assert after.extranonce_size == 2
        assert rig.core.extranonce1 != slice_
        assert (await rig.say(share)).reason is Reason.ACCEPTED
        await proxy.source.wait_for(1)
        assert proxy.source.sent[-1][0].job_id == job.id
        assert proxy.source.proofs()[-1] <= HARD
        assert (await rig.say(rig.find(after, at_most=HARD))).reason is Reason.ACCEPTED
        session.close("idle")


# payouts to logins

WPKH = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
TAPROOT = "bcrt1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqc8gma6"
TESTNET = "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx"
LOGIN = HubSettings(pay_to=PayTo.LOGIN)
EITHER = HubSettings(pay_to=PayTo.LOGIN_OR_ADDRESS)


def ends(job: Job) -> bytes:
    """How the coinbase of a rig's job ends: with the script of who is paid."""
    assert isinstance(job.commitment, SplitCoinbase)
    return job.commitment.suffix.removeprefix(b"rest")


def script(address: str) -> bytes:
    return payee_of(address).script


def payout_of(proxy: Proxy) -> list[object]:
    return [
        each["payout"] for _, session in proxy.routing.sessions() for each in session.figures(0)
    ]


async def test_each_rig_mines_for_the_address_that_it_logs_in_with():
    source = PayingSource()
    users = [f"{WPKH}.1", f"{TAPROOT}.x", WPKH.upper()]
    async with proxying(source, hub=LOGIN) as proxy, connected(proxy.port, *users) as rigs:
        proxy.publish()
        shown = [await rig.job() for rig in rigs]
        assert [ends(job) for job in shown] == [script(WPKH), script(TAPROOT), script(WPKH)]
        assert len(source.paid) == 2  # one job for each payee, not for each rig
        assert payout_of(proxy) == [WPKH, TAPROOT, WPKH.upper()]
        for count, (rig, job) in enumerate(zip(rigs, shown, strict=True), start=1):
            assert (await rig.say(rig.find(job, at_most=HARD))).reason is Reason.ACCEPTED
            await source.wait_for(count)
            assert source.paid[source.sent[-1][0].job_id].script == ends(job)
        assert all(proof <= HARD for proof in source.proofs())
        assert len(proxy.hub.payouts) == 2
    assert len(proxy.hub.payouts) == 0


async def test_a_rig_that_comes_later_has_its_job_at_once_and_a_refresh_brings_each_its_own():
    source = PayingSource()
    async with proxying(source, hub=LOGIN) as proxy:
        proxy.publish()
        async with connected(proxy.port, WPKH) as [first]:
            old = await first.job()
            async with connected(proxy.port, TAPROOT) as [late]:
                job = await late.job()
                assert ends(job) == script(TAPROOT)
                await proxy.pass_time(31)
                fresh, other = await first.job(old), await late.job(job)
                assert (ends(fresh), ends(other)) == (script(WPKH), script(TAPROOT))
                assert fresh.ntime == other.ntime > job.ntime
                assert (await late.say(late.find(job))).reason is Reason.ACCEPTED
                assert len(source.paid) == 2


@pytest.mark.parametrize(
    ("user", "words"),
    [("rig7", "holds 3 bytes"), (f"{TESTNET}.x", "testnet or signet address, this is regtest")],
)
async def test_a_login_that_cannot_be_paid_is_refused_with_the_reason(user: str, words: str):
    with capture_logs() as logs:
        async with proxying(PayingSource(), hub=LOGIN) as proxy, RawRig.to(proxy.port) as rig:
            proxy.publish()
            rig.send(1, "mining.subscribe", "raw/1")
            rig.send(2, "mining.authorize", user, "x")
            code, text, _ = (await rig.answer(2))["error"]
            assert code == 24
            assert text.startswith("Unauthorized worker: the user name must be the address")
            assert words in text
            rig.send(3, "mining.authorize", f"{WPKH}.x", "x")  # it may try again
            assert (await rig.answer(3))["result"] is True
            await rig.until("mining.notify")
    [said] = [each for each in logs if each["event"] == "rig_refused"]
    assert words in said["why"]
    assert said["user"] == user


async def test_where_either_may_be_the_operator_is_paid_for_other_logins():
    source = PayingSource()
    async with proxying(source, hub=EITHER) as proxy, connected(proxy.port, "rig7", WPKH) as rigs:
        proxy.publish()
        assert [ends(await rig.job()) for rig in rigs] == [b"", script(WPKH)]
        assert payout_of(proxy) == ["", WPKH]


async def test_all_workers_of_a_connection_are_paid_to_one_address():
    async with proxying(PayingSource(), hub=LOGIN) as proxy, RawRig.to(proxy.port) as rig:
        proxy.publish()
        await rig.join(f"{WPKH}.1")
        rig.send(7, "mining.authorize", f"{TAPROOT}.1", "x")
        _, text, _ = (await rig.answer(7))["error"]
        assert text == (
            f"Unauthorized worker: this connection pays {WPKH}: each further address needs a "
            "connection of its own"
        )
        rig.send(8, "mining.authorize", f"{WPKH}.2", "x")
        assert (await rig.answer(8))["result"] is True
        assert payout_of(proxy) == [WPKH]


async def test_a_network_that_turns_out_to_be_another_one_ends_the_connection():
    source = PayingSource(Network.TESTNET4)
    source.status.set(source_status(source, network=""))
    async with proxying(source, hub=LOGIN) as proxy, connected(proxy.port, WPKH) as [rig]:
        await proxy.until(lambda: any(each.user for _, each in proxy.routing.sessions()))
        proxy.publish()
        await rig.closed()
        assert proxy.hub.stats.connections_closed["no_payout"] == 1
        assert len(proxy.hub.payouts) == 0


def source_status(source: PayingSource, **changes: Any) -> Any:
    return replace(source.status.get(), **changes)


async def test_a_job_that_its_source_has_taken_back_is_shown_to_nobody():
    source = PayingSource()
    async with proxying(source, hub=LOGIN) as proxy, connected(proxy.port, WPKH) as [rig]:
        source.pays = False
        taken_back = proxy.publish()
        await proxy.until(lambda: taken(proxy) == taken_back.id)
        source.pays = True
        proxy.publish(coinbase=b"2")
        assert ends(await rig.job()) == script(WPKH)
        assert sum(isinstance(each, NewJob) for each in rig.events) == 1


async def test_a_change_of_who_is_paid_reaches_rigs_that_are_there():
    source = PayingSource()
    async with proxying(source) as proxy, connected(proxy.port, WPKH, "rig7") as [one, two]:
        proxy.publish()
        jobs = [await rig.job() for rig in (one, two)]
        assert [ends(job) for job in jobs] == [b"", b""]
        proxy.hub.settings = EITHER
        settle_all(proxy)
        assert ends(await one.job(jobs[0])) == script(WPKH)
        assert payout_of(proxy) == [WPKH, ""]
        proxy.hub.settings = LOGIN
        settle_all(proxy)
        await two.closed()  # it cannot be paid any more
        assert not one.lost
        proxy.hub.settings = HubSettings()
        settle_all(proxy)
        assert payout_of(proxy) == [""]
        proxy.publish(coinbase=b"2")
        while ends(job := await one.job()):
            await one.job(job)
        assert proxy.hub.stats.connections_closed["no_payout"] == 1


async def test_on_another_route_a_rig_is_paid_by_that_one_or_not_kept():
    source, there = PayingSource(), PayingSource()
    async with proxying(source, hub=LOGIN) as proxy, connected(proxy.port, WPKH) as [rig]:
        proxy.publish()
        before = await rig.job()
        share = rig.find(before, at_most=HARD)
        other = Hub(
            there,
            LOGIN,
            ids=itertools.count(10_000),
            hasher=native,
            clock=proxy.time.clock,
            space=proxy.hub.space,
        )
        job = JobMaker("there").make(target=HARD)
        there.publish(job)
        other.take(job)
        [(_, session)] = proxy.routing.sessions()
        session.move(Place(other, rig_settings()), 0.0)
        after = await rig.job(before)
        assert ends(after) == script(WPKH)
        assert (len(proxy.hub.payouts), len(other.payouts)) == (0, 1)
        assert (await rig.say(share)).reason is Reason.ACCEPTED  # to the route that it was of
        await source.wait_for(1)
        assert source.paid[source.sent[0][0].job_id].script == script(WPKH)
        source.status.set(source_status(source, network="main"))
        session.move(Place(proxy.hub, rig_settings()), 1.0)
        await rig.closed()
        assert (len(proxy.hub.payouts), len(other.payouts)) == (0, 0)


def settle_all(proxy: Proxy) -> None:
    for _, session in list(proxy.routing.sessions()):
        proxy.routing.settle(session)


async def test_other_version_bits_are_told_to_rigs_that_are_connected():
    async with proxying() as proxy:
        proxy.publish()
        async with RawRig.to(proxy.port) as raw:
            bits = {"version-rolling.mask": "1fffe000"}
            raw.send(0, "mining.configure", ["version-rolling"], bits)
            [job_id, *_, ntime, _] = await raw.join()
            [(_, session)] = proxy.routing.sessions()
            for mask, code in ((0x2000, 20), (0x1FFFE000, 23)):
                settings = replace(rig_settings(), mask=mask)
                session.move(Place(proxy.hub, settings), proxy.time.now)
                await proxy.hub.tick()  # the next job
                assert await raw.until("mining.set_version_mask") == [f"{mask:08x}"]
                [job_id, *_, ntime, _] = await raw.until("mining.notify")
                fields = (job_id, "00000000", ntime, "00000000", "00004000")
                raw.send(9, "mining.submit", "raw", *fields)
                assert (await raw.answer(9))["error"][0] == code
