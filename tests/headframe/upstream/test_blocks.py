"""The feed of what becomes of blocks."""

import dataclasses

import pytest
from structlog.testing import capture_logs

from headframe.chain.share import Reason, Verdict
from headframe.upstream.blocks import BlockEvent, BlockEventKind, BlockFeed
from headframe.upstream.journal_lines import BlockRecord
from tests.fakes.foundblocks import NODE, Told

RECORD = BlockRecord(hash=bytes(32), height=7, source=NODE, found_at=5)


def judged(reason: Reason, detail: str = "") -> BlockRecord:
    return RECORD.judged(Verdict(reason=reason, detail=detail), "node")


def test_everyone_hears_what_happens_whatever_the_others_do() -> None:
    feed, heard = BlockFeed(), Told()

    def broken(event: BlockEvent) -> None:
        raise ValueError("no such page")

    early: list[BlockEvent] = []
    feed.watch(early.append)
    feed.watch(broken)
    feed.watch(heard._on_event)
    with capture_logs() as logs:
        feed.tell(BlockEventKind.FOUND, RECORD)
    event = BlockEvent(kind=BlockEventKind.FOUND, block=RECORD)
    assert early == heard.events == [event]
    assert [log["event"] for log in logs] == ["block_listener_broke"]


@pytest.mark.parametrize(
    ("kind", "record", "name"),
    [
        (BlockEventKind.ORPHANED, judged(Reason.ACCEPTED), "blocks_orphaned"),
        (BlockEventKind.CONFIRMED, judged(Reason.ACCEPTED), "blocks_confirmed"),
        (BlockEventKind.SETTLED, judged(Reason.ACCEPTED), "blocks_settled"),
        (BlockEventKind.LOST, judged(Reason.LOST), "block_candidates_lost"),
    ],
)
def test_each_event_is_counted(kind: BlockEventKind, record: BlockRecord, name: str) -> None:
    feed = BlockFeed()
    before = dataclasses.asdict(feed.stats)
    feed.tell(kind, record)
    assert dataclasses.asdict(feed.stats) == before | {name: 1}


@pytest.mark.parametrize(
    ("kind", "record"),
    [
        (BlockEventKind.FOUND, RECORD),
        (BlockEventKind.SETTLED, judged(Reason.STALE, "inconclusive")),
    ],
)
def test_what_is_counted_elsewhere_is_not_counted_here(
    kind: BlockEventKind, record: BlockRecord
) -> None:
    feed = BlockFeed()
    before = dataclasses.asdict(feed.stats)
    feed.tell(kind, record)
    assert dataclasses.asdict(feed.stats) == before


def test_every_verdict_has_its_counter() -> None:
    feed = BlockFeed()
    for reason in Reason:
        if reason in {Reason.PENDING, Reason.LOST}:
            continue
        kind = BlockEventKind.ACCEPTED if reason is Reason.ACCEPTED else BlockEventKind.REFUSED
        feed.tell(kind, judged(reason))
    assert set(feed.stats.blocks_judged.values()) == {1}
