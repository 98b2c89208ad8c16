"""The 80-byte block header."""

import struct
from dataclasses import dataclass
from typing import Final, Self

from headframe.chain.hashes import sha256d

__all__ = ["HEADER_BYTES", "Header"]

HEADER_BYTES: Final = 80
_LAYOUT: Final = struct.Struct("<I32s32sIII")


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """A block header.

    Attributes:
        version: unsigned 32 bits.
        prev_hash: 32 bytes, header order.
        root: merkle root, 32 bytes, header order.
        ntime: seconds since 1970, unsigned 32 bits.
        nbits: compact target of the block.
        nonce: unsigned 32 bits.
    """

    version: int
    prev_hash: bytes
    root: bytes
    ntime: int
    nbits: int
    nonce: int

    def encode(self) -> bytes:
        """Serialise to the 80 bytes that are hashed."""
        return _LAYOUT.pack(
            self.version, self.prev_hash, self.root, self.ntime, self.nbits, self.nonce
        )

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read 80 bytes.

        Raises:
            ValueError: another length.
        """
        if len(raw) != HEADER_BYTES:
            raise ValueError(f"a header has {HEADER_BYTES} bytes, not {len(raw)}")
        version, prev_hash, root, ntime, nbits, nonce = _LAYOUT.unpack(raw)
        return cls(
            version=version, prev_hash=prev_hash, root=root, ntime=ntime, nbits=nbits, nonce=nonce
        )

    def hash(self) -> bytes:
        """Hash it: 32 bytes, header order."""
        return sha256d(self.encode())
