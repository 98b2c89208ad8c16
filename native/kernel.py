"""What a kernel is: the interface, its answer, and the rules that all kernels check alike."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

__all__ = [
    "HEAD_BYTES",
    "MAX_HEADS",
    "MAX_HITS",
    "NONCES",
    "TAIL_BYTES",
    "TARGET_BYTES",
    "Kernel",
    "KernelError",
    "ScanResult",
    "StopFlag",
    "ensure_request",
]

HEAD_BYTES: Final = 64
"""The first block of a header: version, previous hash, and 28 bytes of the root."""
TAIL_BYTES: Final = 12
"""The next 12 bytes: the rest of the root, time, bits."""
TARGET_BYTES: Final = 32
NONCES: Final = 1 << 32
"""How many nonces there are."""
MAX_HITS: Final = 64
"""A scan returns early rather than report more hits at once (`HF_MAX_HITS`)."""
MAX_HEADS: Final = 16
"""Headers in one scan (`HF_MAX_HEADS`)."""


class KernelError(Exception):
    """No such kernel, none for this machine, or one that computes wrong hashes."""


class StopFlag:
    """Tells scans in other threads to return soon. May be used again after `clear`."""

    def __init__(self) -> None:
        self._word = array("I", [0])

    def set(self) -> None:
        """Stop every scan that looks at this flag, now and until `clear`."""
        self._word[0] = 1

    def clear(self) -> None:
        """Let scans run again."""
        self._word[0] = 0

    @property
    def is_set(self) -> bool:
        """Whether scans shall return."""
        return bool(self._word[0])

    @property
    def word(self) -> "array[int]":
        """The one 32-bit word that the C side reads; non-zero means stop."""
        return self._word


@dataclass(frozen=True, slots=True)
class ScanResult:
    """What a scan found.

    Attributes:
        hits: pairs of (index of the head, nonce as the number in the header), ordered by
            nonce, then head; complete for the nonces before `next`.
        next: the first nonce that was not scanned; `first + count` when all were.
    """

    hits: tuple[tuple[int, int], ...]
    next: int


class Kernel(Protocol):
    """Finds nonces. Keeps nothing between calls, so any number of threads may share one."""

    @property
    def name(self) -> str:
        """Name for logs, metrics and the `--kernel` option."""

    @property
    def lanes(self) -> int:
        """Nonces hashed at once."""

    @property
    def versions(self) -> int:
        """Heads hashed at once; it is at its best when given that many."""

    def scan(
        self,
        heads: Sequence[bytes],
        tail12: bytes,
        target: bytes,
        first: int,
        count: int,
        stop: StopFlag,
    ) -> ScanResult:
        """Search nonces `first` to `first + count - 1` of one or several headers.

        Returns early, with `next` below the end, when `stop` is set or when there are
        more hits than one result takes; call again from `next` to go on. If `stop` is not
        set, at least one nonce is done.

        Args:
            heads: for each header its first 64 bytes; 1 to 16 of them.
            tail12: the 12 bytes that follow in all of them.
            target: 32 bytes, little-endian number; a hash at most this is a hit.
            first: nonce to start with.
            count: how many nonces; `first + count` is at most 2^32.
            stop: looked at every few thousand nonces.

        Raises:
            ValueError: an argument of the wrong size, or a range that passes 2^32.
        """


def ensure_request(
    heads: Sequence[bytes], tail12: bytes, target: bytes, first: int, count: int
) -> None:
    """Refuse a scan that makes no sense, for all kernels in the same words.

    Raises:
        ValueError: says which argument, and what it should be.
    """
    if not 1 <= len(heads) <= MAX_HEADS:
        raise ValueError(f"a scan takes 1 to {MAX_HEADS} heads, not {len(heads)}")
    for head in heads:
        if len(head) != HEAD_BYTES:
            raise ValueError(f"a head has {HEAD_BYTES} bytes, not {len(head)}")
    if len(tail12) != TAIL_BYTES:
        raise ValueError(f"a tail has {TAIL_BYTES} bytes, not {len(tail12)}")
    if len(target) != TARGET_BYTES:
        raise ValueError(f"a target has {TARGET_BYTES} bytes, not {len(target)}")
    if first < 0 or count < 0 or first + count > NONCES:
        raise ValueError(f"nonces {first} to {first + count} do not lie in 0 to 2^32")
