from collections.abc import Callable
from dataclasses import replace
from typing import Final

import pytest
from structlog.testing import capture_logs

from headframe.chain.job import JobId, SourceId
from headframe.chain.share import Reason, Share, Verdict
from headframe.upstream.base import Done, SourceState, SourceStatus
from headframe.upstream.blocks import BlockEvent, BlockEventKind
from headframe.upstream.journal_lines import BlockRecord
from proxy.ledger import Ledger, Tally
from proxy.stats import Stats
from proxy.uplink import Parcel, Uplink
from tests.fakes.mining import NTIME, ManualSource

PROOF = 0x1234


POOL = SourceId("pool.test")


def make(
    source: ManualSource,
    *,
    clock: Callable[[], float] = lambda: 0.0,
    stats: Stats | None = None,
) -> tuple[Uplink, Ledger]:
    ledger = Ledger()
    uplink = Uplink(source, ledger, lambda: NTIME, clock=clock, stats=stats)
    return uplink, ledger


def parcel(ledger: Ledger, nonce: int = 1) -> Parcel:
    share = Share(job_id=JobId(5), extranonce=b"", ntime=NTIME, nonce=nonce, version=0)
    row = ledger.worker("alice")
    return Parcel(share=share, worker=None, row=row, work=100, source=POOL, came_at=5.0)


def silent() -> ManualSource:
    source = ManualSource()
    source.verdict = None
    return source


async def test_shares_go_up_in_order():
    source = ManualSource()
    uplink, ledger = make(source)
    for nonce in range(5):
        uplink.forward(parcel(ledger, nonce), work=7)
    assert [share.nonce for share, _, _ in source.sent] == list(range(5))
    ledger.verify()
    assert ledger.total.pool.acknowledged == Tally(5, 500)
    assert ledger.total.accepted == Tally(5, 35)


async def test_what_the_source_cannot_send_is_lost():
    source = ManualSource(verdict=Verdict(reason=Reason.LOST, detail="no connection"))
    uplink, ledger = make(source)
    uplink.forward(parcel(ledger), work=1)
    ledger.verify()
    assert ledger.total.pool.lost == Tally(1, 100)


async def test_a_refused_share_is_booked_by_reason():
    source = ManualSource(verdict=Verdict(reason=Reason.STALE, detail="too late"))
    uplink, ledger = make(source)
    uplink.forward(parcel(ledger), work=1)
    assert ledger.total.pool.refused == {Reason.STALE: Tally(1, 100)}


async def test_a_block_goes_up_and_is_shown():
    source = ManualSource(verdict=Verdict(reason=Reason.ACCEPTED, block=True))
    uplink, ledger = make(source)
    uplink.block(parcel(ledger, 2), PROOF, accepted=True, work=1)
    assert [share.nonce for share, _, _ in source.sent] == [2]
    ledger.verify()
    assert (ledger.blocks_found, ledger.blocks_accepted) == (1, 1)
    [block] = uplink.blocks
    assert block.hash == f"{PROOF:064x}"
    assert (block.verdict, block.worker, block.time) == ("accepted", "alice", NTIME)


ALICES: Final = {"worker": "alice", "source": POOL, "height": 7, "hash": f"{PROOF:064x}"}


@pytest.mark.parametrize(
    ("verdict", "after"),
    [
        (Verdict(reason=Reason.ACCEPTED, block=True), []),
        (Verdict(reason=Reason.OTHER, block=True), []),
        (Verdict(reason=Reason.ACCEPTED), ["block_sent_to_pool"]),
        (Verdict(reason=Reason.OTHER), ["block_refused"]),
        (Verdict(reason=Reason.PENDING, block=True), ["block_pending"]),
        (Verdict(reason=Reason.LOST), ["block_lost"]),
    ],
)
@pytest.mark.parametrize("late", [True, False])
async def test_a_block_is_told_once_and_what_a_node_did_with_it_by_who_asked_the_node(
    verdict: Verdict, after: list[str], late: bool
):
    source = ManualSource()
    source.verdict = None if late else verdict
    uplink, ledger = make(source)
    with capture_logs() as lines:
        uplink.block(parcel(ledger), PROOF, accepted=True, work=1, height=7)
        if late:
            source.sent[0][2](verdict)
    assert [line["event"] for line in lines] == ["block_found", *after]
    for line in lines:
        assert line.items() >= ALICES.items()
    assert uplink.blocks[0].source == POOL


async def test_a_block_is_told_when_its_source_has_it_in_safety():
    order: list[str] = []

    class Keeping(ManualSource):
        def submit(self, share: Share, worker: str | None, done: Done) -> None:
            order.extend(line["event"] for line in lines)
            super().submit(share, worker, done)

    uplink, ledger = make(Keeping())
    with capture_logs() as lines:
        uplink.block(parcel(ledger), PROOF, accepted=True, work=1)
    assert order == []
    assert [line["event"] for line in lines] == ["block_found", "block_sent_to_pool"]


