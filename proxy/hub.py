"""The hub: the newest job to all rigs, good shares to the source.

The newest job sits in a cell of the source; the hub gives it an id of the proxy's and
shows it to every session, in parts, so that a broadcast to thousands never holds up the
answers to shares. When the source is quiet the running job is shown again, with a new id
and a later time, to all rigs at once. A rig whose target changed gets such a refresh
within a second, of its own.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, Protocol

from headframe.chain.job import Job
from headframe.chain.share import Checked, Reason
from headframe.chain.target import work_of
from headframe.runtime.clock import monotonic, wall_seconds
from headframe.runtime.logs import get_logger
from headframe.stratum.core import Seat
from headframe.stratum.events import ShareSubmitted
from headframe.upstream.base import JobSource
from headframe.upstream.blockdesk import BlockDesk
from proxy.jobbook import Entry, Hasher, JobBook, widen
from proxy.ledger import Ledger, LedgerError, Row
from proxy.slices import Layout, LayoutError, Slices, fit
from proxy.stats import Stats
from proxy.uplink import Parcel, Uplink

__all__ = ["Clock", "Guest", "Hub", "HubSettings"]

log = get_logger(__name__)

_BATCH: Final = 64
"""Rigs shown a job before others get a turn: a millisecond or two of work."""
_TICK_SECONDS: Final = 1.0
_LOOK_TICKS: Final = 5
"""Every so many ticks each session looks at its clock."""
_VERIFY_TICKS: Final = 60
_ACCEPTED: Final = Reason.ACCEPTED
_work_of: Final = lru_cache(maxsize=4096)(work_of)
"""Rigs have few different targets, and a division of 256 bits takes longer than a look-up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Where time comes from.

    Attributes:
        monotonic: seconds that never go back.
        wall: seconds since 1970.
    """

    monotonic: Callable[[], float] = monotonic
    wall: Callable[[], int] = wall_seconds


def _own_name(_worker: str) -> str | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class HubSettings:
    """What the hub is told.

    Attributes:
        refresh_seconds: longest silence towards the rigs.
        grace_seconds: so long rigs are kept without any work.
        lane: extranonce bytes that name this process.
        slice_size: bytes of a slice; `None`: as the upstream's room allows.
        rollable: bytes that rigs roll; `None`: as the upstream's room allows.
        slice_first: the least slice that is ours.
        slice_end: one more than the largest; `None`: all there are.
        worker_sent: the name that shares go up under, from the rig's worker.
    """

    refresh_seconds: float = 30.0
    grace_seconds: float = 60.0
    lane: bytes = b""
    slice_size: int | None = None
    rollable: int | None = None
    slice_first: int = 0
    slice_end: int | None = None
    worker_sent: Callable[[str], str | None] = _own_name


class Guest(Protocol):
    """What the hub needs of a session."""

    def settle(self, now: float) -> None:
        """Take a seat, if a rig waits for one: the layout is known."""

    def show(self, entry: Entry, now: float) -> None:
        """Show a job to whoever has a seat."""

    def tick(self, now: float) -> None:
        """Look at deadlines and rates."""

    def close(self, why: str) -> None:
        """End the connection, for one of `CLOSE_REASONS`."""


class Hub:
    """Between the source and the sessions.

    Args:
        source: where jobs come from.
        settings: what it is told.
        ids: gives the proxy's job ids.
        hasher: `native`, or the like of it.
        clock: where time comes from.
    """

    def __init__(
        self,
        source: JobSource,
        settings: HubSettings,
        *,
        ids: Iterator[int],
        hasher: Hasher,
        clock: Clock | None = None,
    ) -> None:
        self.source = source
        self.clock = clock or Clock()
        self.ledger = Ledger()
        self.stats = Stats()
        self.uplink = Uplink(
            source,
            self.ledger,
            self.clock.wall,
            clock=self.clock.monotonic,
            stats=self.stats,
        )
        self.problem = ""
        """Why rigs get no work although the source has some; one line for people."""
        self._settings = settings
        self._ids = ids
        self._hasher = hasher
        self._book: JobBook | None = None
        self._slices: Slices | None = None
        self._guests: dict[Guest, None] = {}
        self._impatient: dict[Guest, None] = {}
        self._shown_at = 0.0
        self._idle_since: float | None = self.clock.monotonic()
        self._ticks = 0

    @property
    def guests(self) -> tuple[Guest, ...]:
        """All sessions, the oldest first."""
        return tuple(self._guests)

    @property
    def book(self) -> JobBook | None:
        """The jobs; `None` before the first."""
        return self._book

    @property
    def layout(self) -> Layout | None:
        """How the extranonce is cut; `None` before the first job."""
        return None if self._book is None else self._book.layout

    @property
    def idle(self) -> bool:
        """There is no work for rigs."""
        return self._idle_since is not None

    @property
    def slices(self) -> Slices | None:
        """The slices of that layout."""
        return self._slices

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
        self.stats.blocks = desk.feed.stats
        self.uplink.remember(desk.journal.records())
        desk.feed.watch(self.uplink.hear)

    def judge(self, seat: Seat, share: ShareSubmitted, row: Row) -> tuple[Checked, int]:
        """Judge a share, book it, and send it up if it is good enough.

        Args:
            seat: the rig's.
            share: what it sent.
            row: the books of its worker.

        Returns:
            Our verdict, and the hashes that the share stands for.
        """
        book = self._book
        assert book is not None  # noqa: S101 - a seat implies a book
        checked = book.check(seat, share, self.clock.wall())
        if share.refused is not None:
            checked = replace(checked, reason=share.refused)
        work = 0 if share.target is None else _work_of(share.target)
        accepted = checked.reason is _ACCEPTED
        entry = book.find(share.job_id)
        if entry is not None and (
            checked.block or (accepted and checked.proof <= entry.upstream.target)
        ):
            self._send(entry, seat, share, row, (checked, work))
        elif accepted:
            self.ledger.keep(row, work)
        if not accepted:
            self.ledger.refuse(row, checked.reason, work)
        return checked, work

    def _send(
        self, entry: Entry, seat: Seat, share: ShareSubmitted, row: Row, result: tuple[Checked, int]
    ) -> None:
        checked, work = result
        parcel = Parcel(
            share=widen(entry, seat, share),
            worker=None if share.refused else self._settings.worker_sent(share.worker),
            row=row,
            work=entry.work,
            source=entry.upstream.source,
            came_at=self.clock.monotonic(),
        )
        if checked.block:
            accepted = checked.reason is Reason.ACCEPTED
            self.uplink.block(parcel, checked.proof, accepted=accepted, work=work)
        else:
            self.uplink.forward(parcel, work=work)

    async def run(self) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.uplink.run(), name="uplink")
            group.create_task(self._follow_status(), name="status")
            group.create_task(self._follow_jobs(), name="jobs")
            group.create_task(self._tick_along(), name="ticks")

    async def _follow_jobs(self) -> None:
        async for job in self.source.jobs:
            if job is None:
                self._idle_since = self.clock.monotonic()
                continue
            entry = self.take(job)
            if entry is not None:
                await self.show_all(entry)
                self._note_shown(job)

    def _note_shown(self, job: Job) -> None:
        """Take the time that a job took to all rigs, unless a newer one cut it short."""
        if job.received_at and self.source.jobs.get() is job:
            taken = self.clock.monotonic() - job.received_at
            self.stats.share_latency["job_to_rigs"].observe(taken)

    async def _follow_status(self) -> None:
        async for status in self.source.status:
            if self._book is not None:
                self._book.note_generation(status.source, status.generation)
                self._sweep()

    async def _tick_along(self) -> None:
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            await self.tick()

    def take(self, job: Job) -> Entry | None:
        """Enter a job into the book, making the book or a new layout if need be.

        Returns:
            Its entry; `None` when the job cannot be shared, as `problem` then says.
        """
        try:
            book = self._fitting_book(job)
        except LayoutError as error:
            if self.problem != str(error):
                log.warning("upstream_leaves_no_room", detail=str(error), source=job.source)
            self.problem = str(error)
            self._idle_since = self._idle_since or self.clock.monotonic()
            return None
        self.problem = ""
        self._idle_since = None
        self.stats.jobs += 1
        entry = book.add(job, self.clock.monotonic())
        self._sweep()
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
        if self._ticks % _VERIFY_TICKS == 0:
            self._verify()
        if self._idle_since is not None and now - self._idle_since >= self._settings.grace_seconds:
            self.close_all("no_upstream")
        if self._ticks % _LOOK_TICKS == 0:
            for count, guest in enumerate(self.guests, start=1):
                guest.tick(now)
                if count % _BATCH == 0:
                    await asyncio.sleep(0)
        await self._refresh(now)

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
        everyone = book.full or now - self._shown_at >= self._settings.refresh_seconds
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

    def _fitting_book(self, job: Job) -> JobBook:
        """Return the book, or make one whose layout the job fits.

        A layout only ever shrinks: then rigs must come again, since their share of the
        extranonce is not what they were told.
        """
        free = job.extranonce_size
        if self._book is not None and free >= self._book.layout.width:
            return self._book
        known = self._settings
        layout = fit(free, lane=known.lane, slice_size=known.slice_size, rollable=known.rollable)
        slices = Slices(layout.slice_size, first=known.slice_first, end=known.slice_end)
        if self._book is not None:
            log.warning("layout_changed", free=free, source=job.source, rigs=len(self._guests))
            self.stats.layout_changes += 1
            self.close_all("new_layout")
        self._slices = slices
        self._book = JobBook(layout, self._ids, self._hasher)
        return self._book

    def _sweep(self) -> None:
        if self._slices is not None and self._book is not None:
            self._slices.sweep(self._book.is_alive)

    def _verify(self) -> None:
        try:
            self.ledger.verify()
        except LedgerError as error:
            self.stats.ledger_faults += 1
            log.error("books_do_not_balance", detail=str(error))  # noqa: TRY400 - says it all
