"""Blocks taken to pieces, so that tests can look at what is in the vectors."""

from dataclasses import dataclass

from headframe.chain.hashes import sha256d
from headframe.chain.header import HEADER_BYTES, Header
from headframe.chain.merkle import merkle_root
from headframe.chain.wire import Reader


@dataclass(frozen=True)
class Transaction:
    """A transaction: its two serialisations and whether they differ."""

    full: bytes
    stripped: bytes

    @property
    def txid(self) -> bytes:
        return sha256d(self.stripped)

    @property
    def wtxid(self) -> bytes:
        return sha256d(self.full)

    @property
    def has_witness(self) -> bool:
        return self.full != self.stripped


@dataclass(frozen=True)
class Block:
    """A block: its header and its transactions, the coinbase first."""

    header: Header
    transactions: tuple[Transaction, ...]

    @property
    def root(self) -> bytes:
        return merkle_root([tx.txid for tx in self.transactions])


def read_block(raw: bytes) -> Block:
    """Take a whole block to pieces; nothing may be left over."""
    reader = Reader(raw)
    header = Header.parse(reader.take(HEADER_BYTES))
    count = reader.compact_size()
    transactions = tuple(_read_transaction(raw, reader) for _ in range(count))
    reader.finish()
    return Block(header, transactions)


def _read_transaction(raw: bytes, reader: Reader) -> Transaction:
    start = reader.position
    version = reader.take(4)
    has_witness = reader.peek(2) == b"\x00\x01"
    if has_witness:
        reader.take(2)
    body = reader.position
    inputs = reader.compact_size()
    for _ in range(inputs):
        reader.take(36)
        reader.var_bytes()
        reader.take(4)
    for _ in range(reader.compact_size()):
        reader.take(8)
        reader.var_bytes()
    end = reader.position
    for _ in range(inputs if has_witness else 0):
        for _ in range(reader.compact_size()):
            reader.var_bytes()
    lock_time = reader.take(4)
    return Transaction(
        full=raw[start : reader.position], stripped=version + raw[body:end] + lock_time
    )
