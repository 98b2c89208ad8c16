"""`SourceGroup`: several sources that look like one; a strategy says which is used.

Each source that the strategy wants is run, again after each failure. One that is not
wanted any more is let go a while later, so that shares in flight still reach the pool that
made their job. Job ids are serials of the process, so a share's id tells whose it is.
Sources may come, go and change places while the group runs.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any, Final

from headframe.chain.job import Job, JobId, SourceId
from headframe.chain.share import Reason, Share, Verdict
from headframe.runtime.latest import Latest
from headframe.runtime.logs import get_logger
from headframe.upstream.base import Done, JobSource, SourceState, SourceStatus
from headframe.upstream.failovers import FailoverReason, Failovers
from headframe.upstream.lag import Lags
from headframe.upstream.member import GroupOptions, Member
from headframe.upstream.payees import Payee, Payer
from headframe.upstream.strategy import FailoverStrategy, Strategy

__all__ = ["GroupOptions", "SourceGroup"]

_log = get_logger(__name__)

_REMEMBERED: Final = 65_536
"""Jobs whose source we remember: hours of them, for some hundred payees each."""


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
        companions: Sequence[Callable[[], Coroutine[Any, Any, None]]] = (),
    ) -> None:
        if not sources:
            raise ValueError("a group is made of at least one source")
        self._options = options
        self._strategy = strategy
        self._changed = asyncio.Event()
        self._members = [Member(source, options, self._changed) for source in sources]
        self._leaving: list[Member] = []
        self._companions = companions
        self._tasks: asyncio.TaskGroup | None = None
        self._jobs: Latest[Job | None] = Latest(None)
        self._active: Member | None = None
        self._status = Latest(replace(sources[0].status.get(), members=self._statuses()))
        self._owners: dict[JobId, Member] = {}
        self._origin: tuple[Member, int] | None = None  # of the newest job: member and its epoch
        self._epoch = 0
        self._used: SourceId | None = None  # whose job was passed on last
        self._failovers = Failovers()
        self._failovers.foresee(self._names())
        self._connects = self._redirects = 0  # of sources that have gone
        self._lags = Lags()
        self._idle_seconds = 0.0
        self._idle_since: float | None = None

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

    def paying(self, job: Job, payee: Payee) -> Job | None:
        """Make a job that differs from one of ours in who is paid; see `Payer.paying`."""
        owner = self._owners.get(job.id)
        if owner is None or not isinstance(owner.source, Payer):
            return None
        made = owner.source.paying(job, payee)
        if made is not None:
            self._own(made.id, owner)
        return made

    async def run(self) -> None:
        """Keep the source that the strategy chooses working, until cancelled."""
        for member in self._members:
            member.reset()
        try:
            async with asyncio.TaskGroup() as self._tasks:
                for member in self._members:
                    self._tasks.create_task(self._look_after(member))
                for companion in self._companions:
                    self._tasks.create_task(companion())
                self._tasks.create_task(self._steer())
        finally:
            self._tasks = None
            for member in [*self._leaving]:
                self._forget(member)
            self._idle_since = None  # nobody waits for work
            self._jobs.set(None)
            self._status.set(replace(self._status.get(), state=SourceState.DOWN))

    def rearrange(
        self, sources: Sequence[JobSource], strategy: Strategy, options: GroupOptions
    ) -> None:
        """Use these sources from now on; those that are in use already are not disturbed.

        One that is not among them any more gets no new work, and keeps its connection for
        late shares for as long as `GroupOptions.linger_seconds` says. One that is new, or was
        put before the one in use, is taken as soon as it has work.

        Args:
            sources: at least one; those that stay are the same objects as before.
            strategy: says which is used; the same object as before to go on as before.
            options: how patient it is.
        """
        if not sources:
            raise ValueError("a group is made of at least one source")
        before = self._members
        known = {id(member.source): member for member in before}
        self._members = [
            known.get(id(source)) or Member(source, options, self._changed) for source in sources
        ]
        self._failovers.foresee(self._names())
        self._strategy, self._options = strategy, options
        self._trust_what_moved(before)
        for member in self._members:
            member.options = options
            if self._tasks is not None and member not in before:
                self._tasks.create_task(self._look_after(member))
        for member in before:
            if member not in self._members:
                self._dismiss(member)
        if self._tasks is None:
            self._tell(None)
        self._changed.set()

    def _trust_what_moved(self, before: Sequence[Member]) -> None:
        active = self._active
        if active is not None and active in self._members:
            was_ahead = before[: before.index(active)]
            for member in self._members[: self._members.index(active)]:
                member.trusted = member.trusted or member not in was_ahead

    async def _look_after(self, member: Member) -> None:
        await member.tend()
        self._forget(member)

    def _dismiss(self, member: Member) -> None:
        self._leaving.append(member)
        member.dismiss()
        if self._tasks is None:
            self._forget(member)

    def _forget(self, member: Member) -> None:
        """Let go of a source that has left: nothing can be sent to it any more."""
        self._leaving.remove(member)
        status = member.source.status.get()
        self._connects += status.connects
        self._redirects += status.redirects
        self._owners = {job: owner for job, owner in self._owners.items() if owner is not member}
        if self._origin is not None and self._origin[0] is member:
            self._release("its source was removed")
        if self._active is member:
            self._active = None
        self._changed.set()

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
                if self._idle_since is None and self._used is not None:
                    self._idle_since = now
                if held_until is None:
                    held_until = now + self._options.hold_seconds
                if now >= held_until:
                    self._release("no source has any")
            self._tell(chosen)
            await self._pause(until, held_until)

    def _ask(self, now: float) -> tuple[Member | None, float | None]:
        """Ask the strategy, and start and stop sources as it says."""
        members, active = self._members, self._active
        newest = {SourceId(member.name): member.source.jobs.get() for member in members}
        late = self._lags.look(newest, now, self._options.lag_seconds)
        for member in members:
            member.fall_behind(late.get(SourceId(member.name), ""))
            member.note(now)
        choice = self._strategy.choose(
            [member.standing(now) for member in members],
            members.index(active) if active is not None and active in members else None,
            now,
        )
        for place, member in enumerate(members):
            on = place in choice.want
            if on != member.wanted.is_set():
                member.turn(on=on)
                member.note(now)
        times = [choice.until, self._lags.until, *(each.chance_ends for each in members)]
        until = min((each for each in times if each is not None and each > now), default=None)
        return (None if choice.use is None else members[choice.use]), until

    async def _pause(self, until: float | None, held_until: float | None) -> None:
        holding = held_until if self._jobs.get() is not None else None
        times = [each for each in (until, holding) if each is not None]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(min(times, default=None)):
                await self._changed.wait()

    def _pass_on(self, member: Member, now: float) -> None:
        job = member.source.jobs.get()
        assert job is not None  # noqa: S101 # the strategy looked, and nothing ran in between
        idle = 0.0 if self._idle_since is None else now - self._idle_since
        self._idle_since = None
        self._idle_seconds += idle
        if member is not self._active:
            if self._used is not None:
                self._failovers.note(self._used, job.source, self._why_from(self._active))
            self._used = job.source
            if self._active is not None:
                self._active.used_since = None
            member.used_since = now
            _log.info("source_chosen", source=job.source, idle_seconds=round(idle, 3))
        self._active = member
        origin = (member, job.epoch)
        if job.id in self._owners and self._origin == origin:
            return
        if self._origin != origin:
            self._epoch += 1
        self._origin = origin
        self._own(job.id, member)
        self._jobs.set(replace(job, epoch=self._epoch))

    def _own(self, job_id: JobId, member: Member) -> None:
        self._owners[job_id] = member
        if len(self._owners) > _REMEMBERED:
            del self._owners[next(iter(self._owners))]

    def _why_from(self, before: Member | None) -> FailoverReason:
        """Say why work goes elsewhere from the one in use until now."""
        if before is None or before not in self._members:
            return FailoverReason.REMOVED
        if not before.has_work:
            return FailoverReason.LOST
        ranked = isinstance(self._strategy, FailoverStrategy)
        return FailoverReason.PREFERRED if ranked else FailoverReason.TURN

    def _release(self, why: str) -> None:
        """Say that there is no work, once the hold time is over."""
        if self._jobs.get() is not None:
            _log.warning("work_ended", why=why, held_seconds=self._options.hold_seconds)
            self._origin = None
            self._jobs.set(None)

    def _tell(self, chosen: Member | None) -> None:
        member = chosen or self._active or self._members[0]
        status = member.source.status.get()
        if chosen is None:
            held = self._jobs.get() is not None
            status = replace(
                status,
                state=SourceState.DEGRADED if held else status.state,
                detail=status.detail or member.trouble,
            )
        each = [one.source.status.get() for one in (*self._members, *self._leaving)]
        status = replace(
            status,
            connects=self._connects + sum(one.connects for one in each),
            redirects=self._redirects + sum(one.redirects for one in each),
            switches=self._failovers.total,
            failovers=self._failovers.rows,
            idle_seconds=self._idle_seconds,
            in_use=self._jobs.get() is not None,
            members=self._statuses(),
        )
        if status != self._status.get():
            self._status.set(status)

    def _names(self) -> list[SourceId]:
        return [member.source.status.get().source for member in self._members]

    def _statuses(self) -> tuple[SourceStatus, ...]:
        return tuple(
            replace(self._status_of(member), rank=rank)
            for rank, member in enumerate(self._members, 1)
        )

    def _status_of(self, member: Member) -> SourceStatus:
        status = member.source.status.get()
        idle = status.state is SourceState.DOWN and not member.wanted.is_set()
        return replace(
            status,
            state=SourceState.IDLE if idle else _degraded(status.state, member.lag),
            detail="" if idle else status.detail or member.trouble * (not member.has_work),
            in_use=member is self._active and self._jobs.get() is not None,
        )


def _degraded(state: SourceState, lag: str) -> SourceState:
    return SourceState.DEGRADED if lag and state is SourceState.ACTIVE else state


def _now() -> float:
    return asyncio.get_running_loop().time()
