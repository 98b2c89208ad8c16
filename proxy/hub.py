"""The hub: the newest job to all rigs, good shares to the source.

The newest job sits in a cell of the source; the hub gives it an id of the proxy's and
shows it to every session, in parts, so that a broadcast to thousands never holds up the
answers to shares. When the source is quiet the running job is shown again, with a new id
and a later time, to all rigs at once. A rig whose target changed gets such a refresh
within a second, of its own.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Final

from headframe.chain.job import Job, JobId, SourceId
from headframe.chain.share import Checked, Reason
from headframe.chain.target import work_of
from headframe.runtime.logs import get_logger
from headframe.stratum.core import Seat
from headframe.stratum.events import ShareSubmitted
from headframe.upstream.base import Done, JobSource, SourceStatus, members_of
from headframe.upstream.blockdesk import BlockDesk
from proxy.jobbook import Entry, Hasher, JobBook, widen
from proxy.ledger import Ledger, LedgerError, Row
from proxy.lives import Lives
from proxy.names import Sender
from proxy.policy import VerdictBy, WhenDry
from proxy.sharelog import Tap
from proxy.sharelog_lines import Judged
from proxy.slices import Layout, LayoutError, Slices
from proxy.space import Space
from proxy.stats import Stats
from proxy.switches import SwitchMeter
from proxy.terms import Asker, Clock, Guest, HubSettings
from proxy.uplink import Parcel, Uplink

__all__ = ["Clock", "Guest", "Hub", "HubSettings"]

log = get_logger(__name__)

_BATCH: Final = 64
"""Rigs shown a job before others get a turn: a millisecond or two of work."""
_TICK_SECONDS: Final = 1.0
_LOOK_TICKS: Final = 5
"""Every so many ticks each session looks at its clock."""
_BURY_TICKS: Final = 60
_ACCEPTED: Final = Reason.ACCEPTED
_work_of: Final = lru_cache(maxsize=4096)(work_of)
"""Rigs have few different targets, and a division of 256 bits takes longer than a look-up."""


class Hub:
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
    ) -> None:
        self.source = source
        self.clock = clock or Clock()
        self.ledger = ledger or Ledger()
        self.stats = stats or Stats()
        self.space = space or Space()
        self.uplink = Uplink(
            source,
            self.ledger,
            self.clock.wall,
            clock=self.clock.monotonic,
            stats=self.stats,
        )
        self.problem = ""
        """Why rigs get no work although the source has some; one line for people."""
        self.settings = settings
        """What it is told; may be replaced at any time."""
        self.tap: Tap | None = None
        """Notes each share in the share log, if there is one; see `note_shares`."""
        self.blocks = self.stats.blocks
        """What becomes of the blocks of its upstreams."""
        self._ids = ids
        self._hasher = hasher
        self._book: JobBook | None = None
        self._job: Job | None = None
        self._guests: dict[Guest, None] = {}
        self._impatient: dict[Guest, None] = {}
        self._shown_at = 0.0
        self._idle_since: float | None = self.clock.monotonic()
        self._ticks = 0
        self._fault = ""
        self._sources: set[SourceId] = set()
        self._lives = Lives()
        self.meter = SwitchMeter(self.ledger, self.stats, self.clock.wall)
        """What its switches between upstreams cost."""
        self.busy_since = 0.0
        """Since when there has been work; monotonic seconds."""
        self.enlist()

    @property
    def guests(self) -> tuple[Guest, ...]:
        """All sessions, the oldest first."""
        return tuple(self._guests)

    @property
    def book(self) -> JobBook | None:
        """The jobs; `None` before the layout is known."""
        return self._book

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

    def finds(self, job_id: JobId) -> Entry | None:
        """Look a job of this route up, dead ones included."""
        return None if self._book is None else self._book.find(job_id)

    def join(self, guest: Guest) -> None:
        """Let a session hear of jobs."""
        self._guests[guest] = None

    def leave(self, guest: Guest) -> None:
        """Forget a session."""
        self._guests.pop(guest, None)
        self._impatient.pop(guest, None)

    def hurry(self, guest: Guest) -> None:
        """Show this session a job soon: its target changed."""
        self._impatient[guest] = None

    def hear_of_blocks(self, desk: BlockDesk) -> None:
        """Let the books, the page and the metrics have what becomes of found blocks."""
        self.blocks = desk.feed.stats
        self.uplink.remember(desk.journal.records())
        desk.feed.watch(self.uplink.hear)

    def judge(
        self, seat: Seat, share: ShareSubmitted, row: Row, asker: Asker | None = None
    ) -> tuple[Checked, int]:
        """Judge a share, book it, and send it up if it is good enough.

        Args:
            seat: the rig's.
            share: what it sent.
            row: the books of its worker.
            asker: hears the upstream's verdict, where that is the one that counts.

        Returns:
            Our verdict, and the hashes that the share stands for. `PENDING`: it was good
            here, and `asker` hears the verdict, or has heard it.
        """
        book = self._book
        assert book is not None  # noqa: S101 - a seat implies a book
        checked = book.check(seat, share, self.clock.wall())
        if share.refused is not None:
            checked = replace(checked, reason=share.refused)
        work = 0 if share.target is None else _work_of(share.target)
        judged, accepted = checked, checked.reason is _ACCEPTED
        entry = book.find(share.job_id)
        if entry is not None and (
            checked.block or (accepted and checked.proof <= entry.upstream.target)
        ):
            waits = accepted and asker is not None and self.settings.verdict is VerdictBy.POOL
            answer = asker.expect(share, work, entry.mark[0]) if waits and asker else None
            self._send(entry, seat, share, row, (checked, work), answer)
            if answer is not None:
                checked = Checked(reason=Reason.PENDING, proof=checked.proof, block=checked.block)
        elif accepted:
            self.ledger.keep(row, work)
        if not accepted:
            self.ledger.refuse(row, checked.reason, work)
        if self.tap is not None:
            mask = 0 if entry is None else share.mask & seat.mask & entry.mask
            self.tap.share(row, entry, Judged(seat, share, judged, work, mask))
        return checked, work

    def refuse_unweighed(self, row: Row, rig: str, reason: Reason) -> None:
        """Book a share that could not even be read; `rig` is where it came from."""
        self.ledger.refuse(row, reason, 0)
        if self.tap is not None:
            self.tap.refused(row, rig, reason)

    def note_shares(self, tap: Tap) -> None:
        """Let each share be noted in the share log, and what becomes of it."""
        self.tap = self.uplink.tap = tap

    def _send(  # all that is known of a share
        self,
        entry: Entry,
        seat: Seat,
        share: ShareSubmitted,
        row: Row,
        result: tuple[Checked, int],
        answer: Done | None,
    ) -> None:
        checked, work = result
        parcel = Parcel(
            share=widen(entry, seat, share),
            worker=None if share.refused else self._name_of(seat, share.worker),
            row=row,
            work=entry.work,
            source=entry.upstream.source,
            came_at=self.clock.monotonic(),
            answer=answer,
        )
        if checked.block:
            accepted = checked.reason is Reason.ACCEPTED
            self.uplink.block(parcel, checked.proof, accepted=accepted, work=work)
        else:
            self.uplink.forward(parcel, work=work)

    def _name_of(self, seat: Seat, worker: str) -> str | None:
        return self.settings.worker_sent(Sender(worker, address=seat.address, agent=seat.agent))

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
            group.create_task(self.uplink.run(), name="uplink")
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
        self.stats.jobs += 1
        self._job = job
        self._sources.add(job.source)
        book.stale = self.settings.stale
        entry = book.add(job, self.clock.monotonic())
        self.space.note_generation(job.source, job.generation)
        return entry

    async def show_all(self, entry: Entry) -> None:
        """Show a job to all sessions; stops when the source has a newer one."""
        serial = self.source.jobs.serial
        self._shown_at = self.clock.monotonic()
        for count, guest in enumerate(self.guests, start=1):
            if guest in self._guests:
                guest.settle(self._shown_at)
                guest.show(entry, self._shown_at)
            if count % _BATCH == 0:
                await asyncio.sleep(0)
                if self.source.jobs.serial != serial:
                    return

    async def tick(self) -> None:
        """Do what time asks for; called each second."""
        now = self.clock.monotonic()
        self._ticks += 1
        self._verify()
        if self._ticks % _BURY_TICKS == 0:
            present = {each.source for each in members_of(self.source.status.get())}
            self._bury(self._sources - present)
        self.meter.tick(now)
        if self.settings.verdict is VerdictBy.POOL and (away := self._lives.away(now)):
            for guest in self.guests:
                guest.give_up(away)
        if self._idle_since is not None:
            await self._endure(now, now - self._idle_since)
        if self._ticks % _LOOK_TICKS == 0:
            for count, guest in enumerate(self.guests, start=1):
                guest.tick(now)
                if count % _BATCH == 0:
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

    def close_all(self, why: str) -> None:
        """End every session."""
        guests = self.guests
        if guests:
            log.warning("rigs_closed", reason=why, count=len(guests))
        for guest in guests:
            guest.close(why)

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
            self._book = JobBook(self.space.layout, self._ids, self._hasher)
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
