"""The lines of the share log: one JSON object each, `kind` saying which.

Hashes of blocks and shares are in display order, as people and nodes write them; the
merkle path is in header order. Extranonces are whole: all bytes between a job's `prefix`
and `suffix`. Work and other numbers beyond 2^53 are texts, targets are 64 hex digits.
`hash` is "" where none could be computed. `docs/operations.md` tells the rest.
"""

from typing import Final, NamedTuple

import msgspec

from headframe.chain.hashes import hash_to_hex
from headframe.chain.job import SplitCoinbase
from headframe.chain.share import NO_PROOF, Checked, Reason, Verdict
from headframe.stratum.core import Seat
from headframe.stratum.events import ShareSubmitted
from proxy.jobbook import Entry
from proxy.ledger import PoolLeg, Row
from proxy.uplink import Parcel

__all__ = [
    "FORMAT",
    "Books",
    "JobLine",
    "Judged",
    "LeftOutLine",
    "Line",
    "RunLine",
    "SentLine",
    "ShareLine",
    "TotalsLine",
    "VerdictLine",
    "WorkerLine",
    "books_of",
    "job_line",
    "sent_line",
    "share_line",
    "verdict_line",
]

FORMAT: Final = 1

Books = dict[str, tuple[int, str]]
"""Accounts by name: shares, and work as a text."""