@pytest.mark.parametrize("accepted", [True, False])
async def test_a_block_is_sent_once(accepted: bool):
    source = ManualSource()
    uplink, ledger = make(source)
    for _ in range(3):
        uplink.block(parcel(ledger), PROOF, accepted=accepted, work=1)
        if not accepted:
            ledger.refuse(ledger.worker("alice"), Reason.STALE, 1)
    ledger.verify()
    assert len(source.sent) == 1
    assert uplink.repeated == 2


async def test_a_block_that_was_lost_may_go_again():
    source = ManualSource(verdict=Verdict(reason=Reason.LOST))
    uplink, ledger = make(source)
    uplink.block(parcel(ledger), PROOF, accepted=False, work=1)
    source.verdict = Verdict(reason=Reason.ACCEPTED, block=True)
    uplink.block(parcel(ledger), PROOF, accepted=False, work=1)
    assert len(source.sent) == 2
    assert ledger.total.rescued.lost.shares == 1
    assert ledger.total.rescued.acknowledged.shares == 1


@pytest.mark.parametrize("reason", [Reason.PENDING, Reason.OTHER, Reason.ACCEPTED])
async def test_a_blocks_verdict_is_shown_when_it_comes(reason: Reason):
    source = silent()
    uplink, ledger = make(source)
    uplink.block(parcel(ledger), PROOF, accepted=True, work=1)
    assert uplink.blocks[0].verdict == "sent"
    source.sent[0][2](Verdict(reason=reason, detail="words", block=True))
    assert (uplink.blocks[0].verdict, uplink.blocks[0].detail) == (reason, "words")
    ledger.verify()


async def test_proofs_are_remembered_up_to_a_bound():
    source = ManualSource()
    uplink, ledger = make(source)
    for proof in range(5000):
        uplink.block(parcel(ledger), proof, accepted=True, work=1)
    uplink.block(parcel(ledger), 4999, accepted=True, work=1)
    uplink.block(parcel(ledger), 0, accepted=True, work=1)
    assert len(source.sent) == 5001


async def test_the_way_up_and_the_answer_are_timed_and_counted_for_the_pool():
    source, stats, now = silent(), Stats(), [7.0]
    uplink, ledger = make(source, clock=lambda: now[0], stats=stats)
    for nonce in range(3):
        uplink.forward(parcel(ledger, nonce), work=7)
    assert stats.share_latency["share_to_sent"].sum == 3 * 2.0
    now[0] += 0.5
    for (_, _, done), reason in zip(
        source.sent, (Reason.ACCEPTED, Reason.STALE, Reason.LOST), strict=True
    ):
        done(Verdict(reason=reason))
    answers = stats.share_latency["sent_to_verdict"]
    assert (answers.count, answers.sum) == (2, 1.0), "nobody has answered the one that was lost"
    stats.pools.look(SourceStatus(source=POOL, url="", state=SourceState.ACTIVE), now[0])
    [row] = stats.pools.rows()
    assert (row.accepted, row.rejected, row.lost, row.work_accepted) == (1, 1, 1, 100)
    ledger.verify()


def record(verdict: Verdict | None = None, proof: int = PROOF, **changes: object) -> BlockRecord:
    fresh = BlockRecord(
        hash=proof.to_bytes(32, "little"), height=7, source=SourceId("node"), found_at=3
    )
    judged = fresh if verdict is None else fresh.judged(verdict, "node")
    return replace(judged, **changes)  # type: ignore[arg-type]


def event(kind: BlockEventKind, record: BlockRecord) -> BlockEvent:
    return BlockEvent(kind=kind, block=record)


PENDING = Verdict(reason=Reason.PENDING, block=True)
YES = Verdict(reason=Reason.ACCEPTED, block=True)
NO = Verdict(reason=Reason.OTHER, detail="bad-cb-amount", block=True)


@pytest.mark.parametrize("accepted", [True, False])
@pytest.mark.parametrize("verdict", [YES, NO])
async def test_a_block_that_was_put_off_gets_its_verdict_later(accepted: bool, verdict: Verdict):
    source = ManualSource(verdict=PENDING)
    uplink, ledger = make(source)
    uplink.hear(event(BlockEventKind.FOUND, record()))
    uplink.block(parcel(ledger), PROOF, accepted=accepted, work=1)
    leg = ledger.total.pool if accepted else ledger.total.rescued
    assert (leg.pending.shares, uplink.blocks[0].verdict) == (1, "pending")
    kind = BlockEventKind.ACCEPTED if verdict is YES else BlockEventKind.REFUSED
    for _ in range(2):  # once more changes nothing
        uplink.hear(event(kind, record(verdict)))
        ledger.verify()
        assert leg.pending.shares == 0
        assert leg.acknowledged.shares == (verdict is YES)
        assert (ledger.blocks_accepted, ledger.blocks_refused) == (verdict is YES, verdict is NO)
        [block] = uplink.blocks
        assert (block.verdict, block.detail) == (verdict.reason, verdict.detail)
        assert block.worker == "alice"


