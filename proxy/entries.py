"""`Entry`: one of our job ids, and the upstream job that it stands for.

Rigs see ids of ours. Several may stand for one upstream job, each with a time of its own;
and where rigs are paid to the addresses that they log in with, each payee has a job of its
own beside the one that it was made of, and an id.
"""

from dataclasses import dataclass, field

from headframe.chain.job import Job
from headframe.chain.share import Share, ShareFields
from headframe.stratum.core import Seat
from proxy.proofs import Proofs
from proxy.slices import Mark

__all__ = ["Entry", "Upstream", "widen"]


@dataclass(slots=True, kw_only=True)
class Upstream:
    """What all our ids for one upstream job share.

    Attributes:
        job: as its source made it.
        padding: zero bytes between its coinbase and the lane.
        since: when it came (monotonic seconds).
        mask: version bits that may be rolled; narrows when the pool's mask does.
        work: of one share by the job's own target.
        proofs: those that counted.
        mark: its source and generation.
        payee: the address that it was made for; "" for the one that all others are made of.
        variants: the jobs that were made of it for payees, by output script.
        kin: proofs of the same work for payees, by output script; shared with every other
            job that is the same work.
        contexts: packed for `share_hash`, by lane.
    """

    job: Job
    padding: bytes
    since: float
    mask: int
    work: int
    proofs: Proofs
    mark: Mark
    payee: str = ""
    variants: dict[bytes, "Upstream"] = field(default_factory=dict)
    kin: dict[bytes, Proofs] = field(default_factory=dict)
    contexts: dict[bytes, bytes] = field(default_factory=dict)

    @property
    def all_proofs(self) -> tuple[Proofs, ...]:
        """Its own, and those of the same work for payees."""
        return (self.proofs, *self.kin.values())

    @property
    def full(self) -> bool:
        """The proofs of one of its jobs are too many: a later time is to be shown."""
        return self.proofs.full or any(each.proofs.full for each in self.variants.values())


@dataclass(slots=True)
class Entry:
    """One of our ids.

    Attributes:
        job: what the rigs of the layout class are shown: free bytes are lane, slice and
            the rig's own. Shared by all of them.
        upstream: the job it stands for.
        padding: zero bytes ahead of the lane.
        work: hashes that a share by the upstream job's own target stands for.
        mark: source and generation: with whom it lives and dies.
        variants: those with the same time for payees, by output script.
    """

    job: Job
    _up: Upstream
    variants: dict[bytes, "Entry"] = field(default_factory=dict)
    # Copied, since all this is asked for with each share and each rig that is shown a job.
    upstream: Job = field(init=False)
    padding: bytes = field(init=False)
    work: int = field(init=False)
    mark: Mark = field(init=False)

    def __post_init__(self) -> None:
        up = self._up
        self.upstream, self.padding, self.work, self.mark = up.job, up.padding, up.work, up.mark

    @property
    def mask(self) -> int:
        """Version bits that its source lets roll now."""
        return self._up.mask

    @property
    def proofs(self) -> Proofs:
        """Those that counted for this work."""
        return self._up.proofs

    @property
    def payee(self) -> str:
        """The address that a rig gave to be paid to; "" where the upstream says who is paid."""
        return self._up.payee


def widen(entry: Entry, seat: Seat, share: ShareFields) -> Share:
    """Turn a rig's share into an answer to the upstream job."""
    return Share(  # as `Share.widen` does by `Slice`, spelt out: this is called for every share
        job_id=entry.upstream.id,
        extranonce=entry.padding + seat.lane + seat.slice + share.extranonce,
        ntime=share.ntime,
        nonce=share.nonce,
        version=share.version,
    )
