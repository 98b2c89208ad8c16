"""What rigs send arrives upstream byte for byte, whatever lies between."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headframe.chain.job import BIP320_MASK, Job
from headframe.chain.share import Reason, Share
from headframe.chain.target import MAX_TARGET
from proxy.vardiff import Bounds
from tests.fakes.overpools import over_pools
from tests.fakes.pool import FakePool, Heard
from tests.fakes.proxying import rig_settings
from tests.fakes.rig import Rig, connected

EN1 = b"\xaa\xbb\xcc\xdd"
ANY = rig_settings(
    start=MAX_TARGET, bounds=Bounds(per_minute=20, easiest=MAX_TARGET, hardest=MAX_TARGET)
)
"""Every hash is a share."""
PLAIN: dict[str, Any] = {"nbits": 0x1D00FFFF}
"""Hardly any is a block."""


@dataclass(frozen=True)
class Roll:
    """What a rig chooses."""

    extranonce: int
    ntime: int
    nonce: int
    bits: int

    def share(self, job: Job) -> Share:
        size = job.extranonce_size
        return Share(
            job_id=job.id,
            extranonce=(self.extranonce % 256**size).to_bytes(size, "big"),
            ntime=min(job.ntime + self.ntime, job.ntime_max),
            nonce=self.nonce,
            version=job.version | self.bits & job.version_mask,
        )


ROLLS = st.builds(
    Roll,
    extranonce=st.integers(0, 2**64 - 1),
    ntime=st.integers(0, 5000),
    nonce=st.integers(0, 2**32 - 1),
    bits=st.integers(0, 2**32 - 1),
)


def arrived(heard: Heard, sent: Share, size: int) -> bool:
    """Tell whether a share came as it was sent, behind the pool's and the proxies' bytes."""
    share = heard.share
    return (
        (share.ntime, share.nonce, share.version) == (sent.ntime, sent.nonce, sent.version)
        and share.extranonce.startswith(EN1)
        and share.extranonce.endswith(sent.extranonce)
        and len(share.extranonce) == len(EN1) + size
    )


async def send(rolls: Sequence[Roll], *, size: int, mask: int, depth: int = 1) -> int:
    """Send shares of two rigs by turns through so many proxies; return the rolled bytes."""
    async with FakePool(extranonce1=EN1, size=size) as pool, AsyncExitStack() as stack:
        pool.new_block(**PLAIN)
        port = pool.port
        for _ in range(depth):
            port = (await stack.enter_async_context(over_pools(port, rigs=ANY))).port
        rigs = await stack.enter_async_context(connected(port, "one", "two", version_mask=mask))
        jobs = [await rig.job() for rig in rigs]
        sent: dict[int, Share] = {}
        for place, roll in enumerate(rolls):
            share = roll.share(jobs[place % 2])
            sent[share.nonce] = share
            assert (await rigs[place % 2].say(share)).reason is Reason.ACCEPTED
        heard = await pool.wait_heard(len(rolls))
        assert not pool.wrong
        assert all(arrived(each, sent[each.share.nonce], size) for each in heard)
        places = {heard[place].share.extranonce[: -jobs[0].extranonce_size] for place in (0, 1)}
        assert len(places) == 2  # no two rigs search the same space
        if mask == 0:
            assert {each.share.version for each in heard} == {jobs[0].version}
        return jobs[0].extranonce_size


@pytest.mark.parametrize("mask", [0, BIP320_MASK])
@pytest.mark.parametrize("size", [3, 4, 6, 8, 12])
@settings(max_examples=4, deadline=None)
@given(rolls=st.lists(ROLLS, min_size=2, max_size=30, unique_by=lambda roll: roll.nonce))
def test_shares_arrive_byte_for_byte_and_none_is_refused(
    *, size: int, mask: int, rolls: list[Roll]
) -> None:
    asyncio.run(send(rolls, size=size, mask=mask))


async def test_only_shares_in_flight_at_a_tip_change_are_refused_and_are_counted_apart() -> None:
    async with FakePool(extranonce1=EN1) as pool:
        pool.new_block(**PLAIN)
        async with over_pools(pool.port, rigs=ANY) as leg, connected(leg.port, "rig") as [rig]:
            for tip in range(5):
                await flood(rig, pool, tip)
            await leg.until(lambda: leg.hub.ledger.total.pool.pending.shares == 0)
            total = leg.hub.ledger.total
    refused = {reason: tally.shares for reason, tally in total.pool.refused.items()}
    stale = [each for each in pool.wrong if each.truth is Reason.STALE]
    assert len(stale) == len(pool.wrong)
    assert refused == ({Reason.STALE: len(stale)} if stale else {})
    assert total.pool.acknowledged.shares == len(pool.heard.get()) - len(stale)
    assert set(total.refused) <= {Reason.STALE}


async def flood(rig: Rig, pool: FakePool, tip: int) -> None:
    """Send shares without waiting while the pool changes its tip among them."""
    job = await rig.job()
    for nonce in range(60):
        rig.submit(Roll(tip, 0, 1000 * tip + nonce, 0).share(job))
        if nonce == 30:
            pool.new_block(**PLAIN)
        if nonce % 10 == 0:
            await asyncio.sleep(0)
    await rig.job(after=job)
