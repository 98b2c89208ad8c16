"""`AttendedSource`: a source, and what looks after its blocks while it runs."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from headframe.chain.job import Job
from headframe.chain.share import Share
from headframe.runtime.latest import Latest
from headframe.upstream.base import Done, JobSource, SourceStatus
from headframe.upstream.tasks import run_together

__all__ = ["AttendedSource"]


class AttendedSource:
    """A `JobSource` that is another one, with companions that run as long as it does.

    Found blocks are on their way whichever upstream is in use, so who delivers and follows
    them belongs to no single one.

    Args:
        source: where work comes from.
        companions: run beside it; they end only when cancelled.
    """

    def __init__(
        self,
        source: JobSource,
        companions: Sequence[Callable[[], Coroutine[Any, Any, None]]],
    ) -> None:
        self._source = source
        self._companions = companions

    @property
    def jobs(self) -> Latest[Job | None]:
        """The source's."""
        return self._source.jobs

    @property
    def status(self) -> Latest[SourceStatus]:
        """The source's."""
        return self._source.status

    def submit(self, share: Share, worker: str | None, done: Done) -> None:
        """Hand a share to the source."""
        self._source.submit(share, worker, done)

    async def run(self) -> None:
        """Run the source and its companions.

        Raises:
            UpstreamError: the source did.
        """
        await run_together(self._source.run(), *(each() for each in self._companions))
