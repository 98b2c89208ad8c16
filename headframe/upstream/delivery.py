"""Found blocks on their way to the node: journal, `submitblock`, verdict.

A block is in the journal's file as soon as it is given, so that whoever found it may be
told, and on disk before the node hears of it. It is offered until there is a verdict,
over lost connections, restarts of the node and of this program.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from headframe.chain.hashes import hash_to_hex
from headframe.chain.job import SourceId
from headframe.chain.share import Reason, Verdict
from headframe.runtime.logs import get_logger
from headframe.runtime.retry import Backoff
from headframe.upstream.base import Done, UnreachableError
from headframe.upstream.journal import FoundBlock, Journal
from headframe.upstream.node import NodeRpc, RpcError
from headframe.upstream.tasks import run_together

__all__ = ["Delivery", "verdict_of_error", "verdict_of_reply"]

_log = get_logger(__name__)

_SUBMIT_SECONDS: Final = 120.0
"""A node may take seconds to check a full block, and longer when it is busy."""
_JOURNAL_SECONDS: Final = 3.0
"""A disk that takes longer must not keep a block from the node."""
_REMEMBERED: Final = 4096
"""Hashes of blocks given, to tell a share that comes twice."""

_REASONS: Final[dict[str, Reason]] = {
    "duplicate": Reason.ACCEPTED,  # known and valid: our own, on a second try, see `_duplicate_of`
    "inconclusive": Reason.STALE,  # valid, but another block of its height was first
    "duplicate-inconclusive": Reason.STALE,
    "inconclusive-not-best-prevblk": Reason.STALE,
    "prev-blk-not-found": Reason.STALE,
    "high-hash": Reason.LOW_DIFFICULTY,
    "time-too-old": Reason.BAD_NTIME,
    "time-too-new": Reason.BAD_NTIME,
}
_DECODE_FAILED: Final = -22
_ERRORS_BORNE: Final = 4
"""JSON-RPC errors are the node's trouble, not a judgement on the block (but for the one
above). After so many the next block has its turn, and this one stays in the journal."""


def verdict_of_reply(reply: object) -> Verdict:
    """Understand the result of `submitblock` (BIP 22, with the words of Bitcoin Core).

    A block that is valid but not on the best chain is `STALE`: it earns nothing unless
    a later block builds on it.
    """
    if reply is None:
        return Verdict(reason=Reason.ACCEPTED, block=True)
    words = str(reply)
    reason = _REASONS.get(words, Reason.OTHER)
    if words.startswith("bad-version"):
        reason = Reason.BAD_VERSION
    return Verdict(reason=reason, detail=words, block=True)


def verdict_of_error(error: RpcError) -> Verdict:
    """Understand a JSON-RPC error in place of a result."""
    reason = Reason.MALFORMED if error.code == _DECODE_FAILED else Reason.OTHER
    return Verdict(reason=reason, detail=error.message, block=True)


@dataclass(slots=True)
class _Parcel:
    block: FoundBlock
    done: Done | None


class Delivery:
    """Takes the found blocks of one source to its node, one after the other.

    Args:
        rpc: the node.
        journal: where blocks are written down first.
        source: whose blocks of the journal are ours.
        judged: told each verdict, after the block's own `done`.
        backoff: makes the pauses between two tries of one block.
    """

    def __init__(
        self,
        rpc: NodeRpc,
        journal: Journal,
        *,
        source: SourceId,
        judged: Callable[[FoundBlock, Verdict], None],
        backoff: Callable[[], Backoff] = lambda: Backoff(1, 10),
    ) -> None:
        self._rpc = rpc
        self._journal = journal
        self._source = source
        self._judged = judged
        self._backoff = backoff
        self._fresh: deque[_Parcel] = deque()  # on their way to the disk
        self._fresh_came = asyncio.Event()
        self._queue: deque[_Parcel] = deque()  # on their way to the node
        self._wake = asyncio.Event()
        self._running = False
        self._given: dict[bytes, None] = {}

    def give(self, block: FoundBlock, done: Done) -> None:
        """Take a block over: the end of this process does not lose it from here on.

        Waits for neither disk nor node while `run` runs.

        Args:
            block: what was found.
            done: called once: with the node's verdict; with `DUPLICATE` when the block
                was given before; with `PENDING` when `run` is not running, or ends first.
                Then the block is in the journal and goes out when `run` runs again.
        """
        if block.hash in self._given:
            done(Verdict(reason=Reason.DUPLICATE))
            return
        self._given[block.hash] = None
        if len(self._given) > _REMEMBERED:
            del self._given[next(iter(self._given))]
        if self._running:
            self._journal.note(block)  # before anybody hears of it
            _log.info("block_found", **_facts(block))
            self._fresh.append(_Parcel(block, done))
            self._fresh_came.set()
        else:
            self._journal.found(block)
            _log.info("block_found", **_facts(block))
            done(_PENDING)

    async def run(self) -> None:
        """Submit what the journal still holds, and then what is given, until cancelled.

        Raises:
            UpstreamError: the node refuses to talk to us.
        """
        self._running = True
        old = self._journal.unresolved(self._source)
        self._queue.extend(_Parcel(block, None) for block in old)
        if old:
            _log.info("blocks_submitted_again", source=self._source, count=len(old))
        try:
            await run_together(self._write_all(), self._offer_all())
        finally:
            self._running = False
            self._put_off()

    async def _write_all(self) -> None:
        """Bring what is given to the disk: also while the node thinks about an earlier one."""
        while True:
            while self._fresh:
                await self._write_down(self._fresh[0].block)
                self._queue.append(self._fresh.popleft())
                self._wake.set()
            self._fresh_came.clear()
            await self._fresh_came.wait()

    async def _offer_all(self) -> None:
        while True:
            while self._queue:
                verdict, final = await self._deliver(self._queue[0])
                self._finish(self._queue.popleft(), verdict, final=final)
            self._wake.clear()
            await self._wake.wait()

    def _put_off(self) -> None:
        """Leave what is in the queues to the journal."""
        for queue in (self._queue, self._fresh):
            while queue:
                parcel = queue.popleft()
                if queue is self._fresh or not self._journal.holds(parcel.block.hash):
                    self._secure(parcel.block)
                if parcel.done is not None:
                    parcel.done(_PENDING)

    async def _deliver(self, parcel: _Parcel) -> tuple[Verdict, bool]:
        """Offer a block until there is a verdict; tell also whether it is the node's last word."""
        raw_hex = parcel.block.raw.hex()
        backoff = self._backoff()
        errors = 0
        while True:
            try:
                reply = await self._rpc.call(
                    "submitblock", raw_hex, timeout_seconds=_SUBMIT_SECONDS
                )
                if reply == "duplicate":
                    reply = await self._duplicate_of(parcel.block)
            except RpcError as error:
                errors += 1
                if error.code == _DECODE_FAILED or errors == _ERRORS_BORNE:
                    return verdict_of_error(error), error.code == _DECODE_FAILED
                _log.warning("block_not_delivered_yet", error=str(error), **_facts(parcel.block))
            except UnreachableError as error:
                _log.warning("block_not_delivered_yet", error=str(error), **_facts(parcel.block))
            else:
                return verdict_of_reply(reply), True
            await asyncio.sleep(backoff.next())
            if not self._journal.holds(parcel.block.hash) and not self._journal.busy:
                # The disk had no room, and may have by now; a slow one is still at it.
                await self._write_down(parcel.block)

    async def _duplicate_of(self, block: FoundBlock) -> str:
        """Tell a block that the best chain has from one that stands beside it.

        Bitcoin Core says "duplicate" of both. A block whose first answer we never heard
        (a restart, a broken connection) may be either.
        """
        try:
            header = await self._rpc.call("getblockheader", hash_to_hex(block.hash))
            beside = int(header["confirmations"]) < 0
        except (RpcError, TypeError, KeyError, ValueError):
            return "duplicate"
        return "duplicate-inconclusive" if beside else "duplicate"

    async def _write_down(self, block: FoundBlock) -> None:
        try:
            async with asyncio.timeout(_JOURNAL_SECONDS):
                await asyncio.to_thread(self._secure, block)
        except TimeoutError:
            _log.error(
                "block_journal_slow",
                path=str(self._journal.path),
                consequence="the block is submitted before it is safe on disk",
                **_facts(block),
            )

    def _secure(self, block: FoundBlock) -> None:
        if self._journal.holds(block.hash):
            self._journal.sync()
        else:
            self._journal.found(block)

    def _finish(self, parcel: _Parcel, verdict: Verdict, *, final: bool) -> None:
        facts = _facts(parcel.block)
        if verdict.reason is Reason.ACCEPTED:
            _log.info("block_accepted", **facts)
        else:
            _log.warning(
                "block_refused", reason=verdict.reason.value, node_says=verdict.detail, **facts
            )
        if final:
            self._journal.resolved(parcel.block.hash, verdict)
        if parcel.done is not None:
            parcel.done(verdict)
        self._judged(parcel.block, verdict)


_PENDING: Final = Verdict(
    reason=Reason.PENDING,
    detail="the block is in the journal and is submitted when the node is back",
    block=True,
)


def _facts(block: FoundBlock) -> dict[str, object]:
    return {"source": block.source, "height": block.height, "hash": hash_to_hex(block.hash)}
