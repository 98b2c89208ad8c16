"""The rules of an audit: what a share's line must say, recomputed from its job's line.

Written apart from the proxy's own judgement on purpose: hashes by hashlib alone, and each
rule spelt out once more.
"""

from hashlib import sha256

from headframe.chain.share import MAX_FUTURE_SECONDS, Reason
from proxy.sharelog_lines import JobLine, ShareLine

__all__ = ["fault_in", "hash_of", "meets", "work_of"]


def work_of(target_hex: str) -> int:
    """Say how many hashes a target asks for: floor(2^256 / (target + 1))."""
    return 2**256 // (int(target_hex, 16) + 1)


def meets(proof: str, target_hex: str | None) -> bool:
    """Say whether a hash in display order, or "", is good enough for a target."""
    return bool(proof and target_hex) and int(proof, 16) <= int(target_hex or "0", 16)


def fault_in(job: JobLine, line: ShareLine) -> Reason | None:
    """Find what is wrong with a share's version or time.

    The line is written after the verdict was given, and the second may have turned: at the
    very limit of how far ahead a time may be, either verdict is right.
    """
    if (line.version ^ job.version) & ~(job.version_mask & line.mask):
        return Reason.BAD_VERSION
    slack = 1 if line.verdict is Reason.BAD_NTIME else 0
    latest = min(job.ntime_max, line.time_ms // 1000 + MAX_FUTURE_SECONDS - slack)
    return None if job.ntime_min <= line.ntime <= latest else Reason.BAD_NTIME


def hash_of(job: JobLine, share: ShareLine) -> str:
    """Hash a share's header; display order, or "" when its extranonce has the wrong size."""
    extranonce = bytes.fromhex(share.extranonce)
    if len(extranonce) != job.extranonce_size:
        return ""
    root = _twice(bytes.fromhex(job.prefix) + extranonce + bytes.fromhex(job.suffix))
    for step in job.path:
        root = _twice(root + bytes.fromhex(step))
    numbers = (share.ntime, job.nbits, share.nonce)
    header = share.version.to_bytes(4, "little") + bytes.fromhex(job.prev_hash)[::-1] + root
    header += b"".join(number.to_bytes(4, "little") for number in numbers)
    return _twice(header)[::-1].hex()


def _twice(data: bytes) -> bytes:
    return sha256(sha256(data).digest()).digest()