async def test_a_pools_block_that_cannot_be_sent_any_more_is_lost():
    uplink, ledger = make(ManualSource(verdict=PENDING))
    uplink.block(parcel(ledger), PROOF, accepted=True, work=1)
    uplink.hear(event(BlockEventKind.LOST, record(Verdict(reason=Reason.LOST, detail="gone"))))
    ledger.verify()
    assert ledger.total.pool.lost.shares == 1
    assert (ledger.blocks_accepted, ledger.blocks_refused) == (0, 0)
    assert uplink.blocks[0].verdict == "lost"


async def test_a_verdict_that_is_known_is_not_counted_again():
    uplink, ledger = make(ManualSource(verdict=YES))
    uplink.block(parcel(ledger), PROOF, accepted=True, work=1)
    uplink.hear(event(BlockEventKind.ACCEPTED, record(YES)))
    ledger.verify()
    assert (ledger.blocks_accepted, ledger.total.pool.acknowledged.shares) == (1, 1)
    assert len(uplink.blocks) == 1


async def test_a_block_that_leaves_the_chain_is_shown_so_and_its_share_stays_acknowledged():
    uplink, ledger = make(ManualSource(verdict=YES))
    uplink.block(parcel(ledger), PROOF, accepted=True, work=1)
    uplink.hear(event(BlockEventKind.ORPHANED, record(YES, orphaned=True)))
    assert uplink.blocks[0].verdict == "orphaned"
    uplink.hear(event(BlockEventKind.CONFIRMED, record(YES, confirmations=2)))
    assert uplink.blocks[0].verdict == "accepted"
    ledger.verify()
    assert (ledger.blocks_accepted, ledger.total.pool.acknowledged.shares) == (1, 1)


async def test_a_refused_block_that_another_node_takes_counts():
    uplink, ledger = make(ManualSource(verdict=NO))
    uplink.block(parcel(ledger), PROOF, accepted=True, work=1)
    uplink.hear(event(BlockEventKind.ACCEPTED, record(YES)))
    ledger.verify()
    assert (ledger.blocks_accepted, uplink.blocks[0].verdict) == (1, "accepted")


async def test_blocks_of_earlier_runs_are_shown_and_counted_when_they_are_judged():
    uplink, ledger = make(ManualSource())
    uplink.remember([record(proof=1), record(YES, proof=2), record(NO, proof=3)])
    assert [block.verdict for block in uplink.blocks] == ["pending", "accepted", "other"]
    assert (ledger.blocks_accepted, ledger.blocks_refused) == (0, 0)  # that was then
    uplink.hear(event(BlockEventKind.ACCEPTED, record(YES, proof=1)))
    uplink.hear(event(BlockEventKind.REFUSED, record(NO, proof=9)))  # too old to be listed
    ledger.verify()
    assert [block.verdict for block in uplink.blocks] == ["accepted", "accepted", "other", "other"]
    assert (ledger.blocks_accepted, ledger.blocks_refused) == (1, 1)
    assert (uplink.blocks[0].worker, uplink.blocks[0].time) == ("", 3)


async def test_only_so_many_blocks_wait_for_a_verdict():
    uplink, ledger = make(ManualSource(verdict=PENDING))
    for proof in range(1, 4099):
        uplink.block(parcel(ledger), proof, accepted=True, work=1)
    uplink.hear(event(BlockEventKind.ACCEPTED, record(YES, proof=1)))
    assert ledger.total.pool.pending.shares == 4098  # its books were closed long ago
    uplink.hear(event(BlockEventKind.ACCEPTED, record(YES, proof=3)))
    assert ledger.total.pool.pending.shares == 4097
    ledger.verify()


async def test_a_rig_that_waits_for_the_verdict_gets_it_however_its_share_ends():
    told: list[Reason] = []
    source = silent()
    uplink, ledger = make(source)

    def asked(nonce: int) -> Parcel:
        return replace(parcel(ledger, nonce), answer=lambda verdict: told.append(verdict.reason))

    uplink.forward(asked(1), work=1)
    source.sent[0][2](Verdict(reason=Reason.STALE))
    uplink.block(asked(2), PROOF, accepted=True, work=1)
    uplink.block(asked(3), PROOF, accepted=True, work=1)  # the same one
    source.sent[1][2](Verdict(reason=Reason.ACCEPTED))
    assert told == [Reason.STALE, Reason.ACCEPTED, Reason.ACCEPTED]
    source.verdict = Verdict(reason=Reason.LOST)
    uplink.forward(asked(4), work=1)
    assert told[3:] == [Reason.LOST]
    ledger.verify()
