"""Difficulties as numbers: which one to send for a target, and how it is written.

Pools send a number and miners compute a target from it, so what counts is the target
that the peer gets. It is never harder than the one asked for.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from headframe.chain.target import Target, target_from_difficulty, wire_difficulty

__all__ = ["PDIFF_1", "Numbers", "difficulty_for", "written"]

PDIFF_1: Final = (1 << 224) - 1
"""The target of "pool difficulty" 1: the one in use everywhere else, with its low bits set."""


class Numbers(StrEnum):
    """Which difficulties a peer reads, and as what."""

    EXACT = "exact"
    """Any number, whole or not."""
    WHOLE = "whole"
    """Whole numbers; below 1, where there are none, any."""
    POWER_OF_TWO = "power of two"
    """1, 2, 4 and so on; below 1 any: so do large pools, and some firmware knows no other."""
    PDIFF = "pdiff"
    """Any, but it takes whole numbers as multiples of `PDIFF_1` (BFGMiner)."""


_EXACT: Final = 1 << 53
"""Above, a double has no fractions."""
_LONG: Final = 1 << 63
"""From here on whole numbers are no longer what some readers of JSON take."""


def _whole(number: float) -> float:
    return int(number) if 1 <= number <= _EXACT else number


def _power_of_two(number: float) -> float:
    if number < 1:
        return number
    power = 1 << (int(number).bit_length() - 1)
    return power if power <= _EXACT else float(power)


def _as_it_is(number: float) -> float:
    return number


_ROUND: Final[Mapping[Numbers, Callable[[float], float]]] = MappingProxyType(
    {
        Numbers.EXACT: _as_it_is,
        Numbers.WHOLE: _whole,
        Numbers.POWER_OF_TWO: _power_of_two,
        Numbers.PDIFF: _as_it_is,
    }
)
"""How each is rounded: down, so that no target gets harder."""


@lru_cache(maxsize=4096)
def difficulty_for(target: Target, numbers: Numbers = Numbers.EXACT) -> tuple[float, Target]:
    """Choose the number to send for a target.

    Returns:
        The number, an `int` if it is whole, and the target that the peer computes from
        it: the same or easier. Judge by this one.
    """
    number = _ROUND[numbers](wire_difficulty(target))
    if numbers is Numbers.PDIFF and number == int(number):
        return number, Target(PDIFF_1 // int(number))
    return number, target_from_difficulty(number)


def written(number: float) -> str:
    """Write a difficulty in digits: no exponent, and no point in a whole number.

    Some firmware reads `1024.0` as 0 (Stratehm/stratum-proxy#51), and nothing says that
    each reader of numbers knows exponents.
    """
    if number >= _LONG:  # a million times the difficulty of any chain
        return repr(float(number))
    return str(int(number)) if number == int(number) else f"{Decimal(repr(number)):f}"
