"""A template without transactions, for the moments until the node has made the real one.

After a new tip a node may need long for a full template. Everything that an empty block
takes is known at once from the tip's header, so nobody has to work on the block before.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from headframe.chain.coinbase import witness_commitment
from headframe.chain.errors import TemplateError
from headframe.chain.fields import Fields
from headframe.chain.network import Network
from headframe.chain.share import MAX_FUTURE_SECONDS
from headframe.chain.target import target_from_nbits
from headframe.chain.template import EASY_AFTER_SECONDS, EASY_NBITS, RETARGET_BLOCKS, Template

__all__ = ["TipHeader", "parse_tip", "stopgap"]

_U32_MAX: Final = 2**32 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TipHeader:
    """What a node tells of its best block.

    Attributes:
        hash: 32 bytes, header order.
        height: of it.
        time: of it, in seconds since 1970.
        median_time: median of its time and the ten before it: the next block's is greater.
        nbits: its compact target.
    """

    hash: bytes
    height: int
    time: int
    median_time: int
    nbits: int


def parse_tip(answer: Mapping[str, object]) -> TipHeader:
    """Read the result of `getblockheader`.

    Raises:
        TemplateError: a field is missing, of the wrong type or out of range. Says which.
    """
    fields = Fields(answer, "getblockheader.")
    nbits = int.from_bytes(fields.hex("bits", size=4), "big")
    try:
        target_from_nbits(nbits)
    except ValueError as error:
        raise TemplateError(f"template: getblockheader.bits: {error}") from error
    return TipHeader(
        hash=fields.hash("hash"),
        height=fields.integer("height", high=_U32_MAX),
        time=fields.integer("time", high=_U32_MAX),
        median_time=fields.integer("mediantime", high=_U32_MAX - 1),
        nbits=nbits,
    )


def stopgap(last: Template, tip: TipHeader, network: Network, *, now: int) -> Template | None:
    """Make the template of an empty block on a new tip.

    Args:
        last: the newest template, on an earlier tip of the same chain.
        tip: the new tip.
        network: says what the block creates, and how bits go on.
        now: the node's time, in seconds since 1970, as well as it is known.

    Returns:
        The template; `None` where the bits of the next block are not certain: at the
        first block of a period of 2016, and on the testnets after a block of difficulty 1
        or where the 20 minutes are over after which blocks may be so.
    """
    height = tip.height + 1
    if height % RETARGET_BLOCKS == 0:
        return None
    curtime = max(tip.median_time + 1, now)
    probe = replace(
        last,
        prev_hash=tip.hash,
        height=height,
        value=network.subsidy(height),
        curtime=curtime,
        mintime=tip.median_time + 1,
        maxtime=min(curtime + MAX_FUTURE_SECONDS, _U32_MAX),
        nbits=tip.nbits,
        longpoll_id="",
        transactions=(),
        path=(),
        commitment=None if last.commitment is None else witness_commitment(b""),
    )
    if not network.allows_easy_blocks:
        return probe
    certain = tip.nbits != EASY_NBITS and curtime <= tip.time + EASY_AFTER_SECONDS
    return probe.bounded_by_parent(tip.time) if certain else None
