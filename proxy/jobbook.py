"""The book of jobs: which upstream job each of our ids means, and whether it lives.

Pure: the hash function and the time are arguments. Rigs see ids of ours; each stands
for an upstream job, possibly with an advanced time (a *refresh*). A job lives until its
own source says that it is dead, by a larger generation. Dead jobs of the last tips are
remembered, since a dead job's share may still be a block.

`check` judges in the order that money asks for: the block test comes before every rule
that could refuse the share.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final, Protocol

from headframe.chain.hashes import hash_to_int
from headframe.chain.job import Job, JobId, Slice, SourceId, SplitCoinbase
from headframe.chain.share import (
    NO_PROOF,
    Checked,
    Reason,
    ShareFields,
    fault_of,
)
from headframe.chain.target import Target, work_of
from headframe.stratum.core import Seat
from headframe.upstream.base import REMEMBERED_TIPS
from headframe.upstream.payees import Payee
from proxy.entries import Entry, Upstream, widen
from proxy.policy import Stale, takes_late
from proxy.proofs import ProofShelf
from proxy.slices import Layout, LayoutError, Mark

__all__ = ["Entry", "Hasher", "JobBook", "OfferedShare", "widen"]

MAX_ENTRIES: Final = 32_768
"""Ids remembered; an hour without a block needs some 120 for refreshes alone, for each of 256
payees."""
_PREFIX: Final = (1 << 64) - 1


class Hasher(Protocol):
    """What the book needs of `native`."""

    def pack_context(
        self, prefix: bytes, suffix: bytes, path: Sequence[bytes], prev_hash: bytes, nbits: int
    ) -> bytes:
        """Prepare a job for `share_hash`."""

    def share_hash(
        self, context: bytes, extranonce: bytes, version: int, ntime: int, nonce: int
    ) -> bytes:
        """Hash a share's header: 32 bytes, header order."""


class OfferedShare(ShareFields, Protocol):
    """What the book reads of a rig's share."""

    @property
    def target(self) -> Target | None:
        """What the rig was asked for with this job; `None` when it was never shown it."""

    @property
    def mask(self) -> int:
        """Version bits that the rig was allowed to roll."""


