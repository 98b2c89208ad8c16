"""What cores tell, shared by all versions of the protocol.

Client cores tell of jobs and verdicts, server cores of rigs and their shares. Events of
a server carry the channel that they belong to; a Stratum V1 connection has the one
channel 0. `ShareSubmitted` is made once per share and therefore is the leanest
structure there is; it meets `chain.share.ShareFields`. What every rig says when it comes
is lean, too.
"""

from dataclasses import dataclass
from typing import NewType

import msgspec

from headframe.chain.job import Job, JobId
from headframe.chain.share import Reason, Verdict
from headframe.chain.target import Target

__all__ = [
    "AuthorizeAsked",
    "ClientEvent",
    "Joined",
    "NewJob",
    "Notice",
    "PeerFault",
    "Ready",
    "Redirected",
    "ServerEvent",
    "ShareAnswered",
    "ShareSubmitted",
    "TargetWished",
    "Ticket",
]

Ticket = NewType("Ticket", int)
"""Names one request on one connection; ours, never the peer's id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """Client: the pool has subscribed and authorised us; shares may be sent.

    Attributes:
        session: what the pool wants to hear when we come back, or "".
        extranonce_size: free bytes the pool leaves us.
        version_mask: the bits that the pool granted, 0 when it grants none.
    """

    session: str
    extranonce_size: int
    version_mask: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """Client: a job, whole and ready to hash."""

    job: Job


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareAnswered:
    """Client: the pool's verdict on the share that `submit` gave this ticket."""

    ticket: Ticket
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirected:
    """Client: the pool wishes us elsewhere.

    Attributes:
        host: where to, or "" for the same host.
        port: where to, or 0 for the same port.
        wait_seconds: how long to wait first.
    """

    host: str
    port: int
    wait_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Either side: something worth a line in the log, and no more.

    Attributes:
        kind: a fixed word in snake case, such as `pool_message` or `unknown_method`.
        text: its particulars, stripped of control characters.
    """

    kind: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerFault:
    """Either side: the peer broke the protocol.

    Attributes:
        what: what it did, for the log.
        fatal: the core ignores all input from now on; the adapter hangs up after it
            has written what is left to write.
    """

    what: str
    fatal: bool


class Joined(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Server: a rig subscribed, and waits for a seat.

    Attributes:
        channel: its channel on this connection.
        ticket: to be answered with `ServerCore.seat`.
        agent: what the rig calls itself, or "".
        session: the session it wants to resume, or "".
    """

    channel: int
    ticket: Ticket
    agent: str
    session: str


class AuthorizeAsked(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Server: a rig gave a worker's name, and waits for `ServerCore.authorize`."""

    channel: int
    ticket: Ticket
    user: str
    password: str


class ShareSubmitted(msgspec.Struct, gc=False, kw_only=True):
    """Server: a share, to be answered with `ServerCore.reply`.

    Attributes:
        channel: the channel it came on.
        ticket: names it in the reply.
        worker: the name it was sent under.
        job_id: ours, as `offer` showed it; -1 when the peer's text is none of ours.
        extranonce: the rig's own bytes, without lane and slice.
        ntime: seconds since 1970.
        nonce: as the number in the header.
        version: the whole block version. Bits that the rig set outside its mask differ
            from the job's version here, so the rules find them.
        mask: version bits that the rig was allowed to roll on this job; `fault_of` takes
            it, since it may be narrower than the job's.
        target: what the rig was asked for with this job, or `None` when this
            connection was never shown the job.
        refused: what the reply must say whatever the share is worth, or `None`. It is
            offered all the same, without a target: its hash may make it a block.
    """

    channel: int
    ticket: Ticket
    worker: str
    job_id: JobId
    extranonce: bytes
    ntime: int
    nonce: int
    version: int
    target: Target | None
    mask: int = 0xFFFFFFFF
    refused: Reason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetWished:
    """Server: a rig suggests a target (`mining.suggest_difficulty` or `_target`).

    Attributes:
        channel: the channel it came on.
        target: what it would like.
        least: it is the easiest that the rig wants from now on (`minimum-difficulty`), not
            one to begin with.
    """

    channel: int
    target: Target
    least: bool = False


ClientEvent = Ready | NewJob | ShareAnswered | Redirected | Notice | PeerFault
ServerEvent = Joined | AuthorizeAsked | ShareSubmitted | TargetWished | Notice | PeerFault
