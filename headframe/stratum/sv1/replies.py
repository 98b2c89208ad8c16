"""Answers in the order of the requests, whatever the order in which they are known.

Many miners send every submit with the same id, or take the next line for the answer
they wait for; so order is the only thing that ties an answer to its request.
"""

from enum import Enum, auto

import msgspec

from headframe.stratum.errors import LocalProtocolError
from headframe.stratum.events import Ticket
from headframe.stratum.sv1.messages import encode_answer

__all__ = ["Kind", "Replies"]


class Kind(Enum):
    """What a ticket stands for, so that it is answered with the right command."""

    PLAIN = auto()
    SUBSCRIBE = auto()
    AUTHORIZE = auto()
    SHARE = auto()


class Replies(msgspec.Struct, gc=False):
    """The lines to send to one peer, and the requests it waits for.

    What waits is one list, the oldest request first: how it will be answered and its id,
    or its answer's line, when that is known before an earlier one's.

    Attributes:
        out: lines to be written now.
    """

    out: list[bytes] = []
    _oldest: int = 0
    _waiting: list[tuple[Kind, bytes] | bytes] = []

    @property
    def waiting(self) -> int:
        """Requests whose answer is not out yet."""
        return len(self._waiting)

    def take(self, kind: Kind, request_id: bytes) -> Ticket:
        """Note a request.

        Args:
            kind: how it will be answered.
            request_id: its id as it came, raw JSON; null or nothing: wants no answer.
        """
        waiting = self._waiting
        waiting.append((kind, request_id))
        # To call a NewType takes its time, and this is done for every share.
        return self._oldest + len(waiting) - 1  # type: ignore[return-value]

    def answer(self, kind: Kind, ticket: Ticket, body: bytes) -> None:
        """Answer a request: now, or as soon as all earlier ones are answered.

        Args:
            kind: what the caller thinks it answers.
            ticket: the request.
            body: the members `result` and `error`, raw JSON.

        Raises:
            LocalProtocolError: no such request waits.
        """
        waiting = self._waiting
        place = ticket - self._oldest
        asked = waiting[place] if 0 <= place < len(waiting) else b""
        if type(asked) is not tuple or asked[0] is not kind:
            raise LocalProtocolError(f"no {kind.name.lower()} request waits for ticket {ticket}")
        request_id = asked[1]
        line = encode_answer(request_id, body)
        if place:
            waiting[place] = line
            return
        self.out.append(line)
        self._oldest = ticket + 1
        del waiting[0]
        if waiting:
            self._release()

    def _release(self) -> None:
        """Let the answers go that waited for the oldest one."""
        waiting = self._waiting
        while waiting and isinstance(early := waiting[0], bytes):
            self.out.append(early)
            self._oldest += 1
            del waiting[0]

    def push(self, line: bytes, *, after: Ticket) -> None:
        """Send a line that answers nothing, but not before the answer to `after`."""
        waiting, place = self._waiting, after - self._oldest
        early = waiting[place] if waiting and 0 <= place < len(waiting) else ()
        if isinstance(early, bytes):
            waiting[place] = early + line
        else:
            self.out.append(line)

    def put(self, lines: bytes) -> bool:
        """Send answers whose requests were never taken; not while an earlier one is open."""
        if self._waiting:
            return False
        self.out.append(lines)
        return True

    def data_to_send(self) -> bytes:
        """Return what is to be written now, and forget it."""
        if not self.out:
            return b""
        data = self.out[0] if len(self.out) == 1 else b"".join(self.out)
        self.out.clear()
        return data
