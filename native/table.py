"""Tables of 64-bit numbers, 8 bytes for each and some room; in C where that was built."""

import secrets
from typing import Final, Protocol

from native.compiled import extension_missing

if not extension_missing:
    from native._native import ffi, lib

    _SLOTS, _TABLE, _new = ffi.typeof("uint64_t[]"), ffi.typeof("hf_table *"), ffi.new
    _has, _put, _copy = lib.hf_table_has, lib.hf_table_put, lib.hf_table_copy
    _ADDED, _NO_ROOM = lib.HF_ADDED, lib.HF_NO_ROOM

__all__ = ["CompiledTable", "NumberTable", "PythonTable", "number_table"]

_FIRST_BITS: Final = 6
"""Slots at first, as a power of two: 512 bytes."""
_MOST_BITS: Final = 32


class NumberTable(Protocol):
    """A set of unsigned 64-bit numbers that only grows.

    A number that was added is always found. The numbers must be as good as random, such as
    the ends of hashes: 0 and 1 may be taken for each other.
    """

    def __len__(self) -> int:
        """How many there are."""

    def __contains__(self, number: int) -> bool:
        """Say whether a number was added."""

    def add(self, number: int) -> bool:
        """Add a number; false when it was there already."""


class CompiledTable:
    """The table in C: at most three quarters full, twice as large when it is fuller.

    To grow moves all numbers: 15 ns for each, so a table of a million stops the caller for
    some 20 ms, once.

    Args:
        salt: scatters the numbers, so that who chooses them cannot crowd them in one place;
            drawn if not given. What the table says does not depend on it.
    """

    __slots__ = ("_slots", "state")

    def __init__(self, salt: int | None = None) -> None:
        self.state = _new(_TABLE)
        """What the functions in C work on."""
        self.state.salt = secrets.randbits(64) if salt is None else salt
        self._resize(_FIRST_BITS)

    def __len__(self) -> int:
        return int(self.state.count)

    def __contains__(self, number: int) -> bool:
        state = self.state
        return bool(_has(state.slots, state.bits, state.salt, number))

    def add(self, number: int) -> bool:
        """Add a number; false when it was there already.

        Raises:
            OverflowError: it is no unsigned number of 64 bits.
            MemoryError: there is no memory left.
        """
        result = _put(self.state, number)
        if result == _NO_ROOM:
            self._grow()
            result = _put(self.state, number)
        return bool(result == _ADDED)

    @property
    def size_bytes(self) -> int:
        """Memory that its slots take."""
        return 8 << int(self.state.bits)

    def _resize(self, bits: int) -> None:
        state = self.state
        self._slots = state.slots = _new(_SLOTS, 1 << bits)
        state.bits, state.room = bits, (1 << bits) * 3 // 4

    def _grow(self) -> None:
        before, bits = self._slots, int(self.state.bits)
        if bits == _MOST_BITS:
            raise MemoryError(f"a table of {len(self)} numbers cannot grow")
        self._resize(bits + 1)
        _copy(self._slots, bits + 1, before, bits, self.state.salt)


class PythonTable:
    """A Python set: the oracle, and the way without a compiler; a hundred bytes a number."""

    __slots__ = ("_numbers",)

    def __init__(self) -> None:
        self._numbers: set[int] = set()

    def __len__(self) -> int:
        return len(self._numbers)

    def __contains__(self, number: int) -> bool:
        return number in self._numbers

    def add(self, number: int) -> bool:
        """Add a number; false when it was there already."""
        before = len(self._numbers)
        self._numbers.add(number)
        return len(self._numbers) > before


def number_table() -> NumberTable:
    """Make an empty table, of the best kind there is here."""
    return PythonTable() if extension_missing else CompiledTable()
