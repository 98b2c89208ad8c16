"""`mining.notify` to `Job`, and back.

Byte orders: numbers are hex with the most significant byte first; the previous hash has
each of its 4-byte words reversed; everything else is as it is hashed.
"""

import struct
from dataclasses import dataclass, field
from typing import Final

import msgspec

from headframe.chain.job import Job, Lineage, SplitCoinbase
from headframe.chain.target import Target, target_from_nbits
from headframe.stratum.errors import LocalProtocolError, RemoteProtocolError
from headframe.stratum.sv1.dialect import bytes_from_hex, u32_from_hex
from headframe.stratum.sv1.messages import decode_notify

__all__ = [
    "NOTIFY_LINES",
    "NotifyLines",
    "Room",
    "WireJob",
    "make_job",
    "parse_notify",
    "swap_words",
]

_SWAPPED: Final = struct.Struct(">8I")
_PLAIN: Final = struct.Struct("<8I")

MAX_BRANCHES: Final = 32
"""Merkle branches taken from a pool: more transactions than 2^32 fit in no block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Where we roll: what a pool gave us of the extranonce.

    Attributes:
        extranonce1: the pool's bytes, before ours.
        size: our bytes (extranonce2_size).
    """

    extranonce1: bytes
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WireJob:
    """A job as a pool sent it, checked; two that differ in `clean` alone are equal.

    Attributes:
        wire_id: the pool's name for it, to be echoed as it came.
        prev_hash: 32 bytes, header order.
        prefix: the coinbase before the extranonce (coinb1).
        suffix: the coinbase after it (coinb2).
        path: merkle path, each 32 bytes, header order.
        version: block version.
        nbits: compact target of the block, valid.
        ntime: seconds since 1970.
        clean: earlier jobs of the pool are dead.
    """

    wire_id: str | int
    prev_hash: bytes
    prefix: bytes = field(repr=False)
    suffix: bytes = field(repr=False)
    path: tuple[bytes, ...] = field(repr=False)
    version: int
    nbits: int
    ntime: int
    clean: bool = field(compare=False)


def swap_words(raw: bytes) -> bytes:
    """Reverse each 4-byte word of 32 bytes: the wire's form of a previous hash, and back."""
    return _PLAIN.pack(*_SWAPPED.unpack(raw))


def parse_notify(params: msgspec.Raw) -> WireJob:
    """Read and check a job.

    Raises:
        RemoteProtocolError: it cannot be hashed, and why.
    """
    job = decode_notify(params)
    path = tuple(bytes_from_hex(item) for item in job.branch)
    prev_hash = bytes_from_hex(job.prev_hash)
    if len(prev_hash) != 32 or len(path) > MAX_BRANCHES or any(len(p) != 32 for p in path):
        raise RemoteProtocolError("mining.notify: a hash has not 32 bytes, or too many branches")
    nbits = u32_from_hex(job.nbits)
    try:
        target_from_nbits(nbits)
    except ValueError as error:
        raise RemoteProtocolError(f"mining.notify: {error}") from None
    return WireJob(
        wire_id=job.job,
        prev_hash=swap_words(prev_hash),
        prefix=bytes_from_hex(job.coinb1),
        suffix=bytes_from_hex(job.coinb2),
        path=path,
        version=u32_from_hex(job.version),
        nbits=nbits,
        ntime=u32_from_hex(job.ntime),
        clean=bool(job.clean),
    )


def make_job(
    wire: WireJob, room: Room, lineage: Lineage, *, mask: int, target: Target, roll_seconds: int
) -> Job:
    """Make the `Job` that a pool's job is for us, with a new serial.

    Args:
        wire: what the pool sent.
        room: our part of the extranonce.
        lineage: gives the serial and the counters.
        mask: version bits that the pool and we allow.
        target: from where on the pool wants shares.
        roll_seconds: how far the pool lets time run ahead of the job's.
    """
    return Job(
        id=lineage.next_id(),
        source=lineage.source,
        version=wire.version,
        version_mask=mask & ~wire.version,
        prev_hash=wire.prev_hash,
        nbits=wire.nbits,
        ntime=wire.ntime,
        ntime_min=wire.ntime,
        ntime_max=min(wire.ntime + roll_seconds, 0xFFFFFFFF),
        commitment=SplitCoinbase(
            prefix=wire.prefix + room.extranonce1,
            suffix=wire.suffix,
            path=wire.path,
            extranonce_size=room.size,
        ),
        target=target,
        block_target=min(target_from_nbits(wire.nbits), target),
        epoch=lineage.epoch,
        generation=lineage.generation,
    )


class NotifyLines:
    """The encoded `mining.notify` of the newest jobs, shared by all connections.

    A line of some kB is made once per job, lane and `clean`, whatever the number of rigs;
    their buffers hold the same bytes object.

    Args:
        size: lines kept; a job needs one per lane and payee, or two while rigs join. So many
            take 5 MB at most where coinbases are of usual size.
    """

    def __init__(self, size: int = 1024) -> None:
        self._size = size
        self._lines: dict[tuple[int, bytes, bool], tuple[Job, bytes]] = {}

    def line(self, job: Job, lane: bytes, *, clean: bool) -> bytes:
        """Return the line that shows a job to the rigs of a lane.

        Args:
            job: its id becomes the wire's job id, in lower-case hex.
            lane: extranonce bytes that come before the rig's extranonce1.
            clean: the rig must drop its earlier work.

        Raises:
            LocalProtocolError: the job's root is fixed; Stratum V1 cannot show it.
        """
        key = (job.id, lane, clean)
        kept = self._lines.get(key)
        if kept is not None and kept[0] is job:
            return kept[1]
        line = _encode_notify(job, lane, clean=clean)
        self._lines.pop(key, None)
        self._lines[key] = (job, line)
        if len(self._lines) > self._size:
            del self._lines[next(iter(self._lines))]
        return line


NOTIFY_LINES: Final = NotifyLines()
"""Shared by all connections of the process, so that a job is encoded once."""


def _encode_notify(job: Job, lane: bytes, *, clean: bool) -> bytes:
    split = job.commitment
    if not isinstance(split, SplitCoinbase):
        raise LocalProtocolError(f"job {job.id} has a fixed root: Stratum V1 cannot show it")
    params = (
        f"{job.id:x}",
        swap_words(job.prev_hash).hex(),
        (split.prefix + lane).hex(),
        split.suffix.hex(),
        [item.hex() for item in split.path],
        f"{job.version:08x}",
        f"{job.nbits:08x}",
        f"{job.ntime:08x}",
        clean,
    )
    message = {"id": None, "method": "mining.notify", "params": params}
    return msgspec.json.encode(message) + b"\n"
