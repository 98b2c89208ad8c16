"""`Share`: an answer to a job, and the judgement on it.

One function, `check`, is the oracle: hashlib, whole numbers, no shortcuts. The proxy's
fast path hashes in C and then asks the same rules (`fault_of`, `Job.target`).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol, Self

from headframe.chain.hashes import hash_to_int
from headframe.chain.header import Header
from headframe.chain.job import Job, JobId, Slice
from headframe.chain.target import Target

__all__ = [
    "MAX_FUTURE_SECONDS",
    "NO_PROOF",
    "Checked",
    "Reason",
    "Share",
    "ShareFields",
    "Verdict",
    "check",
    "fault_of",
    "header_of",
    "proof_of",
]

MAX_FUTURE_SECONDS: Final = 7000
"""How far ahead of our clock a share's time may be. Consensus allows a node 7,200 s
(two hours); pools stop a little short of it, since clocks differ."""

NO_PROOF: Final = 2**256
"""Stands for a hash that cannot be computed: worse than any target."""


class Reason(StrEnum):
    """What became of a share; the closed list that all protocols map to and from."""

    ACCEPTED = "accepted"
    STALE = "stale"
    UNKNOWN_JOB = "unknown_job"
    DUPLICATE = "duplicate"
    LOW_DIFFICULTY = "low_difficulty"
    BAD_EXTRANONCE = "bad_extranonce"
    BAD_NTIME = "bad_ntime"
    BAD_VERSION = "bad_version"
    UNAUTHORIZED = "unauthorized"
    NOT_SUBSCRIBED = "not_subscribed"
    MALFORMED = "malformed"
    LOST = "lost"
    """The connection went before a verdict came."""
    PENDING = "pending"
    """Not judged yet: a block that is still on its way to a node."""
    OTHER = "other"
    """Refused for a reason outside this list; the verdict's detail has its words."""


class ShareFields(Protocol):
    """What the rules read of a share; met by `Share` and by the servers' share events."""

    @property
    def job_id(self) -> JobId: ...  # noqa: D102
    @property
    def extranonce(self) -> bytes: ...  # noqa: D102
    @property
    def ntime(self) -> int: ...  # noqa: D102
    @property
    def nonce(self) -> int: ...  # noqa: D102
    @property
    def version(self) -> int: ...  # noqa: D102


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """An answer to a job.

    Attributes:
        job_id: the job it answers.
        extranonce: exactly the job's free bytes.
        ntime: seconds since 1970, unsigned 32 bits.
        nonce: unsigned 32 bits, as the number in the header.
        version: the whole block version, rolled bits included.
    """

    job_id: JobId
    extranonce: bytes
    ntime: int
    nonce: int
    version: int

    def widen(self, slice_: Slice, *, job_id: JobId) -> Self:
        """Turn an answer to a narrowed job into an answer to the job it came from.

        Args:
            slice_: the slice that the job was narrowed with.
            job_id: the id of the wider job.
        """
        return type(self)(
            job_id=job_id,
            extranonce=slice_.prefix + self.extranonce,
            ntime=self.ntime,
            nonce=self.nonce,
            version=self.version,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What somebody (a pool, a node, our own check) says of a share.

    Attributes:
        reason: `ACCEPTED`, or why not.
        detail: the other side's own words, for people; empty when there are none.
        block: the share was submitted as a block.
    """

    reason: Reason
    detail: str = ""
    block: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """Our own judgement.

    Attributes:
        reason: `ACCEPTED`, or the first rule that the share breaks.
        proof: its hash as a number; `NO_PROOF` when it could not be computed.
        block: `proof` meets the job's block target, whatever else is wrong.
    """

    reason: Reason
    proof: int
    block: bool


def header_of(job: Job, share: ShareFields) -> bytes:
    """Build the 80 bytes that a share claims to have hashed.

    Raises:
        ValueError: the extranonce has the wrong size.
    """
    return Header(
        version=share.version,
        prev_hash=job.prev_hash,
        root=job.commitment.root(share.extranonce),
        ntime=share.ntime,
        nbits=job.nbits,
        nonce=share.nonce,
    ).encode()


def proof_of(job: Job, share: ShareFields) -> int:
    """Compute a share's hash as the number that is compared with targets.

    Raises:
        ValueError: the extranonce has the wrong size.
    """
    return hash_to_int(Header.parse(header_of(job, share)).hash())


def fault_of(job: Job, share: ShareFields, *, mask: int, now: int) -> Reason | None:
    """Find what is wrong with a share's version or time.

    Args:
        job: the job it answers.
        share: the answer.
        mask: version bits that its author may roll; only those inside the job's own
            mask count.
        now: our clock, in seconds since 1970.

    Returns:
        `BAD_VERSION`, `BAD_NTIME`, or `None`.
    """
    if (share.version ^ job.version) & ~(job.version_mask & mask):
        return Reason.BAD_VERSION
    if not job.ntime_min <= share.ntime <= min(job.ntime_max, now + MAX_FUTURE_SECONDS):
        return Reason.BAD_NTIME
    return None


def check(job: Job, share: ShareFields, *, target: Target | None = None, now: int) -> Checked:
    """Judge a share by everything that can be known from its job.

    Staleness and duplicates need history and are judged elsewhere.

    Args:
        job: the job that the share answers.
        share: the answer.
        target: what its author was asked for; the job's own target if not given.
        now: our clock, in seconds since 1970.
    """
    if len(share.extranonce) != job.extranonce_size:
        return Checked(reason=Reason.BAD_EXTRANONCE, proof=NO_PROOF, block=False)
    proof = proof_of(job, share)
    reason = fault_of(job, share, mask=job.version_mask, now=now)
    if reason is None:
        meets = proof <= (job.target if target is None else target)
        reason = Reason.ACCEPTED if meets else Reason.LOW_DIFFICULTY
    return Checked(reason=reason, proof=proof, block=proof <= job.block_target)
