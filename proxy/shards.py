"""More upstream connections for a route: opened when rigs find no room, closed when empty.

A pool gives each connection an extranonce of its own, so what is taken on one is free on
the next. Each connection is a hub with sources of the same settings, and the books of its
route. A rig stays on the connection that it came to.

Two connections that a pool gives the same extranonce would search the same space twice:
the later one is closed, and no other is opened.

Who only connects opens nothing. A rig that has authorised may; so may one that asks for its
seat first, as most do, but not while several connections serve nobody who went on to
authorise. So strangers cannot have many opened, and there is a limit in any case.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import msgspec

from headframe.chain.job import Job
from headframe.runtime.logs import get_logger
from headframe.upstream.endpoint import parse_url
from headframe.upstream.options import UpstreamSettings
from headframe.upstream.roster import Roster
from headframe.upstream.settings import SCHEMES
from proxy.hub import Hub
from proxy.tables import RouteSettings

__all__ = ["MOST_CONNECTIONS", "Shard", "ShardMaker", "Shards", "upstreams_of"]

log = get_logger(__name__)

MOST_CONNECTIONS: Final = 32
"""To one upstream at a time, unless the settings say otherwise."""
_MOST_UNKNOWN: Final = 8
"""Connections on which nobody has authorised that may be open when another is."""
_LOOK_SECONDS: Final = 1.0
_EMPTY_LOOKS: Final = 60
"""So many looks without a rig, and a connection is closed."""
_OPENING_LOOKS: Final = 10
"""So many looks without work, and rigs are sent to others instead."""


@dataclass(slots=True, eq=False)
class Shard:
    """One of the further connections.

    Attributes:
        number: 2 for the first of them.
        hub: its middle.
        roster: its upstreams; `None` for a source that was given as it is.
        empty: looks for which no rig was there.
        idle: looks for which there was no work.
    """

    number: int
    hub: Hub
    roster: Roster | None = None
    empty: int = 0
    idle: int = 0
    task: asyncio.Task[None] | None = None

    @property
    def is_known(self) -> bool:
        """Somebody is there who has authorised."""
        return any(guest.is_known for guest in self.hub.guests)

    async def run(self) -> None:
        """Serve until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.hub.source.run(), name="source")
                group.create_task(self.hub.run(), name="hub")
        finally:
            self.hub.close_all("shutdown")
            self.hub.retire()


ShardMaker = Callable[[int], Shard]
"""Makes a further connection, by its number."""


