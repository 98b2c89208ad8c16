"""A pool's side of Stratum V1 with a shortcut: whoever judges shares may read ahead.

Nearly every line that a rig sends is a plain submit, and a good one. `skim` takes such lines
from the front of what came, by whatever means are quick, and answers them; all else goes
the way of `ServerConnection`, which knows nothing of this.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Final, Protocol

from headframe.chain.job import BIP320_MASK, Job
from headframe.chain.target import Target
from headframe.stratum.core import Seat
from headframe.stratum.events import ServerEvent, Ticket
from headframe.stratum.sv1.chorus import Chorus, Member
from headframe.stratum.sv1.offers import Offer
from headframe.stratum.sv1.replies import Kind
from headframe.stratum.sv1.server import ServerConnection, ServerState

__all__ = ["SkimmedConnection", "Skimmer"]

_CLOSED: Final = ServerState.CLOSED
_SHARE: Final = Kind.SHARE


class Skimmer(Protocol):
    """Who takes lines before they are read."""

    def skim(self, data: bytes) -> bytes:
        """Take lines from the front of what came.

        What is taken must be answered by `put`, or by `take` and `reply`.

        Args:
            data: from the beginning of a line on; nothing when what was left was no event.

        Returns:
            What is left: nothing, or from the beginning of a line on.
        """


class SkimmedConnection(ServerConnection):
    """One rig's connection, whose shares may be taken before they are read here.

    Args:
        mask: version bits that the configuration lets rigs roll; 0 to refuse version
            rolling. A `Seat` narrows it further.

    Attributes:
        skimmer: takes what it can; `None`: nothing is taken.
        revision: rises with all that may change what a share of this rig means,
        identity: and with what changes who it is and where it sits.
    """

    __slots__ = ("_member", "identity", "revision", "skimmer")

    def __init__(self, *, mask: int = BIP320_MASK) -> None:
        super().__init__(mask=mask)
        self.skimmer: Skimmer | None = None
        self._member: Member | None = None  # while it hears a chorus
        self.revision = self.identity = 0

    def receive_data(self, data: bytes) -> Sequence[ServerEvent]:
        """Take bytes from the rig, cut in any way; tell what they mean, but for what is skimmed."""
        skimmer = self.skimmer
        if skimmer is None or self._lines.parts or self._state is _CLOSED:
            return super().receive_data(data)
        rest = skimmer.skim(data)
        if not rest:
            return ()
        events = super().receive_data(rest)
        if not events:
            skimmer.skim(b"")
        return events

    def data_to_send(self) -> bytes:
        """Return what is to be written now, and forget it."""
        out = self._replies.out
        return out.pop() if len(out) == 1 else self._replies.data_to_send()

    # what the skimmer needs

    @property
    def names(self) -> Collection[str]:
        """The workers that are authorised."""
        return self._workers.known

    def shown(self, text: str) -> Offer | None:
        """Find what the rig was shown under an id; `None` if that is not remembered."""
        offer = self._offers.find(text)
        return None if offer.target is None else offer

    def take(self, request_id: bytes) -> Ticket:
        """Note a submit, for `reply`; its id as it came, raw JSON."""
        return self._replies.take(_SHARE, request_id)

    @property
    def put(self) -> Callable[[bytes], bool]:
        """Sends answers to shares; false where an earlier request is open: then it does not."""
        return self._replies.put

    # with many others

    def join(self, chorus: Chorus, job: Job, target: Target, member: Member) -> bool:
        """Hear a chorus from now on, until something about this rig changes.

        What that shows is sent to the rig by others.

        Args:
            chorus: the newest that it showed is
            job: this, which is what this rig was offered last,
            target: with this target.
            member: told when it is over.

        Returns:
            False where that cannot be now: a request is open.
        """
        if self._replies.waiting:
            return False
        size = self._seated().size
        self._offers.join(chorus, job, mask=self._terms.mask or 0, size=size, target=target)
        self._member = member
        return True

    def part(self) -> None:
        """Hear no chorus any more."""
        member, self._member = self._member, None
        if member is not None:
            self._offers.part()
            member.parted()

    # what changes what shares mean

    def seat(self, ticket: Ticket, seat: Seat) -> None:
        """See `ServerConnection.seat`."""
        self._change()
        super().seat(ticket, seat)

    def reseat(self, seat: Seat) -> bool:
        """See `ServerConnection.reseat`."""
        self._change()
        return super().reseat(seat)

    def permit(self, mask: int) -> None:
        """See `ServerConnection.permit`."""
        self.part()
        self.revision += 1
        super().permit(mask)

    def recall(self, shown: object) -> None:
        """See `ServerConnection.recall`."""
        self.part()
        self.revision += 1
        super().recall(shown)

    def authorize(self, ticket: Ticket, *, ok: bool, why: str = "") -> None:
        """See `ServerConnection.authorize`."""
        self._change()
        super().authorize(ticket, ok=ok, why=why)

    def offer(self, channel: int, job: Job, target: Target, *, clean: bool) -> Target:
        """See `ServerConnection.offer`."""
        self.part()
        self.revision += 1
        return super().offer(channel, job, target, clean=clean)

    def _receive_other(self, line: bytes) -> None:
        self.part()
        self.revision += 1  # it may be a configure
        super()._receive_other(line)

    def _change(self) -> None:
        self.part()
        self.revision += 1
        self.identity += 1
