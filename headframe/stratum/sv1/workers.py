"""The workers of one connection: who is authorised, who asked to be, and what came early.

A rig may send authorize and its first submit in one go. The share is then read before
anybody has answered the authorize; it is refused for the time being, and the refusal is
taken back when the answer is yes, before the share is judged.
"""

from typing import Final

import msgspec

from headframe.chain.share import Reason
from headframe.chain.target import Target
from headframe.stratum.errors import LocalProtocolError, RemoteProtocolError
from headframe.stratum.events import ShareSubmitted, Ticket

__all__ = ["MAX_USER", "MAX_WORKERS", "Workers"]

MAX_WORKERS: Final = 1024
"""Workers on one connection: a rig has one, a proxy behind us one per rig of its own."""
MAX_USER: Final = 256
"""Longest name of a worker, in characters: twice what the firmware with most room for it takes.
Names are kept, told to the pool and shown; a stranger chooses them."""
_FEW: Final = 4
"""So many names are looked through; a rig has one or two, and a set takes more memory."""

_Early = tuple[ShareSubmitted, Target | None]


class Workers(msgspec.Struct, gc=False):
    """Names of one connection.

    Attributes:
        known: the names that are authorised.
    """

    known: tuple[str, ...] | frozenset[str] = ()
    # None while there are none: most connections ask once, and live for weeks.
    _asking: dict[Ticket, str] | None = None
    _early: list[_Early] | None = None

    def ensure_room(self, user: str) -> None:
        """Look at a name before it is asked for.

        Raises:
            RemoteProtocolError: it is too long, or one too many.
        """
        if len(user) > MAX_USER:
            raise RemoteProtocolError(f"a user name of more than {MAX_USER} characters")
        if len(self.known) + len(self._asking or ()) >= MAX_WORKERS:
            raise RemoteProtocolError(f"more than {MAX_WORKERS} workers on one connection")

    def ask(self, ticket: Ticket, user: str) -> None:
        """Note that a name wants to be authorised under this ticket."""
        if self._asking is None:
            self._asking = {}
        self._asking[ticket] = user

    def is_asking(self, user: str) -> bool:
        """Say whether a name waits for its answer."""
        return self._asking is not None and user in self._asking.values()

    def hold(self, share: ShareSubmitted) -> None:
        """Refuse a share whose worker is not authorised, for now.

        A block is a block, whoever's name it comes under: it is offered all the same.
        """
        if self.is_asking(share.worker):
            self._early = self._early or []
            self._early.append((share, share.target))
        share.refused, share.target = Reason.UNAUTHORIZED, None

    def settle(self, ticket: Ticket, *, ok: bool) -> None:
        """Answer a name that asked; shares that it sent meanwhile are as good as it is.

        Raises:
            LocalProtocolError: nobody asked under this ticket.
        """
        if self._asking is None or ticket not in self._asking:
            raise LocalProtocolError(f"no authorize request waits for ticket {ticket}")
        user = self._asking.pop(ticket)
        if ok and user not in self.known:
            known = (*self.known, user)
            self.known = known if len(known) <= _FEW else frozenset(known)
        if ok:
            for share, target in self._early or ():
                if share.worker == user:
                    share.refused, share.target = None, target
        if not self._asking:
            self._asking = self._early = None
