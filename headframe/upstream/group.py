"""`SourceGroup`: several sources that look like one; a strategy says which is used.

Each source that the strategy wants is run, again after each failure. One that is not
wanted any more is let go a while later, so that shares in flight still reach the pool that
made their job. Job ids are serials of the process, so a share's id tells whose it is.
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
from headframe.upstream.strategy import Standing, Strategy

__all__ = ["GroupOptions", "SourceGroup"]

_log = get_logger(__name__)

_FIRST_CHANCE_SECONDS: Final = 5.0
"""A source that gives no work for so long after it was started does not keep the next one
waiting, whatever it is doing."""
_GAP_SECONDS: Final = 1.0
"""The same for one that had work: long enough for a redirect on the pool's own host."""
_PROVEN: Final = 10
"""A source used for so many stable times is no longer suspected of failing soon."""
_MOST_RELAPSES: Final = 4
"""Each early failure doubles the time for which a source must prove itself, so often."""
_LONGEST_PAUSE_SECONDS: Final = 15.0
"""Between two tries of a pool that stays away: what its return costs at most, in hashes."""
_REMEMBERED: Final = 8192
"""Jobs whose source we remember: hours of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupOptions:
    """How patient a group is.

    Attributes:
        hold_seconds: how long the last job is kept when no source has work.
        linger_seconds: how long a source that is no longer needed keeps its connection for
            late shares.
        stable_seconds: how long a source must have had work before it is preferred to one
            that is in use; twice as long after it failed soon, and again, up to 16 times.
        backoff: makes the pauses between two tries of one source.
    """

    hold_seconds: float = 60.0
    linger_seconds: float = 30.0
    stable_seconds: float = 60.0
    backoff: Callable[[], Backoff] = lambda: Backoff(1.0, _LONGEST_PAUSE_SECONDS)


@dataclass(slots=True, eq=False)
class _Member:
    """A source and what we know of it; times are monotonic seconds."""

    place: int
    source: JobSource
    backoff: Backoff
    wanted: asyncio.Event = field(default_factory=asyncio.Event)
    scope: asyncio.Timeout | None = None
    failed: bool = False
    trouble: str = ""
    relapses: int = 0
    works_since: float | None = None
    chance_ends: float | None = None

    @property
    def has_work(self) -> bool:
        return self.source.jobs.get() is not None

    @property
    def name(self) -> str:
        return self.source.status.get().source


class SourceGroup:
    """A `JobSource` made of others; `run` retries for ever and ends only when cancelled.

    Args:
        sources: at least one.
        strategy: says which is used.
        options: how patient it is.
    """

    def __init__(
        self,
        sources: Sequence[JobSource],
        strategy: Strategy,
        options: GroupOptions,
    ) -> None:
        if not sources:
            raise ValueError("a group is made of at least one source")
        self._options = options
        self._strategy = strategy
        self._members = [
            _Member(place, source, options.backoff()) for place, source in enumerate(sources)
        ]
        self._jobs: Latest[Job | None] = Latest(None)
        self._active: _Member | None = None
        self._status = Latest(
            replace(sources[0].status.get(), members=tuple(map(self._status_of, self._members)))
        )
        self._active_since = 0.0
        self._owners: dict[JobId, _Member] = {}
        self._origin: tuple[_Member, int] | None = None  # of the newest job: member and its epoch
        self._epoch = 0
        self._switches = 0
        self._idle_seconds = 0.0
        self._idle_since: float | None = None
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
        """Keep the source that the strategy chooses working, until cancelled."""
        for member in self._members:
            member.failed = False
            member.works_since = member.chance_ends = None
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
            self._idle_since = None  # nobody waits for work
            self._jobs.set(None)
            self._status.set(replace(self._status.get(), state=SourceState.DOWN))

    async def _watch(self, cell: Latest[Job | None] | Latest[SourceStatus]) -> None:
        serial = cell.serial
        while True:
            await cell.wait_newer(serial)
            serial = cell.serial
            self._changed.set()

    # one source

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
        name = member.name
        try:
            await member.source.run()
            trouble = f"{name} ended"
        except UpstreamError as error:
            trouble = str(error)
        except Exception as error:  # noqa: BLE001 # a bug of ours: the other sources go on
            _log.exception("source_broke", source=name)
            trouble = f"{name}: {type(error).__name__}, see the log"
        now = _now()
        self._note(member, now)
        if member is self._active:
            soon = now - self._active_since < _PROVEN * self._options.stable_seconds
            member.relapses = min(member.relapses + 1, _MOST_RELAPSES) if soon else 0
        if trouble != member.trouble:  # say it once, not at each try
            _log.warning("source_lost", source=name, error=trouble)
        member.trouble = trouble
        member.failed = True
        self._changed.set()

    def _note(self, member: _Member, now: float) -> None:
        """Take note of a source that got work, or lost it."""
        if member.has_work:
            member.failed = False
            member.chance_ends = None
            if member.works_since is None:
                member.works_since = now
        elif member.works_since is not None:
            self._end_of_work(member, now - member.works_since)
            member.works_since = None
            member.chance_ends = now + _GAP_SECONDS
        elif not member.wanted.is_set():
            member.chance_ends = None
        elif member.chance_ends is None:
            member.chance_ends = now + _FIRST_CHANCE_SECONDS

    def _end_of_work(self, member: _Member, seconds: float) -> None:
        stable = self._options.stable_seconds
        if seconds >= stable:
            member.backoff.reset()
        if seconds >= _PROVEN * stable:
            member.trouble = ""  # what it failed with so long ago may be said again

    def _standing(self, member: _Member, now: float) -> Standing:
        late = member.chance_ends is not None and now >= member.chance_ends
        return Standing(
            works_since=member.works_since,
            out=member.works_since is None and (member.failed or late),
            probation_seconds=self._options.stable_seconds * 2**member.relapses,
        )

    def _turn(self, member: _Member, *, on: bool) -> None:
        """Start a source, or stop it after a while if it is still not needed by then."""
        scope = member.scope
        if on:
            member.failed = False  # whatever was long ago
            member.wanted.set()
        else:
            member.wanted.clear()
        if scope is not None and not scope.expired():
            scope.reschedule(None if on else _now() + self._options.linger_seconds)

    # all of them

    async def _steer(self) -> None:
        """Do what the strategy says, and hold the last job when there is none."""
        held_until: float | None = None
        while True:
            self._changed.clear()
            now = _now()
            chosen, until = self._ask(now)
            if chosen is not None:
                held_until = None
                self._pass_on(chosen, now)
            else:
                if self._idle_since is None and self._active is not None:
                    self._idle_since = now
                if held_until is None:
                    held_until = now + self._options.hold_seconds
                if now >= held_until:
                    self._release()
            self._tell(chosen)
            await self._pause(until, held_until)

    def _ask(self, now: float) -> tuple[_Member | None, float | None]:
        """Ask the strategy, and start and stop sources as it says."""
        for member in self._members:
            self._note(member, now)
        choice = self._strategy.choose(
            [self._standing(member, now) for member in self._members],
            None if self._active is None else self._active.place,
            now,
        )
        for member in self._members:
            on = member.place in choice.want
            if on != member.wanted.is_set():
                self._turn(member, on=on)
                self._note(member, now)
        times = [choice.until, *(each.chance_ends for each in self._members)]
        until = min((each for each in times if each is not None and each > now), default=None)
        return (None if choice.use is None else self._members[choice.use]), until

    async def _pause(self, until: float | None, held_until: float | None) -> None:
        holding = held_until if self._jobs.get() is not None else None
        times = [each for each in (until, holding) if each is not None]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(min(times, default=None)):
                await self._changed.wait()

    def _pass_on(self, member: _Member, now: float) -> None:
        job = member.source.jobs.get()
        assert job is not None  # noqa: S101 # the strategy looked, and nothing ran in between
        idle = 0.0 if self._idle_since is None else now - self._idle_since
        self._idle_since = None
        self._idle_seconds += idle
        if member is not self._active:
            self._switches += self._active is not None
            self._active_since = now
            _log.info("source_chosen", source=job.source, idle_seconds=round(idle, 3))
        self._active = member
        origin = (member, job.epoch)
        if job.id in self._owners and self._origin == origin:
            return
        if self._origin != origin:
            self._epoch += 1
        self._origin = origin
        self._owners[job.id] = member
        if len(self._owners) > _REMEMBERED:
            del self._owners[next(iter(self._owners))]
        self._jobs.set(replace(job, epoch=self._epoch))

    def _release(self) -> None:
        """Say that there is no work, once the hold time is over."""
        if self._jobs.get() is not None:
            _log.warning("work_ended", held_seconds=self._options.hold_seconds)
            self._origin = None
            self._jobs.set(None)

    def _tell(self, chosen: _Member | None) -> None:
        member = chosen or self._active or self._members[0]
        status = member.source.status.get()
        if chosen is None:
            held = self._jobs.get() is not None
            status = replace(
                status,
                state=SourceState.DEGRADED if held else status.state,
                detail=status.detail or member.trouble,
            )
        each = [one.source.status.get() for one in self._members]
        status = replace(
            status,
            connects=sum(one.connects for one in each),
            redirects=sum(one.redirects for one in each),
            switches=self._switches,
            idle_seconds=self._idle_seconds,
            in_use=self._jobs.get() is not None,
            members=tuple(map(self._status_of, self._members)),
        )
        if status != self._status.get():
            self._status.set(status)

    def _status_of(self, member: _Member) -> SourceStatus:
        status = member.source.status.get()
        idle = status.state is SourceState.DOWN and not member.wanted.is_set()
        return replace(
            status,
            state=SourceState.IDLE if idle else status.state,
            detail="" if idle else status.detail or member.trouble * (not member.has_work),
            in_use=member is self._active and self._jobs.get() is not None,
        )


def _now() -> float:
    return asyncio.get_running_loop().time()
