"""The merkle path of a block's first transaction; in C where that was built."""

from hashlib import sha256
from typing import Final

from native.compiled import extension_missing
from native.share import chosen_hasher

if not extension_missing:
    from native._native import ffi, lib

__all__ = ["leaf_path", "leaf_path_in_python"]

_HASH_BYTES: Final = 32
_MOST_STEPS: Final = 32


def leaf_path(others: bytes) -> tuple[bytes, ...]:
    """Make the path of the first leaf from all leaves but it.

    Args:
        others: their hashes one after the other, each 32 bytes in header order; in C 0.1
            microseconds for each.

    Returns:
        The hashes that the first leaf is hashed with on its way to the root, in turn.

    Raises:
        ValueError: the last one has not 32 bytes.
    """
    if len(others) % _HASH_BYTES:
        raise ValueError(f"a hash has {_HASH_BYTES} bytes")
    if extension_missing:
        return leaf_path_in_python(others)
    row = bytearray(others + bytes(_HASH_BYTES))
    path = ffi.new("uint8_t[]", _MOST_STEPS * _HASH_BYTES)
    work = ffi.from_buffer("uint8_t[]", row)
    steps = lib.hf_leaf_path(path, chosen_hasher(), work, len(others) // _HASH_BYTES)
    return tuple(_hashes_in(bytes(ffi.buffer(path, steps * _HASH_BYTES))))


def leaf_path_in_python(others: bytes) -> tuple[bytes, ...]:
    """Do what `leaf_path` does with hashlib: the oracle, and the way without a compiler."""
    path = []
    row = _hashes_in(others)
    while row:
        path.append(row[0])
        if len(row) % 2 == 0:  # odd with the first leaf: the last one is paired with itself
            row.append(row[-1])
        pairs = zip(row[1::2], row[2::2], strict=True)
        row = [sha256(sha256(left + right).digest()).digest() for left, right in pairs]
    return tuple(path)


def _hashes_in(joined: bytes) -> list[bytes]:
    return [joined[at : at + _HASH_BYTES] for at in range(0, len(joined), _HASH_BYTES)]
