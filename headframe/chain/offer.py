"""Transactions that a template offers: read, and checked against their own hashes.

A wrong txid makes a wrong merkle root, a wrong wtxid a wrong commitment, and a wrong
weight a block that is too big: each is found here, where it can be named.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from headframe.chain.errors import WireError
from headframe.chain.fields import Fields
from headframe.chain.hashes import hash_to_hex, sha256d
from headframe.chain.wire import Reader

__all__ = ["TemplateTx", "parse_offer", "without_witness"]

_SEGWIT_MARK: Final = b"\x00\x01"
_OUTPOINT_BYTES: Final = 36


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


def parse_offer(fields: Fields, known: Mapping[bytes, TemplateTx]) -> TemplateTx:
    """Read one entry of a template's `transactions`.

    Args:
        fields: the entry.
        known: transactions of earlier templates by their wtxid. One of these is taken as
            it is: most of a template was in the one before it, and checking thousands of
            transactions takes longer than a new tip can wait.

    Raises:
        TemplateError: a field is missing or of the wrong type, or is not what the
            transaction's own bytes say.
    """
    wtxid = fields.hash("hash")
    earlier = known.get(wtxid)
    if earlier is not None and earlier.txid == fields.hash("txid"):
        return earlier
    data = fields.hex("data")
    txid = fields.hash("txid")
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
        WireError: the bytes end too early or are out of form.
    """
    if data[4:6] != _SEGWIT_MARK:
        return data
    reader = Reader(data)
    reader.take(6)
    for _ in range(reader.compact_size()):
        reader.take(_OUTPOINT_BYTES)
        reader.var_bytes()
        reader.take(4)
    for _ in range(reader.compact_size()):
        reader.take(8)
        reader.var_bytes()
    end = reader.position
    reader.take(4)
    return data[:4] + data[6:end] + data[-4:]