class JobBook:
    """Our ids, their jobs, and what was seen of each.

    Args:
        layout: how the extranonce is cut; fixed for the book's life.
        ids: gives our ids; never the same twice in a process's life.
        hasher: `native`, or the like of it.
        shelf: where proofs are remembered; its own by default.
        before: the book of the layout before this one; shares of its jobs are judged by it
            for as long as it is kept.
    """

    def __init__(
        self,
        layout: Layout,
        ids: Iterator[int],
        hasher: Hasher,
        *,
        shelf: ProofShelf | None = None,
        before: "JobBook | None" = None,
    ) -> None:
        self.revision = 0
        """Rises when an id or its job no longer is what it was: dead, narrower, forgotten,
        or when there is a book after this one."""
        if before is not None:
            before.revision += 1
        self.layout = layout
        self.before = before
        """The book before this one; may be dropped at any time."""
        self.stale = Stale.REFUSE
        """What becomes of good shares of dead jobs; may be changed at any time."""
        self.hasher = hasher
        self._ids = ids
        self._share_hash = hasher.share_hash
        self._shelf = shelf or ProofShelf()
        self._entries: dict[JobId, Entry] = {}
        self._generations: dict[SourceId, int] = {}
        self._tips: list[tuple[SourceId, bytes]] = []
        self._current: Entry | None = None

    @property
    def current(self) -> Entry | None:
        """The newest entry, while it lives."""
        entry = self._current
        return entry if entry is not None and self.is_alive(entry.mark) else None

    @property
    def full(self) -> bool:
        """The current job's table of proofs is full: it wants a refresh."""
        entry = self._current
        return entry is not None and entry._up.full  # noqa: SLF001 - the book made it

    def find(self, job_id: JobId) -> Entry | None:
        """Look an id of ours up, dead ones included, in this book or the one before it."""
        entry = self._entries.get(job_id)
        return self.before.find(job_id) if entry is None and self.before is not None else entry

    def layout_of(self, job_id: JobId) -> Layout:
        """Say by which layout the rigs have their places that know a job by this id."""
        if self.before is None or job_id in self._entries:
            return self.layout
        return self.before.layout_of(job_id)

    def is_alive(self, mark: Mark) -> bool:
        """Say whether shares of such jobs still count."""
        source, generation = mark
        return generation >= self._generations.get(source, 0)

    def add(self, job: Job, now: float) -> Entry:
        """Take a job from upstream; give it an id of ours.

        Args:
            job: as its source made it.
            now: monotonic seconds.

        Raises:
            LayoutError: it has too little room, or a fixed root.
        """
        padding = self.layout.padding(job.extranonce_size)
        tip = (job.source, job.prev_hash)
        if tip not in self._tips:
            self._tips.append(tip)
        self.note_generation(job.source, job.generation)
        self._narrow_masks(job)
        before = self._same_work(job)
        proofs = self._shelf.make(job.ntime) if before is None else before.proofs
        up = Upstream(
            job=job,
            padding=padding,
            since=before.since if before is not None and before.job.ntime == job.ntime else now,
            mask=job.version_mask,
            work=work_of(job.target),
            proofs=proofs,
            mark=(job.source, job.generation),
            kin={} if before is None else before.kin,
        )
        self._turn_to(up, now)
        if before is not None:
            proofs.show(min(max(proofs.shown + 1, job.ntime), job.ntime_max))
        self._current = self._enter(up, proofs.shown)
        return self._current

    def _turn_to(self, up: Upstream, now: float) -> None:
        """Take note that rigs are shown other work from now on."""
        if self._current is not None:
            for proofs in self._current._up.all_proofs:  # noqa: SLF001 - the book made it
                proofs.left_at = now
        for proofs in up.all_proofs:
            proofs.left_at = None

    def vary(self, entry: Entry, payee: Payee, make: Callable[[Job], Job | None]) -> Entry | None:
        """Give what a payee's rigs are shown an id of ours, beside that of all others.

        Args:
            entry: what is shown to all others: one of `add` or `refresh`.
            payee: who is paid.
            make: makes the payee's job of the upstream's, if it is not known yet.

        Returns:
            The entry: the same as ever for the same payee, and the one given where that
            pays it already; `None` where none can be made.
        """
        known = entry.variants.get(payee.script)
        if known is not None:
            return known
        base = entry._up  # noqa: SLF001 - the book made it
        up = base.variants.get(payee.script)
        if up is None:
            job = make(base.job)
            if job is None or job.id == base.job.id:
                return None if job is None else entry
            proofs = base.kin.get(payee.script)
            if proofs is None:
                proofs = base.kin[payee.script] = self._shelf.make(entry.job.ntime)
            up = replace(
                base, job=job, proofs=proofs, payee=payee.address, variants={}, contexts={}
            )
            base.variants[payee.script] = up
        up.proofs.show(max(up.proofs.shown, entry.job.ntime))
        made = entry.variants[payee.script] = self._enter(up, entry.job.ntime)
        return made

    def note_generation(self, source: SourceId, generation: int) -> None:
        """Learn that a source's jobs of smaller generations are dead."""
        if self.before is not None:
            self.before.note_generation(source, generation)
        if generation > self._generations.get(source, 0):
            self.revision += 1
            self._generations[source] = generation
            self._forget()

    def refresh(self, now: float, *, dry: bool = False) -> Entry | None:
        """Show the current job again: new id, advanced time.

        Args:
            now: monotonic seconds.
            dry: the last job, though it is dead and its time may be used up.

        Returns:
            The new entry, or `None` when there is no job, or its time is used up; the
            same bytes are never shown under two ids.
        """
        entry = self._current if dry else self.current
        if entry is None:
            return None
        up = entry._up  # noqa: SLF001 - the book made it
        proofs = up.proofs
        ntime = max(proofs.shown + 1, up.job.ntime + int(now - up.since))
        if ntime > up.job.ntime_max and not dry:
            return None
        proofs.show(ntime)
        self._current = self._enter(up, ntime)
        return self._current

    def check(self, seat: Seat, share: OfferedShare, now: int) -> Checked:
        """Judge a rig's share.

        In this order: size, known job, hash (once), block test, then dead, version
        mask, time, duplicate, target.

        Args:
            seat: the rig's.
            share: what it sent; `job_id` is ours.
            now: our clock, in seconds since 1970.
        """
        if len(share.extranonce) != seat.size:
            return Checked(reason=Reason.BAD_EXTRANONCE, proof=NO_PROOF, block=False)
        entry = self._entries.get(share.job_id)
        if entry is None:
            if self.before is not None:
                return self.before.check(seat, share, now)
            return Checked(reason=Reason.UNKNOWN_JOB, proof=NO_PROOF, block=False)
        up = entry._up  # noqa: SLF001 - the book made it
        context = up.contexts.get(seat.lane) or self.context(entry, seat.lane)
        digest = self._share_hash(
            context, seat.slice + share.extranonce, share.version, share.ntime, share.nonce
        )
        proof = hash_to_int(digest)
        reason = self._judge(entry, seat, share, proof, now)
        return Checked(reason=reason, proof=proof, block=proof <= up.job.block_target)

    def _judge(self, entry: Entry, seat: Seat, share: OfferedShare, proof: int, now: int) -> Reason:
        up = entry._up  # noqa: SLF001 - the book made it
        job, proofs = up.job, up.proofs
        target = share.target
        if target is None:
            return Reason.UNKNOWN_JOB
        if job.generation < self._generations.get(job.source, 0) and not takes_late(
            self.stale, job, proof
        ):
            return Reason.STALE
        fault = fault_of(entry.job, share, mask=share.mask & seat.mask & up.mask, now=now)
        if fault is not None:
            return fault
        if share.ntime < proofs.floor:
            return Reason.STALE  # whether it counted is forgotten
        key = proof & _PREFIX
        if proof > target:
            known = proofs.has(key, share.ntime)
            return Reason.DUPLICATE if known else Reason.LOW_DIFFICULTY
        return proofs.record(key, share.ntime)

    def _same_work(self, job: Job) -> Upstream | None:
        """Find a job that is the same work, perhaps under another id, perhaps dead.

        A pool's new mask or difficulty makes a source tell its running job again, and so
        does a return to a source that was left, or a new connection on which the pool gives
        us our old extranonce, and another layout; its proofs must not count twice.
        """
        for entry in reversed(self._entries.values()):
            old = entry.upstream
            if old.prev_hash == job.prev_hash and old.commitment == job.commitment:
                return entry._up  # noqa: SLF001 - the book made it
        return None if self.before is None else self.before._same_work(job)  # noqa: SLF001 - a book

    def living(self, job_id: JobId) -> Entry | None:
        """Look an id up whose shares count: of this book alone, and alive."""
        entry = self._entries.get(job_id)
        return entry if entry is not None and self.is_alive(entry.mark) else None

    def context(self, entry: Entry, lane: bytes) -> bytes:
        """Return what the hasher must know of a job on a lane; packed once.

        Raises:
            LayoutError: it has a fixed root.
        """
        up = entry._up  # noqa: SLF001 - the book made it
        if lane in up.contexts:
            return up.contexts[lane]
        commitment = up.job.commitment
        if not isinstance(commitment, SplitCoinbase):
            raise LayoutError("a job with a fixed merkle root cannot be shared among rigs")
        context = self.hasher.pack_context(
            commitment.prefix + up.padding + lane,
            commitment.suffix,
            commitment.path,
            up.job.prev_hash,
            up.job.nbits,
        )
        up.contexts[lane] = context
        return context

    def _enter(self, up: Upstream, ntime: int) -> Entry:
        job_id = JobId(next(self._ids))
        job = up.job.narrow(Slice(prefix=up.padding), target=up.job.target, id=job_id)
        first, last = max(up.proofs.floor, job.ntime_min), max(ntime, job.ntime_max)
        entry = Entry(replace(job, ntime=ntime, ntime_min=first, ntime_max=last), up)
        self._entries[job_id] = entry
        while len(self._entries) > MAX_ENTRIES:
            self.revision += 1
            del self._entries[next(iter(self._entries))]
        return entry

    def _narrow_masks(self, job: Job) -> None:
        """Apply a narrower mask to the earlier jobs it was granted for as well.

        BIP 310: a new mask counts at once, so bits outside it would be refused upstream.
        Only jobs of the same version are touched: for another version the mask differs
        because other bits were free in it.
        """
        for entry in self._entries.values():
            up = entry._up  # noqa: SLF001
            if up.job.source == job.source and up.job.version == job.version:
                self.revision += up.mask & ~job.version_mask != 0
                up.mask &= job.version_mask
        if self.before is not None:
            self.before._narrow_masks(job)  # noqa: SLF001 - a book

    def _forget(self) -> None:
        """Drop dead jobs, but for those of the last tips; free proofs of tips that are left."""
        dead = [e for e in self._entries.values() if not self.is_alive(e.mark)]
        late = self.stale is not Stale.REFUSE  # then they may still come twice
        tips = {(e.upstream.source, e.upstream.prev_hash) for e in dead}
        kept = set([tip for tip in self._tips if tip in tips][1 - REMEMBERED_TIPS :])
        newest = dict(self._tips)
        needed = {id(e._up.proofs) for e in self._entries.values() if self.is_alive(e.mark)}  # noqa: SLF001
        for entry in dead:
            up = entry._up  # noqa: SLF001
            left = newest.get(up.job.source) != up.job.prev_hash
            if left and id(up.proofs) not in needed and not late:
                up.proofs.clear()
            if (up.job.source, up.job.prev_hash) not in kept:
                del self._entries[entry.job.id]
        alive = {(e.upstream.source, e.upstream.prev_hash) for e in self._entries.values()}
        self._tips = [tip for tip in self._tips if tip in alive or tip is self._tips[-1]]
