"""A pool's side of Stratum V1 with a shortcut: whoever judges shares may read ahead.

Nearly every line that a rig sends is a plain submit, and a good one. `skim` takes such lines
from the front of what came, by whatever means are quick, and answers them; all else goes
the way of `ServerConnection`, which knows nothing of this.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Final

from headframe.chain.job import BIP320_MASK, Job
from headframe.chain.target import Target
from headframe.stratum.core import Seat
from headframe.stratum.events import ServerEvent, Ticket
from headframe.stratum.sv1.offers import Offer
from headframe.stratum.sv1.replies import Kind
from headframe.stratum.sv1.server import ServerConnection, ServerState

__all__ = ["SkimmedConnection"]

_CLOSED: Final = ServerState.CLOSED
_SHARE: Final = Kind.SHARE


class SkimmedConnection(ServerConnection):
    """One rig's connection, whose shares may be taken before they are read here.

    Args:
        mask: version bits that the configuration lets rigs roll; 0 to refuse version
            rolling. A `Seat` narrows it further.

    Attributes:
        skim: gets what came, from the beginning of a line on, and returns what it left:
            nothing, or from the beginning of a line on. What it took must be answered by
            `put`, or by `take` and `reply`. Gets nothing when what it left was no event.
            `None`: nothing is taken.
        revision: rises with all that may change what a share of this rig means.
    """

    __slots__ = ("revision", "skim")

    def __init__(self, *, mask: int = BIP320_MASK) -> None:
        super().__init__(mask=mask)
        self.skim: Callable[[bytes], bytes] | None = None
        self.revision = 0

    def receive_data(self, data: bytes) -> Sequence[ServerEvent]:
        """Take bytes from the rig, cut in any way; tell what they mean, but for what is skimmed."""
        skim = self.skim
        if skim is None or self._lines.parts or self._state is _CLOSED:
            return super().receive_data(data)
        rest = skim(data)
        if not rest:
            return ()
        events = super().receive_data(rest)
        if not events:
            skim(b"")
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

    # what changes what shares mean

    def seat(self, ticket: Ticket, seat: Seat) -> None:
        """See `ServerConnection.seat`."""
        self.revision += 1
        super().seat(ticket, seat)

    def reseat(self, seat: Seat) -> bool:
        """See `ServerConnection.reseat`."""
        self.revision += 1
        return super().reseat(seat)

    def permit(self, mask: int) -> None:
        """See `ServerConnection.permit`."""
        self.revision += 1
        super().permit(mask)

    def recall(self, shown: object) -> None:
        """See `ServerConnection.recall`."""
        self.revision += 1
        super().recall(shown)

    def authorize(self, ticket: Ticket, *, ok: bool, why: str = "") -> None:
        """See `ServerConnection.authorize`."""
        self.revision += 1
        super().authorize(ticket, ok=ok, why=why)

    def offer(self, channel: int, job: Job, target: Target, *, clean: bool) -> Target:
        """See `ServerConnection.offer`."""
        self.revision += 1
        return super().offer(channel, job, target, clean=clean)

    def _receive_other(self, line: bytes) -> None:
        self.revision += 1  # it may be a configure
        super()._receive_other(line)
