"""Every firmware's way to speak, against the proxy: work, shares, changes and a failover."""

from dataclasses import replace

import pytest

from headframe.chain.job import BIP320_MASK
from headframe.chain.share import Reason
from headframe.chain.target import Target
from headframe.stratum.events import Ready
from proxy.quirks import traits_of
from tests.fakes.dialects import DIALECTS, Dialect, DialectRig
from tests.fakes.mining import JobMaker
from tests.fakes.proxying import EASY, Proxy, proxying

ANYTHING = Target(2**256 - 1)
EACH = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)


async def joined(proxy: Proxy, dialect: Dialect, session: str = "") -> DialectRig:
    rig = DialectRig(dialect, session)
    await rig.connect(proxy.port)
    await rig.job()
    return rig


async def works(rig: DialectRig) -> None:
    """Its newest job's shares are accepted, and a second time they are duplicates."""
    job = rig.jobs.get()
    assert job is not None
    share = rig.find(job)
    assert (await rig.say(share)).reason is Reason.ACCEPTED
    assert (await rig.say(share)).reason is Reason.DUPLICATE


async def left(rig: DialectRig) -> None:
    """Everything was answered, once, in order, by the very id."""
    rig.wire.close()
    await rig.closed()
    assert rig.spoken.faults == []
    assert rig.spoken.open == 0


@EACH
async def test_it_gets_work_and_its_shares_count(dialect: Dialect):
    async with proxying() as proxy:
        proxy.publish(target=ANYTHING)
        rig = await joined(proxy, dialect)
        await works(rig)
        [(_, session)] = proxy.routing.sessions()
        [figures] = session.figures(0.0)
        assert figures["user"] == dialect.user
        assert figures["accepted"] == 1
        assert figures["quirks"] == list(traits_of(dialect.agent).names)
        await left(rig)


@EACH
async def test_it_survives_a_change_of_difficulty(dialect: Dialect):
    async with proxying() as proxy:
        proxy.publish(target=ANYTHING)
        rig = await joined(proxy, dialect)
        before = rig.jobs.get()
        assert before is not None
        early = rig.find(before)
        proxy.publish(target=EASY // 2)
        after = await rig.job(before)
        assert after.target < before.target
        assert (await rig.say(early)).reason is Reason.ACCEPTED, "by its own job's target"
        await works(rig)
        await left(rig)


@EACH
async def test_it_survives_a_failover_and_the_way_back(dialect: Dialect):
    """The other pool has another coinbase, and no version rolling."""
    async with proxying() as proxy:
        first = proxy.publish(target=ANYTHING)
        rig = await joined(proxy, dialect)
        job = rig.jobs.get()
        other = JobMaker("other", ids=iter(range(2_000_000, 3_000_000)))
        for mask, maker in ((0, other), (BIP320_MASK, proxy.maker)):
            maker.lineage.switch()
            made = maker.make(coinbase=b"%d" % mask, mask=mask, target=ANYTHING)
            proxy.source.publish(replace(made, epoch=first.epoch + 1 + (mask > 0)))
            job = await rig.job(job)
            assert job.version_mask == (mask if dialect.rolls else 0)
            await works(rig)
        assert not rig.lost
        await left(rig)


@EACH
async def test_it_comes_back_with_its_session(dialect: Dialect):
    async with proxying() as proxy:
        proxy.publish(target=ANYTHING)
        rig = await joined(proxy, dialect)
        await works(rig)
        [ready] = [event for event in rig.events if isinstance(event, Ready)]
        place = rig.core.extranonce1
        await left(rig)
        again = await joined(proxy, dialect, ready.session)
        told = dialect.subscribe(["agent", "session"])[1:2] == ["session"]
        assert (again.core.extranonce1 == place) is told
        job = again.jobs.get()
        if told:  # so that it repeats no hash
            await proxy.pass_time(1)
            assert (await again.job(job)).ntime > rig.jobs.get().ntime  # type: ignore[union-attr]
        await works(again)
        await left(again)
