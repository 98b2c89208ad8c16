"""What rigs and books see while upstreams answer late, die, come back and are left."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from headframe.chain.job import Job, SplitCoinbase
from headframe.chain.share import Reason, Verdict
from proxy.policy import Stale, VerdictBy, WhenDry
from proxy.terms import HubSettings
from proxy.waiting import LONGEST_SECONDS
from tests.fakes.overpools import Leg, over_pools
from tests.fakes.pool import FakePool
from tests.fakes.proxying import EASY, HARD, ManualClock, rig_settings
from tests.fakes.rig import Rig, connected

ASKED = HubSettings(verdict=VerdictBy.POOL)
TERMS: dict[str, Any] = {"target": HARD, "nbits": 0x1D00FFFF}
"""One hash in 256 is a share, and hardly any a block."""
FIRST, SECOND = b"\xaa\xbb\xcc\xdd", b"\x11\x22\x33\x44"


@pytest.fixture
async def pools() -> AsyncIterator[tuple[FakePool, FakePool]]:
    async with FakePool(extranonce1=FIRST) as one, FakePool(extranonce1=SECOND) as other:
        one.new_block(**TERMS)
        other.new_block(**TERMS)
        yield one, other


def owner(job: Job) -> bytes:
    """Return the pool's extranonce1 that a rig's job carries."""
    assert isinstance(job.commitment, SplitCoinbase)
    prefix = job.commitment.prefix
    return next(each for each in (FIRST, SECOND) if each in prefix)


async def on_job_of(rig: Rig, pool: bytes) -> Job:
    """Wait until a rig has a job of that pool."""
    job = await rig.job()
    while owner(job) != pool:
        job = await rig.job(after=job)
    return job


def easy(rig: Rig, job: Job) -> int:
    """Send a share that is good for the rig, and not for the pool."""
    return rig.submit(rig.find(job, at_most=EASY, above=HARD))


def hard(rig: Rig, job: Job) -> int:
    """Send a share that is one for the pool."""
    return rig.submit(rig.find(job, at_most=HARD))


async def told(rig: Rig, *tickets: int) -> list[Reason]:
    return [(await rig.verdict(ticket)).reason for ticket in tickets]


async def test_the_pool_answers_what_is_for_it_and_the_proxy_the_rest(
    pools: tuple[FakePool, FakePool],
) -> None:
    main, _ = pools
    main.judge = lambda _truth: None  # not yet
    async with (
        over_pools(main.port, settings=ASKED, rigs=rig_settings()) as leg,
        connected(leg.port, "one", "two") as [rig, other],
    ):
        job, others = await rig.job(), await other.job()
        early = await other.verdict(easy(other, others))
        assert early.reason is Reason.ACCEPTED  # it waits for nobody
        tickets = [easy(rig, job), hard(rig, job), easy(rig, job), hard(rig, job)]
        await main.wait_heard(2)
        assert (await told(rig, tickets[0])) == [Reason.ACCEPTED]
        assert set(rig.answers) == {tickets[0]}  # the others wait for the second
        assert main.answer_withheld(Verdict(reason=Reason.DUPLICATE)) == 2
        reasons = await told(rig, *tickets)
        assert list(rig.answers) == tickets
        ledger = leg.hub.ledger
    yes, no = Reason.ACCEPTED, Reason.DUPLICATE
    assert reasons == [yes, no, yes, no]
    total = ledger.total
    assert (total.accepted.shares, total.kept, total.refused) == (5, 3, {})
    assert total.pool.forwarded.shares == total.pool.refused[no].shares == 2


@pytest.mark.parametrize("verdict", VerdictBy)
async def test_every_open_share_is_answered_within_two_seconds_when_the_upstream_dies(
    pools: tuple[FakePool, FakePool], verdict: VerdictBy
) -> None:
    main, _ = pools
    main.judge = lambda _truth: None
    settings = HubSettings(verdict=verdict)
    names = [f"rig{number}" for number in range(10)]
    async with (
        over_pools(main.port, settings=settings, rigs=rig_settings()) as leg,
        connected(leg.port, *names) as rigs,
    ):
        tickets = [(rig, hard(rig, await rig.job())) for rig in rigs for _ in range(3)]
        await main.wait_heard(len(tickets))
        began = asyncio.get_running_loop().time()
        await main.go_away()
        reasons = {(await rig.verdict(ticket)).reason for rig, ticket in tickets}
        assert asyncio.get_running_loop().time() - began < 2.0
        lost = leg.hub.ledger.total.pool
        await leg.until(lambda: lost.lost.shares == len(tickets))
    assert reasons == {Reason.LOST if verdict is VerdictBy.POOL else Reason.ACCEPTED}


async def test_a_mute_pool_that_is_given_up_leaves_no_share_open(
    pools: tuple[FakePool, FakePool],
) -> None:
    main, _ = pools
    main.judge = lambda _truth: None
    async with (
        over_pools(main.port, settings=ASKED, rigs=rig_settings()) as leg,
        connected(leg.port, "rig") as [rig],
    ):
        ticket = hard(rig, await rig.job())
        await main.wait_heard(1)
        await main.drop()  # and it comes back at once, with no word of the old shares
        assert (await rig.verdict(ticket)).reason is Reason.LOST
        main.judge = lambda truth: truth
        job = await on_job_of(rig, FIRST)
        await leg.until(lambda: not leg.hub.idle)
        while (await rig.verdict(hard(rig, job))).reason is not Reason.ACCEPTED:
            job = await rig.job(after=job)


async def test_a_name_that_the_pool_does_not_know_costs_its_own_shares_alone(
    pools: tuple[FakePool, FakePool],
) -> None:
    main, _ = pools
    main.lets_in = lambda user: user != "stranger"
    settings = HubSettings(verdict=VerdictBy.POOL, worker_sent=lambda sender: sender.worker)
    with capture_logs() as logs:
        async with (
            over_pools(main.port, settings=settings, rigs=rig_settings()) as leg,
            connected(leg.port, "stranger", "friend") as [stranger, friend],
        ):
            bad, good = await stranger.job(), await friend.job()
            for _ in range(3):
                assert await told(stranger, hard(stranger, bad)) == [Reason.UNAUTHORIZED]
                assert await told(friend, hard(friend, good)) == [Reason.ACCEPTED]
            total = leg.hub.ledger.total
    assert total.pool.refused[Reason.UNAUTHORIZED].shares == 3
    assert [user for user, _ in main.users] == ["account", "stranger", "friend"]  # once each
    warnings = [line for line in logs if line["event"] == "worker_refused"]
    assert len(warnings) == 1
    assert "stranger" in warnings[0]["text"]


async def test_a_pool_that_owes_answers_holds_no_rig_for_ever(
    pools: tuple[FakePool, FakePool],
) -> None:
    main, _ = pools
    main.judge = lambda _truth: None
    time = ManualClock()
    async with (
        over_pools(main.port, settings=ASKED, rigs=rig_settings(), clock=time.clock) as leg,
        connected(leg.port, "rig") as [rig],
    ):
        job = await rig.job()
        late, easier = hard(rig, job), easy(rig, job)
        await main.wait_heard(1)
        time.now += LONGEST_SECONDS
        await leg.hub.tick()
        assert await told(rig, late, easier) == [Reason.LOST, Reason.ACCEPTED]
        main.answer_withheld(Verdict(reason=Reason.ACCEPTED))  # that is for the books
        await leg.until(lambda: leg.hub.ledger.total.pool.acknowledged.shares == 1)
        assert len(rig.answers) == 2


async def all_on(rigs: list[Rig], pool: bytes) -> float:
    """Wait until all rigs are on a job of a pool; return the seconds it took."""
    began = asyncio.get_running_loop().time()
    for rig in rigs:
        await on_job_of(rig, pool)
    return asyncio.get_running_loop().time() - began


@pytest.mark.parametrize("standby", [True, False])
async def test_all_rigs_are_on_the_second_upstream_within_a_second(
    pools: tuple[FakePool, FakePool], *, standby: bool
) -> None:
    main, backup = pools
    names = [f"rig{number}" for number in range(50)]
    async with (
        over_pools(main.port, backup.port, standby=standby, rigs=rig_settings()) as leg,
        connected(leg.port, *names) as rigs,
    ):
        old = [await on_job_of(rig, FIRST) for rig in rigs]
        assert await told(rigs[0], hard(rigs[0], old[0])) == [Reason.ACCEPTED]
        if standby:
            await backup.wait_connections(1)
        await main.go_away()
        assert await all_on(rigs, SECOND) < 1.0
        assert not any(rig.lost for rig in rigs)
        late = await told(rigs[0], hard(rigs[0], old[0]))
        new = await told(rigs[0], hard(rigs[0], await on_job_of(rigs[0], SECOND)))
        [switch] = leg.hub.meter.recent
    assert (late, new) == ([Reason.STALE], [Reason.ACCEPTED])
    assert not main.wrong
    assert not backup.wrong
    assert (switch.kind, switch.before, switch.after) == ("lost", "pool0", "pool1")
    assert 0 < switch.idle_seconds < 1.0


async def test_shares_for_the_pool_that_was_left_reach_it_while_it_lingers(
    pools: tuple[FakePool, FakePool],
) -> None:
    main, backup = pools
    await main.go_away()
    async with (
        over_pools(main.port, backup.port, rigs=rig_settings()) as leg,
        connected(leg.port, "rig") as [rig],
    ):
        old = await on_job_of(rig, SECOND)
        await main.come_back()
        await on_job_of(rig, FIRST)
        assert await told(rig, hard(rig, old)) == [Reason.ACCEPTED]
        await backup.wait_heard(1)
        backup.new_block(**TERMS)  # the old job is dead, at a pool not in use
        await leg.until(lambda: leg.hub.book is not None and not _lives(leg, old))
        assert await told(rig, hard(rig, old)) == [Reason.STALE]
        assert leg.hub.meter.recent[-1].kind == "planned"
    assert len(backup.heard.get()) == 1
    assert not main.heard.get()


def _lives(leg: Leg, job: Job) -> bool:
    """Say whether the entry that a rig was shown by this name is alive."""
    book = leg.hub.book
    assert book is not None
    entries = [book.find(each) for each in list(book._entries)]
    return any(
        entry is not None
        and entry.upstream.prev_hash == job.prev_hash
        and isinstance(entry.upstream.commitment, SplitCoinbase)
        and SECOND in entry.upstream.commitment.prefix
        and book.is_alive(entry.mark)
        for entry in entries
    )


@pytest.mark.parametrize("stale", Stale)
async def test_a_late_share_goes_up_if_the_policy_says_so(
    pools: tuple[FakePool, FakePool], stale: Stale
) -> None:
    main, _ = pools
    settings = HubSettings(stale=stale, verdict=VerdictBy.POOL)
    async with (
        over_pools(main.port, settings=settings, rigs=rig_settings()) as leg,
        connected(leg.port, "rig") as [rig],
    ):
        old = await rig.job()
        main.new_block(**TERMS)
        await rig.job(after=old)
        reasons = await told(rig, hard(rig, old))
        total = leg.hub.ledger.total
    forwarded = stale is Stale.FORWARD
    assert reasons == [Reason.STALE]  # of the proxy, or of the pool
    assert len(main.heard.get()) == forwarded
    assert total.accepted.shares == total.pool.forwarded.shares == forwarded


async def test_rigs_are_let_go_when_nothing_is_left_for_long_enough(
    pools: tuple[FakePool, FakePool],
) -> None:
    main, _ = pools
    settings = HubSettings(grace_seconds=0.0)
    async with (
        over_pools(main.port, settings=settings, rigs=rig_settings()) as leg,
        connected(leg.port, "rig") as [rig],
    ):
        await rig.job()
        await main.go_away()
        await rig.closed()
        assert leg.hub.stats.connections_closed["no_upstream"] == 1


async def test_rigs_are_kept_warm_if_that_is_wanted_and_told_the_truth(
    pools: tuple[FakePool, FakePool],
) -> None:
    main, _ = pools
    settings = HubSettings(grace_seconds=0.0, when_dry=WhenDry.KEEP, refresh_seconds=0.0)
    async with (
        over_pools(main.port, settings=settings, rigs=rig_settings()) as leg,
        connected(leg.port, "rig") as [rig],
    ):
        live = await rig.job()
        await main.go_away()
        await leg.until(lambda: leg.hub.idle)
        warm = await rig.job(after=live)
        assert warm.ntime > live.ntime
        assert warm.prev_hash == live.prev_hash
        assert await told(rig, *(hard(rig, warm) for _ in range(60))) == [Reason.STALE] * 60
        assert not rig.lost  # which so many bad shares would be a reason for
        assert leg.hub.ledger.total.accepted.shares == 0
        await main.come_back()
        job = await rig.job(after=warm)
        while (await told(rig, hard(rig, job))) != [Reason.ACCEPTED]:
            job = await rig.job(after=job)
