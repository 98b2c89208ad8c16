"""Double SHA-256, and the only place that turns hashes around.

Inside, a hash is the digest as it stands in headers and transactions ("header
order"). People, bitcoind's RPC and block explorers show the same bytes reversed
("display order"); that form exists only as text, made and read here.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

__all__ = ["hash_from_hex", "hash_to_hex", "hash_to_int", "hashes_from_hex", "sha256d"]

_HASH_BYTES: Final = 32


def sha256d(data: bytes) -> bytes:
    """Hash twice with SHA-256; 32 bytes, header order."""
    return sha256(sha256(data).digest()).digest()


def hash_to_hex(digest: bytes) -> str:
    """Show a hash (32 bytes, header order) the way people and RPC write it."""
    return digest[::-1].hex()


def hash_from_hex(text: str) -> bytes:
    """Read a hash in display order; 32 bytes, header order.

    Raises:
        ValueError: not exactly 64 hex digits.
    """
    digest = bytes.fromhex(text)
    if len(digest) != _HASH_BYTES or len(text) != 2 * _HASH_BYTES:
        raise ValueError(f"a hash has 64 hex digits, not {len(text)}: {text[:80]!r}")
    return digest[::-1]


def hashes_from_hex(texts: Sequence[str]) -> bytes:
    """Read thousands of hashes in display order in one go.

    Returns:
        All of them in turn, each 32 bytes in header order.

    Raises:
        ValueError: one is not exactly 64 hex digits.
    """
    # Turned around as a whole they come in the opposite order, each turned around itself.
    digests = bytes.fromhex("".join(texts[::-1]))[::-1]
    if len(digests) != _HASH_BYTES * len(texts) or not {*map(len, texts)} <= {2 * _HASH_BYTES}:
        raise ValueError("a hash has 64 hex digits, and not all of these have")
    return digests


def hash_to_int(digest: bytes) -> int:
    """Read a digest as the number that is compared with a target (last byte first)."""
    return int.from_bytes(digest, "little")
