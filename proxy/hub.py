"""The hub: the newest job to all rigs, good shares to the source.

The newest job sits in a cell of the source; the hub gives it an id of the proxy's and
shows it to every session, in parts, so that a broadcast to thousands never holds up the
answers to shares. When the source is quiet the running job is shown again, with a new id
and a later time, to all rigs at once. A rig whose target changed gets such a refresh
within a second, of its own.
"""

import asyncio
from collections.abc import Iterator
from functools import partial
from typing import Final

from headframe.chain.job import Job, SourceId
from headframe.runtime.logs import get_logger
from headframe.upstream.base import JobSource, SourceStatus, members_of
from headframe.upstream.payees import Payee, Payer, PayTo
from proxy.audience import BATCH, Audience
from proxy.jobbook import Entry, Hasher, JobBook
from proxy.ledger import Ledger, LedgerError
from proxy.lives import Lives
from proxy.payouts import Payouts
from proxy.policy import VerdictBy, WhenDry
from proxy.proofs import ProofShelf
from proxy.slices import Layout, LayoutError, Slices
from proxy.space import Space
from proxy.stats import Stats
from proxy.switches import SwitchMeter
from proxy.terms import LATE_SECONDS, Clock, Guest, HubSettings, Roll

__all__ = ["Clock", "Guest", "Hub", "HubSettings"]

log = get_logger(__name__)

_TICK_SECONDS: Final = 1.0
_LOOK_TICKS: Final = 5
"""Every so many ticks each session looks at its clock."""
_BURY_TICKS: Final = 60


