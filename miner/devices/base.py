"""What hashes: the interface that every kind of device meets.

A device takes the newest job from a cell, searches its own slice of it, and tells what
it found. It checks nothing against the pool's rules and submits nothing: the engine does.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from headframe.chain.job import Job, Slice
from headframe.chain.share import Share
from headframe.runtime.latest import Latest

__all__ = ["Device", "DeviceStats", "Found", "Solution", "Work"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A job with everything chosen but the nonce: one header, or four that share a tail.

    Attributes:
        job: the job it is made from, narrowed to the device.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """A nonce that a device claims.

    Attributes:
        work: the work it belongs to.
        head: index into `work.versions`.
        nonce: as the number in the header.
    """

    work: Work
    head: int
    nonce: int


Found = Callable[[Solution], None]


@dataclass(slots=True, kw_only=True)
class DeviceStats:
    """Running figures of one device; plain numbers, read by whoever asks.

    Attributes:
        hashes: hashes done since start, all versions counted.
        solutions: nonces claimed.
        wrong: of these, nonces that hashlib refused.
        kernel: the kernel in use, or "".
        state: "idle", "hashing" or "failed".
    """

    hashes: int = 0
    solutions: int = 0
    wrong: int = 0
    kernel: str = field(default="")
    state: str = field(default="idle")


class Device(Protocol):
    """Something that hashes.

    Attributes:
        name: such as "cpu:0", unique in the process.
        stats: running figures.
    """

    name: str
    stats: DeviceStats

    async def run(self, jobs: Latest[Job | None], slice_: Slice, found: Found) -> None:
        """Hash until cancelled.

        Args:
            jobs: the newest job, or `None` to rest.
            slice_: the part of each job that is this device's alone.
            found: called on the event loop for each nonce that meets the job's target.
        """

    def wrong(self, solution: Solution) -> None:
        """Take note that a claimed nonce was wrong; the device may retire its kernel."""
