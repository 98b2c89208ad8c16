"""`Courier`: takes found blocks to one node, each until that node has judged it.

A node that is away, refuses us or is in trouble says nothing about a block: it is asked
again, for as long as the process lives. Nothing here ends because of a node.
"""

import asyncio
import contextlib
from binascii import hexlify
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from headframe.chain.hashes import hash_to_hex
from headframe.chain.share import Reason, Verdict
from headframe.runtime.logs import get_logger
from headframe.runtime.retry import Backoff
from headframe.upstream.base import UpstreamError
from headframe.upstream.journal import FoundBlock
from headframe.upstream.node import NodeRpc, RpcError

__all__ = [
    "PARENTLESS",
    "Courier",
    "facts_of",
    "quick_backoff",
    "verdict_of_error",
    "verdict_of_reply",
]

_log = get_logger(__name__)

_SUBMIT_SECONDS: Final = 120.0
"""A node may take seconds to check a full block, and longer when it is busy."""
_PARENTLESS_TRIES: Final = 8
"""A node that lacks the parent may get it in a moment, from another node of ours or from
its peers; after so many tries (half a minute) it is taken at its word."""
_DECODE_FAILED: Final = -22
PARENTLESS: Final = "prev-blk-not-found"
"""The weakest of all verdicts: it tells more about the node than about the block."""

_REASONS: Final[dict[str, Reason]] = {
    "duplicate": Reason.ACCEPTED,  # known and valid: our own, on a second try, see `_duplicate_of`
    "inconclusive": Reason.STALE,  # valid, but another block of its height was first
    "duplicate-inconclusive": Reason.STALE,
    "inconclusive-not-best-prevblk": Reason.STALE,
    PARENTLESS: Reason.STALE,
    "high-hash": Reason.LOW_DIFFICULTY,
    "time-too-old": Reason.BAD_NTIME,
    "time-too-new": Reason.BAD_NTIME,
}


def quick_backoff() -> Backoff:
    """Make the pauses between two tries: short at first, since a block is worth most at once."""
    return Backoff(1.0, 10.0)


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


def verdict_of_error(error: RpcError) -> Verdict | None:
    """Understand a JSON-RPC error in place of a result; `None` if it judges the node alone."""
    if error.code != _DECODE_FAILED:
        return None
    return Verdict(reason=Reason.MALFORMED, detail=error.message, block=True)


def facts_of(block: FoundBlock) -> dict[str, object]:
    """Return what log lines say of a block."""
    return {"source": block.source, "height": block.height, "hash": hash_to_hex(block.hash)}


@dataclass(slots=True)
class _Parcel:
    """A block on its way to the node; times are the event loop's."""

    block: FoundBlock
    backoff: Backoff
    due: float = 0.0
    tries: int = 0
    trouble: str = ""


class Courier:
    """Takes blocks to a node, one at a time, the oldest that is due first.

    Args:
        name: the node's, for logs.
        rpc: the node; closed when `run` ends.
        heard: told a block and the node's verdict on it, once for each block.
        stuck: told a block that the node could not be asked about, at each try.
        backoff: makes the pauses between two tries.
    """

    def __init__(
        self,
        name: str,
        rpc: NodeRpc,
        *,
        heard: Callable[["Courier", FoundBlock, Verdict], None],
        stuck: Callable[["Courier", FoundBlock], None],
        backoff: Callable[[], Backoff] = quick_backoff,
    ) -> None:
        self.name = name
        self.rpc = rpc
        self._heard = heard
        self._stuck = stuck
        self._backoff = backoff
        self._parcels: dict[bytes, _Parcel] = {}  # oldest first
        self._wake = asyncio.Event()
        self._pauses = backoff()  # of the node, when it cannot be reached
        self._away_until = 0.0
        self._trouble = ""

    def take(self, block: FoundBlock) -> None:
        """Take a block over; it is offered at once, even while the node seems to be away."""
        self._parcels[block.hash] = _Parcel(block, self._backoff())
        self._away_until = 0.0
        self._wake.set()

    def drop(self, block_hash: bytes) -> None:
        """Forget a block."""
        self._parcels.pop(block_hash, None)

    def is_stuck(self, block_hash: bytes) -> bool:
        """Tell whether a block is here that the node could not be asked about so far."""
        parcel = self._parcels.get(block_hash)
        return parcel is not None and (parcel.tries > 0 or bool(self._trouble))

    async def run(self) -> None:
        """Offer blocks until cancelled."""
        try:
            while True:
                parcel, due = self._next()
                if parcel is not None:
                    await self._offer(parcel)
                    continue
                self._wake.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(due):
                        await self._wake.wait()
        finally:
            await self.rpc.close()

    def _next(self) -> tuple[_Parcel | None, float | None]:
        """Find the oldest block that is due, or when one is."""
        if not self._parcels:
            return None, None
        now = _now()
        if now < self._away_until:
            return None, self._away_until
        ready = (parcel for parcel in self._parcels.values() if parcel.due <= now)
        return next(ready, None), min(parcel.due for parcel in self._parcels.values())

    async def _offer(self, parcel: _Parcel) -> None:
        block = parcel.block
        try:
            verdict = await self._ask(block)
        except RpcError as error:  # the node is there, but this block has to wait
            parcel.due = _now() + parcel.backoff.next()
            self._could_not(parcel, str(error))
        except UpstreamError as error:
            self._trouble = str(error)
            self._away_until = _now() + self._pauses.next()
            self._could_not(parcel, self._trouble)
        except Exception as error:  # noqa: BLE001 # a bug of ours: no block is given up for it
            _log.exception("courier_broke", node=self.name, **facts_of(block))
            parcel.due = _now() + parcel.backoff.next()
            self._could_not(parcel, type(error).__name__)
        else:
            self._trouble = ""
            self._pauses.reset()
            if verdict.detail == PARENTLESS and parcel.tries + 1 < _PARENTLESS_TRIES:
                parcel.due = _now() + parcel.backoff.next()
                self._could_not(parcel, f"{self.name} does not know its parent yet")
            elif self._parcels.pop(block.hash, None) is not None:
                self._heard(self, block, verdict)

    async def _ask(self, block: FoundBlock) -> Verdict:
        try:
            encoded = msgspec.Raw(b'"%b"' % hexlify(block.raw))  # megabytes: in few steps
            reply = await self.rpc.call("submitblock", encoded, timeout_seconds=_SUBMIT_SECONDS)
            if reply == "duplicate":
                reply = await self._duplicate_of(block)
        except RpcError as error:
            verdict = verdict_of_error(error)
            if verdict is None:
                raise
            return verdict
        return verdict_of_reply(reply)

    async def _duplicate_of(self, block: FoundBlock) -> str:
        """Tell a block that the best chain has from one that stands beside it.

        Bitcoin Core says "duplicate" of both. A block whose first answer we never heard
        (a restart, a broken connection) may be either.
        """
        try:
            header = await self.rpc.call("getblockheader", hash_to_hex(block.hash))
            beside = int(header["confirmations"]) < 0
        except (RpcError, TypeError, KeyError, ValueError):
            return "duplicate"
        return "duplicate-inconclusive" if beside else "duplicate"

    def _could_not(self, parcel: _Parcel, trouble: str) -> None:
        parcel.tries += 1
        say = _log.debug if trouble == parcel.trouble else _log.warning  # once, not at each try
        parcel.trouble = trouble
        say("block_not_delivered_yet", node=self.name, error=trouble, **facts_of(parcel.block))
        self._stuck(self, parcel.block)


def _now() -> float:
    return asyncio.get_running_loop().time()
