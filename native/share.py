"""Hash the header that a share stands for; in C where that was built, else with hashlib.

What the shares of a job have in common is packed once, into a *context*; its layout is in
`c/headframe.h`.
"""

import struct
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from hashlib import sha256
from typing import Final

from native.compiled import extension_missing
from native.kernel import KernelError

if not extension_missing:
    from native._native import ffi, lib

    _HASH, _new, _buffer = ffi.typeof("uint8_t[32]"), ffi.new, ffi.buffer

__all__ = ["choose_hasher", "chosen_hasher", "hash_in_python", "pack_context", "share_hash"]

Hasher = Callable[[int, bytes, bytes, tuple[int, int, int]], bytes]

_CONTEXT: Final = struct.Struct("<III32sI")
_HASH_BYTES: Final = 32
_WORDS: Final = 1 << 32


def pack_context(
    prefix: bytes, suffix: bytes, path: Sequence[bytes], prev_hash: bytes, nbits: int
) -> bytes:
    """Pack what the shares of a job have in common, for `share_hash`.

    Args:
        prefix: the stripped coinbase before the extranonce.
        suffix: the rest of it.
        path: merkle path of the coinbase, each 32 bytes in header order.
        prev_hash: 32 bytes, header order.
        nbits: the header's compact target, unsigned 32 bits.

    Raises:
        ValueError: a hash that has not 32 bytes, or `nbits` out of range.
    """
    for digest in (prev_hash, *path):
        if len(digest) != _HASH_BYTES:
            raise ValueError(f"a hash has {_HASH_BYTES} bytes, not {len(digest)}")
    _ensure_words(nbits)
    start = _CONTEXT.pack(len(prefix), len(suffix), len(path), prev_hash, nbits)
    return b"".join((start, prefix, suffix, *path))


def share_hash(context: bytes, extranonce: bytes, version: int, ntime: int, nonce: int) -> bytes:
    """Hash the header that a share stands for: coinbase, merkle path, header.

    Args:
        context: from `pack_context`.
        extranonce: what stands between prefix and suffix; any size.
        version: the whole block version, unsigned 32 bits.
        ntime: seconds since 1970, unsigned 32 bits.
        nonce: unsigned 32 bits, as the number in the header.

    Returns:
        32 bytes, header order.

    Raises:
        ValueError: the context is not one, or a number does not fit into 32 bits.
    """
    if extension_missing:
        return hash_in_python(context, extranonce, version, ntime, nonce)
    out = _new(_HASH)
    try:
        code = lib.hf_share_hash(
            out,
            chosen_hasher(),
            context,
            len(context),
            extranonce,
            len(extranonce),
            version,
            ntime,
            nonce,
        )
    except OverflowError as error:
        raise _bad_numbers((version, ntime, nonce)) from error
    if code:
        raise _bad_context(context)
    return bytes(_buffer(out))


def hash_in_python(
    context: bytes, extranonce: bytes, version: int, ntime: int, nonce: int
) -> bytes:
    """Do what `share_hash` does with hashlib: the oracle, and the way without a compiler.

    Raises:
        ValueError: as `share_hash`.
    """
    _ensure_words(version, ntime, nonce)
    if len(context) < _CONTEXT.size:
        raise _bad_context(context)
    before, after, count, prev_hash, nbits = _CONTEXT.unpack_from(context)
    body = context[_CONTEXT.size :]
    if len(body) != before + after + _HASH_BYTES * count:
        raise _bad_context(context)
    digest = _sha256d(body[:before] + extranonce + body[before : before + after])
    for at in range(before + after, len(body), _HASH_BYTES):
        digest = _sha256d(digest + body[at : at + _HASH_BYTES])
    times = struct.pack("<III", ntime, nbits, nonce)
    return _sha256d(version.to_bytes(4, "little") + prev_hash + digest + times)


def choose_hasher(usable: Iterable[int], run: Hasher) -> int:
    """Choose the first hasher that agrees with hashlib.

    Args:
        usable: numbers of the hashers that this machine can run, most preferred first.
        run: hashes with the hasher of a number; then as `share_hash`.

    Raises:
        KernelError: none agrees.
    """
    context = pack_context(b"p" * 150, b"s" * 90, (b"\x5a" * 32, b"\xa5" * 32), b"h" * 32, 1)
    wanted = hash_in_python(context, b"extra", 2, 3, 4)
    for number in usable:
        if run(number, context, b"extra", (2, 3, 4)) == wanted:
            return number
    raise KernelError("no compiled hasher computes right hashes here; rebuild with: make build")


@cache
def chosen_hasher() -> int:
    """Return the number of the hasher in use, in C; chosen once, as asking the CPU costs more."""
    numbers = range(lib.hf_hasher_count())
    return choose_hasher((n for n in numbers if lib.hf_hasher_usable(n)), _hash_in_c)


def _hash_in_c(
    hasher: int, context: bytes, extranonce: bytes, numbers: tuple[int, int, int]
) -> bytes:
    out = ffi.new(_HASH)
    lib.hf_share_hash(out, hasher, context, len(context), extranonce, len(extranonce), *numbers)
    return bytes(ffi.buffer(out))


def _sha256d(data: bytes) -> bytes:
    return sha256(sha256(data).digest()).digest()


def _ensure_words(*numbers: int) -> None:
    if not all(0 <= number < _WORDS for number in numbers):
        raise _bad_numbers(numbers)


def _bad_numbers(numbers: Sequence[int]) -> ValueError:
    return ValueError(f"not unsigned numbers of 32 bits: {', '.join(map(str, numbers))}")


def _bad_context(context: bytes) -> ValueError:
    return ValueError(f"these {len(context)} bytes are no context; make one with pack_context")
