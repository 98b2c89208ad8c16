"""Where shares are judged, booked and sent up; the hub is that, and the rigs."""

from dataclasses import replace
from typing import Final

from headframe.chain.job import JobId
from headframe.chain.share import Checked, Reason
from headframe.stratum.core import Seat
from headframe.stratum.events import ShareSubmitted
from headframe.upstream.base import Done, JobSource
from headframe.upstream.blockdesk import BlockDesk
from proxy.jobbook import Entry, JobBook, widen
from proxy.ledger import Ledger, Row
from proxy.names import Sender
from proxy.policy import VerdictBy
from proxy.sharelog import Tap
from proxy.sharelog_lines import Judged
from proxy.slices import Layout
from proxy.stats import Stats
from proxy.tasks import Tasks, weigh
from proxy.terms import Asker, Clock, HubSettings
from proxy.uplink import Parcel, Uplink

__all__ = ["Court"]

_ACCEPTED: Final = Reason.ACCEPTED


class Court:
    """Judges the shares of a route.

    Args:
        source: where jobs come from.
        settings: what it is told.
        clock: where time comes from.
        ledger: the books of this route; new ones by default.
        stats: the figures of the process; its own by default.
    """

    def __init__(
        self,
        source: JobSource,
        settings: HubSettings,
        *,
        clock: Clock | None = None,
        ledger: Ledger | None = None,
        stats: Stats | None = None,
    ) -> None:
        self.source = source
        self.clock = clock or Clock()
        self.ledger = ledger or Ledger()
        self.stats = stats or Stats()
        self.uplink = Uplink(
            source,
            self.ledger,
            self.clock.wall,
            clock=self.clock.monotonic,
            stats=self.stats,
        )
        self.settings = settings
        """What it is told; may be replaced at any time."""
        self.tap: Tap | None = None
        """Notes each share in the share log, if there is one; see `note_shares`."""
        self.blocks = self.stats.blocks
        """What becomes of the blocks of its upstreams."""
        self._book: JobBook | None = None
        self._tasks: Tasks | None = None

    @property
    def book(self) -> JobBook | None:
        """The jobs; `None` before the layout is known."""
        return self._book

    @property
    def tasks(self) -> Tasks | None:
        """What its jobs ask of shares, for the judge in C; `None` before the layout is known."""
        book = self._book
        if book is None:
            return None
        if self._tasks is None or self._tasks.book is not book:
            self._tasks = Tasks(book)
        return self._tasks

    def finds(self, job_id: JobId) -> Entry | None:
        """Look a job of this route up, dead ones included."""
        return None if self._book is None else self._book.find(job_id)

    def layout_of(self, job_id: JobId) -> Layout | None:
        """Say of which layout the places are of rigs that know a job of this route by this id."""
        return None if self._book is None else self._book.layout_of(job_id)

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
        return self.conclude(book.find(share.job_id), seat, share, row, checked, asker)

    def conclude(  # all that is known of a share
        self,
        entry: Entry | None,
        seat: Seat,
        share: ShareSubmitted,
        row: Row,
        checked: Checked,
        asker: Asker | None = None,
    ) -> tuple[Checked, int]:
        """Book a share that was judged, and send it up if it is good enough; see `judge`."""
        work = 0 if share.target is None else weigh(share.target)
        judged, accepted = checked, checked.reason is _ACCEPTED
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

    def note_shares(self, tap: Tap | None) -> None:
        """Let each share be noted in the share log, and what becomes of it; `None`: no more."""
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
            payout=entry.payee,
        )
        if checked.block:
            accepted = checked.reason is Reason.ACCEPTED
            proof, height = checked.proof, entry.upstream.height
            self.uplink.block(parcel, proof, accepted=accepted, work=work, height=height)
        else:
            self.uplink.forward(parcel, work=work)

    def _name_of(self, seat: Seat, worker: str) -> str | None:
        return self.settings.worker_sent(Sender(worker, address=seat.address, agent=seat.agent))
