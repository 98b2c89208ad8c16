"""`Lags`: which of several sources still builds on a block that another has left behind.

Pure: told the newest jobs and the time. A share for an old block is worth nothing, and a pool
that has lost its node goes on sending jobs, so none of what `watch` looks at tells it.

A source is behind another whose job is for a greater height, if that one has built on the
very block before, or has the same difficulty and is ahead by two blocks. So two chains are
never compared by their heights alone. It lags when it was behind for long: blocks do not
reach all pools at once.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from headframe.chain.job import Job, JobId, SourceId

__all__ = ["Lags"]

_REMEMBERED: Final = 8
"""Blocks that a source has built on: more than two sources differ by."""
_FAR_BLOCKS: Final = 2
"""By one block sources differ whenever one is found."""


@dataclass(slots=True)
class _Seen:
    """What a source builds on, and has built on."""

    job: JobId
    prev_hash: bytes
    height: int | None
    nbits: int
    earlier: deque[bytes] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))

    def look(self, job: Job) -> None:
        self.job, self.nbits = job.id, job.nbits
        if job.prev_hash != self.prev_hash:
            self.earlier.append(self.prev_hash)
            self.prev_hash, self.height = job.prev_hash, job.height

    def is_ahead(self, other: "_Seen") -> bool:
        if self.height is None or other.height is None:
            return False
        ahead = self.height - other.height
        if ahead <= 0:
            return False
        near = other.prev_hash in self.earlier
        return near or (ahead >= _FAR_BLOCKS and self.nbits == other.nbits)


class Lags:
    """Compares the sources of one group; times are monotonic seconds.

    Attributes:
        until: when one that is behind will lag, if nothing happens; `None` if none is behind.
    """

    def __init__(self) -> None:
        self.until: float | None = None
        self._seen: dict[SourceId, _Seen] = {}
        self._since: dict[SourceId, float] = {}

    def look(
        self, jobs: Mapping[SourceId, Job | None], now: float, patience_seconds: float
    ) -> dict[SourceId, str]:
        """Say which sources lag, and why, in a line for people.

        Args:
            jobs: the newest of each source; `None` for one without.
            now: the present.
            patience_seconds: how long one may be behind; 0: for ever.
        """
        self._note(jobs)
        late: dict[SourceId, str] = {}
        waits = []
        for name in [each for each, job in jobs.items() if job is not None]:
            ahead = self._ahead_of(name, jobs)
            if ahead is None or not patience_seconds:
                self._since.pop(name, None)
                continue
            since = self._since.setdefault(name, now)
            if now - since >= patience_seconds:
                late[name] = self._told(name, ahead)
            else:
                waits.append(since + patience_seconds)
        self.until = min(waits, default=None)
        return late

    def _note(self, jobs: Mapping[SourceId, Job | None]) -> None:
        for name, job in jobs.items():
            seen = self._seen.get(name)
            if job is None:
                self._since.pop(name, None)
            elif seen is None:
                self._seen[name] = _Seen(job.id, job.prev_hash, job.height, job.nbits)
            elif seen.job != job.id:
                seen.look(job)
        for name in [each for each in self._seen if each not in jobs]:
            del self._seen[name]
            self._since.pop(name, None)

    def _ahead_of(self, name: SourceId, jobs: Mapping[SourceId, Job | None]) -> SourceId | None:
        mine = self._seen[name]
        for other, job in jobs.items():
            if other != name and job is not None and self._seen[other].is_ahead(mine):
                return other
        return None

    def _told(self, name: SourceId, ahead: SourceId) -> str:
        here, there = self._seen[name].height, self._seen[ahead].height
        return (
            f"{name} is behind: its work is for block {here}, that of {ahead} for {there}; it is "
            "used again when it has caught up"
        )
