"""The way up: good shares and block candidates, handed to the source as they come.

`JobSource.submit` never waits, and neither does anything here: a session hands its share
over and goes on. The source answers each once, also those that are open when it ends: they
are lost. A block candidate is sent once: a second copy of the same proof reaches this place
too, is recognised, and stays here, unless the first was lost.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

from headframe.chain.hashes import hash_to_hex
from headframe.chain.job import SourceId
from headframe.chain.share import Reason, Share, Verdict
from headframe.runtime.clock import monotonic
from headframe.runtime.logs import get_logger
from headframe.upstream.base import Done, JobSource
from headframe.upstream.blocks import BlockEvent, BlockEventKind
from headframe.upstream.journal_lines import BlockRecord
from proxy.ledger import Ledger, Row
from proxy.stats import Stats

__all__ = ["Block", "Parcel", "Uplink", "Witness"]

log = get_logger(__name__)

_SHOWN: Final = 50
"""Blocks that are shown."""
_PROOFS: Final = 4096
"""Block candidates remembered."""
_JUDGED: Final = frozenset({BlockEventKind.ACCEPTED, BlockEventKind.REFUSED})
_ACCEPTED: Final = Verdict(reason=Reason.ACCEPTED)
_UNANSWERED: Final = frozenset({Reason.LOST, Reason.PENDING})
"""Verdicts of shares that nobody has answered."""


@dataclass(slots=True)  # not frozen: that makes one three times slower, and there are many
class Parcel:
    """A share on its way up.

    Attributes:
        share: as an answer to the upstream's job.
        worker: the name to send it under; `None` for the source's own.
        row: the books of who found it.
        work: hashes that it stands for by the pool's target.
        source: whose job it answers.
        came_at: when the rig's share was judged, in monotonic seconds; 0.0 where nobody
            noted it.
        answer: answers the rig, where it waits for the upstream's verdict; called once.
        payout: the address that the rig gave to be paid to, if its job pays that.
    """

    share: Share
    worker: str | None
    row: Row
    work: int
    source: SourceId
    came_at: float = 0.0
    answer: Done | None = None
    payout: str = ""

    def tell(self, verdict: Verdict) -> None:
        """Answer the rig, if it waits for that."""
        if self.answer is not None:
            self.answer(verdict)


@dataclass(slots=True)
class Block:
    """A block candidate, for people to see.

    Attributes:
        height: of the block, where its job tells.
        hash: in display order.
        time: when it was found, in seconds since 1970.
        worker: who found it, as its rigs call it; "" for a block of an earlier run.
        verdict: `Reason` of the upstream's answer, "sent" before there is one, or "orphaned"
            when it left the chain again.
        detail: the upstream's words.
        source: whose job it answers.
        payout: the address that the rig gave to be paid to; "" where the upstream's settings
            say who is paid, and for a block of an earlier run.
        said: the log has it.
    """

    height: int | None
    hash: str
    time: int
    worker: str
    verdict: str = "sent"
    detail: str = ""
    source: str = ""
    payout: str = ""
    said: bool = False

    @property
    def facts(self) -> dict[str, object]:
        """What log lines say of it."""
        whose = {"worker": self.worker, "source": self.source}
        return {**whose, "height": self.height, "hash": self.hash}


class Witness(Protocol):
    """Whom the uplink tells of what goes up, if anybody: the share log."""

    def sent(self, parcel: Parcel, *, rescued: bool = False, block: bool = False) -> None:
        """Hear of a share that goes up."""

    def answered(self, parcel: Parcel, verdict: Verdict, *, rescued: bool) -> None:
        """Hear of the answer to it."""


class Uplink:
    """Hands shares to the source and books its answers.

    Args:
        source: where shares go.
        ledger: the books.
        wall: tells the seconds since 1970.
        clock: tells monotonic seconds.
        stats: where times and the answers of each pool are counted.
    """

    def __init__(
        self,
        source: JobSource,
        ledger: Ledger,
        wall: Callable[[], int],
        *,
        clock: Callable[[], float] = monotonic,
        stats: Stats | None = None,
    ) -> None:
        self._source = source
        self._ledger = ledger
        self._wall = wall
        self._clock = clock
        self._stats = stats or Stats()
        self._proofs: dict[int, None] = {}
        self.blocks: deque[Block] = deque(maxlen=_SHOWN)
        self._waiting: dict[str, tuple[Parcel, bool]] = {}  # blocks, by display hash
        self.tap: Witness | None = None
        """Hears of each share that goes up, and of its answer."""
        self.repeated = 0

    def forward(self, parcel: Parcel, *, work: int) -> None:
        """Send a good share that meets the pool's target.

        Args:
            parcel: the share.
            work: hashes that it stands for by the rig's target.
        """
        self._ledger.send(parcel.row, work, parcel.work)
        if self.tap is not None:
            self.tap.sent(parcel)
        self._submit(parcel, self._answered)

    def block(
        self, parcel: Parcel, proof: int, *, accepted: bool, work: int, height: int | None = None
    ) -> None:
        """Send a block candidate, at once.

        Args:
            parcel: the share.
            proof: its hash as a number.
            accepted: it was good as a share too; else the rig was refused, and only the
                block goes up.
            work: hashes that it stands for by the rig's target.
            height: of the block, where its job tells.
        """
        repeated = proof in self._proofs
        if accepted and repeated:
            self._ledger.keep(parcel.row, work)
        elif accepted:
            self._ledger.send(parcel.row, work, parcel.work)
        elif not repeated:
            self._ledger.rescue(parcel.row, parcel.work)
        if repeated:
            self.repeated += 1
            parcel.tell(_ACCEPTED)  # nobody is asked again: ours is the only verdict
            return
        if self.tap is not None:
            self.tap.sent(parcel, rescued=not accepted, block=True)
        self._proofs[proof] = None
        if len(self._proofs) > _PROOFS:
            del self._proofs[next(iter(self._proofs))]
        self._ledger.blocks_found += 1
        found = Block(
            height=height,
            hash=hash_to_hex(proof.to_bytes(32, "little")),
            time=self._wall(),
            worker=parcel.row.name,
            source=parcel.source,
            payout=parcel.payout,
        )
        self.blocks.append(found)
        self._submit(parcel, partial(self._block_answered, proof, found, rescued=not accepted))
        self._say_found(found)

    def share_blocks(self, other: "Uplink") -> None:
        """Know the blocks that another uplink of the same books knows: each is sent once."""
        self.blocks = other.blocks
        self._proofs, self._waiting = other._proofs, other._waiting  # noqa: SLF001 - of the same class

    def remember(self, records: Iterable[BlockRecord]) -> None:
        """Show blocks of earlier runs, given oldest first."""
        for record in records:
            self._row_of(record)

    def hear(self, event: BlockEvent) -> None:
        """Book and show what becomes of a block after its first answer, or of an earlier run's."""
        if event.kind is BlockEventKind.FOUND:
            return  # by us, or it would not be told
        record = event.block
        row = self._row_of(record)
        before, row.verdict, row.detail = row.verdict, record.state, record.detail
        parcel, rescued = self._waiting.pop(row.hash, (None, False))
        verdict = Verdict(reason=record.reason, detail=record.detail, block=True)
        if parcel is not None:
            self._book(parcel, verdict, rescued=rescued)
        elif event.kind in _JUDGED:
            ours = int.from_bytes(record.hash, "little") in self._proofs
            if not ours or before != record.state:
                self._ledger.judge_block(verdict)

    def _book(self, parcel: Parcel, verdict: Verdict, *, rescued: bool) -> None:
        """Book an answer, and note it."""
        self._ledger.answer(parcel.row, verdict, parcel.work, rescued=rescued)
        if self.tap is not None:
            self.tap.answered(parcel, verdict, rescued=rescued)

    def _row_of(self, record: BlockRecord) -> Block:
        """Find a block among those that are shown, or show it."""
        shown = hash_to_hex(record.hash)
        row = next((each for each in self.blocks if each.hash == shown), None)
        if row is None:
            row = Block(
                height=record.height,
                hash=shown,
                time=record.found_at,
                worker="",
                verdict=Reason.PENDING,
                source=record.source,
            )
            if record.reason is not Reason.PENDING:
                row.verdict, row.detail = record.state, record.detail
            self.blocks.append(row)
        return row

    def _wait_for(self, block: str, parcel: Parcel, *, rescued: bool) -> None:
        self._waiting[block] = (parcel, rescued)
        if len(self._waiting) > _PROOFS:
            del self._waiting[next(iter(self._waiting))]

    def _submit(self, parcel: Parcel, done: Callable[[Parcel, Verdict], None]) -> None:
        sent_at = self._clock()
        self._source.submit(
            parcel.share, parcel.worker, partial(self._heard, parcel, sent_at, done)
        )
        if parcel.came_at:
            taken = self._clock() - parcel.came_at
            self._stats.share_latency["share_to_sent"].observe(taken)

    def _heard(
        self,
        parcel: Parcel,
        sent_at: float,
        done: Callable[[Parcel, Verdict], None],
        verdict: Verdict,
    ) -> None:
        if verdict.reason not in _UNANSWERED:
            taken = self._clock() - sent_at
            self._stats.share_latency["sent_to_verdict"].observe(taken)
        self._stats.pools.answered(parcel.source, verdict, parcel.work, self._wall())
        done(parcel, verdict)
        parcel.tell(verdict)

    def _answered(self, parcel: Parcel, verdict: Verdict) -> None:
        self._book(parcel, verdict, rescued=False)
        if verdict.reason is not Reason.ACCEPTED:
            log.debug(
                "share_refused_upstream",
                reason=verdict.reason,
                detail=verdict.detail,
                worker=parcel.row.name,
            )

    def _block_answered(
        self, proof: int, found: Block, parcel: Parcel, verdict: Verdict, *, rescued: bool
    ) -> None:
        self._book(parcel, verdict, rescued=rescued)
        found.verdict, found.detail = verdict.reason, verdict.detail
        self._say_found(found)
        match verdict.reason:
            case Reason.PENDING:
                self._wait_for(found.hash, parcel, rescued=rescued)
                log.warning("block_pending", detail=verdict.detail, **found.facts)
            case Reason.LOST:
                self._proofs.pop(proof, None)
                log.error("block_lost", detail=verdict.detail, **found.facts)
            case _ if verdict.block:
                pass  # who submitted it to a node has said what that did
            case Reason.ACCEPTED:
                log.info("block_sent_to_pool", **found.facts)
            case reason:
                log.warning("block_refused", reason=reason, detail=verdict.detail, **found.facts)

    @staticmethod
    def _say_found(found: Block) -> None:
        """Log a block, once: when its source has it in safety, and before what came of it."""
        if not found.said:
            found.said = True
            paid = {"payout": found.payout} if found.payout else {}
            log.info("block_found", **found.facts, **paid)