class Shards:
    """The connections of one route.

    Args:
        main: the first of them; always there.
        make: makes more.
        rigs: that one connection serves at most; `None`: as the extranonce has room.
        most: connections at a time, the first one included; may be changed at any time.
    """

    def __init__(
        self, main: Hub, make: ShardMaker, *, rigs: int | None = None, most: int = MOST_CONNECTIONS
    ) -> None:
        self._main = main
        self._make = make
        self._rigs = rigs
        self.most = most
        self._open: dict[int, Shard] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._told_limit = 0
        self.settings: RouteSettings | None = None
        """What `make` makes them of."""
        self.problem = ""
        """Why no more are opened; one line for people."""

    @property
    def hubs(self) -> tuple[Hub, ...]:
        """Those that are open beside the first."""
        return tuple([shard.hub for shard in self._open.values()])

    def has(self, hub: Hub) -> bool:
        """Say whether a hub is that of one of them."""
        return hub is self._main or (bool(self._open) and hub in self.hubs)

    def pick(self, current: Hub | None = None, *, opens: bool = True) -> Hub:
        """Say which connection a rig goes to.

        Args:
            current: where it is; it stays if that is one of ours.
            opens: open one if none has room.
        """
        if current is not None and self.has(current):
            return current
        return self._with_room() or (opens and self._another()) or self._main

    def seat(self, current: Hub) -> Hub:
        """Say where a rig takes its seat that nobody knows yet; one may be opened for it.

        Args:
            current: where it waits; it stays there if there is room.
        """
        if self.has(current) and self._has_room(current, but=1):
            return current
        unknown = sum(not shard.is_known for shard in self._open.values())
        opens = unknown < _MOST_UNKNOWN
        return self._with_room() or (opens and self._another()) or self._main

    def follow(self, settings: RouteSettings) -> None:
        """Use these upstreams from now on, on all of them.

        Raises:
            ConfigError: they can never work.
        """
        self.settings = settings
        for shard in self._open.values():
            if shard.roster is not None and settings.pools is not None:
                named = upstreams_of(settings, shard.number)
                shard.roster.apply(shard.roster.plan(named, settings.pools))
        for hub in self.hubs:
            hub.settings = self._main.settings

    async def run(self) -> None:
        """Look after them until cancelled."""
        try:
            async with asyncio.TaskGroup() as self._tasks:
                while True:
                    await asyncio.sleep(_LOOK_SECONDS)
                    self.look()
        finally:
            self._tasks = None
            self._open.clear()

    def look(self) -> None:
        """Close what is not needed any more, or must not be; called each second."""
        jobs = [job for job in (self._main.source.jobs.get(),) if job is not None]
        for shard in tuple(self._open.values()):
            hub, job = shard.hub, shard.hub.source.jobs.get()
            hub.settings = self._main.settings
            shard.empty = 0 if hub.guests else shard.empty + 1
            shard.idle = shard.idle + 1 if hub.idle else 0
            if job is not None and any(_is_same_work(job, other) for other in jobs):
                self.problem = (
                    f"{job.source} gives a second connection the same extranonce: no more are "
                    "opened. Set extranonce.slice_size to make room for more rigs on one"
                )
                log.warning("no_more_connections", detail=self.problem)
                self._close(shard)
            elif shard.empty >= _EMPTY_LOOKS:
                log.info("connection_closed", source=hub.source.status.get().source)
                self._close(shard)
            elif job is not None:
                jobs.append(job)

    def _with_room(self) -> Hub | None:
        if self._has_room(self._main):
            return self._main
        for shard in self._open.values():
            if shard.idle < _OPENING_LOOKS and self._has_room(shard.hub):
                return shard.hub
        return None

    def _has_room(self, hub: Hub, *, but: int = 0) -> bool:
        """Say whether a connection has a seat left; `but`: so many of its guests do not count."""
        slices = hub.space.slices
        if slices is not None and slices.free < 1:
            return False
        return self._rigs is None or len(hub.guests) - but < self._rigs

    def _another(self) -> Hub | None:
        """Open one more, if that may be."""
        if self._tasks is None or self.problem:
            return None
        if len(self._open) + 1 >= self.most:
            self._tell_limit()
            return None
        self._told_limit = 0
        number = next(each for each in _numbers() if each not in self._open)
        shard = self._open[number] = self._make(number)
        shard.task = self._tasks.create_task(shard.run(), name=f"connection {number}")
        log.info("connection_opened", source=shard.hub.source.status.get().source)
        return shard.hub

    def _tell_limit(self) -> None:
        """Say once for each limit that it is reached."""
        if self._told_limit != self.most:
            self._told_limit = self.most
            log.warning(
                "connections_at_limit",
                source=self._main.source.status.get().source,
                count=self.most,
                what_to_do="rigs that find no slice are turned away: raise "
                "extranonce.max_connections and reload, if the pool bears more connections",
            )

    def _close(self, shard: Shard) -> None:
        del self._open[shard.number]
        shard.hub.close_all("no_upstream")
        if shard.task is not None:
            shard.task.cancel()


def upstreams_of(settings: RouteSettings, number: int) -> tuple[UpstreamSettings, ...]:
    """Name the upstreams of a route for its second connection, or a later one."""
    ports = {name: scheme.default_port for name, scheme in SCHEMES.items()}
    return tuple(
        msgspec.structs.replace(
            each, name=f"{each.name or parse_url(each.url, ports).place}#{number}"
        )
        for each in settings.upstreams
    )


def _numbers() -> Iterator[int]:
    number = 2
    while True:
        yield number
        number += 1


def _is_same_work(job: Job, other: Job) -> bool:
    return job.prev_hash == other.prev_hash and job.commitment == other.commitment
