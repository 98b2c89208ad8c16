"""Good shares taken straight from what a rig sent, by the judge in C.

It takes what is plain and good from the front; what it leaves is read, judged and answered by
`Session`, to which all rules belong.
"""

from collections.abc import Sequence
from functools import cache, partial
from typing import Final

import native
from headframe.chain.hashes import hash_to_int
from headframe.chain.job import SourceId
from headframe.chain.share import MAX_FUTURE_SECONDS, Checked, Reason, Verdict
from headframe.stratum.core import ServerCore
from headframe.stratum.events import ShareSubmitted, Ticket
from headframe.stratum.sv1.offers import Offer
from headframe.stratum.sv1.skim import SkimmedConnection
from headframe.upstream.base import Done
from native import Judge, Task
from native.judge import ANSWERS, Good
from proxy.cost import Cost, Price
from proxy.hub import Hub
from proxy.rig import Rig, RigSettings
from proxy.seating import Door, Seating
from proxy.tasks import Tasks, weigh
from proxy.waiting import Waiting

__all__ = ["Skimming"]

_ACCEPTED: Final = Reason.ACCEPTED
_YES: Final = Verdict(reason=_ACCEPTED)
_TOOK_ALL: Final = native.TOOK_ALL
_MOST_OPEN: Final = 2048
"""Requests without an answer, beyond which a rig is left to those who count them."""


@cache
def _judge() -> Judge:
    """Make the judge of the process, when the first share comes: it belongs to one thread."""
    return Judge()


class _Skim:
    """What is known of a rig whose shares are taken ahead; made anew when that has changed.

    Attributes:
        hub: its route.
        core: speaks with it.
        rig: its place and figures.
        book: the jobs.
        identity: what the core's was when this was made.
        core_revision: what the core's was when the job was looked up; -1: it was in vain,
        book_revision: and the book's.
        packed: what the judge must know of it,
        names: and the names in there.
        put: sends answers, unless others are due before them.
        task: what the job asks that it works on,
        offer: as what it was shown,
        mask: with what version bits,
        work: and what a share of it is worth.
    """

    __slots__ = (
        "book",
        "book_revision",
        "core",
        "core_revision",
        "hub",
        "identity",
        "mask",
        "names",
        "offer",
        "packed",
        "put",
        "rig",
        "task",
        "tasks",
        "work",
    )
    task: Task
    offer: Offer
    mask: int
    work: int

    def __init__(self, hub: Hub, core: SkimmedConnection, rig: Rig, tasks: Tasks) -> None:
        self.hub, self.core, self.rig, self.tasks = hub, core, rig, tasks
        self.book = tasks.book
        self.identity, self.core_revision, self.book_revision = core.identity, -1, -1
        packed = native.pack_rig(rig.seat.slice, rig.seat.size, core.names)
        self.packed, self.names = packed or (b"", ())
        self.put = core.put

    def is_of(self, rig: Rig) -> bool:
        """Say whether this is still who the rig is, and where it sits."""
        return self.rig is rig and self.identity == self.core.identity

    def turn_to(self, text: str) -> bool:
        """Take shares of another job from now on; false where that cannot be."""
        core, book = self.core, self.book
        self.core_revision = -1
        offer = core.shown(text)
        if offer is None or offer.target is None or not self.packed:
            return False
        self.mask = offer.mask | core.version_mask
        task = self.tasks.find(text, offer, self.rig.seat, self.mask)
        if task is None:
            return False
        self.task, self.offer, self.work = task, offer, weigh(offer.target)
        self.core_revision, self.book_revision = core.revision, book.revision
        return True

    def share_of(self, good: Good, data: bytes) -> ShareSubmitted:
        """Make the event that a good share would have been, and note its request."""
        request_id = data[good.id_at : good.id_at + good.id_size]
        digits = data[good.extranonce_at : good.extranonce_at + 2 * self.rig.seat.size]
        return ShareSubmitted(
            channel=0,
            ticket=self.core.take(request_id),
            worker=self.names[good.name],
            job_id=self.offer.job_id,
            extranonce=bytes.fromhex(digits.decode()),
            ntime=good.ntime,
            nonce=good.nonce,
            version=good.version,
            target=self.offer.target,
            mask=self.mask,
        )


