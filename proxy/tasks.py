"""What jobs ask of shares, in the shape that the judge in C reads.

Rigs with the same job, lane, target and version bits share a task. One is made when the first
share for it comes, and holds as long as the book says that nothing it is made of has changed.
"""

from functools import lru_cache
from typing import Final

import native
from headframe.chain.target import work_of
from headframe.stratum.core import Seat
from headframe.stratum.sv1.offers import Offer
from native import Task, Terms
from proxy.jobbook import JobBook

__all__ = ["Tasks", "weigh"]

_MOST: Final = 1024
"""Tasks that are kept: 0.5 kB each."""

weigh: Final = lru_cache(maxsize=4096)(work_of)
"""The work of a target. Rigs have few different ones, and a division of 256 bits takes longer
than a look-up."""


class Tasks:
    """The tasks of one book.

    Args:
        book: the jobs.
    """

    __slots__ = ("_by_terms", "_revision", "book")

    def __init__(self, book: JobBook) -> None:
        self.book = book
        self._by_terms: dict[tuple[Offer, bytes, int, int], Task] = {}
        self._revision = book.revision

    def find(self, text: str, offer: Offer, seat: Seat, mask: int) -> Task | None:
        """Find what a job asks of a rig.

        Args:
            text: the job's name on the wire.
            offer: what the rig was shown.
            seat: the rig's.
            mask: version bits that it may roll, by what it was told.

        Returns:
            `None` where its shares are not good, or need looking at: the job is dead, or of
            another layout, or hashed by other means.
        """
        book = self.book
        if book.revision != self._revision:
            self._revision = book.revision
            self._by_terms.clear()
        key = (offer, seat.lane, seat.size, mask & seat.mask)
        task = self._by_terms.get(key)
        if task is None:
            entry = book.living(offer.job_id)
            if (
                entry is None
                or offer.target is None
                or offer.size != seat.size
                or entry.job.version != offer.version
                or book.hasher is not native
            ):
                return None
            terms = Terms(
                job=text.encode(),
                context=book.context(entry, seat.lane),
                version=offer.version,
                mask=mask & seat.mask & entry.mask & entry.job.version_mask,
                ntime_min=entry.job.ntime_min,
                ntime_max=entry.job.ntime_max,
                target=offer.target,
                block=entry.upstream.block_target,
                up=entry.upstream.target,
            )
            task = self._by_terms[key] = Task(terms, entry.proofs.state, entry.proofs)
            if len(self._by_terms) > _MOST:
                del self._by_terms[next(iter(self._by_terms))]
        return task
