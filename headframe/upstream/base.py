"""`JobSource`: the one interface to whatever offers work.

UpstreamError           (a `runtime.errors.HeadframeError`)
    UnreachableError    could not connect, or the connection ended
    RefusedError        the other side said no (credentials, subscription)
    BadUpstreamError    what it says makes no sense, or is not what we were told to use
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from headframe.chain.job import Job, SourceId
from headframe.chain.share import Share, Verdict
from headframe.runtime.errors import EXIT_UNAVAILABLE, HeadframeError
from headframe.runtime.latest import Latest
from headframe.runtime.metrics import Histogram
from headframe.upstream.failovers import Failover

__all__ = [
    "ANSWER_BOUNDS",
    "REMEMBERED_TIPS",
    "BadUpstreamError",
    "Done",
    "JobSource",
    "RefusedError",
    "SourceState",
    "SourceStatus",
    "UnreachableError",
    "UpstreamError",
    "members_of",
]


REMEMBERED_TIPS: Final = 3
"""Tips whose jobs are remembered by who reads them, the newest included: a share of a dead job
may be a block. A source takes blocks of twice as many, since readers hear of a tip later."""


ANSWER_BOUNDS: Final = tuple(digit * 10.0**power for power in range(-4, 2) for digit in (1, 2.5, 5))
"""Of `SourceStatus.answers`: 0.1 ms, which is a node beside us, to 50 s."""


class UpstreamError(HeadframeError):
    """An upstream cannot be used at present; its owner retries, with back-off.

    Its text is one line for people: what happened, where, and what to do.
    """

    exit_code = EXIT_UNAVAILABLE


class UnreachableError(UpstreamError):
    """Could not connect, or the connection ended."""


class RefusedError(UpstreamError):
    """The other side said no."""


class BadUpstreamError(UpstreamError):
    """What it says makes no sense, or it is not what we were told to use."""


class SourceState(StrEnum):
    """How a source is doing; the values are those of the metric and of the page."""

    CONNECTING = "connecting"
    ACTIVE = "active"
    DEGRADED = "degraded"
    """It has work, but something is wrong: see `SourceStatus.detail`."""
    IDLE = "idle"
    """It is not needed at present, and so not connected: another source is in use."""
    DOWN = "down"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceStatus:
    """What an operator wants to know of a source.

    Attributes:
        source: which pool or node is in use.
        url: where it is, without credentials.
        state: how it is doing.
        detail: one line for people: why it is not `ACTIVE`, and what to do. Else "".
        height: height of the block being worked on, where the source knows it.
        network: "regtest", "testnet4", ..., where the source knows it, else "".
        connects: connections made so far.
        generation: jobs of `source` with a smaller one are dead, whether or not a newer
            job exists yet.
        switches: how often work went from one source to another.
        failovers: the same by source and reason.
        idle_seconds: in all gaps that are over, the time without live work between two
            jobs; times the hash rate, it is the hashes that were lost.
        redirects: how often a pool sent us elsewhere, and was followed.
        faults: how often a pool broke the protocol.
        user: the account that shares count for, where there is one; never a password.
        job_at: when the newest job came, by `runtime.clock.monotonic`; `None` before one.
        difficulty: of that job's shares; 0 before one.
        answer_seconds: how long the last answer took (a pool's to a share, a node's with a
            template), told at most once a second; `None` before one.
        answers: how long all answers took, counted by the source as they come; at times it
            begins with a new one.
        clock_skew_seconds: how far the newest job's time was ahead of this machine's clock
            when it came; `None` before one.
        certificate_until: when the pool's certificate ends, in seconds since 1970; `None`
            without TLS.
        pays_expected: whether the newest job pays the address that the settings expect;
            `None`: they expect none, or there was no job.
        in_use: this source's job is the one that is worked on.
        rank: its place in its group, 1 for the preferred one.
        members: of a group, its sources in order of preference; see `members_of`.
    """

    source: SourceId
    url: str
    state: SourceState
    detail: str = ""
    height: int | None = None
    network: str = ""
    connects: int = 0
    generation: int = 0
    switches: int = 0
    failovers: tuple[Failover, ...] = ()
    idle_seconds: float = 0.0
    redirects: int = 0
    faults: int = 0
    user: str = ""
    job_at: float | None = None
    difficulty: float = 0.0
    answer_seconds: float | None = None
    answers: Histogram | None = None
    clock_skew_seconds: float | None = None
    certificate_until: float | None = None
    pays_expected: bool | None = None
    in_use: bool = True
    rank: int = 1
    members: tuple["SourceStatus", ...] = ()


def members_of(status: SourceStatus) -> tuple[SourceStatus, ...]:
    """Return the status of each upstream behind a source: of a lone one, its own."""
    return status.members or (status,)


Done = Callable[[Verdict], None]


class JobSource(Protocol):
    """Offers jobs, takes shares.

    Laws (`tests/contracts/source.py`): job ids are never reused; `generation` and
    `epoch` never fall; `submit` never waits and calls `done` exactly once for each
    share, at the latest when `run` ends.
    """

    @property
    def jobs(self) -> Latest[Job | None]:
        """The newest job; `None` when there is no work, and hashing should stop."""

    @property
    def status(self) -> Latest[SourceStatus]:
        """How the source is doing."""

    async def run(self) -> None:
        """Work until cancelled.

        May be called again after it ended.

        Raises:
            UpstreamError: the upstream cannot be used at present. All pending shares
                have been answered with `LOST`, or are in the journal.
        """

    def submit(self, share: Share, worker: str | None, done: Done) -> None:
        """Send a share, without waiting.

        Args:
            share: an answer to one of this source's jobs.
            worker: the name it shall count for; `None` for the source's own.
            done: called exactly once, with the verdict; possibly before this returns.
        """
