"""The extranonce, cut up: who may search where.

Every coinbase has a few free bytes. The proxy gives each rig a part of them:

    [ upstream coinbase | padding | lane | slice ]  rollable  [ rest ]
      `------- shown to the rig as coinb1 ----' en1   rig's

The *lane* is a fixed field that names this proxy process among others on the same
upstream connection; empty where there is only one. The *slice* belongs to one rig. The
*rollable* bytes are the rig's own. The *padding* takes what is left over, so that a
pool with more room later is nothing but a new job.

How many bytes, unless configured (`fit`):

    free bytes  8  7  6  5  4  3
    padding     2  1  0  1  0  0
    slice       2  2  2  2  2  1
    rollable    4  4  4  2  2  2

Rollable sizes are 4 or 2 because some firmware knows no other (NerdMiner: 2, 4, 8), and
a second proxy behind this one cuts its 4 bytes into 2 + 2. Fewer than three free bytes
cannot be shared.
"""

import hmac
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Final, Self

import msgspec

from headframe.chain.job import SourceId

__all__ = ["Layout", "LayoutError", "Lease", "Mark", "NoSliceLeftError", "Slices", "fit"]

MIN_ROLLABLE: Final = 2
"""Fewer would be searched in a second; also the least that cgminer takes."""

_KEEPSAKES: Final = 4096
"""Holders that left of which it is remembered what they were shown: some hundred bytes each."""
_PREFERRED: Final = ((2, 4), (2, 2), (1, 2))
"""Slice and rollable bytes, the best first."""

Mark = tuple[SourceId, int]
"""A source and a generation: jobs that live and die together."""


class LayoutError(ValueError):
    """The free bytes of a job cannot be shared in the way that was asked for."""


class NoSliceLeftError(Exception):
    """All slices are in use, or in quarantine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How the free bytes are cut.

    Attributes:
        lane: the fixed field, the same for all rigs of this process.
        slice_size: bytes that tell the rigs apart.
        rollable: bytes that each rig rolls (extranonce2_size).
    """

    lane: bytes = b""
    slice_size: int
    rollable: int

    @property
    def width(self) -> int:
        """Bytes that a job must have free at least."""
        return len(self.lane) + self.slice_size + self.rollable

    def padding(self, free: int) -> bytes:
        """Make the zero bytes that fill a roomier job, ahead of the lane.

        Args:
            free: the job's free extranonce bytes.

        Raises:
            LayoutError: the job has less room than the layout needs.
        """
        if free < self.width:
            raise LayoutError(
                f"the upstream leaves {free} extranonce bytes, but rigs were given a layout of "
                f"{self.width} ({len(self.lane)} lane + {self.slice_size} slice + "
                f"{self.rollable} rollable)"
            )
        return bytes(free - self.width)


def fit(
    free: int, *, lane: bytes = b"", slice_size: int | None = None, rollable: int | None = None
) -> Layout:
    """Choose a layout for a job's free bytes.

    Args:
        free: the job's free extranonce bytes.
        lane: this process's field.
        slice_size: bytes of a slice, where the configuration fixes them.
        rollable: bytes that rigs roll, where the configuration fixes them.

    Raises:
        LayoutError: it does not fit; the message says what to change.
    """
    room = free - len(lane)
    for wanted_slice, wanted_roll in _PREFERRED:
        size = wanted_slice if slice_size is None else slice_size
        roll = wanted_roll if rollable is None else rollable
        if size + roll <= room:
            return Layout(lane=lane, slice_size=size, rollable=roll)
    least = (slice_size or 1) + (rollable or MIN_ROLLABLE) + len(lane)
    raise LayoutError(
        f"the upstream leaves {free} extranonce bytes, too few to share among rigs: at least "
        f"{least} are needed. Use an upstream that leaves more (a proxy such as this one: set "
        "extranonce.rollable = 6 there), or set extranonce.rigs_per_connection = 1 here"
    )


