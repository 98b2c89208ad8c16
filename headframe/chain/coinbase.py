"""Coinbase transactions: build one with a gap for the extranonce, and read one.

The *stripped* serialisation has no segwit marker, flag and witness. It is the one that
the txid hashes and that Stratum cuts into pieces; the witness is put back only for the
block. Sources: BIP 34 (height), BIP 141 (witness commitment), BIP 54 (lock time).
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from headframe.chain.errors import CoinbaseError, WireError
from headframe.chain.hashes import sha256d
from headframe.chain.merkle import PathMaker, first_leaf_path, fold
from headframe.chain.wire import Reader, compact_size, var_bytes

__all__ = [
    "MAX_MONEY",
    "MAX_SCRIPT_SIG_BYTES",
    "Coinbase",
    "CoinbaseParts",
    "Output",
    "build",
    "height_from_push",
    "height_in",
    "height_push",
    "parse",
    "strip",
    "tag_room",
    "weight_of",
    "with_witness",
    "witness_commitment",
]

MAX_MONEY: Final = 21_000_000 * 100_000_000
"""Satoshi that no output and no sum of outputs may exceed (consensus)."""
MAX_SCRIPT_SIG_BYTES: Final = 100
"""Longest scriptSig of a coinbase, height included; the shortest has 2 (consensus)."""

_TX_VERSION: Final = 2
_SEQUENCE: Final = 0xFFFFFFFE  # not final, so that the lock time counts (BIP 54)
_LOCK_TIME_LIMIT: Final = 500_000_000  # from here on a lock time means seconds, not a height
_NULL_OUTPOINT: Final = bytes(32) + b"\xff\xff\xff\xff"
_SEGWIT_MARK: Final = b"\x00\x01"
_RESERVED_VALUE: Final = bytes(32)
_WITNESS: Final = b"\x01\x20" + _RESERVED_VALUE
_COMMITMENT_HEAD: Final = bytes.fromhex("6a24aa21a9ed")
_OP_1, _OP_16 = 0x51, 0x60


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """Where coins go.

    Attributes:
        value: satoshi.
        script: the output script.

    Raises:
        CoinbaseError: the value is negative or more than there can ever be.
    """

    value: int
    script: bytes

    def __post_init__(self) -> None:
        if not 0 <= self.value <= MAX_MONEY:
            raise CoinbaseError(f"an output of {self.value} satoshi is not in 0 .. {MAX_MONEY}")

    def encode(self) -> bytes:
        """Serialise it: value, length of the script, script."""
        return struct.pack("<Q", self.value) + var_bytes(self.script)


@dataclass(frozen=True, slots=True, kw_only=True)
class Coinbase:
    """A coinbase that is open in the middle.

    Attributes:
        prefix: its stripped serialisation up to the extranonce.
        suffix: the rest.
        extranonce_size: bytes between the two.
        tag_cut: the tag did not fit whole and lost its end.
    """

    prefix: bytes = field(repr=False)
    suffix: bytes = field(repr=False)
    extranonce_size: int
    tag_cut: bool = False

    @property
    def size(self) -> int:
        """Bytes of the whole stripped serialisation."""
        return len(self.prefix) + self.extranonce_size + len(self.suffix)


def height_push(height: int) -> bytes:
    """Encode a height as BIP 34 wants it at the start of the scriptSig.

    Heights 1 to 16 are a single opcode; above, a length byte and the number, little-endian
    in the fewest bytes that keep the sign bit clear. Every other form is refused by nodes.

    Raises:
        CoinbaseError: the height is negative, or so high that a lock time could not
            name it.
    """
    if not 0 <= height < _LOCK_TIME_LIMIT:
        raise CoinbaseError(f"a block height lies in 0 .. {_LOCK_TIME_LIMIT - 1}, not {height}")
    if height == 0:
        return b"\x00"
    if height <= 16:
        return bytes((_OP_1 - 1 + height,))
    size = height.bit_length() // 8 + 1  # one bit more than the number: the sign
    return bytes((size,)) + height.to_bytes(size, "little")


def height_from_push(script_sig: bytes) -> int | None:
    """Read the height with which a scriptSig begins; `None` if it does not begin with one.

    Blocks older than BIP 34 may begin with what merely looks like a height.
    """
    if not script_sig:
        return None
    first = script_sig[0]
    if _OP_1 <= first <= _OP_16:
        return first - _OP_1 + 1
    height = int.from_bytes(script_sig[1 : 1 + first], "little") if first <= 4 else -1
    if not 0 <= height < _LOCK_TIME_LIMIT or not script_sig.startswith(height_push(height)):
        return None
    return height


def witness_commitment(wtxids: bytes, path: PathMaker = first_leaf_path) -> bytes:
    """Make the output script that commits to a block's witnesses (38 bytes).

    Args:
        wtxids: of all transactions but the coinbase, in block order, one after the
            other; each 32 bytes, header order. The coinbase counts as 32 zero bytes, and
            so does the reserved value in its witness.
        path: how a merkle path is made.
    """
    root = fold(bytes(32), path(wtxids))
    return _COMMITMENT_HEAD + sha256d(root + _RESERVED_VALUE)


def tag_room(*, height: int, extranonce_size: int, aux: bytes = b"") -> int:
    """Say how many bytes of tag fit into the scriptSig beside everything else.

    Raises:
        CoinbaseError: everything else alone is too long already.
    """
    push = len(height_push(height))
    room = MAX_SCRIPT_SIG_BYTES - push - len(aux) - extranonce_size
    if room < 0:
        raise CoinbaseError(
            f"the coinbase's script would have {MAX_SCRIPT_SIG_BYTES - room} bytes, "
            f"{MAX_SCRIPT_SIG_BYTES} at most are allowed: height {push}, node's data {len(aux)}, "
            f"extranonce {extranonce_size}; use a shorter extranonce"
        )
    return room


def build(
    *,
    height: int,
    outputs: Sequence[Output],
    extranonce_size: int,
    tag: bytes = b"",
    aux: bytes = b"",
) -> Coinbase:
    """Build a coinbase: height, the node's data, the gap for the extranonce, the tag.

    It is of version 2, with lock time `height - 1` and sequence fffffffe: consensus
    accepts that today, and BIP 54 will demand it.

    Args:
        height: of the block.
        outputs: at least one, the witness commitment among them where there is one.
        extranonce_size: bytes to leave free.
        tag: text of ours; what does not fit is cut off its end.
        aux: bytes that the node wants in the coinbase.

    Raises:
        CoinbaseError: no output, too much money, or no room even without the tag.
    """
    if extranonce_size < 0:
        raise CoinbaseError(f"an extranonce has 0 or more bytes, not {extranonce_size}")
    if not outputs or sum(output.value for output in outputs) > MAX_MONEY:
        raise CoinbaseError(
            f"a coinbase has at least one output and pays at most {MAX_MONEY} satoshi"
        )
    push = height_push(height)
    kept = tag[: tag_room(height=height, extranonce_size=extranonce_size, aux=aux)]
    size = len(push) + len(aux) + extranonce_size + len(kept)
    if size < 2:  # heights 0 to 16 with nothing else: consensus wants a second byte
        kept, size = b"\x00", 2
    head = struct.pack("<IB", _TX_VERSION, 1) + _NULL_OUTPOINT + compact_size(size)
    paid = compact_size(len(outputs)) + b"".join(output.encode() for output in outputs)
    return Coinbase(
        prefix=head + push + aux,
        suffix=kept + struct.pack("<I", _SEQUENCE) + paid + struct.pack("<I", max(height - 1, 0)),
        extranonce_size=extranonce_size,
        tag_cut=len(kept) < len(tag),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CoinbaseParts:
    """A coinbase, read.

    Attributes:
        version: of the transaction, unsigned 32 bits.
        script_sig: 2 to 100 bytes, beginning with the height.
        sequence: unsigned 32 bits.
        outputs: in order.
        witness: its stack; `None` if the serialisation has no witness at all.
        lock_time: unsigned 32 bits.
    """

    version: int
    script_sig: bytes
    sequence: int
    outputs: tuple[Output, ...]
    witness: tuple[bytes, ...] | None
    lock_time: int

    @property
    def height(self) -> int | None:
        """Of the block, if the scriptSig names it (BIP 34)."""
        return height_from_push(self.script_sig)

    @property
    def commitment(self) -> bytes | None:
        """The 32 bytes that commit to the witnesses; the last such output counts."""
        found = None
        for output in self.outputs:
            if len(output.script) >= 38 and output.script.startswith(_COMMITMENT_HEAD):
                found = output.script[6:38]
        return found


def parse(raw: bytes) -> CoinbaseParts:
    """Read a coinbase, with or without its witness.

    Raises:
        WireError: the bytes end too early, are out of form, or something is left over.
        CoinbaseError: it is no coinbase, or breaks a rule that holds for each of them.
    """
    reader = Reader(raw)
    version = reader.u32()
    has_witness = reader.peek(2) == _SEGWIT_MARK
    if has_witness:
        reader.take(2)
    script_sig = _read_input(reader)
    sequence = reader.u32()
    outputs = tuple(
        Output(value=reader.u64(), script=reader.var_bytes()) for _ in range(reader.compact_size())
    )
    witness = None
    if has_witness:
        witness = tuple(reader.var_bytes() for _ in range(reader.compact_size()))
    lock_time = reader.u32()
    reader.finish()
    return CoinbaseParts(
        version=version,
        script_sig=script_sig,
        sequence=sequence,
        outputs=outputs,
        witness=witness,
        lock_time=lock_time,
    )


def height_in(start: bytes) -> int | None:
    """Read the height from the start of a coinbase, as far as coinb1 of Stratum reaches.

    Returns:
        The height, or `None` if there is none: the bytes are no coinbase, or are cut
        before it ends.
    """
    reader = Reader(start)
    try:
        reader.u32()
        if reader.peek(2) == _SEGWIT_MARK:
            reader.take(2)
        _read_outpoint(reader)
        size = reader.compact_size()
    except (WireError, CoinbaseError):
        return None
    return height_from_push(reader.peek(size))


def _read_outpoint(reader: Reader) -> None:
    inputs = reader.compact_size()
    if inputs != 1 or reader.take(36) != _NULL_OUTPOINT:
        raise CoinbaseError("this is no coinbase: it does not have just one input from nowhere")


def _read_input(reader: Reader) -> bytes:
    _read_outpoint(reader)
    script_sig = reader.var_bytes()
    if not 2 <= len(script_sig) <= MAX_SCRIPT_SIG_BYTES:
        raise CoinbaseError(
            f"a coinbase's script has 2 to {MAX_SCRIPT_SIG_BYTES} bytes, not {len(script_sig)}"
        )
    return script_sig


def strip(raw: bytes) -> bytes:
    """Take marker, flag and witness out of a coinbase; one without comes back as it is.

    Raises:
        WireError: the bytes end too early, are out of form, or something is left over.
        CoinbaseError: it is no coinbase.
    """
    parts = parse(raw)
    if parts.witness is None:
        return raw
    witness = compact_size(len(parts.witness)) + b"".join(map(var_bytes, parts.witness))
    return raw[:4] + raw[6 : len(raw) - 4 - len(witness)] + raw[-4:]


def with_witness(stripped: bytes) -> bytes:
    """Add what a coinbase with a witness commitment has in the block.

    That is marker, flag, and a witness of one item, 32 zero bytes (the reserved value
    that `witness_commitment` reckons with).
    """
    return stripped[:4] + _SEGWIT_MARK + stripped[4:-4] + _WITNESS + stripped[-4:]


def weight_of(stripped_size: int, *, has_witness: bool) -> int:
    """Count the weight units of a coinbase from its stripped size in bytes (BIP 141)."""
    return 4 * stripped_size + (len(_SEGWIT_MARK) + len(_WITNESS) if has_witness else 0)
