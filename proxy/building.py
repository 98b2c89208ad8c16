"""From settings to routes: `Builder` makes them, and keeps those that stay.

A route that is taken out and put in again is the same as before, with its books and the
names that its sources gave to their jobs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import Final

import msgspec

import native
from headframe.runtime.errors import ConfigError
from headframe.runtime.wirelog import WireLog
from headframe.upstream.base import JobSource
from headframe.upstream.blockdesk import DeskOptions
from headframe.upstream.endpoint import parse_url
from headframe.upstream.options import UpstreamSettings
from headframe.upstream.roster import Plan, Roster
from headframe.upstream.settings import SCHEMES, BlocksSettings, desk_options
from proxy.config import DEFAULT_ROUTE, ProxyConfig
from proxy.hub import Clock, Hub, HubSettings
from proxy.ledger import Ledger
from proxy.leftovers import JOURNAL
from proxy.proofs import ProofShelf
from proxy.routes import Router
from proxy.routing import RigTable, Route, Routing
from proxy.shards import Shard, Shards, upstreams_of
from proxy.space import Space
from proxy.stats import Stats
from proxy.tables import RouteSettings

__all__ = ["Arrangement", "Builder", "journal_of", "rigs_of"]

_PORTS: Final = {name: scheme.default_port for name, scheme in SCHEMES.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrangement:
    """Routes and rules that can work, not in force yet.

    Attributes:
        routes: the first for rigs that no rule fits.
        router: says which rig takes which.
        rigs: what rigs have in common.
        settings: of each route's hub.
        plans: for the upstreams of routes that there are already.
        wanted: what each route is told.
        blocks: what is done for found blocks.
    """

    routes: Sequence[Route]
    router: Router
    rigs: RigTable
    settings: Mapping[str, HubSettings]
    plans: Mapping[str, Plan] = field(default_factory=dict)
    wanted: Mapping[str, RouteSettings] = field(default_factory=dict)
    blocks: DeskOptions = field(default_factory=DeskOptions)


class Builder:
    """Makes the routes of a process.

    Args:
        config: what the process is told at its start.
        state: the folder for found blocks.
        clock: where time comes from.
        wire_log: where what pools say and hear is written down, if it is.
    """

    def __init__(
        self,
        config: ProxyConfig,
        state: Path,
        *,
        clock: Clock | None = None,
        wire_log: WireLog | None = None,
    ) -> None:
        self._state = state
        self._clock = clock
        self._wire_log = wire_log
        self._room = config.space_settings()
        self._rigs_each = config.extranonce.rigs_per_connection
        self._most = config.extranonce.max_connections
        self._space = Space(self._room)
        self._stats = Stats()
        self._shelf = ProofShelf()
        self._ids = count(1)
        self._known: dict[str, Route] = {}
        self.told = config.routes
        """What the settings in force say of routes, as they stand there."""

    @property
    def rosters(self) -> Sequence[Roster]:
        """The upstreams of all routes that there are or were."""
        return [each.roster for each in self._known.values() if each.roster is not None]

    def routing(self, config: ProxyConfig, source: JobSource | None = None) -> Routing:
        """Make the routes of a start.

        Args:
            config: what they are told.
            source: used instead of the configured upstreams, for the one route.

        Raises:
            ConfigError: the settings cannot work.
        """
        if source is None:
            made = self.arrange(config)
            return Routing(made.routes, made.router, made.rigs)
        settings = RouteSettings(name=DEFAULT_ROUTE)
        route = Route(DEFAULT_ROUTE, self._hub(DEFAULT_ROUTE, source, config.hub_settings()))
        return Routing([route], Router((), DEFAULT_ROUTE), rigs_of(config, [settings]))

    def arrange(self, config: ProxyConfig) -> Arrangement:
        """Make what is new in these settings; changes nothing that runs.

        Raises:
            ConfigError: they cannot work.
        """
        wanted = _named(config.all_routes())
        router, rigs = config.router(), rigs_of(config, wanted)
        settings = {each.name: config.hub_settings(each) for each in wanted}
        blocks = desk_options(config.blocks, Path.home())
        plans = {}
        for each in wanted:
            route = self._known.get(each.name)
            if route is not None and route.roster is not None and each.pools is not None:
                plans[each.name] = route.roster.plan(each.upstreams, each.pools)
        fresh = {
            each.name: self._make(each, settings[each.name], config.blocks)
            for each in wanted
            if each.name not in self._known
        }
        self._known |= fresh  # a route that is never put into force costs nothing
        return Arrangement(
            routes=[self._known[each.name] for each in wanted],
            router=router,
            rigs=rigs,
            settings=settings,
            plans=plans,
            wanted={each.name: each for each in wanted},
            blocks=blocks,
        )

    def _make(self, settings: RouteSettings, told: HubSettings, blocks: BlocksSettings) -> Route:
        assert settings.pools is not None  # noqa: S101 - it is whole
        roster = Roster(
            settings.upstreams,
            settings.pools,
            ids=count(1),
            journal=journal_of(self._state, settings.name),
            blocks=blocks,
            wire_log=self._wire_log,
            path=native.leaf_path,
        )
        hub = self._hub(settings.name, roster.group, told)
        hub.hear_of_blocks(roster.desk)
        route = Route(settings.name, hub, roster)
        if not any(map(_is_node, settings.upstreams)):  # a node leaves what room it is asked for
            route.shards = Shards(
                hub, partial(self._shard, route), rigs=self._rigs_each, most=self._most
            )
            route.shards.settings = settings
        return route

    def _shard(self, route: Route, number: int) -> Shard:
        """Make a further connection of a route; one with a space of its own if ours is full."""
        assert route.shards is not None  # noqa: S101 - they ask for it
        settings, main = route.shards.settings, route.hub
        assert settings is not None  # noqa: S101 - set where they were made
        assert settings.pools is not None  # noqa: S101 - it is whole
        assert route.roster is not None  # noqa: S101 - so have its sources
        roster = Roster(
            upstreams_of(settings, number),
            settings.pools,
            ids=count(1),
            journal=route.roster.desk,  # one file, which a start reads whatever is open then
            wire_log=self._wire_log,
            path=native.leaf_path,
        )
        full = main.slices is not None and main.slices.free < 1
        hub = Hub(
            roster.group,
            main.settings,
            ids=self._ids,
            hasher=native,
            clock=self._clock,
            space=Space(self._room) if full or self._room.alone else main.space,
            ledger=main.ledger,
            stats=self._stats,
            shelf=self._shelf,
        )
        hub.blocks, hub.roll = main.blocks, main.roll
        hub.uplink.share_blocks(main.uplink)
        if main.tap is not None:
            hub.note_shares(main.tap)
        return Shard(number, hub, roster)

    def _hub(self, name: str, source: JobSource, settings: HubSettings) -> Hub:
        return Hub(
            source,
            settings,
            ids=self._ids,
            hasher=native,
            clock=self._clock,
            space=Space(self._room) if self._room.alone else self._space,
            ledger=Ledger(route=name),
            stats=self._stats,
            shelf=self._shelf,
        )


def rigs_of(config: ProxyConfig, routes: Sequence[RouteSettings]) -> RigTable:
    """Make what rigs have in common, for each listener and route.

    Raises:
        ConfigError: it cannot be made.
    """
    return {
        (door.label, route.name): config.rig_settings(door, route)
        for door in config.all_listeners()
        for route in routes
    }


def journal_of(state: Path, route: str) -> Path:
    """Return the file that keeps the blocks of a route."""
    suffix = "" if route == DEFAULT_ROUTE else f"-{route}"
    return state / f"{JOURNAL}{suffix}.journal"


def _is_node(upstream: UpstreamSettings) -> bool:
    return SCHEMES[parse_url(upstream.url, _PORTS).scheme].reach is not None


def _named(routes: Sequence[RouteSettings]) -> list[RouteSettings]:
    """Give every upstream a name that no other of the process has.

    Raises:
        ConfigError: two were given the same.
    """
    owners: dict[str, str] = {}
    named = []
    for route in routes:
        upstreams = tuple(_name(each, route.name) for each in route.upstreams)
        for each in upstreams:
            other = owners.setdefault(each.name, route.name)
            if other != route.name:
                raise ConfigError(
                    f"routes {other} and {route.name} both have an upstream called "
                    f"{each.name!r}: give one of them another `name`"
                )
        named.append(msgspec.structs.replace(route, upstreams=upstreams))
    return named


def _name(upstream: UpstreamSettings, route: str) -> UpstreamSettings:
    if upstream.name or route == DEFAULT_ROUTE:
        return upstream
    place = parse_url(upstream.url, _PORTS).place
    return msgspec.structs.replace(upstream, name=f"{route}/{place}")
