"""Transactions that a template offers: read, and checked against their own hashes.

A wrong txid makes a wrong merkle root, a wrong wtxid a wrong commitment, and a wrong
weight a block that is too big: each is found here, where it can be named. Reading and
checking are apart, since miners wait while thousands are read: what is known from the
listed ids is enough for a job, and the bytes can be hashed when it has gone out.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, NamedTuple

from headframe.chain.errors import WireError
from headframe.chain.fields import Fields
from headframe.chain.hashes import hash_to_hex, hashes_from_hex, sha256d

__all__ = ["Offers", "TemplateTx", "check_offer", "read_offers", "without_witness"]

_SEGWIT_MARK: Final = b"\x00\x01"
_OUTPOINT_BYTES: Final = 36
_VALUE_BYTES: Final = 8
_LONG_COUNTS: Final = 0xFD  # from here on 2, 4 or 8 bytes follow


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateTx:
    """A transaction to put into the block: what a node says of it, in the node's words.

    Its members have the names of those in the node's answer, so that a decoder of JSON can
    make thousands of these in one go. Nothing of it is certain until `check_offer` has looked.

    Attributes:
        data: its full serialisation in hex, witness included: a block takes it back so.
        txid: its hash without the witness, display order.
        hash: its hash with the witness, display order.
        fee: satoshi.
        weight: weight units.
        sigops: what its signature checks cost, as the block's limit counts it; 0 where the
            node does not say.
    """

    data: str
    txid: str
    hash: str
    fee: int
    weight: int
    sigops: int = 0


class Offers(NamedTuple):
    """All transactions of a template.

    Attributes:
        transactions: in block order.
        txids: of all of them in turn, each 32 bytes in header order; without the witness.
        wtxids: the same with the witness.
    """

    transactions: tuple[TemplateTx, ...]
    txids: bytes
    wtxids: bytes


def read_offers(fields: Fields) -> Offers:
    """Read a template's `transactions`; that each is what it is called is for `check_offer`.

    Args:
        fields: the template; its transactions are of `TemplateTx`, or as JSON says them.

    Raises:
        TemplateError: the list is none, or in an entry a field is missing or of the wrong
            type.
    """
    entries = fields.members.get("transactions")
    try:
        return _gather(entries if isinstance(entries, list) else [None])
    except (AttributeError, ValueError):  # some are not of `TemplateTx`, or have odd hashes
        if isinstance(entries, list):
            plain = [asdict(entry) if type(entry) is TemplateTx else entry for entry in entries]
            fields = Fields({"transactions": plain})
        return _gather([_read_strictly(each) for each in fields.mappings("transactions")])


def _gather(entries: Sequence[Any]) -> Offers:
    """Take entries together, if they are as they should be; all at once, miners wait."""
    return Offers(
        transactions=tuple(entries),
        txids=hashes_from_hex([tx.txid for tx in entries]),
        wtxids=hashes_from_hex([tx.hash for tx in entries]),
    )


def check_offer(index: int, tx: TemplateTx) -> None:
    """Check a transaction against its own bytes.

    Args:
        index: its place in the template's list, for the error.
        tx: from `read_offers`.

    Raises:
        TemplateError: its ids or its weight are not what its bytes say.
    """
    try:
        right = _is_right(tx)
    except ValueError:  # no hex digits, or no transaction
        right = False
    if not right:
        _read_strictly(Fields(asdict(tx), f"transactions.{index}."))  # names what is wrong


def _is_right(tx: TemplateTx) -> bool:
    data = bytes.fromhex(tx.data)
    stripped = without_witness(data)
    wtxid = hash_to_hex(sha256d(data))
    return (
        2 * len(data) == len(tx.data)
        and tx.weight == 3 * len(stripped) + len(data)
        and tx.hash == wtxid
        and tx.txid == (hash_to_hex(sha256d(stripped)) if stripped is not data else wtxid)
        and tx.fee >= 0
        and tx.sigops >= 0
    )


def _read_strictly(fields: Fields) -> TemplateTx:
    """Read an entry and name what is wrong with it."""
    wtxid, txid, data = fields.hash("hash"), fields.hash("txid"), fields.hex("data")
    # The coinbase's tree takes txids and the witness tree hashes; a mix-up shows here.
    if sha256d(data) != wtxid:
        raise fields.fault("hash", f"{hash_to_hex(wtxid)} is not the hash of data")
    try:
        stripped = without_witness(data)
    except WireError as error:
        raise fields.fault("data", f"is no transaction: {error}") from error
    if sha256d(stripped) != txid:
        raise fields.fault("txid", f"{hash_to_hex(txid)} is not the hash of data without witness")
    weight = 3 * len(stripped) + len(data)
    if fields.integer("weight", low=1) != weight:
        raise fields.fault("weight", f"is not what data weighs, {weight}")
    return TemplateTx(
        data=data.hex(),
        txid=hash_to_hex(txid),
        hash=hash_to_hex(wtxid),
        fee=fields.integer("fee"),
        weight=weight,
        sigops=fields.integer("sigops", default=0),
    )


def without_witness(data: bytes) -> bytes:
    """Take marker, flag and witnesses out of a transaction (BIP 144).

    The witnesses themselves are not read: whoever needs them whole compares a hash of
    all the bytes.

    Args:
        data: the serialisation; one without witness comes back as it is.

    Raises:
        WireError: the bytes end too early.
    """
    if data[4:6] != _SEGWIT_MARK:
        return data
    try:
        end = _skip(data, _skip(data, 6, _OUTPOINT_BYTES, 4), _VALUE_BYTES, 0)
    except IndexError:
        raise WireError(f"the data ends too early, at byte {len(data)}") from None
    return data[:4] + data[6:end] + data[-4:]


def _skip(data: bytes, at: int, before: int, after: int) -> int:
    """Go past a list of inputs or outputs: scripts with so many bytes before and after."""
    count, at = _count(data, at)
    for _ in range(count):
        size, at = _count(data, at + before)
        at += size + after
    if at + 4 > len(data):  # the lock time follows
        raise IndexError
    return at


def _count(data: bytes, at: int) -> tuple[int, int]:
    """Read a compact size; return it, and where it ends."""
    first = data[at]
    if first < _LONG_COUNTS:
        return first, at + 1
    end = at + 1 + (2 << (first - _LONG_COUNTS))
    return int.from_bytes(data[at + 1 : end], "little"), end
