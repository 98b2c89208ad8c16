"""`Audience`: the sessions of a route, and how a job gets to all of them."""

import asyncio
from typing import Final

from headframe.runtime.logs import get_logger
from headframe.upstream.base import JobSource
from native.send import Sender
from proxy.broadcast import Broadcast
from proxy.choir import Choir
from proxy.court import Court
from proxy.jobbook import Entry
from proxy.ledger import Ledger
from proxy.stats import Stats
from proxy.terms import Clock, Guest, HubSettings

__all__ = ["BATCH", "Audience"]

log = get_logger(__name__)

BATCH: Final = 64
"""Rigs looked at before others get a turn: a millisecond or so of work."""
_ALONE: Final = 4
"""So many of a choir are sent a job in the time that one by itself takes."""


class Audience(Court):
    """Shows jobs to sessions; arguments are those of `Court`."""

    def __init__(
        self,
        source: JobSource,
        settings: HubSettings,
        *,
        clock: Clock | None = None,
        ledger: Ledger | None = None,
        stats: Stats | None = None,
    ) -> None:
        super().__init__(source, settings, clock=clock, ledger=ledger, stats=stats)
        self._guests: dict[Guest, None] = {}
        self._impatient: dict[Guest, None] = {}
        self._shown_at = 0.0
        self._sender = Sender()
        self._alike = settings  # as they were when the choir began
        self.choir = Choir()
        """The rigs that are shown jobs together."""

    @property
    def guests(self) -> tuple[Guest, ...]:
        """All sessions, the oldest first."""
        return tuple(self._guests)

    def join(self, guest: Guest) -> None:
        """Let a session hear of jobs."""
        self._guests[guest] = None

    def leave(self, guest: Guest) -> None:
        """Forget a session."""
        self._guests.pop(guest, None)
        self._impatient.pop(guest, None)

    def hurry(self, guest: Guest) -> None:
        """Show this session a job soon: its target changed."""
        guest.part()
        self._impatient[guest] = None

    async def show_all(self, entry: Entry) -> None:
        """Show an entry to all sessions; stops when there is a newer one, or another layout."""
        serial, book = self.source.jobs.serial, self._book
        self._shown_at = self.clock.monotonic()
        broadcast, choir = Broadcast(self._sender), self._choir_for(entry)
        line = choir.begin(entry, b"" if book is None else book.layout.lane)
        done = heard = 0
        for guest in self.guests:
            if guest not in self._guests:
                continue
            if guest.choir is choir:
                guest.hear(line, broadcast)
                done, heard = done + 1, heard + 1
            else:
                guest.settle(self._shown_at)
                guest.show(entry, self._shown_at, broadcast)
                done += _ALONE
            if done >= _ALONE * BATCH:
                broadcast.send()
                done = 0
                await asyncio.sleep(0)
                newer = self.source.jobs.serial != serial or choir.entry is not entry
                if newer or self._book is not book:
                    break  # with another book, all have been shown what it has
        else:
            choir.finish()
        broadcast.send()
        self.stats.offers += heard

    def _choir_for(self, entry: Entry) -> Choir:
        """Return the choir that an entry is shown to: a new one where others see no such entry."""
        if not self.choir.takes(entry) or self.settings.pay_to is not self._alike.pay_to:
            self.choir, self._alike = Choir(), self.settings
        return self.choir

    def close_all(self, why: str) -> None:
        """End every session."""
        guests = self.guests
        if guests:
            log.warning("rigs_closed", reason=why, count=len(guests))
        for guest in guests:
            guest.close(why)
