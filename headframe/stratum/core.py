"""The faces of protocol cores: what adapters may rely on, whatever the version.

How to drive a core, in five steps:

1. Write `data_to_send()`; a client core has its greeting ready from the start.
2. Read from the peer; hand the bytes, cut in any way, to `receive_data`.
3. Act on each event, in order. Acting may call commands, which leave bytes to send.
4. Write `data_to_send()` once, and go on at 2.
5. At the end of the stream, act on the events of `receive_eof`.

After a fatal `PeerFault`, write what is left and hang up.
"""

from collections.abc import Sequence
from typing import Protocol, TypeVar

import msgspec

from headframe.chain.job import Job
from headframe.chain.share import Share, Verdict
from headframe.chain.target import Target
from headframe.stratum.events import ClientEvent, ServerEvent, Ticket
from headframe.stratum.numbers import Numbers

__all__ = ["ClientCore", "SansIO", "Seat", "ServerCore"]

E_co = TypeVar("E_co", covariant=True)


class SansIO(Protocol[E_co]):
    """Bytes in, events out; commands in, bytes out. Never raises on a peer's bytes."""

    def receive_data(self, data: bytes) -> Sequence[E_co]:
        """Take bytes from the peer, cut in any way; tell what they mean."""

    def receive_eof(self) -> Sequence[E_co]:
        """Take note that the peer closed; tell what that ends."""

    def data_to_send(self) -> bytes:
        """Return what is to be written now, and forget it."""


class ClientCore(SansIO[ClientEvent], Protocol):
    """The miner's side of a connection."""

    def submit(self, share: Share, worker: str | None) -> Ticket:
        """Send a share for a job of this connection.

        Args:
            share: its `job_id` is the id of a job that this core told of.
            worker: the name to send it under; `None` for the connection's own.

        Returns:
            The ticket of the `ShareAnswered` to come.

        Raises:
            LocalProtocolError: not authorised yet, or the job is not of this connection.
        """


class Seat(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What a session owns on one channel; lean, since every rig has one.

    The coinbase a rig hashes is
    `job prefix + lane + slice + (its own extranonce, size bytes) + job suffix`.

    Attributes:
        channel: the channel it belongs to.
        lane: extranonce bytes shared by all rigs of a layout class and shard.
        slice: extranonce bytes of this rig alone, shown to it as extranonce1.
        size: bytes that the rig rolls (extranonce2_size).
        mask: version bits the configuration lets this rig roll; the core grants the
            intersection with what the rig asks for and what the job allows.
        address: where its owner is, without the port.
        agent: what its owner's software calls itself.
        numbers: difficulties that its owner reads.
        session: what its owner may come back with; "" for its slice.
    """

    channel: int
    lane: bytes
    slice: bytes
    size: int
    mask: int
    address: str = ""
    agent: str = ""
    numbers: Numbers = Numbers.EXACT
    session: str = ""


class ServerCore(SansIO[ServerEvent], Protocol):
    """The pool's side of a connection."""

    def seat(self, ticket: Ticket, seat: Seat) -> None:
        """Answer `Joined`: the rig has its place."""

    def reseat(self, seat: Seat) -> bool:
        """Give a seated rig another place, from the next `offer` on, which must be clean.

        Returns:
            False when the rig does not take such changes: then hang up, and it comes back.
        """

    def authorize(self, ticket: Ticket, *, ok: bool, why: str = "") -> None:
        """Answer `AuthorizeAsked`, and say why if the worker is not let in."""

    def offer(self, channel: int, job: Job, target: Target, *, clean: bool) -> Target:
        """Show a job to the rig on a channel that has its seat.

        Args:
            channel: where.
            job: the job of the rig's layout class: its commitment's free bytes are lane,
                slice and the rig's own, in this order. Shared by all rigs of the class;
                its encoding is made once.
            target: what the rig shall aim at.
            clean: the rig must drop its earlier work.

        Returns:
            The target that the rig will compute from what was sent: the same as asked
            for, or a little easier. The rig's shares must be judged by this one; it comes
            back in `ShareSubmitted.target`.
        """

    def permit(self, mask: int) -> None:
        """Let the rig roll these version bits at most, from the next `offer` on."""

    def recollect(self) -> object:
        """Return what the rig was shown last, for `recall`; `None` if nothing was."""

    def recall(self, shown: object) -> None:
        """Take up what the rig was shown on the connection before, ahead of the first `offer`.

        So its shares count that were under way when that ended.

        Args:
            shown: what `recollect` of a core of the same kind returned.
        """

    @property
    def unanswered(self) -> int:
        """Requests whose answers are not out: all since the oldest that is open."""

    def reply(self, ticket: Ticket, verdict: Verdict) -> None:
        """Answer `ShareSubmitted`; in any order, the core keeps the wire's."""