class Lease(msgspec.Struct, gc=False):
    """One rig's hold on a slice, until `release` or the end of a `with` block.

    Attributes:
        value: the slice's bytes.
        marks: the kinds of job it was shown on; it is quarantined until all are dead. Of
            each source the largest generation is enough, since that dies last; holders that
            saw the same jobs share the set.
        keepsake: what its holder leaves for itself, in case it comes back while the slice rests.
    """

    value: bytes
    marks: frozenset[Mark] = frozenset()
    keepsake: object = None
    _owner: "Slices | None" = None

    def mark(self, mark: Mark) -> None:
        """Note that the slice was shown on a kind of job."""
        if mark not in self.marks:
            self.marks = _with_mark(self.marks, mark)

    def release(self) -> None:
        """Give the slice back; once is enough."""
        owner, self._owner = self._owner, None
        if owner is not None:
            owner.take_back(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.release()


@lru_cache(maxsize=1024)
def _with_mark(marks: frozenset[Mark], mark: Mark) -> frozenset[Mark]:
    newest = dict(sorted(marks | {mark}))
    return frozenset(newest.items())


class Slices:
    """Hands out slices of one size; no two holders ever search the same space.

    All are of the same length, so no one's bytes begin another's. A slice comes back
    when its rig leaves, and is used again only after every job it was shown on is dead,
    the longest unused first.

    Args:
        size: bytes of a slice.
        first: the least value that is ours to give.
        end: one more than the largest; all values of `size` bytes if not given.
        key: makes the sessions; 1 to 64 secret bytes, random by default.

    Raises:
        LayoutError: the range is empty or does not fit `size` bytes.
    """

    def __init__(
        self, size: int, *, first: int = 0, end: int | None = None, key: bytes = b""
    ) -> None:
        limit = 256**size
        end = limit if end is None else end
        if not 0 <= first < end <= limit:
            raise LayoutError(f"slices {first} .. {end} do not lie in 0 .. {limit} ({size} bytes)")
        self._size = size
        self._proofs = blake2b(key=key or secrets.token_bytes(16), digest_size=4)
        self._next = first
        self._end = end
        self._count = end - first
        self._free: deque[bytes] = deque()
        self._quarantine: deque[Lease] = deque()
        self._kept: deque[Lease] = deque()  # those with a keepsake, and some that had one
        self._held = 0

    @property
    def held(self) -> int:
        """How many rigs hold a slice."""
        return self._held

    @property
    def quarantined(self) -> int:
        """How many slices wait for their last job to die."""
        return len(self._quarantine)

    @property
    def free(self) -> int:
        """How many can be had at once."""
        return self._end - self._next + len(self._free)

    def take(self, session: str = "") -> Lease:
        """Hold a slice, until the lease is released or its `with` block ends.

        Args:
            session: `session_of` a slice that its holder had before: it is given the same
                if nobody holds it, even while that rests from its own hands.

        Raises:
            NoSliceLeftError: none is free.
        """
        lease = (session and self._reclaim(session)) or Lease(self._pick(), _owner=self)
        self._held += 1
        return lease

    def session_of(self, value: bytes) -> str:
        """Say what proves that one held a slice; nobody else can know it."""
        proof = self._proofs.copy()  # the key has gone in already
        proof.update(value)
        return value.hex() + proof.hexdigest()

    def take_back(self, lease: Lease) -> None:
        """Let a slice rest until the jobs it was shown on are dead; `Lease.release` calls it."""
        self._held -= 1
        if lease.marks:
            self._quarantine.append(lease)
            if lease.keepsake is not None:
                self._kept.append(lease)
            if len(self._kept) > _KEEPSAKES:
                self._kept.popleft().keepsake = None
        else:
            self._free.append(lease.value)

    def sweep(self, alive: Callable[[Mark], bool]) -> None:
        """Set free what was shown on dead jobs only.

        Args:
            alive: says whether shares of such jobs may still count.
        """
        waiting: deque[Lease] = deque()
        for lease in self._quarantine:
            if any(alive(mark) for mark in lease.marks):
                waiting.append(lease)
            else:
                lease.keepsake = None
                self._free.append(lease.value)
        self._quarantine = waiting

    def _reclaim(self, session: str) -> Lease | None:
        """Take a slice out of its rest, or from those that are free."""
        try:
            value = bytes.fromhex(session)[: self._size]
        except ValueError:
            return None
        if not hmac.compare_digest(session.encode(), self.session_of(value).encode()):
            return None
        for lease in self._quarantine:
            if lease.value == value:
                self._quarantine.remove(lease)
                return Lease(value, lease.marks, lease.keepsake, _owner=self)
        if value not in self._free:
            return None
        self._free.remove(value)
        return Lease(value, _owner=self)

    def _pick(self) -> bytes:
        if self._next < self._end:
            value = self._next.to_bytes(self._size, "big")
            self._next += 1
            return value
        if self._free:
            return self._free.popleft()
        raise NoSliceLeftError(
            f"all {self._count} extranonce slices are taken ({self._held} in use, "
            f"{len(self._quarantine)} resting until the next block); use slices of more bytes"
        )
