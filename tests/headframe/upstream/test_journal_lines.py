"""What the lines of the journal add up to."""

import msgspec
import pytest

from headframe.chain.job import SourceId
from headframe.chain.share import Reason, Verdict
from headframe.upstream.journal_lines import (
    BlockRecord,
    CandidateLine,
    ConfirmedLine,
    FoundLine,
    JournalLine,
    OrphanedLine,
    SettledLine,
    VerdictLine,
    apply,
    decode_line,
)

SHOWN = "00" * 31 + "ff"
FOUND = FoundLine(hash=SHOWN, height=7, source="node", time=5, block="00")
CANDIDATE = CandidateLine(hash=SHOWN, source="pool", time=5, header="", coinbase="", path=[])


def after(*lines: JournalLine) -> BlockRecord | None:
    record = None
    for line in lines:
        assert decode_line(msgspec.json.encode(line)) == line
        record = apply(record, line)
    return record


def verdict(reason: Reason, detail: str = "") -> VerdictLine:
    return VerdictLine(hash=SHOWN, time=6, reason=reason.value, detail=detail)


ACCEPTED = verdict(Reason.ACCEPTED)
BESIDE = verdict(Reason.STALE, "inconclusive")
ORPHANED = OrphanedLine(hash=SHOWN, time=7)
CONFIRMED = ConfirmedLine(hash=SHOWN, time=8, confirmations=2)


@pytest.mark.parametrize(
    ("lines", "state", "followed"),
    [
        ([], "pending", False),
        ([ACCEPTED], "accepted", True),
        ([ACCEPTED, ORPHANED], "orphaned", True),
        ([ACCEPTED, ORPHANED, CONFIRMED], "accepted", True),
        ([ACCEPTED, SettledLine(hash=SHOWN, time=9, confirmations=100)], "accepted", False),
        ([ACCEPTED, SettledLine(hash=SHOWN, time=9, confirmations=0)], "orphaned", False),
        ([BESIDE], "stale", True),
        ([BESIDE, CONFIRMED], "accepted", True),
        ([BESIDE, SettledLine(hash=SHOWN, time=9, confirmations=0)], "stale", False),
        ([verdict(Reason.STALE, "prev-blk-not-found")], "stale", False),
        ([verdict(Reason.OTHER, "bad-cb-amount")], "other", False),
        ([ACCEPTED, CANDIDATE], "accepted", True),
    ],
)
def test_how_a_block_stands_is_what_its_lines_add_up_to(
    lines: list[JournalLine], state: str, followed: bool
) -> None:
    record = after(FOUND, *lines)
    assert record is not None
    assert (record.height, record.source, record.found_at) == (7, "node", 5)
    assert record.hash == bytes([255]) + bytes(31)
    assert (record.state, record.followed) == (state, followed)


@pytest.mark.parametrize("line", [ACCEPTED, ORPHANED, CONFIRMED, CANDIDATE])
def test_lines_about_a_block_that_nobody_found_say_nothing(line: JournalLine) -> None:
    assert after(line) is None


def test_a_verdict_that_says_what_it_is_about_stands_alone() -> None:
    alone = VerdictLine(
        hash=SHOWN, time=6, reason="accepted", node="far", height=7, source="node", found=5
    )
    record = after(alone)
    assert record is not None
    assert (record.height, record.source, record.found_at, record.node) == (7, "node", 5, "far")
    assert record.followed


def test_a_record_takes_the_verdict_as_the_line_does() -> None:
    fresh = BlockRecord(
        hash=bytes([255]) + bytes(31), height=7, source=SourceId("node"), found_at=5
    )
    assert fresh.judged(Verdict(reason=Reason.STALE, detail="inconclusive"), "") == after(
        FOUND, BESIDE
    )


@pytest.mark.parametrize("text", [b"", b"{}", b'{"event":"party"}', b'{"event":"found"}'])
def test_other_lines_are_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode_line(text)
