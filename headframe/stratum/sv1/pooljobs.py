"""The jobs of one connection to a pool: what runs, what was told, what may be answered.

A difficulty and a new extranonce wait for the next job; a new version mask does not.
"""

from dataclasses import dataclass
from typing import Final

from headframe.chain.job import Job, JobId, Lineage
from headframe.chain.share import Share
from headframe.chain.target import DIFFICULTY_1, Target
from headframe.stratum.errors import LocalProtocolError
from headframe.stratum.sv1.jobs import Room, WireJob, make_job

__all__ = ["MAX_JOBS", "PoolJobs", "Told"]

MAX_JOBS: Final = 256
"""Jobs remembered per connection; btcpool, which remembers most, keeps as many."""


@dataclass(frozen=True, slots=True)
class Told:
    """A job that we told of, and what is needed to answer it.

    Attributes:
        wire: as the pool sent it.
        version: its version.
        size: bytes of extranonce2.
    """

    wire: WireJob
    version: int
    size: int

    def params(self, share: Share, worker: str, *, mask: int | None) -> list[object]:
        """Write the params of the `mining.submit` that answers it.

        Args:
            share: the answer.
            worker: the name to send it under.
            mask: version bits that the pool allows now; `None` when none were negotiated,
                and then the sixth item is left out.

        Raises:
            LocalProtocolError: version or extranonce cannot be said.
        """
        bits = mask or 0
        if (share.version ^ self.version) & ~bits:
            raise LocalProtocolError(
                f"version {share.version:08x} cannot be said within the mask {bits:08x}"
            )
        if len(share.extranonce) != self.size:
            raise LocalProtocolError(
                f"job {share.job_id} takes {self.size} bytes of extranonce, "
                f"not {len(share.extranonce)}"
            )
        params: list[object] = [
            worker,
            self.wire.wire_id,
            share.extranonce.hex(),
            f"{share.ntime:08x}",
            f"{share.nonce:08x}",
        ]
        return params if mask is None else [*params, f"{share.version & bits:08x}"]


class PoolJobs:
    """Turns what a pool sends, in any order, into whole jobs.

    Args:
        lineage: gives serials and counters; of the source, outlives the connection.
        roll_seconds: how far the pool lets time run ahead of a job's.
    """

    def __init__(self, lineage: Lineage, *, roll_seconds: int) -> None:
        self._lineage = lineage
        self._roll_seconds = roll_seconds
        self._target: Target = DIFFICULTY_1
        self._room: Room | None = None
        self._next_room: Room | None = None
        self._waiting: tuple[WireJob, Target] | None = None
        self._running: tuple[WireJob, Target, Room] | None = None
        self._mask = 0
        self._told: dict[JobId, Told] = {}

    @property
    def room(self) -> Room | None:
        """Our part of the extranonce in the running job; `None` before subscription."""
        return self._room

    @property
    def next_room(self) -> Room | None:
        """The same for the next job."""
        return self._next_room or self._room

    def find(self, job_id: JobId) -> Told | None:
        """Find a job that was told of and that the pool still knows by its name."""
        return self._told.get(job_id)

    def aim(self, target: Target) -> None:
        """Take the target of the jobs to come; before the first it is difficulty 1."""
        self._target = target

    def subscribed(self, room: Room) -> Job | None:
        """Take the room that the pool gave; return the job that waited for it.

        It is the pool's newest word: a change that came before it no longer counts.
        """
        self._room, self._next_room = room, None
        if self._waiting is None:
            return None
        wire, target = self._waiting
        self._waiting = None
        return self._take(wire, target, room)

    def move(self, room: Room) -> None:
        """Take a new room, for the jobs to come."""
        self._next_room = room

    def notify(self, wire: WireJob) -> Job | None:
        """Take a job from the pool.

        Returns:
            The job to tell of. `None` when it waits for the subscription, or is the
            running one again, sent to break a silence: the work on it goes on.
        """
        if self._room is None:
            self._waiting = (wire, self._target)
            return None
        if self._next_room is not None:
            self._room, self._next_room = self._next_room, None
        return self._take(wire, self._target, self._room)

    def set_mask(self, mask: int) -> Job | None:
        """Take the version bits that may be rolled from now on.

        Returns:
            The running job under a new id, if the mask means anything to it.
        """
        before, self._mask = self._mask, mask
        if self._running is None:
            return None
        free = ~self._running[0].version
        if not (before ^ mask) & free:
            return None
        if before & ~mask & free:
            self._lineage.switch()  # work with bits that are gone is in vain
        return self._tell(*self._running)

    def _take(self, wire: WireJob, target: Target, room: Room) -> Job | None:
        running = self._running
        if running == (wire, target, room):
            return None
        if running is None or wire.clean or wire.prev_hash != running[0].prev_hash:
            self._lineage.end()
        elif room != running[2]:
            self._lineage.switch()
        # btcpool uses its names again; a name means the newest job that bears it.
        self._told = {
            job_id: told
            for job_id, told in self._told.items()
            if told.wire.wire_id != wire.wire_id or told.wire == wire
        }
        self._running = (wire, target, room)
        return self._tell(wire, target, room)

    def _tell(self, wire: WireJob, target: Target, room: Room) -> Job:
        job = make_job(
            wire,
            room,
            self._lineage,
            mask=self._mask,
            target=target,
            roll_seconds=self._roll_seconds,
        )
        self._told[job.id] = Told(wire=wire, version=job.version, size=job.extranonce_size)
        if len(self._told) > MAX_JOBS:
            del self._told[next(iter(self._told))]
        return job
