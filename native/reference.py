"""The reference kernel: hashlib and a loop. Slow and obvious, the oracle for all others."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from native.kernel import MAX_HITS, ScanResult, StopFlag, ensure_request

__all__ = ["ReferenceKernel"]

_NONCES_PER_LOOK: Final = 1024


class ReferenceKernel:
    """SHA-256d as FIPS 180-4 and the block header define it, one nonce after another."""

    name: Final = "python"
    lanes: Final = 1
    versions: Final = 1

    def scan(
        self,
        heads: Sequence[bytes],
        tail12: bytes,
        target: bytes,
        first: int,
        count: int,
        stop: StopFlag,
    ) -> ScanResult:
        """Search for nonces; see `Kernel.scan`."""
        ensure_request(heads, tail12, target, first, count)
        limit = int.from_bytes(target, "little")
        hits: list[tuple[int, int]] = []
        for nonce in range(first, first + count):
            full = len(hits) + len(heads) > MAX_HITS
            if full or ((nonce - first) % _NONCES_PER_LOOK == 0 and stop.is_set):
                return ScanResult(tuple(hits), nonce)
            for index, head in enumerate(heads):
                header = head + tail12 + nonce.to_bytes(4, "little")
                digest = sha256(sha256(header).digest()).digest()
                if int.from_bytes(digest, "little") <= limit:
                    hits.append((index, nonce))
        return ScanResult(tuple(hits), first + count)
