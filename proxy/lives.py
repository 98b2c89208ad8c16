"""Which of a route's upstream jobs live, and which of its upstreams answer. Pure.

A job lives until its own source says that it is dead, by a larger generation. All sources
of a route are heard, and not just the one in use: shares in flight for a pool that was
left still count as long as it lives, and no longer.
"""

from typing import Final

from headframe.chain.job import Job, SourceId
from headframe.upstream.base import SourceState, SourceStatus, members_of
from proxy.slices import Mark

__all__ = ["Lives"]

_ANSWERING: Final = frozenset({SourceState.ACTIVE, SourceState.DEGRADED})
_PATIENCE_SECONDS: Final = 0.5
"""So long after an upstream was lost its verdicts are still waited for. Together with the
hub's second between two looks, every open share is answered within two."""


class Lives:
    """What is known of a route's sources."""

    def __init__(self) -> None:
        self._generations: dict[SourceId, int] = {}
        self._away: dict[SourceId, float] = {}  # since when, in monotonic seconds

    @property
    def marks(self) -> tuple[Mark, ...]:
        """The generation of each source, with which its jobs live."""
        return tuple(self._generations.items())

    def look(self, status: SourceStatus, now: float) -> list[Mark]:
        """Take note of how a source is, and all its members.

        Args:
            status: of the source or group.
            now: monotonic seconds.

        Returns:
            Sources and their generations, where these rose: earlier jobs are dead.
        """
        members = (status, *members_of(status))
        risen = [(one.source, one.generation) for one in members if self._note(one)]
        # Not by the status of the group: that is degraded while it holds a dead source's job.
        answering = {one.source for one in members_of(status) if one.state in _ANSWERING}
        self._away = {
            source: self._away.get(source, now)
            for source in self._generations
            if source not in answering
        }
        return risen

    def alive(self, job: Job | None) -> bool:
        """Say whether shares of a job still count, if there is one."""
        return job is not None and job.generation >= self._generations.get(job.source, 0)

    def away(self, now: float) -> frozenset[SourceId]:
        """Return the sources that will not answer shares any more."""
        return frozenset(
            source for source, since in self._away.items() if now - since >= _PATIENCE_SECONDS
        )

    def _note(self, status: SourceStatus) -> bool:
        risen = status.generation > self._generations.get(status.source, -1)
        if risen:
            self._generations[status.source] = status.generation
        return risen
