"""Double SHA-256, and the only place that turns hashes around.

Inside, a hash is the digest as it stands in headers and transactions ("header
order"). People, bitcoind's RPC and block explorers show the same bytes reversed
("display order"); that form exists only as text, made and read here.
"""

from hashlib import sha256

__all__ = ["hash_from_hex", "hash_to_hex", "hash_to_int", "sha256d"]


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
    if len(digest) != 32 or len(text) != 64:
        raise ValueError(f"a hash has 64 hex digits, not {len(text)}: {text[:80]!r}")
    return digest[::-1]


def hash_to_int(digest: bytes) -> int:
    """Read a digest as the number that is compared with a target (last byte first)."""
    return int.from_bytes(digest, "little")
