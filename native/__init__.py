"""SHA-256d kernels: raw bytes in, nonces out. Knows nothing of pools, jobs or shares.

Here live the kernels, how one is chosen, the hash of a share, a table for numbers such as
the ends of hashes, and sending to many sockets at once. What must not: anything that knows
a job, a pool or a share's fate, and any state but what a caller holds.

Works without the compiled module too, slowly: then `extension_missing` says why, in one
line for people, and the only kernel is the Python one. It is "" when all is well.
"""

from native.choose import kernels, measure, pick, self_test
from native.compiled import extension_missing
from native.kernel import Kernel, KernelError, ScanResult, StopFlag
from native.share import pack_context, share_hash
from native.table import NumberTable, number_table

__all__ = [
    "Kernel",
    "KernelError",
    "NumberTable",
    "ScanResult",
    "StopFlag",
    "extension_missing",
    "kernels",
    "measure",
    "number_table",
    "pack_context",
    "pick",
    "self_test",
    "share_hash",
]