class Skimming(Seating):
    """A connection whose good shares are taken ahead, and the answers that come later."""

    __slots__ = ("_cost", "_known", "_owes_look")

    def __init__(self, hub: Hub, settings: RigSettings, core: ServerCore, door: Door) -> None:
        super().__init__(hub, settings, core, door)
        self._cost: Cost | None = None  # most rigs never do wrong
        self._known: _Skim | None = None
        self._owes_look = False  # shares were taken, and what came with them goes to `Session`

    # what the hub asks for

    def expect(self, share: ShareSubmitted, work: int, source: SourceId) -> Done:
        """Let a share wait for its upstream's verdict; see `proxy.terms.Asker`."""
        if self._waiting is None:
            self._waiting = Waiting()
        tell = partial(self._on_verdict, share.channel, share.ticket, work)
        now = self._hub.clock.monotonic()
        return self._waiting.expect(share.ticket, source, tell, now)

    def _on_verdict(self, channel: int, ticket: Ticket, work: int, verdict: Verdict) -> None:
        """Answer a share as its upstream did. One that is kept for later is good."""
        answer = _YES if verdict.reason is Reason.PENDING else verdict
        self._core.reply(ticket, answer)
        rig = self._rig_on(channel)
        if rig is not None:
            rig.count_answered(answer.reason, work, self._hub.clock.monotonic())
        self.wire.flush()

    # good shares

    def _count_good(self, rig: Rig, work: int, now: float) -> None:
        """Count a good share, and let it make up for bad ones."""
        rig.count_good(work, now)
        if self._cost is not None:
            self._cost.forgive(Price.REFUSED_SHARE)

    def _take_ahead(self) -> None:
        """Have good shares taken ahead from now on, where that can be."""
        core = self._core
        if isinstance(core, SkimmedConnection) and not native.extension_missing and not self._done:
            core.skimmer = self

    def _finish(self, why: str) -> None:
        super()._finish(why)
        if isinstance(self._core, SkimmedConnection):
            self._core.skimmer = None  # which holds this session
        self._known = None

    def skim(self, data: bytes) -> bytes:
        """Take the good shares from the front of what came; see `Skimmer`.

        Spelt out, with few calls: this is done for nearly every share.
        """
        hub, known, judge = self._hub, self._known, _judge()
        if (
            known is None
            or known.core_revision != known.core.revision
            or known.book_revision != known.book.revision
            or known.hub is not hub
        ):
            known = self._look_again()
        if self._doom or self._before is not None:
            return data
        clock, took = hub.clock, not data and self._owes_look
        now, latest = clock.monotonic(), clock.wall() + MAX_FUTURE_SECONDS
        due = took and known is not None and known.rig.vardiff.is_due(now)
        self._owes_look = False
        while known is not None:
            count, ups, mixed, end, stop, job, size, unrolled, answers = judge.take(
                known.task, known.packed, latest, data
            )
            if count and (ups or mixed or hub.tap is not None):
                took, due = True, self._book_each(known, data, judge.shares(count), now)
            elif count:
                took, ledger, work = True, hub.ledger, known.work
                name = known.names[judge.share(0).name if len(known.names) > 1 else 0]
                ledger.keep(ledger.workers.get(name) or ledger.worker(name), work, count)
                due = known.rig.take(work, now, count, unrolled)
                if self._cost is not None:
                    self._cost.forgive(Price.REFUSED_SHARE * count)
                if not known.put(judge.buffer[ANSWERS : ANSWERS + answers]):
                    self._answer_each(known, data, judge.shares(count))
            if stop == _TOOK_ALL:
                if due:
                    self._look(known.rig, now)
                return data[end:]
            known = self._go_on(known, stop, data[job : job + size])
            data = data[end:]
        self._owes_look = took
        return data

    def _go_on(self, known: _Skim, stop: int, job: bytes) -> _Skim | None:
        """Say by what the rest may be judged; `None`: by `Session`."""
        if stop == native.NOT_PLAIN or known.core.unanswered > _MOST_OPEN:
            return None
        if stop == native.OTHER_JOB and not known.turn_to(job.decode()):
            return None
        return known

    def _look_again(self) -> _Skim | None:
        """Find what is known of the rig; `None` if its shares cannot be taken ahead at present."""
        hub, core, known, rig = self._hub, self._core, self._known, self._rig_on(0)
        tasks = hub.tasks
        if tasks is None or rig is None or rig.entry is None or rig.past:
            return None
        if known is None or known.tasks is not tasks or not known.is_of(rig):
            if not isinstance(core, SkimmedConnection):
                return None
            known = self._known = _Skim(hub, core, rig, tasks)
        return known if known.turn_to(f"{rig.entry.job.id:x}") else None

    def _answer_each(self, known: _Skim, data: bytes, goods: Sequence[Good]) -> None:
        """Answer good shares after those that came before."""
        core = known.core
        for good in goods:
            ticket = core.take(data[good.id_at : good.id_at + good.id_size])
            core.reply(ticket, _YES)

    def _book_each(self, known: _Skim, data: bytes, goods: Sequence[Good], now: float) -> bool:
        """Book good shares one by one, since some go up, or each is noted.

        Returns:
            Whether the rig's rate is to be looked at.
        """
        hub, core, seat = self._hub, known.core, known.rig.seat
        for good in goods:
            share = known.share_of(good, data)
            entry, row = hub.finds(share.job_id), hub.ledger.worker(share.worker)
            checked = Checked(reason=_ACCEPTED, proof=hash_to_int(good.hash), block=False)
            checked, work = hub.conclude(entry, seat, share, row, checked, self)
            if checked.reason is _ACCEPTED:  # else `_on_verdict` answers, or has answered
                core.reply(share.ticket, _YES)
                self._count_good(known.rig, work, now)
                known.rig.note_version(share.version)
        return known.rig.vardiff.is_due(now)
