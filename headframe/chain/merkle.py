"""Merkle roots, and the path that leads from the coinbase to the root.

All hashes are 32 bytes in header order. Consensus rule: an odd level pairs its last
hash with itself; a parent is SHA-256d of left and right.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from headframe.chain.hashes import sha256d

__all__ = ["PathMaker", "first_leaf_path", "fold", "merkle_root"]

_HASH_BYTES: Final = 32

PathMaker = Callable[[bytes], tuple[bytes, ...]]
"""Does what `first_leaf_path` does; programs may know a faster way."""


def first_leaf_path(others: bytes) -> tuple[bytes, ...]:
    """Make the path of the first leaf from all leaves but it: Stratum's merkle branch.

    Args:
        others: their hashes, one after the other.
    """
    path = []
    # The row without its first hash, which is not known yet.
    row = [others[at : at + _HASH_BYTES] for at in range(0, len(others), _HASH_BYTES)]
    while row:
        path.append(row[0])
        if len(row) % 2 == 0:  # with the unknown first: an odd row
            row.append(row[-1])
        row = [sha256d(row[i] + row[i + 1]) for i in range(1, len(row) - 1, 2)]
    return tuple(path)


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """Compute the root over all leaves, the coinbase's hash first; each has 32 bytes.

    Raises:
        ValueError: there is no leaf.
    """
    if not leaves:
        raise ValueError("a merkle tree has at least one leaf")
    return fold(leaves[0], first_leaf_path(b"".join(leaves[1:])))


def fold(leaf: bytes, path: Iterable[bytes]) -> bytes:
    """Walk from a first leaf to the root: the leaf is always the left child."""
    for sibling in path:
        leaf = sha256d(leaf + sibling)
    return leaf
