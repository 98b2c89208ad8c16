"""What an OpenCL launch is told of a job: everything that does not depend on the nonce.

Pure: bytes in, the arguments of `native/opencl/sha256d.cl` out, in the order in which the
kernel takes them. Words are big-endian reads of the header, as SHA-256 takes them.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

__all__ = ["POWERS", "LaunchJob", "is_hit", "make_launch_job", "word7", "zero_mask"]

POWERS: Final = struct.pack("=4I", 1, 1 << 29, 1 << 22, 1 << 15)
"""The factors that `HF_SPREAD` multiplies with: `x * 1`, `x >> 3`, `x >> 10`, `x` turned by 17."""

_WORD: Final = (1 << 32) - 1
_HEADER_BITS: Final = 640
_PAD: Final = 0x80000000


def _primes(count: int) -> list[int]:
    found: list[int] = []
    number = 2
    while len(found) < count:
        if all(number % prime for prime in found):
            found.append(number)
        number += 1
    return found


def _root_bits(number: int, degree: int) -> int:
    """Return the first 32 bits of the fraction of a root (FIPS 180-4, 4.2.2 and 5.3.3)."""
    low, high = 0, 1 << 40
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if middle**degree <= number << 32 * degree else (low, middle)
    return low & _WORD


_K: Final = tuple(_root_bits(prime, 3) for prime in _primes(64))
_IV: Final = tuple(_root_bits(prime, 2) for prime in _primes(8))


@dataclass(frozen=True, slots=True)
class LaunchJob:
    """The arguments that stay the same from launch to launch of one job.

    Attributes:
        words: 32 bytes: message words 16 and 17 of the first hash's second block; what word
            18 has besides sigma0 of the nonce word, and word 19 besides the nonce word; words
            16 and 17 with K added; the constant parts of words 31 and 32.
        heads: for each head three arguments: the state after round 3 for a nonce word of 0,
            with what round 4 adds to h in place of h (32 bytes); the midstate (32 bytes);
            what rounds 5 and 6 add to their h (8 bytes).
    """

    words: bytes
    heads: tuple[tuple[bytes, bytes, bytes], ...]


def make_launch_job(heads: Sequence[bytes], tail12: bytes) -> LaunchJob:
    """Compute what launches need.

    Args:
        heads: the first 64 bytes of each header.
        tail12: the 12 bytes that follow in all of them.
    """
    tail = struct.unpack(">3I", tail12)
    word16 = _sum(_sigma0(tail[1]), tail[0])
    word17 = _sum(_sigma1(_HEADER_BITS), _sigma0(tail[2]), tail[1])
    words = (
        word16,
        word17,
        _sum(_sigma1(word16), tail[2]),
        _sum(_sigma1(word17), _sigma0(_PAD)),
        _sum(word16, _K[16]),
        _sum(word17, _K[17]),
        _sum(_sigma0(word16), _HEADER_BITS),
        _sum(_sigma0(word17), word16),
    )
    return LaunchJob(struct.pack("=8I", *words), tuple(_arguments(head, tail) for head in heads))


def zero_mask(target: bytes) -> int:
    """Say which bits of digest word 7 a hash at most the target cannot have.

    Those above the highest bit of the target's top word, in the digest's byte order. None
    for a target of 2^255 and more.

    Args:
        target: 32 bytes, little-endian number.
    """
    (top,) = struct.unpack("<I", target[28:])
    allowed = (1 << top.bit_length()) - 1
    return int.from_bytes((_WORD & ~allowed).to_bytes(4, "little"), "big")


def word7(digest: bytes) -> int:
    """Return the word of a digest (32 bytes, header order) that `zero_mask` is about."""
    return int.from_bytes(digest[28:], "big")


def is_hit(head: bytes, tail12: bytes, nonce: int, mask: int, target: int) -> bool | None:
    """Check a candidate with hashlib.

    Returns:
        Whether its hash is at most the target; `None` when it is not even a candidate, so
        that what claimed it computes wrongly.
    """
    header = head + tail12 + nonce.to_bytes(4, "little")
    digest = sha256(sha256(header).digest()).digest()
    if word7(digest) & mask:
        return None
    return int.from_bytes(digest, "little") <= target


def _arguments(head: bytes, tail: Sequence[int]) -> tuple[bytes, bytes, bytes]:
    midstate = _compress(_IV, head)
    state = midstate
    for word, k in zip((*tail, 0), _K, strict=False):
        state = _round(state, _sum(word, k))
    hoisted = (*state[:7], _sum(state[7], _K[4], _PAD))
    early = (_sum(state[6], _K[5]), _sum(state[5], _K[6]))
    return (
        struct.pack("=8I", *hoisted),
        struct.pack("=8I", *midstate),
        struct.pack("=2I", *early),
    )


def _compress(state: Sequence[int], block: bytes) -> tuple[int, ...]:
    """Run the compression of FIPS 180-4, 6.2.2, which hashlib does not let us stop in."""
    words = list(struct.unpack(">16I", block))
    for t in range(16, 64):
        words.append(
            _sum(_sigma1(words[t - 2]), words[t - 7], _sigma0(words[t - 15]), words[t - 16])
        )
    new = tuple(state)
    for word, k in zip(words, _K, strict=True):
        new = _round(new, _sum(word, k))
    return tuple(_sum(old, word) for old, word in zip(state, new, strict=True))


def _round(state: Sequence[int], wk: int) -> tuple[int, ...]:
    a, b, c, d, e, f, g, h = state
    temp = h + (_turn(e, 6) ^ _turn(e, 11) ^ _turn(e, 25)) + (g ^ (e & (f ^ g))) + wk
    other = (_turn(a, 2) ^ _turn(a, 13) ^ _turn(a, 22)) + ((a & b) | (c & (a | b)))
    return (_sum(temp, other), a, b, c, _sum(d, temp), e, f, g)


def _sum(*words: int) -> int:
    return sum(words) & _WORD


def _turn(word: int, count: int) -> int:
    return (word >> count | word << 32 - count) & _WORD


def _sigma0(word: int) -> int:
    return _turn(word, 7) ^ _turn(word, 18) ^ word >> 3


def _sigma1(word: int) -> int:
    return _turn(word, 17) ^ _turn(word, 19) ^ word >> 10
