"""SHA-256d kernels: raw bytes in, nonces out. Knows nothing of pools, jobs or shares.

Here live the kernels, how one is chosen, the hash of a share, a table for numbers such as
the ends of hashes, a shortcut by which plain good shares are taken, and sending to many
sockets at once. What must not: anything that knows a pool or keeps books, and any state but
what a caller holds.

Works without the compiled module too, slowly: then `extension_missing` says why, in one
line for people, and the only kernel is the Python one. It is "" when all is well.
"""

from native.choose import kernels, measure, pick, self_test
from native.compiled import extension_missing
from native.judge import (
    NOT_PLAIN,
    OTHER_JOB,
    TOOK_ALL,
    TOOK_MANY,
    Judge,
    ProofState,
    Task,
    Terms,
    link_table,
    pack_rig,
    proof_state,
    unlink_table,
)
from native.kernel import Kernel, KernelError, ScanResult, StopFlag
from native.merkle import leaf_path
from native.share import pack_context, share_hash
from native.table import NumberTable, number_table

__all__ = [
    "NOT_PLAIN",
    "OTHER_JOB",
    "TOOK_ALL",
    "TOOK_MANY",
    "Judge",
    "Kernel",
    "KernelError",
    "NumberTable",
    "ProofState",
    "ScanResult",
    "StopFlag",
    "Task",
    "Terms",
    "extension_missing",
    "kernels",
    "leaf_path",
    "link_table",
    "measure",
    "number_table",
    "pack_context",
    "pack_rig",
    "pick",
    "proof_state",
    "self_test",
    "share_hash",
    "unlink_table",
]
