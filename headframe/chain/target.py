"""Targets, and the two ways people write them: compact bits and difficulty.

A target is a 256-bit integer and the only truth: a hash, read as a little-endian
number, is good when it is less than or equal. Difficulty is a way to print a target,
`DIFFICULTY_1 / target`, with the "bdiff" constant that Stratum software uses
(nbits 1d00ffff). All arithmetic here is exact; each function states its rounding.
"""

import math
from decimal import Decimal
from fractions import Fraction
from typing import Final, NewType

__all__ = [
    "DIFFICULTY_1",
    "MAX_TARGET",
    "Target",
    "difficulty_from_target",
    "nbits_from_target",
    "target_from_difficulty",
    "target_from_nbits",
    "wire_difficulty",
    "work_of",
]

Target = NewType("Target", int)

DIFFICULTY_1: Final = Target(0xFFFF << 208)
"""Target of difficulty 1, the same as nbits 1d00ffff."""
MAX_TARGET: Final = Target(2**256 - 1)
"""The easiest target: every hash meets it."""

_WIRE_DIGITS: Final = 6
"""Significant digits of a difficulty that we send: tidy for people, and four fewer
than the shortest float parser in use keeps."""
_EXACT_IN_DOUBLE: Final = 2**53
"""Up to here every whole number is a double."""


def target_from_nbits(nbits: int) -> Target:
    """Expand compact bits as consensus does.

    Args:
        nbits: the header's number, for example 0x1d00ffff.

    Raises:
        ValueError: the bits are negative, overflow 256 bits, or mean zero; no header
            with them can be valid.
    """
    if not 0 <= nbits <= 0xFFFFFFFF:
        raise ValueError(f"nbits are 32 bits, not {nbits:x}")
    size, mantissa = nbits >> 24, nbits & 0x007FFFFF
    value = mantissa >> 8 * (3 - size) if size <= 3 else mantissa << 8 * (size - 3)
    if value and nbits & 0x00800000:
        raise ValueError(f"nbits {nbits:08x} are negative")
    if value > MAX_TARGET:
        raise ValueError(f"nbits {nbits:08x} overflow 256 bits")
    if value == 0:
        raise ValueError(f"nbits {nbits:08x} mean a target of zero")
    return Target(value)


def nbits_from_target(target: int) -> int:
    """Write a target in compact form, rounding it down (harder) to three bytes."""
    size = (target.bit_length() + 7) // 8
    mantissa = target << 8 * (3 - size) if size <= 3 else target >> 8 * (size - 3)
    if mantissa & 0x00800000:
        mantissa >>= 8
        size += 1
    return size << 24 | mantissa


def target_from_difficulty(difficulty: float | Fraction | Decimal) -> Target:
    """Make the share target of a difficulty: `floor(DIFFICULTY_1 / difficulty)`.

    Exact for the number given (a float means the double it is) and rounded down to an
    integer. It saturates at `MAX_TARGET` for difficulties far below 1, and at 1 for those
    that no hash can meet.

    Raises:
        ValueError: zero, negative, infinite or not a number.
    """
    try:
        exact = Fraction(difficulty)
    except (ValueError, OverflowError):  # not a number, infinite
        exact = Fraction(0)
    if exact <= 0:
        raise ValueError(f"a difficulty is a finite number above zero, not {difficulty}")
    target = DIFFICULTY_1 * exact.denominator // exact.numerator
    return Target(min(max(target, 1), MAX_TARGET))


def difficulty_from_target(target: int) -> Fraction:
    """Say how much harder than difficulty 1 a target is, exactly.

    Raises:
        ValueError: the target is not in 1 .. 2^256 - 1.
    """
    if not 1 <= target <= MAX_TARGET:
        raise ValueError(f"a target lies in 1 .. 2^256 - 1, not {target}")
    return Fraction(DIFFICULTY_1, target)


def wire_difficulty(target: int) -> float:
    """Choose the number to send in `mining.set_difficulty` for a target.

    Rounded down to six significant digits, so the target that a peer computes from it
    is the same or easier, never harder. Whole numbers come as `int` as long as a double
    holds them exactly, since that is what peers read them into. A server must check
    shares against `target_from_difficulty` of this very number.

    Raises:
        ValueError: the target is not in 1 .. 2^256 - 1.
    """
    exact = difficulty_from_target(target)
    exponent = _decimal_exponent(exact) - (_WIRE_DIGITS - 1)
    scale = Fraction(10) ** exponent
    digits = math.floor(exact / scale)
    value = digits * scale
    if value.denominator == 1 and value <= _EXACT_IN_DOUBLE:
        return value.numerator
    number = float(value)
    if Fraction(number) > exact:  # the nearest double lies above: one step down
        number = float((digits - 1) * scale)
    return number


def _decimal_exponent(number: Fraction) -> int:
    """Return e with 10^e <= number < 10^(e+1)."""
    exponent = len(str(number.numerator)) - len(str(number.denominator))
    return exponent if Fraction(10) ** exponent <= number else exponent - 1


def work_of(target: int) -> int:
    """Count the hashes that a share of this target stands for: `floor(2^256 / (target + 1))`."""
    return 2**256 // (target + 1)
