"""A pool changes the extranonce while shares are under way: none of them is lost."""

from typing import Any

from headframe.chain.share import Reason, Share
from proxy.session import Session
from proxy.terms import LATE_SECONDS, Clock
from tests.fakes.overpools import over_pools
from tests.fakes.pool import FakePool
from tests.fakes.proxying import HARD, ManualClock, rig_settings
from tests.fakes.rig import Rig, connected

TERMS: dict[str, Any] = {"target": HARD, "nbits": 0x1D00FFFF}
"""One hash in 256 is a share, and hardly any a block."""
FIRST, SECOND = b"\xaa\xbb\xcc\xdd", b"\x11\x22\x33\x44\x55\x66"


async def shares_in_flight(rig: Rig, count: int) -> list[Share]:
    """Find shares of the job that the rig has, and keep them."""
    job = await rig.job()
    return [rig.find(job, at_most=HARD) for _ in range(count)]


def change_layout(pool: FakePool, **terms: Any) -> None:
    """Leave less room than before, from the next job on."""
    pool.size = 4
    pool.move_rigs(SECOND)
    pool.new_job(**(TERMS | terms))


async def test_shares_in_flight_over_a_new_layout_go_up_byte_by_byte_as_they_were_found() -> None:
    async with FakePool(extranonce1=FIRST, size=8) as pool:
        pool.new_block(**TERMS)
        async with (
            over_pools(pool.port, rigs=rig_settings()) as leg,
            connected(leg.port, "one", "two") as rigs,
        ):
            late = [(rig, await shares_in_flight(rig, 2)) for rig in rigs]
            slices = {rig: rig.core.extranonce1 for rig in rigs}
            jobs = {rig: await rig.job() for rig in rigs}
            change_layout(pool)
            for rig in rigs:
                assert (await rig.job(jobs[rig])).extranonce_size == 2
            for rig, shares in late:
                assert [(await rig.say(each)).reason for each in shares] == [Reason.ACCEPTED] * 2
            heard = await pool.wait_heard(4)
            for rig in rigs:  # and new ones go up as well
                assert (await rig.say(rig.find(await rig.job(), at_most=HARD))).reason is (
                    Reason.ACCEPTED
                )
            await pool.wait_heard(6)
            again = late[0][1][0]
            assert (await late[0][0].say(again)).reason is Reason.DUPLICATE
            assert leg.hub.stats.layout_changes == 1
            assert not any(rig.lost for rig in rigs)
    assert pool.wrong == []
    went = {(each.share.extranonce, each.share.ntime, each.share.nonce) for each in heard}
    assert went == {
        (FIRST + bytes(2) + (slices[rig] or b"") + each.extranonce, each.ntime, each.nonce)
        for rig, shares in late
        for each in shares
    }


async def test_a_block_in_flight_over_a_new_layout_goes_up_though_its_job_is_dead() -> None:
    async with FakePool(extranonce1=FIRST, size=8) as pool:
        pool.new_block(target=HARD, nbits=0x207FFFFF)  # every second hash is a block
        async with (
            over_pools(pool.port, rigs=rig_settings()) as leg,
            connected(leg.port, "one") as [rig],
        ):
            before = await rig.job()
            [share] = await shares_in_flight(rig, 1)
            pool.size = 4
            pool.move_rigs(SECOND)
            pool.new_block(target=HARD, nbits=0x207FFFFF)
            await rig.job(before)
            assert (await rig.say(share)).reason is Reason.STALE
            [heard] = await pool.wait_heard(1)
    assert heard.truth is Reason.STALE  # what a pool makes of it is the pool's affair
    assert heard.share.extranonce.startswith(FIRST + bytes(2))
    assert heard.share.extranonce.endswith(share.extranonce)
    assert heard.share.nonce == share.nonce


async def test_the_layout_before_is_forgotten_after_a_while() -> None:
    time = ManualClock()
    async with FakePool(extranonce1=FIRST, size=8) as pool:
        pool.new_block(**TERMS)
        async with (
            over_pools(
                pool.port, rigs=rig_settings(), clock=Clock(monotonic=time.monotonic)
            ) as leg,
            connected(leg.port, "one") as [rig],
        ):
            before = await rig.job()
            early, late = await shares_in_flight(rig, 2)
            change_layout(pool)
            await rig.job(before)
            time.now += LATE_SECONDS - 1
            await leg.hub.tick()
            assert (await rig.say(early)).reason is Reason.ACCEPTED
            time.now += 2
            await leg.hub.tick()
            # Of its place nothing is known any more, so it is not even of the right size.
            assert (await rig.say(late)).reason is Reason.BAD_EXTRANONCE
            [session] = leg.hub.guests
            assert isinstance(session, Session)
            assert all(each.past for each in session.rigs)
            session.tick(time.now)
            assert not any(each.past for each in session.rigs)
