"""Answers in the order of the requests, whatever the order in which they are known.

Many miners send every submit with the same id, or take the next line for the answer
they wait for; so order is the only thing that ties an answer to its request.
"""

from enum import Enum, auto
from typing import Final

from headframe.stratum.errors import LocalProtocolError
from headframe.stratum.events import Ticket
from headframe.stratum.sv1.messages import encode_answer, is_silent

__all__ = ["Kind", "Replies"]


class Kind(Enum):
    """What a ticket stands for, so that it is answered with the right command."""

    PLAIN = auto()
    SUBSCRIBE = auto()
    AUTHORIZE = auto()
    SHARE = auto()


_NOBODY: Final = (None, b"")


class Replies:
    """The lines to send to one peer, and the requests it waits for."""

    __slots__ = ("_early", "_next", "_oldest", "_open", "_out")

    def __init__(self) -> None:
        self._next = 0
        self._oldest = 0
        self._open: dict[int, tuple[Kind, bytes]] = {}
        self._early: dict[int, bytes] = {}
        self._out: list[bytes] = []

    @property
    def waiting(self) -> int:
        """Requests whose answer is not out yet."""
        return self._next - self._oldest

    def take(self, kind: Kind, request_id: bytes) -> Ticket:
        """Note a request.

        Args:
            kind: how it will be answered.
            request_id: its id as it came, raw JSON; null or nothing: wants no answer.
        """
        ticket = self._next
        self._next = ticket + 1
        self._open[ticket] = (kind, request_id)
        return Ticket(ticket)

    def answer(self, kind: Kind, ticket: Ticket, body: bytes) -> None:
        """Answer a request: now, or as soon as all earlier ones are answered.

        Args:
            kind: what the caller thinks it answers.
            ticket: the request.
            body: the members `result` and `error`, raw JSON.

        Raises:
            LocalProtocolError: no such request waits.
        """
        asked, request_id = self._open.get(ticket, _NOBODY)
        if asked is not kind:
            raise LocalProtocolError(f"no {kind.name.lower()} request waits for ticket {ticket}")
        del self._open[ticket]
        line = b"" if is_silent(request_id) else encode_answer(request_id, body)
        if ticket != self._oldest:
            self._early[ticket] = line
            return
        self._out.append(line)
        self._oldest = ticket + 1
        if self._early:
            self._release()

    def _release(self) -> None:
        """Let the answers go that waited for the oldest one."""
        while self._oldest in self._early:
            self._out.append(self._early.pop(self._oldest))
            self._oldest += 1

    def push(self, line: bytes, *, after: Ticket) -> None:
        """Send a line that answers nothing, but not before the answer to `after`."""
        if after in self._early:
            self._early[after] += line
        else:
            self._out.append(line)

    def data_to_send(self) -> bytes:
        """Return what is to be written now, and forget it."""
        if not self._out:
            return b""
        data = self._out[0] if len(self._out) == 1 else b"".join(self._out)
        self._out.clear()
        return data
