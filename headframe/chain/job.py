"""`Job`: what upstream offers, complete in itself, and how it is split among many.

Two operations make a proxy and a miner with several devices. `narrow` gives a part of
a job's search space away; `Share.widen` brings an answer back. The law that binds
them, whatever the slice: `proof_of(job.narrow(s), share) == proof_of(job, share.widen(s))`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final, NewType, Self

from headframe.chain.coinbase import height_in
from headframe.chain.hashes import sha256d
from headframe.chain.merkle import fold
from headframe.chain.target import Target

__all__ = [
    "BIP320_MASK",
    "FixedRoot",
    "Job",
    "JobId",
    "Lineage",
    "Slice",
    "SourceId",
    "SplitCoinbase",
]

JobId = NewType("JobId", int)
"""A serial of ours, given by the job's source, never used twice in a process's life."""
SourceId = NewType("SourceId", str)
"""Names the pool or node that made a job, as in the configuration."""

BIP320_MASK: Final = 0x1FFFE000
"""The version bits that BIP 320 sets free for miners (the draft BIP 323 frees 1fffffe0)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitCoinbase:
    """A coinbase that is open in the middle: the extranonce is ours to choose.

    Attributes:
        prefix: the stripped serialisation (the one that the txid hashes) up to our bytes.
        suffix: the rest of it.
        path: merkle path of the coinbase, each 32 bytes in header order.
        extranonce_size: free bytes between prefix and suffix.
    """

    prefix: bytes = field(repr=False)
    suffix: bytes = field(repr=False)
    path: tuple[bytes, ...] = field(repr=False)
    extranonce_size: int

    def coinbase(self, extranonce: bytes) -> bytes:
        """Close the gap: the whole stripped coinbase."""
        return self.prefix + extranonce + self.suffix

    def root(self, extranonce: bytes) -> bytes:
        """Compute the merkle root (32 bytes, header order) for an extranonce.

        Raises:
            ValueError: the extranonce has not exactly `extranonce_size` bytes.
        """
        if len(extranonce) != self.extranonce_size:
            raise ValueError(
                f"this job takes {self.extranonce_size} bytes of extranonce, not {len(extranonce)}"
            )
        return fold(sha256d(self.coinbase(extranonce)), self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedRoot:
    """A merkle root with nothing left to choose, as in an SV2 standard job.

    Attributes:
        value: 32 bytes, header order.
    """

    value: bytes
    extranonce_size: int = field(default=0, init=False)

    def root(self, extranonce: bytes) -> bytes:
        """Return the root; the extranonce must be empty.

        Raises:
            ValueError: the extranonce is not empty.
        """
        if extranonce:
            raise ValueError(f"this job has no extranonce, {len(extranonce)} bytes were given")
        return self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """A part of a job's search space.

    Attributes:
        prefix: extranonce bytes that are fixed for the owner of the slice.
        version_fixed: the value of the version bits in `version_taken`.
        version_taken: version bits that the owner may no longer roll; used where there
            are no bytes to give away.

    Raises:
        ValueError: `version_fixed` has bits outside `version_taken`.
    """

    prefix: bytes = b""
    version_fixed: int = 0
    version_taken: int = 0

    def __post_init__(self) -> None:
        if self.version_fixed & ~self.version_taken:
            raise ValueError(
                f"fixed version bits {self.version_fixed:08x} lie outside {self.version_taken:08x}"
            )


@dataclass(slots=True)
class Lineage:
    """The serials of one source's jobs; the only thing about jobs that changes.

    Lives as long as its source, over all its connections, so that what it counts never
    falls.

    Attributes:
        source: the source's name.
        ids: gives the serials; one iterator for all sources of a process.
        epoch: of the newest job; see `Job.epoch`.
        generation: of the newest job; see `Job.generation`.
    """

    source: SourceId
    ids: Iterator[int]
    epoch: int = 0
    generation: int = 0

    def next_id(self) -> JobId:
        """Give a new job its serial."""
        return JobId(next(self.ids))

    def switch(self) -> None:
        """Let readers drop earlier work at once; shares of it still count."""
        self.epoch += 1

    def end(self) -> None:
        """Let readers drop earlier work at once; shares of it no longer count."""
        self.epoch += 1
        self.generation += 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What upstream offers: everything needed to build headers and to judge answers.

    Attributes:
        id: our serial for it.
        source: who made it; a block candidate goes back there.
        version: block version as the pool gave it, never altered.
        version_mask: bits that may be rolled: granted, configured, clear in `version`,
            and not required by the node. The value of a rolled bit counts as it stands
            in the share's version.
        prev_hash: 32 bytes, header order.
        nbits: the block's compact target.
        ntime: the time to start from, in seconds since 1970.
        ntime_min: the least time that the source accepts.
        ntime_max: the largest.
        commitment: how extranonce becomes a merkle root.
        target: a share is worth sending from here on.
        block_target: a share is a block candidate from here on (`nbits`, or the harder
            of it and a pace; for a pool's job never easier than `target`).
        epoch: rises when readers must drop earlier work at once.
        generation: rises when all earlier jobs of the same `source` are dead, so that
            shares of them no longer count. A planned switch to another pool raises the
            epoch and kills nothing; only the source itself raises its generation.
        received_at: when the source got it, by a clock that never goes back; 0.0 where
            nobody noted it. Says nothing about the work, and so is not compared.
    """

    id: JobId
    source: SourceId
    version: int
    version_mask: int
    prev_hash: bytes
    nbits: int
    ntime: int
    ntime_min: int
    ntime_max: int
    commitment: SplitCoinbase | FixedRoot
    target: Target
    block_target: Target
    epoch: int
    generation: int
    received_at: float = field(default=0.0, compare=False)

    def __post_init__(self) -> None:
        if len(self.prev_hash) != 32:
            raise ValueError(f"prev_hash has 32 bytes, not {len(self.prev_hash)}")
        if self.version & self.version_mask:
            raise ValueError(
                f"version {self.version:08x} has bits inside the mask {self.version_mask:08x}"
            )
        if not self.ntime_min <= self.ntime <= self.ntime_max:
            raise ValueError(
                f"ntime {self.ntime} lies outside {self.ntime_min} .. {self.ntime_max}"
            )

    @property
    def extranonce_size(self) -> int:
        """Free extranonce bytes; 0 where the root is fixed."""
        return self.commitment.extranonce_size

    @property
    def height(self) -> int | None:
        """The height of the block, where its coinbase shows as far as that."""
        commitment = self.commitment
        return height_in(commitment.prefix) if isinstance(commitment, SplitCoinbase) else None

    def narrow(self, slice_: Slice, *, target: Target, id: JobId) -> Self:
        """Make the job that the owner of a slice sees.

        Args:
            slice_: the part that the owner gets.
            target: from where on the owner shall send shares.
            id: the new job's serial.

        Raises:
            ValueError: the job has not that many free bytes, or the slice takes version
                bits that cannot be rolled.
        """
        if slice_.version_taken & ~self.version_mask:
            raise ValueError(
                f"slice takes version bits {slice_.version_taken:08x} outside the mask "
                f"{self.version_mask:08x}"
            )
        return replace(
            self,
            id=id,
            target=target,
            version=self.version | slice_.version_fixed,
            version_mask=self.version_mask & ~slice_.version_taken,
            commitment=_narrow_commitment(self.commitment, slice_.prefix),
        )

    def fix(self, extranonce: bytes) -> Self:
        """Choose the extranonce for good; the result has a `FixedRoot`.

        Raises:
            ValueError: not exactly `extranonce_size` bytes.
        """
        return replace(self, commitment=FixedRoot(value=self.commitment.root(extranonce)))


def _narrow_commitment(
    commitment: SplitCoinbase | FixedRoot, prefix: bytes
) -> SplitCoinbase | FixedRoot:
    if not prefix:
        return commitment
    if isinstance(commitment, FixedRoot) or len(prefix) > commitment.extranonce_size:
        raise ValueError(
            f"a slice of {len(prefix)} bytes does not fit in {commitment.extranonce_size}"
        )
    return replace(
        commitment,
        prefix=commitment.prefix + prefix,
        extranonce_size=commitment.extranonce_size - len(prefix),
    )
