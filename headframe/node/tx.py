"""Transactions and blocks, read from their serialisation (BIP 144)."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, NamedTuple

from headframe.chain.coinbase import with_witness
from headframe.chain.errors import WireError
from headframe.chain.hashes import sha256d
from headframe.chain.header import HEADER_BYTES, Header
from headframe.chain.wire import Reader, compact_size

__all__ = [
    "NULL_OUTPOINT",
    "Block",
    "Tx",
    "TxIn",
    "TxOut",
    "add_coinbase_witness",
    "outpoint",
    "parse_block",
    "parse_tx",
    "read_tx",
]

NULL_OUTPOINT: Final = bytes(32) + b"\xff\xff\xff\xff"
"""What a coinbase's input points to."""

_MARKER: Final = b"\x00\x01"
_COMMITMENT_HEAD: Final = bytes.fromhex("6a24aa21a9ed")


class TxIn(NamedTuple):
    """An input.

    Attributes:
        outpoint: what it spends: txid (32 bytes, header order), index (4, little-endian).
        script_sig: its script.
        sequence: unsigned 32 bits.
        witness: its stack, bottom first.
    """

    outpoint: bytes
    script_sig: bytes
    sequence: int
    witness: tuple[bytes, ...]


class TxOut(NamedTuple):
    """An output: satoshi (unsigned 64 bits as read, in range or not), and script."""

    value: int
    script: bytes


@dataclass(frozen=True)
class Tx:
    """A transaction.

    Attributes:
        version: unsigned 32 bits.
        inputs: in order.
        outputs: in order.
        lock_time: unsigned 32 bits.
        raw: the serialisation, with witness if there is one.
        stripped: the serialisation without; the same object when there is none.
    """

    version: int
    inputs: tuple[TxIn, ...]
    outputs: tuple[TxOut, ...]
    lock_time: int
    raw: bytes = field(repr=False)
    stripped: bytes = field(repr=False)

    @cached_property
    def txid(self) -> bytes:
        """Hash without witness; 32 bytes, header order."""
        return sha256d(self.stripped)

    @cached_property
    def wtxid(self) -> bytes:
        """Hash with witness; 32 bytes, header order."""
        return sha256d(self.raw)

    @property
    def has_witness(self) -> bool:
        """Whether any input has a witness."""
        return len(self.raw) != len(self.stripped)

    @property
    def is_coinbase(self) -> bool:
        """Whether it makes coins from nothing."""
        return len(self.inputs) == 1 and self.inputs[0].outpoint == NULL_OUTPOINT

    @property
    def weight(self) -> int:
        """Weight units: three times the stripped size, plus the whole size (BIP 141)."""
        return 3 * len(self.stripped) + len(self.raw)

    @property
    def vsize(self) -> int:
        """A quarter of the weight, rounded up."""
        return (self.weight + 3) // 4


@dataclass(frozen=True, kw_only=True)
class Block:
    """A block.

    Attributes:
        header: its header.
        txs: its transactions, the coinbase first.
        raw: its serialisation, nothing after it.
    """

    header: Header
    txs: tuple[Tx, ...]
    raw: bytes = field(repr=False)

    @cached_property
    def hash(self) -> bytes:
        """32 bytes, header order."""
        return self.header.hash()

    @property
    def stripped_size(self) -> int:
        """Bytes without witnesses."""
        return len(self.raw) - sum(len(tx.raw) - len(tx.stripped) for tx in self.txs)

    @property
    def weight(self) -> int:
        """Weight units (BIP 141)."""
        return 3 * self.stripped_size + len(self.raw)


def outpoint(txid: bytes, index: int) -> bytes:
    """Name an output: txid (32 bytes, header order), then the index, little-endian."""
    return txid + index.to_bytes(4, "little")


def read_tx(reader: Reader, data: bytes) -> Tx:
    """Read one transaction from where the reader stands.

    Args:
        reader: reads `data`.
        data: all of it, to cut the serialisation from.

    Raises:
        WireError: the bytes end too early or are out of form.
    """
    begin = reader.position
    version = reader.u32()
    extended = reader.peek(2) == _MARKER
    if extended:
        reader.take(2)
    body_begin = reader.position
    bare = [(reader.take(36), reader.var_bytes(), reader.u32()) for _ in _counted(reader)]
    outputs = tuple(TxOut(reader.u64(), reader.var_bytes()) for _ in _counted(reader))
    body_end = reader.position
    stacks: list[tuple[bytes, ...]] = [()] * len(bare)
    if extended:
        stacks = [tuple(reader.var_bytes() for _ in _counted(reader)) for _ in bare]
        if not any(stacks):
            raise WireError("a transaction is marked as having a witness, and has none")
    lock_time = reader.u32()
    raw = data[begin : reader.position]
    stripped = raw
    if extended:
        stripped = raw[:4] + raw[body_begin - begin : body_end - begin] + raw[-4:]
    inputs = tuple(TxIn(*fields, stack) for fields, stack in zip(bare, stacks, strict=True))
    return Tx(version, inputs, outputs, lock_time, raw, stripped)


def parse_tx(raw: bytes) -> Tx:
    """Read a transaction that the bytes hold whole, and nothing else.

    Raises:
        WireError: the bytes end too early, are out of form, or something is left over.
    """
    reader = Reader(raw)
    tx = read_tx(reader, raw)
    reader.finish()
    return tx


def parse_block(raw: bytes) -> Block:
    """Read a block; bytes after its end are ignored, as bitcoind's `submitblock` does.

    Raises:
        WireError: the bytes end too early or are out of form.
    """
    reader = Reader(raw)
    header = Header.parse(reader.take(HEADER_BYTES))
    txs = tuple(read_tx(reader, raw) for _ in _counted(reader))
    return Block(header=header, txs=txs, raw=raw[: reader.position])


def add_coinbase_witness(block: Block) -> bytes:
    """Serialise a block, with the coinbase's witness put in where it is due and missing.

    It is due when an output commits to the witnesses. bitcoind's `submitblock` does this
    (and nothing else of it does), and miners of others rely on it.
    """
    if not block.txs or not _lacks_witness(block.txs[0]):
        return block.raw
    coinbase = block.txs[0]
    begin = HEADER_BYTES + len(compact_size(len(block.txs)))
    end = begin + len(coinbase.raw)
    return block.raw[:begin] + with_witness(coinbase.stripped) + block.raw[end:]


def _lacks_witness(coinbase: Tx) -> bool:
    committed = any(
        len(out.script) >= 38 and out.script.startswith(_COMMITMENT_HEAD)
        for out in coinbase.outputs
    )
    return committed and not coinbase.has_witness and len(coinbase.inputs) == 1


def _counted(reader: Reader) -> range:
    """Read a count that at least so many bytes must follow, so that no count can flood us."""
    count = reader.compact_size()
    if count > reader.remaining:
        raise WireError(f"a list of {count} items does not fit in {reader.remaining} bytes")
    return range(count)