class Hub(Audience):
    """Between the source and the sessions.

    Args:
        source: where jobs come from.
        settings: what it is told.
        ids: gives the proxy's job ids.
        hasher: `native`, or the like of it.
        clock: where time comes from.
        space: the extranonce of the process; its own by default.
        ledger: the books of this route; new ones by default.
        stats: the figures of the process; its own by default.
        shelf: the proofs of the process; its own by default.
    """

    def __init__(  # noqa: PLR0913 # the parts of a hub, by keyword
        self,
        source: JobSource,
        settings: HubSettings,
        *,
        ids: Iterator[int],
        hasher: Hasher,
        clock: Clock | None = None,
        space: Space | None = None,
        ledger: Ledger | None = None,
        stats: Stats | None = None,
        shelf: ProofShelf | None = None,
    ) -> None:
        super().__init__(
            source,
            settings,
            clock=clock,
            ledger=ledger,
            stats=stats,
        )
        self.space = space or Space()
        self.problem = ""
        """Why rigs get no work although the source has some; one line for people."""
        self._ids = ids
        self._hasher = hasher
        self._shelf = shelf or ProofShelf()
        self._job: Job | None = None
        self._epoch: int | None = None  # of the newest job
        self._idle_since: float | None = self.clock.monotonic()
        self._ticks = 0
        self._fault = ""
        self._sources: set[SourceId] = set()
        self._lives = Lives()
        self._layout_left_at = 0.0
        self.payouts = Payouts(
            lambda: self.settings.pay_to, lambda: self.source.status.get().network
        )
        """Whom its rigs are paid to."""
        self.meter = SwitchMeter(self.ledger, self.stats, self.clock.wall)
        """What its switches between upstreams cost."""
        self.roll = Roll()
        """How many rigs there are; the connections of a route have one."""
        self.busy_since = 0.0
        """Since when there has been work; monotonic seconds."""
        self.enlist()

    @property
    def layout(self) -> Layout | None:
        """How the extranonce is cut; `None` before the first job."""
        return self.space.layout

    @property
    def idle(self) -> bool:
        """There is no work for rigs."""
        return self._idle_since is not None

    @property
    def slices(self) -> Slices | None:
        """The slices of that layout."""
        return self.space.slices

    def entry_for(self, entry: Entry, payee: Payee | None) -> Entry | None:
        """Say what is shown to rigs that are paid to this payee where others are shown an entry.

        Args:
            entry: of the book in use.
            payee: theirs; `None` if they claimed none.

        Returns:
            Their entry; `None` if they are shown nothing for now.

        Raises:
            ChainError: they cannot be paid by this upstream; says why.
        """
        pay_to, book = self.settings.pay_to, self._book
        if payee is None or pay_to is PayTo.ADDRESS or book is None:
            return None if pay_to is PayTo.LOGIN else entry
        return book.vary(entry, payee, partial(self._pay, payee))

    def _pay(self, payee: Payee, job: Job) -> Job | None:
        source = self.source
        return source.paying(job, payee) if isinstance(source, Payer) else None

    def enlist(self) -> None:
        """Share the space; done when it is made, and to be done when it is used again."""
        if self._reseat not in self.space.watchers:
            self.space.watchers.append(self._reseat)
            self._make_book()

    def retire(self) -> None:
        """Hold nothing of the space any more; to be called when it does not run."""
        self.space.watchers.remove(self._reseat)
        self._book, self._job, self._idle_since = None, None, self.clock.monotonic()
        self._bury(self._sources)

    async def run(self) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow_status(), name="status")
            group.create_task(self._follow_jobs(), name="jobs")
            group.create_task(self._tick_along(), name="ticks")

    async def _follow_jobs(self) -> None:
        async for job in self.source.jobs:
            self._hear(self.source.status.get())  # why there is another job, for one
            if job is None:
                self._lose(self.clock.monotonic())
                continue
            entry = self.take(job)
            if entry is not None:
                await self.show_all(entry)
                self.meter.gain(job.source, self.clock.monotonic())
                self._note_shown(job)

    def _note_shown(self, job: Job) -> None:
        """Take the time that a job took to all rigs, unless a newer one cut it short."""
        if job.received_at and self.source.jobs.get() is job:
            taken = self.clock.monotonic() - job.received_at
            self.stats.share_latency["job_to_rigs"].observe(taken)

    async def _follow_status(self) -> None:
        async for status in self.source.status:
            self._hear(status)

    def _hear(self, status: SourceStatus) -> None:
        """Learn which jobs are dead, at all upstreams; perhaps the one that rigs have."""
        now = self.clock.monotonic()
        for source, generation in self._lives.look(status, now):
            if self._book is not None:
                self._book.note_generation(source, generation)
            self.space.note_generation(source, generation)
        shown, newest = self._job, self.source.jobs.get()
        if shown is None or self._lives.alive(shown):
            return
        if newest is None or newest.source != shown.source or not self._lives.alive(newest):
            self._lose(now)

    def _lose(self, now: float) -> None:
        """Take note that no job is alive: nothing that rigs hash from now on counts."""
        self._job = None
        self._idle_since = now if self._idle_since is None else self._idle_since
        self.meter.lose(now)

    async def _tick_along(self) -> None:
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            await self.tick()

    def take(self, job: Job) -> Entry | None:
        """Enter a job into the book, making the book or a new layout if need be.

        Returns:
            Its entry; `None` when the job cannot be shared, as `problem` then says.
        """
        self._job = None
        try:
            if not self.space.fits(job.extranonce_size):
                self._shrink(job)
        except LayoutError as error:
            if self.problem != str(error):
                log.warning("upstream_leaves_no_room", detail=str(error), source=job.source)
            self.problem = str(error)
            self._idle_since = self._idle_since or self.clock.monotonic()
            return None
        book = self._book
        assert book is not None  # noqa: S101 - there is a layout
        self.problem = ""
        if self._idle_since is not None:
            self._idle_since, self.busy_since = None, self.clock.monotonic()
        self.stats.jobs["false" if job.epoch == self._epoch else "true"] += 1
        self._epoch = job.epoch
        self._job = job
        self._sources.add(job.source)
        book.stale = self.settings.stale
        entry = book.add(job, self.clock.monotonic())
        self.space.note_generation(job.source, job.generation)
        return entry

    async def tick(self) -> None:
        """Do what time asks for; called each second."""
        now = self.clock.monotonic()
        self._ticks += 1
        self._verify()
        self._shelf.look(now)
        if self._book is not None and now - self._layout_left_at >= LATE_SECONDS:
            self._book.before = None
        if self._ticks % _BURY_TICKS == 0:
            present = {each.source for each in members_of(self.source.status.get())}
            self._bury(self._sources - present)
        self.meter.tick(now)
        if self.settings.verdict is VerdictBy.POOL:
            away = self._lives.away(now)
            for guest in self.guests:
                guest.give_up(away)
        if self._idle_since is not None:
            await self._endure(now, now - self._idle_since)
        if self._ticks % _LOOK_TICKS == 0:
            for count, guest in enumerate(self.guests, start=1):
                guest.tick(now)
                if count % BATCH == 0:
                    await asyncio.sleep(0)
        await self._refresh(now)

    async def _endure(self, now: float, dry_seconds: float) -> None:
        """Do what is to be done while there is no work."""
        book, known = self._book, self.settings
        if known.when_dry is WhenDry.CLOSE:
            if dry_seconds >= known.grace_seconds:
                self.close_all("no_upstream")
        elif book is not None and now - self._shown_at >= known.refresh_seconds:
            entry = book.refresh(now, dry=True)
            if entry is not None:
                await self.show_all(entry)

    async def _refresh(self, now: float) -> None:
        book = self._book
        if book is None or book.current is None or self._idle_since is not None:
            return
        everyone = book.full or now - self._shown_at >= self.settings.refresh_seconds
        if not everyone and not self._impatient:
            return
        entry = book.refresh(now)
        if entry is None:
            return
        self.stats.refreshes += 1
        waiting, self._impatient = tuple(self._impatient), {}
        if everyone:
            await self.show_all(entry)
            return
        for guest in waiting:
            guest.show(entry, now)

    def _shrink(self, job: Job) -> None:
        """Cut the extranonce anew, for a job that has no room for the layout there is.

        A layout only ever shrinks: then all rigs need another place, since their share of
        the extranonce is not what they were told.
        """
        free, first = job.extranonce_size, self.space.layout is None
        self.space.shrink(free)
        if not first:
            log.warning("layout_changed", free=free, source=job.source)
            self.stats.layout_changes += 1

    def _bury(self, sources: set[SourceId]) -> None:
        """Free what jobs of sources hold that were taken out."""
        for source in sources:
            self.space.bury(source)
        self._sources -= sources

    def _make_book(self) -> None:
        if self.space.layout is not None:
            before = self._book
            self._book = JobBook(
                self.space.layout, self._ids, self._hasher, shelf=self._shelf, before=before
            )
            self._book.stale = self.settings.stale
            self._layout_left_at = self.clock.monotonic()
            for source, generation in self._lives.marks:
                self._book.note_generation(source, generation)

    def _reseat(self) -> None:
        """Give everybody another place: there is a new layout."""
        self._make_book()
        now, book = self.clock.monotonic(), self._book
        entry = None if self._job is None or book is None else book.add(self._job, now)
        for guest in self.guests:
            guest.reseat(now)
            if entry is not None:
                guest.show(entry, now)

    def _verify(self) -> None:
        try:
            self.ledger.check()
        except LedgerError as error:
            if str(error) == self._fault:
                return
            self._fault = str(error)
            self.stats.ledger_faults += 1
            log.error("books_do_not_balance", detail=str(error))  # noqa: TRY400 - says it all
