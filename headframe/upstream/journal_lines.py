"""The lines of the journal of found blocks, and what they add up to.

One JSON object a line. Hashes are display hex, times seconds since 1970:

    found      a block: `hash`, `height`, `source` (whose job it answers), `time`, `block` (hex);
               with `body`, the file of that name holds what follows in the block; a second
               such line, with the whole block, comes as soon as nobody waits for it
    verdict    what the nodes said: `hash`, `time`, `reason`, `detail` (a node's own words),
               `node` (whose words they are), and `height`, `source`, `found` (when it was
               found), so that the line can stand alone
    orphaned   it is not, or no longer, on the best chain: `hash`, `time`
    confirmed  it is on the best chain, after it was not: `hash`, `time`, `confirmations`
    settled    it is followed no further: `hash`, `time`, `confirmations` (0: orphaned)
    candidate  a share for a pool that is a block, and could not be sent: `hash`, `source`,
               `time`, `header` (80 bytes, hex), `coinbase` (stripped, hex), `path` (merkle
               branch, header order, hex). Only the pool has the rest of the block.

Verdicts of journals written before blocks were followed lack the last four fields; the
line of the finding, which stands before them, has what is needed.
"""

from dataclasses import dataclass, replace
from typing import Final, assert_never

import msgspec

from headframe.chain.hashes import hash_from_hex
from headframe.chain.job import SourceId
from headframe.chain.share import Reason, Verdict

__all__ = [
    "BESIDE",
    "BlockRecord",
    "CandidateLine",
    "ConfirmedLine",
    "FoundLine",
    "JournalLine",
    "OrphanedLine",
    "SettledLine",
    "VerdictLine",
    "apply",
    "decode_line",
]

BESIDE: Final = frozenset({"inconclusive", "duplicate-inconclusive"})
"""What nodes say of a block that is valid, but stands beside the best chain: it may still win."""


class FoundLine(msgspec.Struct, tag_field="event", tag="found", kw_only=True, omit_defaults=True):
    """A block was found."""

    hash: str
    height: int
    source: str
    time: int
    block: str
    body: str = ""


class VerdictLine(
    msgspec.Struct, tag_field="event", tag="verdict", kw_only=True, omit_defaults=True
):
    """The nodes have judged it."""

    hash: str
    time: int
    reason: str
    detail: str = ""
    node: str = ""
    height: int | None = None
    source: str = ""
    found: int = 0


class OrphanedLine(msgspec.Struct, tag_field="event", tag="orphaned", kw_only=True):
    """It is not on the best chain."""

    hash: str
    time: int


class ConfirmedLine(msgspec.Struct, tag_field="event", tag="confirmed", kw_only=True):
    """It is on the best chain, after it was not."""

    hash: str
    time: int
    confirmations: int


class SettledLine(msgspec.Struct, tag_field="event", tag="settled", kw_only=True):
    """It is followed no further."""

    hash: str
    time: int
    confirmations: int


class CandidateLine(msgspec.Struct, tag_field="event", tag="candidate", kw_only=True):
    """A pool's block that could not be sent to it."""

    hash: str
    source: str
    time: int
    header: str
    coinbase: str
    path: list[str]


JournalLine = FoundLine | VerdictLine | OrphanedLine | ConfirmedLine | SettledLine | CandidateLine

_decoder: Final[msgspec.json.Decoder[JournalLine]] = msgspec.json.Decoder(JournalLine)


def decode_line(line: bytes) -> JournalLine:
    """Read one line.

    Raises:
        ValueError: it is none of ours.
    """
    return _decoder.decode(line)


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockRecord:
    """What is known of a found block.

    Attributes:
        hash: 32 bytes, header order.
        height: its height.
        source: whose job it answers.
        found_at: when it was found, in seconds since 1970.
        reason: the nodes' verdict; `PENDING` before there is one.
        detail: a node's own words.
        node: whose words these are.
        confirmations: blocks on it and itself, when last looked; 0 beside the best chain.
        orphaned: it is valid, and was not on the best chain when last looked.
        settled: it is followed no further.
    """

    hash: bytes
    height: int
    source: SourceId
    found_at: int
    reason: Reason = Reason.PENDING
    detail: str = ""
    node: str = ""
    confirmations: int = 0
    orphaned: bool = False
    settled: bool = False

    @property
    def followed(self) -> bool:
        """It may come to the best chain, or go from it."""
        valid = self.reason is Reason.ACCEPTED or self.detail in BESIDE
        return valid and not self.settled

    @property
    def state(self) -> str:
        """Say in a word how it stands: "accepted", "orphaned", or else its verdict's reason."""
        if self.reason is Reason.ACCEPTED:
            return "orphaned" if self.orphaned else "accepted"
        if self.detail in BESIDE and not self.orphaned:
            return "accepted"  # it stood beside the chain, and won
        return self.reason.value

    def judged(self, verdict: Verdict, node: str) -> "BlockRecord":
        """Return it with the nodes' verdict."""
        return replace(
            self,
            reason=verdict.reason,
            detail=verdict.detail,
            node=node,
            orphaned=verdict.detail in BESIDE,
            confirmations=int(verdict.reason is Reason.ACCEPTED),
        )


def apply(record: BlockRecord | None, line: JournalLine) -> BlockRecord | None:
    """Return what is known of a block after one more line of its.

    Args:
        record: what was known before.
        line: any but a `CandidateLine`.

    Raises:
        ValueError: its hash or its reason makes no sense.
    """
    if isinstance(line, FoundLine):
        return _record(line.hash, line.height, line.source, line.time)
    if isinstance(line, VerdictLine) and record is None and line.height is not None:
        record = _record(line.hash, line.height, line.source, line.found)
    if record is None:
        return None
    match line:
        case VerdictLine():
            verdict = Verdict(reason=Reason(line.reason), detail=line.detail)
            record = record.judged(verdict, line.node)
        case OrphanedLine():
            record = replace(record, orphaned=True, confirmations=0)
        case ConfirmedLine():
            record = replace(record, orphaned=False, confirmations=line.confirmations)
        case SettledLine():
            depth = line.confirmations
            record = replace(record, settled=True, confirmations=depth, orphaned=depth == 0)
        case CandidateLine():
            pass
        case _:
            assert_never(line)
    return record


def _record(shown: str, height: int, source: str, found_at: int) -> BlockRecord:
    return BlockRecord(
        hash=hash_from_hex(shown), height=height, source=SourceId(source), found_at=found_at
    )
