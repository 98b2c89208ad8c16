"""Serialisation as Bitcoin's blocks and transactions have it: little-endian, compact sizes."""

import struct
from typing import Final

from headframe.chain.errors import WireError

__all__ = ["Reader", "compact_size", "var_bytes"]

_U16: Final = struct.Struct("<H")
_U32: Final = struct.Struct("<I")
_U64: Final = struct.Struct("<Q")


def compact_size(number: int) -> bytes:
    """Encode a count or length in its one shortest form: 1, 3, 5 or 9 bytes.

    Raises:
        ValueError: the number is not in 0 .. 2^64 - 1.
    """
    if not 0 <= number < 2**64:
        raise ValueError(f"a compact size lies in 0 .. 2^64 - 1, not {number}")
    if number < 0xFD:
        return bytes((number,))
    if number <= 0xFFFF:
        return b"\xfd" + _U16.pack(number)
    if number <= 0xFFFFFFFF:
        return b"\xfe" + _U32.pack(number)
    return b"\xff" + _U64.pack(number)


def var_bytes(data: bytes) -> bytes:
    """Put the length of some bytes before them, as a compact size."""
    return compact_size(len(data)) + data


class Reader:
    """Reads from the front of some bytes; what it hands out is gone.

    Nothing but `WireError` is ever raised for what the bytes contain. After an error
    the reader is of no further use.
    """

    __slots__ = ("_data", "_position")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    @property
    def position(self) -> int:
        """How many bytes have been read."""
        return self._position

    @property
    def remaining(self) -> int:
        """How many bytes are left."""
        return len(self._data) - self._position

    @property
    def at_end(self) -> bool:
        """Whether everything has been read."""
        return self.remaining == 0

    def take(self, size: int) -> bytes:
        """Read so many bytes.

        Raises:
            WireError: there are fewer, or the size is negative.
        """
        if size < 0:
            raise WireError(f"a piece cannot have a negative size ({size})")
        if size > self.remaining:
            raise WireError(
                f"the data ends {size - self.remaining} bytes too early, at byte {len(self._data)}"
            )
        start = self._position
        self._position = start + size
        return self._data[start : self._position]

    def peek(self, size: int) -> bytes:
        """Look at the next bytes without reading them; fewer come near the end."""
        return self._data[self._position : self._position + size]

    def u8(self) -> int:
        """Read one byte as a number."""
        return self.take(1)[0]

    def u16(self) -> int:
        """Read two bytes as a number."""
        return int(_U16.unpack(self.take(2))[0])

    def u32(self) -> int:
        """Read four bytes as a number."""
        return int(_U32.unpack(self.take(4))[0])

    def u64(self) -> int:
        """Read eight bytes as a number."""
        return int(_U64.unpack(self.take(8))[0])

    def compact_size(self) -> int:
        """Read a count or length; only the shortest form is in order, as in consensus.

        Raises:
            WireError: the data ends, or a longer form than needed is used.
        """
        start = self._position
        first = self.u8()
        number = {0xFD: self.u16, 0xFE: self.u32, 0xFF: self.u64}.get(first, lambda: first)()
        if self._position - start != len(compact_size(number)):
            raise WireError(f"the size {number} at byte {start} is not in its shortest form")
        return number

    def var_bytes(self) -> bytes:
        """Read a compact size and then so many bytes.

        Raises:
            WireError: the data ends too early, or the size is out of form.
        """
        return self.take(self.compact_size())

    def finish(self) -> None:
        """Make sure that nothing is left.

        Raises:
            WireError: there are more bytes.
        """
        if not self.at_end:
            raise WireError(f"{self.remaining} bytes are left over after byte {self._position}")
