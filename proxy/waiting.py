"""Shares of one connection that wait for the upstream's verdict.

Each is answered once: with the verdict, or with `LOST` when its upstream is lost, when too
many wait, and when it has waited too long. A verdict that comes after that is for the books
alone. Later answers wait for the oldest open one, so what counts as many is all of them.
"""

from collections.abc import Container
from functools import partial
from typing import Final

from headframe.chain.job import SourceId
from headframe.chain.share import Reason, Verdict
from headframe.stratum.events import Ticket
from headframe.upstream.base import Done

__all__ = ["LONGEST_SECONDS", "MOST_WAITING", "Waiting"]

MOST_WAITING: Final = 2048
"""Half of what a server core lets wait for answers: a pool that is slow must not make a
busy connection look like one that does not listen."""
LONGEST_SECONDS: Final = 30.0
"""A rig that hears nothing for longer takes its pool for dead."""

_LOST: Final = Verdict(reason=Reason.LOST, detail="the upstream was lost before its verdict came")
_TOO_MANY: Final = Verdict(reason=Reason.LOST, detail="the upstream does not answer shares")


class Waiting:
    """The open shares of a connection, the oldest first.

    Args:
        most: so many may wait; the oldest is given up for one more.
    """

    __slots__ = ("_most", "_open")

    def __init__(self, most: int = MOST_WAITING) -> None:
        self._most = most
        self._open: dict[Ticket, tuple[SourceId, Done, float]] = {}

    def __len__(self) -> int:
        return len(self._open)

    def expect(self, ticket: Ticket, source: SourceId, tell: Done, now: float) -> Done:
        """Let a share wait.

        Args:
            ticket: its own on this connection.
            source: whose verdict it waits for.
            tell: answers the rig; called once at most.
            now: monotonic seconds.

        Returns:
            What is to be called with the verdict, once.
        """
        if len(self._open) >= self._most:
            self._settle(next(iter(self._open)), _TOO_MANY)
        self._open[ticket] = (source, tell, now)
        return partial(self._settle, ticket)

    def look(self, sources: Container[SourceId], now: float, *, unanswered: int) -> None:
        """Answer what has waited for long enough; to be called each second or so.

        Args:
            sources: those that are lost.
            now: monotonic seconds.
            unanswered: requests of the connection whose answers are not out.
        """
        crowded = unanswered > self._most
        for ticket, (source, _, since) in tuple(self._open.items()):
            if source in sources:
                self._settle(ticket, _LOST)
            elif crowded or now - since >= LONGEST_SECONDS:
                self._settle(ticket, _TOO_MANY)

    def clear(self) -> None:
        """Answer nothing any more: the rig has gone."""
        self._open.clear()

    def _settle(self, ticket: Ticket, verdict: Verdict) -> None:
        _, tell, _ = self._open.pop(ticket, (None, None, None))
        if tell is not None:
            tell(verdict)
