"""`FailoverSource`: several sources, in order of preference, that look like one.

The first source is always wanted. The next one is started when all before it have
failed, and let go a while after one of them has work again, so that shares in flight
still reach the pool that made their job. Job ids are serials of the process, so a share's
id tells whose it is.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from headframe.chain.job import Job, JobId
from headframe.chain.share import Reason, Share, Verdict
from headframe.runtime.latest import Latest
from headframe.runtime.logs import get_logger
from headframe.runtime.retry import Backoff
from headframe.upstream.base import (
    Done,
    JobSource,
    SourceState,
    SourceStatus,
    UpstreamError,
)

__all__ = ["FailoverSource"]

_log = get_logger(__name__)

_LINGER_SECONDS: Final = 30.0
"""How long a source that is no longer needed keeps its connection for late shares."""
_REMEMBERED: Final = 8192
"""Jobs whose source we remember: hours of them."""


@dataclass(slots=True, eq=False)
class _Member:
    """A source and what we know of it."""

    source: JobSource
    backoff: Backoff
    wanted: asyncio.Event = field(default_factory=asyncio.Event)
    scope: asyncio.Timeout | None = None
    failed: bool = False
    trouble: str = ""

    @property
    def has_work(self) -> bool:
        return self.source.jobs.get() is not None


class FailoverSource:
    """A `JobSource` made of others; `run` retries for ever and ends only when cancelled.

    Args:
        sources: at least one, the preferred first.
        hold_seconds: how long the last job is kept when no source has work.
        linger_seconds: how long a source stays connected when one before it is back.
        backoff: makes the pauses between two tries of one source.
    """

    def __init__(
        self,
        sources: Sequence[JobSource],
        *,
        hold_seconds: float = 60.0,
        linger_seconds: float = _LINGER_SECONDS,
        backoff: Callable[[], Backoff] = Backoff,
    ) -> None:
        if not sources:
            raise ValueError("a failover source is made of at least one source")
        self._members = [_Member(source, backoff()) for source in sources]
        self._hold_seconds = hold_seconds
        self._linger_seconds = linger_seconds
        self._jobs: Latest[Job | None] = Latest(None)
        self._status = Latest(sources[0].status.get())
        self._active = self._members[0]
        self._owners: dict[JobId, _Member] = {}
        self._origin: tuple[_Member, int] | None = None  # of the newest job: member and its epoch
        self._epoch = 0
        self._changed = asyncio.Event()

    @property
    def jobs(self) -> Latest[Job | None]:
        """The newest job of the source in use; kept for a while when there is none."""
        return self._jobs

    @property
    def status(self) -> Latest[SourceStatus]:
        """How the source in use is doing."""
        return self._status

    def submit(self, share: Share, worker: str | None, done: Done) -> None:
        """Send a share to the source that made its job, whether or not it is in use."""
        owner = self._owners.get(share.job_id)
        if owner is None:
            done(Verdict(reason=Reason.UNKNOWN_JOB))
        else:
            owner.source.submit(share, worker, done)

    async def run(self) -> None:
        """Keep the best source there is working, until cancelled."""
        for member in self._members:
            member.failed = False
            member.wanted.clear()
            member.backoff.reset()
        try:
            async with asyncio.TaskGroup() as group:
                for member in self._members:
                    group.create_task(self._keep(member))
                    group.create_task(self._watch(member.source.jobs))
                    group.create_task(self._watch(member.source.status))
                group.create_task(self._steer())
        finally:
            self._jobs.set(None)
            self._status.set(replace(self._status.get(), state=SourceState.DOWN))

    async def _watch(self, cell: Latest[Job | None] | Latest[SourceStatus]) -> None:
        serial = cell.serial
        while True:
            await cell.wait_newer(serial)
            serial = cell.serial
            self._changed.set()

    async def _keep(self, member: _Member) -> None:
        """Run one source whenever it is wanted, again after each failure."""
        while True:
            await member.wanted.wait()
            try:
                async with asyncio.timeout(None) as member.scope:
                    await self._attempt(member)
                    await asyncio.sleep(member.backoff.next())
            except TimeoutError:
                pass  # it was let go, and its time to linger is over
            finally:
                member.scope = None

    async def _attempt(self, member: _Member) -> None:
        name = member.source.status.get().source
        try:
            await member.source.run()
            trouble = f"{name} ended"
        except UpstreamError as error:
            trouble = str(error)
        except Exception as error:  # noqa: BLE001 # a bug of ours: the other sources go on
            _log.exception("source_broke", source=name)
            trouble = f"{name}: {type(error).__name__}, see the log"
        if trouble != member.trouble:  # say it once, not at each try
            _log.warning("source_lost", source=name, error=trouble)
        member.trouble = trouble
        member.failed = True
        self._changed.set()

    async def _steer(self) -> None:
        """Choose a source, pass its jobs on, and hold the last one when there is none."""
        loop = asyncio.get_running_loop()
        held_until: float | None = None
        while True:
            self._changed.clear()
            self._want()
            chosen = next((each for each in self._members if each.has_work), None)
            if chosen is not None:
                held_until = None
                self._pass_on(chosen)
            elif held_until is None:
                held_until = loop.time() + self._hold_seconds
            elif loop.time() >= held_until:
                self._release()
            self._tell(chosen)
            await self._pause(held_until)

    async def _pause(self, held_until: float | None) -> None:
        until = held_until if self._jobs.get() is not None else None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                await self._changed.wait()

    def _want(self) -> None:
        """Want each source until one has work, the next only after the last one failed."""
        needed = True
        for member in self._members:
            if member.has_work and member.failed:
                member.failed = False
                member.backoff.reset()
                member.trouble = ""
            if needed != member.wanted.is_set():
                self._turn(member, on=needed)
            needed = needed and not member.has_work and member.failed

    def _turn(self, member: _Member, *, on: bool) -> None:
        """Start a source, or stop it after a while if it is still not needed by then."""
        scope = member.scope
        if on:
            member.wanted.set()
        else:
            member.wanted.clear()
        if scope is not None and not scope.expired():
            end = asyncio.get_running_loop().time() + self._linger_seconds
            scope.reschedule(None if on else end)

    def _pass_on(self, member: _Member) -> None:
        job = member.source.jobs.get()
        assert job is not None  # noqa: S101 # the caller looked, and nothing ran in between
        origin = (member, job.epoch)
        if job.id in self._owners and self._origin == origin:
            return
        if self._origin != origin:
            self._epoch += 1
        if member is not self._active:
            _log.info("source_chosen", source=job.source)
        self._origin, self._active = origin, member
        self._owners[job.id] = member
        if len(self._owners) > _REMEMBERED:
            del self._owners[next(iter(self._owners))]
        self._jobs.set(replace(job, epoch=self._epoch))

    def _release(self) -> None:
        """Say that there is no work, once the hold time is over."""
        if self._jobs.get() is not None:
            _log.warning("work_ended", held_seconds=self._hold_seconds)
            self._origin = None
            self._jobs.set(None)

    def _tell(self, chosen: _Member | None) -> None:
        member = chosen or self._active
        status = member.source.status.get()
        if chosen is None:
            held = self._jobs.get() is not None
            status = replace(
                status,
                state=SourceState.DEGRADED if held else status.state,
                detail=status.detail or member.trouble,
            )
        if status != self._status.get():
            self._status.set(status)
