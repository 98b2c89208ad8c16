"""Transactions that a template offers: read, and checked against their own hashes.

A wrong txid makes a wrong merkle root, a wrong wtxid a wrong commitment, and a wrong
weight a block that is too big: each is found here, where it can be named. Reading and
checking are apart, since miners wait while thousands are read: what is known from the
listed ids is enough for a job, and the bytes can be hashed when it has gone out.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from headframe.chain.errors import WireError
from headframe.chain.fields import Fields
from headframe.chain.hashes import hash_to_hex, sha256d

__all__ = ["TemplateTx", "check_offer", "read_offers", "without_witness"]

_SEGWIT_MARK: Final = b"\x00\x01"
_OUTPOINT_BYTES: Final = 36
_VALUE_BYTES: Final = 8
_HASH_BYTES: Final = 32
_LONG_COUNTS: Final = 0xFD  # from here on 2, 4 or 8 bytes follow


class TemplateTx(NamedTuple):
    """A transaction to put into the block.

    Attributes:
        encoded: its full serialisation in hex, witness included: as the node gave it, and
            as it takes it back in a block.
        txid: 32 bytes, header order; without the witness.
        wtxid: 32 bytes, header order; with it.
        fee: satoshi.
        weight: weight units.
        sigops: what its signature checks cost, as the block's limit counts it; 0 where the
            node does not say.
    """

    encoded: str
    txid: bytes
    wtxid: bytes
    fee: int
    weight: int
    sigops: int = 0

    @property
    def data(self) -> bytes:
        """Its full serialisation."""
        return bytes.fromhex(self.encoded)


def read_offers(fields: Fields, known: Mapping[bytes, TemplateTx]) -> tuple[TemplateTx, ...]:
    """Read a template's `transactions`; that each is what it is called is for `check_offer`.

    Args:
        fields: the template.
        known: transactions of earlier templates by their wtxid, to keep each once.

    Raises:
        TemplateError: the list is none, or in an entry a field is missing or of the wrong
            type.
    """
    entries = fields.members.get("transactions")
    try:
        read = _read_quickly(entries if isinstance(entries, list) else [None])
    except (KeyError, TypeError, ValueError):
        read = [_read_strictly(entry) for entry in fields.mappings("transactions")]
    found = []
    for tx in read:
        earlier = known.get(tx.wtxid)
        found.append(earlier if earlier is not None and earlier.txid == tx.txid else tx)
    return tuple(found)


def _read_quickly(entries: Sequence[Any]) -> list[TemplateTx]:
    """Read entries that are as they should be, all of them at once, field by field.

    Whatever is odd about one raises, and is left to `_read_strictly` to name.
    """
    data = [entry["data"] for entry in entries]
    txids = _hashes([entry["txid"] for entry in entries])
    wtxids = _hashes([entry["hash"] for entry in entries])
    fees = [entry["fee"] for entry in entries]
    weights = [entry["weight"] for entry in entries]
    sigops = [entry.get("sigops", 0) for entry in entries]
    numbers = {*map(type, fees), *map(type, weights), *map(type, sigops)} <= {int}
    texts = {*map(type, data)} <= {str}
    if not numbers or not texts or min(*fees, *weights, *sigops, 0, 0) < 0:
        raise ValueError("not as it should be")
    return [*map(TemplateTx, data, txids, wtxids, fees, weights, sigops)]


def _hashes(shown: Sequence[str]) -> list[bytes]:
    """Read hashes in display order, in one go."""
    size = _HASH_BYTES * len(shown)
    turned = bytes.fromhex("".join(shown))[::-1]
    if not {*map(len, shown)} <= {2 * _HASH_BYTES} or len(turned) != size:
        raise ValueError("no hash")
    return [turned[at : at + _HASH_BYTES] for at in range(size - _HASH_BYTES, -1, -_HASH_BYTES)]


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
        entry = {
            "data": tx.encoded,
            "hash": hash_to_hex(tx.wtxid),
            "txid": hash_to_hex(tx.txid),
            "fee": tx.fee,
            "weight": tx.weight,
        }
        _read_strictly(Fields(entry, f"transactions.{index}."))  # names what is wrong


def _is_right(tx: TemplateTx) -> bool:
    data = tx.data
    stripped = without_witness(data)
    return (
        2 * len(data) == len(tx.encoded)
        and tx.weight == 3 * len(stripped) + len(data)
        and sha256d(data) == tx.wtxid
        and (sha256d(stripped) if stripped is not data else tx.wtxid) == tx.txid
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
        encoded=data.hex(),
        txid=txid,
        wtxid=wtxid,
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
