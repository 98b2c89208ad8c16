"""Transactions that a template offers: read, and checked against their own hashes.

A wrong txid makes a wrong merkle root, a wrong wtxid a wrong commitment, and a wrong
weight a block that is too big: each is found here, where it can be named.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from headframe.chain.errors import WireError
from headframe.chain.fields import Fields
from headframe.chain.hashes import hash_to_hex, sha256d

__all__ = ["TemplateTx", "parse_offers", "without_witness"]

_SEGWIT_MARK: Final = b"\x00\x01"
_OUTPOINT_BYTES: Final = 36
_VALUE_BYTES: Final = 8
_HASH_BYTES: Final = 32
_LONG_COUNTS: Final = 0xFD  # from here on 2, 4 or 8 bytes follow


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateTx:
    """A transaction to put into the block.

    Attributes:
        data: its full serialisation, witness included.
        txid: 32 bytes, header order; without the witness.
        wtxid: 32 bytes, header order; with it.
        fee: satoshi.
        weight: weight units.
        sigops: what its signature checks cost, as the block's limit counts it; 0 where the
            node does not say.
    """

    data: bytes = field(repr=False)
    txid: bytes
    wtxid: bytes
    fee: int
    weight: int
    sigops: int = 0


def parse_offers(fields: Fields, known: Mapping[bytes, TemplateTx]) -> tuple[TemplateTx, ...]:
    """Read a template's `transactions`.

    Args:
        fields: the template.
        known: transactions of earlier templates by their wtxid. One of these is taken as
            it is: it was checked then.

    Raises:
        TemplateError: the list is none, or in an entry a field is missing or of the wrong
            type, or is not what the transaction's own bytes say.
    """
    entries = fields.members.get("transactions")
    if not isinstance(entries, list):
        return tuple(_read_strictly(entry) for entry in fields.mappings("transactions"))
    found = []
    for index, entry in enumerate(entries):
        try:
            tx = _read_quickly(entry, known)
        except (KeyError, TypeError, ValueError):
            tx = None
        found.append(tx or _read_strictly(fields.mappings("transactions")[index]))
    return tuple(found)


def _read_quickly(entry: Mapping[str, Any], known: Mapping[bytes, TemplateTx]) -> TemplateTx | None:
    """Read an entry that is as it should be: miners wait while thousands are read.

    Whatever is odd about it gives `None` or raises, and is left to `_read_strictly` to name.
    """
    txid, wtxid = _hash(entry["txid"]), _hash(entry["hash"])
    earlier = known.get(wtxid)
    if earlier is not None and earlier.txid == txid:
        return earlier
    data = bytes.fromhex(entry["data"])
    fee, weight, sigops = entry["fee"], entry["weight"], entry.get("sigops", 0)
    numbers = type(fee) is type(sigops) is type(weight) is int and fee >= 0 and sigops >= 0
    stripped = without_witness(data)
    right = (
        numbers
        and weight == 3 * len(stripped) + len(data)
        and sha256d(data) == wtxid
        and (stripped is data or sha256d(stripped) == txid)
        and (stripped is not data or txid == wtxid)
    )
    if not right:
        return None
    return TemplateTx(data=data, txid=txid, wtxid=wtxid, fee=fee, weight=weight, sigops=sigops)


def _hash(display_hex: str) -> bytes:
    digest = bytes.fromhex(display_hex)[::-1]
    if len(digest) != _HASH_BYTES or len(display_hex) != 2 * _HASH_BYTES:
        raise ValueError("no hash")
    return digest


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
        data=data,
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
