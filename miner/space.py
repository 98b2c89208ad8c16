"""`SearchSpace`: the headers of a job in a fixed order, and how devices share them.

Pure: time comes in as a number. The order is extranonce first (the counter that turns
fastest, big-endian in the free bytes), then version bits, then time. A root costs two
hashes and the path, once in 2^32 nonces; time is turned last, because it must not run
ahead of the clock, and because a job's own time is what its source likes best.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Self

from headframe.chain.job import Job, Slice
from miner.devices.base import Work

__all__ = ["MAX_AHEAD_SECONDS", "Dry", "SearchSpace", "join", "slices"]

MAX_AHEAD_SECONDS: Final = 60
"""How far the time in a header may run ahead of our clock; a job's own time is always
allowed, since its source chose it, whatever our clock says. Nodes allow two hours, pools
often less, and no miner needs more: one header in a second is 4 GH/s without any other
room, and any other room makes that seconds into years."""

_LAST_SECOND: Final = 0xFFFFFFFF
"""The header's time is an unsigned 32-bit number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dry:
    """There is no header left at present.

    Attributes:
        until: the clock's second from which on there is one again; `None` if there never
            is, and only another job helps.
    """

    until: int | None


class SearchSpace:
    """Hands out the headers of one slice of a job, none twice.

    Args:
        job: the source's job.
        slice_: the part of it to search.
        versions: how many versions the kernel hashes at once. Where the slice has not the
            version bits for that, works have one version.

    Raises:
        ValueError: the job has no room for the slice.
    """

    def __init__(self, job: Job, slice_: Slice = Slice(), *, versions: int = 1) -> None:  # noqa: B008 # frozen
        free = job.extranonce_size - len(slice_.prefix)
        if free < 0:
            raise ValueError(
                f"a slice of {len(slice_.prefix)} bytes does not fit in {job.extranonce_size}"
            )
        if slice_.version_taken & ~job.version_mask:
            raise ValueError(
                f"slice takes version bits {slice_.version_taken:08x} outside the mask "
                f"{job.version_mask:08x}"
            )
        self.job = job
        self._slice = slice_
        self._free = free
        self._bits = tuple(_bits_of(job.version_mask & ~slice_.version_taken))
        self._group = versions if versions <= 1 << len(self._bits) else 1
        self._groups = (1 << len(self._bits)) // self._group
        self._index = 0

    @property
    def group(self) -> int:
        """How many versions each work has."""
        return self._group

    def follow(self, previous: Self) -> None:
        """Go on where an earlier space stopped, if both are of one block.

        Sources tell of one job again under a new id when its target or its mask changes;
        starting over would find the same shares again. With another mask only the
        extranonce goes on, which is enough unless all of it was used.
        """
        if self._block() != previous._block():
            return
        done, same = previous._index, self._versions() == previous._versions()
        self._index = done if same else done % 256**self._free

    def next(self, now: int) -> Work | Dry:
        """Hand out the next work.

        Args:
            now: our clock, in whole seconds since 1970.
        """
        index, counter = divmod(self._index, 256**self._free)
        second, group = divmod(index, self._groups)
        ntime = self.job.ntime + second
        if ntime > min(self.job.ntime_max, _LAST_SECOND):
            return Dry(until=None)
        if second and ntime > now + MAX_AHEAD_SECONDS:
            return Dry(until=ntime - MAX_AHEAD_SECONDS)
        self._index += 1
        first = group * self._group
        return Work(
            job=self.job,
            extranonce=self._slice.prefix + counter.to_bytes(self._free, "big"),
            versions=tuple(self._version(i) for i in range(first, first + self._group)),
            ntime=ntime,
        )

    def _version(self, index: int) -> int:
        """Spread the bits of an index over the bits that may be rolled."""
        return self.job.version | self._slice.version_fixed | _spread(index, self._bits)

    def _block(self) -> tuple[object, ...]:
        job = self.job
        chosen = (job.prev_hash, job.commitment, job.version, job.nbits, job.ntime)
        return (*chosen, self._slice.prefix)

    def _versions(self) -> tuple[object, ...]:
        return self._slice, self._bits, self._group


def slices(job: Job, count: int) -> tuple[Slice, ...]:
    """Split a job among equals, so that no header is hashed twice.

    By extranonce prefixes of the fewest bytes that tell `count` apart. Where the job has
    not that many free bytes, by the highest version bits, so that each keeps what is
    below for a kernel that hashes four versions at once. Where those do not suffice
    either, the split is as wide as the bits allow and **the rest get nothing**: such a job
    holds 2^32 nonces a second and bit, which few machines without room can use up.

    Returns:
        Disjoint slices: `count` of them, or fewer where the job has no room.

    Raises:
        ValueError: `count` is not positive.
    """
    if count < 1:
        raise ValueError(f"a job is split among one or more, not {count}")
    size = ((count - 1).bit_length() + 7) // 8
    if job.extranonce_size >= size:
        return tuple(Slice(prefix=i.to_bytes(size, "big")) for i in range(count))
    bits = sorted(_bits_of(job.version_mask), reverse=True)[: (count - 1).bit_length()]
    taken = sum(bits)
    return tuple(
        Slice(version_fixed=_spread(i, bits), version_taken=taken)
        for i in range(min(count, 1 << len(bits)))
    )


def join(outer: Slice, inner: Slice) -> Slice:
    """Make one slice of a slice and a part of what it leaves."""
    return Slice(
        prefix=outer.prefix + inner.prefix,
        version_fixed=outer.version_fixed | inner.version_fixed,
        version_taken=outer.version_taken | inner.version_taken,
    )


def _spread(index: int, bits: Sequence[int]) -> int:
    return sum(bit for place, bit in enumerate(bits) if index >> place & 1)


def _bits_of(mask: int) -> Iterator[int]:
    """Yield the single bits of a mask, the lowest first."""
    while mask:
        bit = mask & -mask
        yield bit
        mask ^= bit
