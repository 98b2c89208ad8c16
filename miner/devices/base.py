"""What hashes: the interface that every kind of device meets.

A device takes the newest job from a cell, searches its own slice of it, and tells what
it found. It checks nothing against the pool's rules and submits nothing: the engine does.
"""

import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol, Self

from headframe.chain.job import Job, Slice
from headframe.chain.share import Share
from headframe.runtime.latest import Latest
from miner.devices.manners import Manners

__all__ = ["Device", "DeviceStats", "Found", "SliceOf", "Solution", "Wishes", "Work"]

_HEAD: Final = struct.Struct("<I32s28s")
_TAIL: Final = struct.Struct("<4sII")
_MOST_FIRST_HASHES: Final = 256
"""Far more jobs than a pool sends between two looks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the user wants of the machine's devices.

    Attributes:
        threads: of each CPU device; 0 for one on each core that may be used.
        kernel: its name; "" for the fastest.
        manners: how hashing threads behave.
        latency_seconds: how long a GPU may be busy with one launch; what else it does waits.
    """

    threads: int = 0
    kernel: str = ""
    manners: Manners = field(default_factory=Manners)
    latency_seconds: float = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A job with everything chosen but the nonce: one header, or four that share a tail.

    Attributes:
        job: the source's job, as it came; what the device may not choose in it is chosen.
        extranonce: exactly the job's free bytes.
        versions: whole block versions to hash at once: one, or four.
        ntime: seconds since 1970.
    """

    job: Job
    extranonce: bytes
    versions: tuple[int, ...]
    ntime: int

    def share(self, head: int, nonce: int) -> Share:
        """Make the share that a nonce of one of the versions stands for."""
        return Share(
            job_id=self.job.id,
            extranonce=self.extranonce,
            ntime=self.ntime,
            nonce=nonce,
            version=self.versions[head],
        )

    def encode(self) -> tuple[tuple[bytes, ...], bytes]:
        """Serialise the headers without their nonces, as kernels take them.

        Returns:
            The first 64 bytes of each version's header, and the 12 bytes that follow in
            all of them: the end of the merkle root, time, nbits.
        """
        job, root = self.job, self.job.commitment.root(self.extranonce)
        heads = tuple(_HEAD.pack(v, job.prev_hash, root[:28]) for v in self.versions)
        return heads, _TAIL.pack(root[28:], self.ntime, job.nbits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """A nonce that a device claims.

    Attributes:
        work: the work it belongs to.
        head: index into `work.versions`.
        nonce: as the number in the header.
        kernel: what claims it, so that a wrong one is held against the right kernel.
        found_at: when its scan ended, in monotonic seconds; 0.0 where nobody noted it.
    """

    work: Work
    head: int
    nonce: int
    kernel: str = ""
    found_at: float = 0.0


Found = Callable[[Solution], None]
SliceOf = Callable[[Job], Slice | None]
"""The part of a job that is a device's alone; `None` where the job has no room for it."""


@dataclass(slots=True, kw_only=True)
class DeviceStats:
    """Running figures of one device; plain numbers, read by whoever asks.

    Attributes:
        hashes: hashes done since start, all versions counted.
        solutions: nonces claimed.
        wrong: of these, nonces that hashlib refused.
        retired: kernels given up because they claimed too many wrong nonces.
        kernel: the kernel in use, or "".
        self_tests: whether kernels computed rightly when the device tried them, by name.
        state: "idle", "hashing" or "failed".
        sensors: what the device tells of itself, by name and unit, such as "power_watts".
        first_hashes: seconds from a job's arrival to the first hash of it, of each job
            that nobody has taken note of yet; who does takes them out.
    """

    hashes: int = 0
    solutions: int = 0
    wrong: int = 0
    retired: int = 0
    kernel: str = field(default="")
    self_tests: dict[str, bool] = field(default_factory=dict)
    state: str = field(default="idle")
    sensors: dict[str, float] = field(default_factory=dict)
    first_hashes: deque[float] = field(default_factory=lambda: deque(maxlen=_MOST_FIRST_HASHES))

    def inherit(self, earlier: Self) -> None:
        """Count on from where a device of the same name stopped: counters never fall."""
        self.hashes += earlier.hashes
        self.solutions += earlier.solutions
        self.wrong += earlier.wrong
        self.retired += earlier.retired


class Device(Protocol):
    """Something that hashes.

    Attributes:
        name: such as "cpu:0", unique in the process.
        stats: running figures.
    """

    name: str
    stats: DeviceStats

    async def run(self, jobs: Latest[Job | None], slice_of: SliceOf, found: Found) -> None:
        """Hash until cancelled.

        Args:
            jobs: the newest job, or `None` to rest.
            slice_of: asked for each job, since jobs differ in the room they have.
            found: called on the event loop for each nonce that meets the job's target or
                its block target.
        """

    def wrong(self, solution: Solution) -> None:
        """Take note that a claimed nonce was wrong; the device may retire its kernel."""