class Line(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """What all lines have.

    Attributes:
        time_ms: when it was written down, in milliseconds since 1970.
    """

    time_ms: int


class RunLine(Line, frozen=True, kw_only=True, tag="run"):
    """A proxy begins, or (`ends`) ends in good order. Ids of jobs begin anew with each run.

    `ongoing`: not the proxy begins but the log, which was wanted only later.
    """

    version: str
    format: int = FORMAT
    ends: bool = False
    ongoing: bool = False


class JobLine(Line, frozen=True, kw_only=True, tag="job"):
    """A job as the rigs of the proxy see it; before its first share in each file.

    `upstream` is the source's job that it stands for, `target` that of the source.
    """

    route: str
    job: int
    upstream: int
    source: str
    generation: int
    version: int
    version_mask: int
    prev_hash: str
    nbits: int
    ntime: int
    ntime_min: int
    ntime_max: int
    prefix: str
    suffix: str
    path: tuple[str, ...]
    extranonce_size: int
    target: str
    block_target: str


class ShareLine(Line, frozen=True, kw_only=True, tag="share"):
    """A share of a rig, and our verdict on it.

    `job` is -1 where the rig named none of ours, or sent nothing that could be read. `mask`
    are the version bits that it was allowed to roll, `target` what it was judged by.
    """

    route: str
    worker: str
    rig: str
    job: int
    extranonce: str
    ntime: int
    nonce: int
    version: int
    mask: int
    target: str | None
    work: str
    hash: str
    verdict: Reason
    block: bool = False


class SentLine(Line, frozen=True, kw_only=True, tag="sent"):
    """A share goes up; its `share` line follows.

    `job` and `extranonce` are the source's, `work` is by its target. `rescued`: it goes up
    as a block though the share was refused.
    """

    route: str
    worker: str
    name: str | None
    source: str
    job: int
    extranonce: str
    ntime: int
    nonce: int
    version: int
    work: str
    rescued: bool = False
    block: bool = False


class VerdictLine(Line, frozen=True, kw_only=True, tag="verdict"):
    """The source's answer to a share that went up."""

    route: str
    worker: str
    source: str
    job: int
    extranonce: str
    ntime: int
    nonce: int
    version: int
    work: str
    verdict: Reason
    detail: str = ""
    rescued: bool = False


class TotalsLine(Line, frozen=True, kw_only=True, tag="totals"):
    """A route's books at this very line; `left_out` are lines that the log had no room for."""

    route: str
    why: str
    books: Books
    blocks_found: int
    left_out: dict[str, int]


class WorkerLine(Line, frozen=True, kw_only=True, tag="worker"):
    """A worker's books at this very line; after `why` = "idle" they begin anew."""

    route: str
    worker: str
    why: str
    books: Books
    left_out: int


class LeftOutLine(Line, frozen=True, kw_only=True, tag="left_out"):
    """Lines are missing here that there was no room for; by kind, in all since the start."""

    route: str
    lines: dict[str, int]


def books_of(row: Row) -> Books:
    """Write a row of the books as accounts; empty ones are left out."""
    found = {"offered": row.offered, "accepted": row.accepted}
    found |= {f"refused.{reason}": tally for reason, tally in row.refused.items()}
    books = {name: (tally.shares, str(tally.work)) for name, tally in found.items()}
    books |= {"kept": (row.kept, "0")} | _leg("pool", row.pool) | _leg("rescued", row.rescued)
    return {name: account for name, account in books.items() if account != (0, "0")}


def _leg(name: str, leg: PoolLeg) -> Books:
    found = {
        "forwarded": leg.forwarded,
        "pending": leg.pending,
        "acknowledged": leg.acknowledged,
        "lost": leg.lost,
    }
    found |= {f"refused.{reason}": tally for reason, tally in leg.refused.items()}
    return {f"{name}.{key}": (tally.shares, str(tally.work)) for key, tally in found.items()}


def job_line(time_ms: int, route: str, entry: Entry) -> JobLine | None:
    """Write a job down; `None` for one that cannot be shared among rigs."""
    job = entry.job
    coinbase = job.commitment
    if not isinstance(coinbase, SplitCoinbase):
        return None
    return JobLine(
        time_ms=time_ms,
        route=route,
        job=job.id,
        upstream=entry.upstream.id,
        source=job.source,
        generation=job.generation,
        version=job.version,
        version_mask=job.version_mask,
        prev_hash=hash_to_hex(job.prev_hash),
        nbits=job.nbits,
        ntime=job.ntime,
        ntime_min=job.ntime_min,
        ntime_max=job.ntime_max,
        prefix=coinbase.prefix.hex(),
        suffix=coinbase.suffix.hex(),
        path=tuple(step.hex() for step in coinbase.path),
        extranonce_size=coinbase.extranonce_size,
        target=f"{job.target:064x}",
        block_target=f"{job.block_target:064x}",
    )


class Judged(NamedTuple):
    """A share and our verdict on it.

    Attributes:
        seat: the rig's.
        share: what it sent.
        checked: our verdict.
        work: hashes that the share stands for.
        mask: version bits that counted as free.
    """

    seat: Seat
    share: ShareSubmitted
    checked: Checked
    work: int
    mask: int


def share_line(time_ms: int, route: str, worker: str, judged: Judged) -> ShareLine:
    """Write a share down."""
    seat, share, checked, work, mask = judged
    found = checked.proof != NO_PROOF
    return ShareLine(
        time_ms=time_ms,
        route=route,
        worker=worker,
        rig=seat.address,
        job=share.job_id,
        extranonce=(seat.lane + seat.slice + share.extranonce).hex(),
        ntime=share.ntime,
        nonce=share.nonce,
        version=share.version,
        mask=mask,
        target=None if share.target is None else f"{share.target:064x}",
        work=str(work),
        hash=f"{checked.proof:064x}" if found else "",
        verdict=checked.reason,
        block=checked.block,
    )


def sent_line(time_ms: int, route: str, parcel: Parcel, *, rescued: bool, block: bool) -> SentLine:
    """Write down that a share goes up."""
    share = parcel.share
    return SentLine(
        time_ms=time_ms,
        route=route,
        worker=parcel.row.name,
        name=parcel.worker,
        source=parcel.source,
        job=share.job_id,
        extranonce=share.extranonce.hex(),
        ntime=share.ntime,
        nonce=share.nonce,
        version=share.version,
        work=str(parcel.work),
        rescued=rescued,
        block=block,
    )


def verdict_line(
    time_ms: int, route: str, parcel: Parcel, verdict: Verdict, *, rescued: bool
) -> VerdictLine:
    """Write the source's answer down."""
    share = parcel.share
    return VerdictLine(
        time_ms=time_ms,
        route=route,
        worker=parcel.row.name,
        source=parcel.source,
        job=share.job_id,
        extranonce=share.extranonce.hex(),
        ntime=share.ntime,
        nonce=share.nonce,
        version=share.version,
        work=str(parcel.work),
        verdict=verdict.reason,
        detail=verdict.detail,
        rescued=rescued,
    )
