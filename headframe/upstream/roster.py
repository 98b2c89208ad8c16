"""`Roster`: the upstreams of a process, over all changes of its configuration.

An upstream whose settings stay as they are stays as it is, with its connection; what else
changes about it makes a new one of the same name, and the old one lingers for the answers
that are on their way.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec

from headframe.chain.job import Lineage, SourceId
from headframe.chain.merkle import PathMaker, first_leaf_path
from headframe.runtime.clock import monotonic, wall_seconds
from headframe.runtime.errors import ConfigError
from headframe.runtime.logs import get_logger
from headframe.runtime.wirelog import WireLog
from headframe.upstream.access import NodeAccess
from headframe.upstream.base import JobSource
from headframe.upstream.blockdesk import BlockDesk
from headframe.upstream.circle import Circle
from headframe.upstream.endpoint import Endpoint, parse_url
from headframe.upstream.group import GroupOptions, SourceGroup
from headframe.upstream.journal import Journal
from headframe.upstream.options import (
    BlocksSettings,
    PoolsSettings,
    StrategyName,
    UpstreamSettings,
)
from headframe.upstream.settings import SCHEMES, Parts, desk_options
from headframe.upstream.strategy import (
    FailoverStrategy,
    QuotaStrategy,
    RotateStrategy,
    Strategy,
)

__all__ = ["Plan", "Roster", "make_source"]

_log = get_logger(__name__)

_HEADROOM: Final = 1 << 20
"""Generations that a new source of an old name is ahead: the old one may count on while it
lingers, and what is newer must never look older."""


@dataclass(frozen=True, slots=True)
class _Identity:
    """What makes a source the one it is; with another, it must be made anew.

    Attributes:
        settings: all that is its own; how much it is worth to the group is not.
        files: a hash of each file that they name, since a file may change alone.
    """

    settings: UpstreamSettings
    files: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """An upstream, made."""

    identity: _Identity
    source: JobSource
    lineage: Lineage
    access: NodeAccess | None
    """How it is reached, if it is a node."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """An arrangement of upstreams that can work, not in force yet; see `Roster.plan`."""

    entries: Mapping[SourceId, _Entry]
    strategy: Strategy
    options: GroupOptions
    basis: tuple[object, ...]
    """What the strategy was made of; with the same, the one there is goes on."""
    settings: tuple[UpstreamSettings, ...]
    pools: PoolsSettings


class Roster:
    """Makes upstreams, and changes them while they run.

    Args:
        settings: at least one upstream, the preferred first.
        pools: how they are used together.
        ids: gives the jobs' serials; one iterator for the whole process.
        journal: the file that keeps found blocks until a node has judged them; or who looks
            after the blocks of other upstreams already, and knows their nodes.
        blocks: what is done for them.
        clock: monotonic seconds.
        home: the user's folder; this user's own by default.
        wire_log: where what pools say and hear is written down, if it is.
        path: how merkle paths of templates are made.

    Raises:
        ConfigError: no upstream, or one whose settings can never work; says which and why.
    """

    def __init__(  # noqa: PLR0913 # by keyword
        self,
        settings: Sequence[UpstreamSettings],
        pools: PoolsSettings,
        *,
        ids: Iterator[int],
        journal: Path | BlockDesk,
        blocks: BlocksSettings | None = None,
        clock: Callable[[], float] = monotonic,
        home: Path | None = None,
        wire_log: WireLog | None = None,
        path: PathMaker = first_leaf_path,
    ) -> None:
        self._wire_log = wire_log
        self._path = path
        self._ids = ids
        self._clock = clock
        self._home = home or Path.home()
        self._entries: Mapping[SourceId, _Entry] = {}
        self._basis: tuple[object, ...] = ()
        self._strategy: Strategy | None = None
        self._lineages: dict[SourceId, Lineage] = {}
        self.circle = Circle()
        """All nodes among the upstreams; `nudge` tells them that there may be a new block."""
        self._is_guest = isinstance(journal, BlockDesk)
        if isinstance(journal, BlockDesk):
            self.desk = journal
        else:
            options = desk_options(blocks or BlocksSettings(), self._home)
            self.desk = BlockDesk(Journal(journal, wall=wall_seconds), options)
        """Looks after found blocks; runs with the group, if it is its own."""
        plan = self.plan(settings, pools)
        beside = [] if self._is_guest else [self.desk.run]
        self.group = SourceGroup(_sources(plan), plan.strategy, plan.options, beside)
        """All upstreams as one source."""
        self._take(plan)

    def plan(self, settings: Sequence[UpstreamSettings], pools: PoolsSettings) -> Plan:
        """Make what is new in these settings; changes nothing that runs.

        Raises:
            ConfigError: no upstream, or one whose settings can never work.
        """
        if not settings:
            raise ConfigError("no upstream is configured: give a pool or a node, as in --url URL")
        entries: dict[SourceId, _Entry] = {}
        for one, endpoint in _endpoints(settings):
            name = SourceId(one.name or endpoint.place)
            if name in entries:
                raise ConfigError(f"two upstreams are called {name!r}: give one of them a `name`")
            entries[name] = self._entry(name, one, endpoint)
        basis = (
            pools,
            tuple((name, one.weight) for name, one in zip(entries, settings, strict=True)),
        )
        return Plan(
            entries=entries,
            strategy=self._strategy_for(settings, pools, basis),
            options=GroupOptions(
                hold_seconds=settings[0].hold_seconds,
                stable_seconds=pools.stable_seconds,
                lag_seconds=pools.lag_seconds,
            ),
            basis=basis,
            settings=tuple(settings),
            pools=pools,
        )

    @property
    def settings(self) -> tuple[UpstreamSettings, ...]:
        """The settings of the upstreams in force, the preferred first."""
        return self._plan.settings

    @property
    def pools(self) -> PoolsSettings:
        """How they are used together."""
        return self._plan.pools

    @property
    def nodes(self) -> dict[str, NodeAccess]:
        """How the nodes among the upstreams are reached, by name."""
        return {
            str(name): one.access for name, one in self._entries.items() if one.access is not None
        }

    def apply(self, plan: Plan) -> tuple[str, ...]:
        """Put a plan into force; to be made by `plan` since the last one was applied.

        Returns:
            What changed, in words.
        """
        before = self._entries
        words = [*_words(before, plan.entries)]
        if plan.basis != self._basis and not words:
            words.append("how upstreams are used together")
        self.group.rearrange(_sources(plan), plan.strategy, plan.options)
        self._take(plan)
        return tuple(words)

    def _take(self, plan: Plan) -> None:
        self._plan = plan
        self._entries, self._strategy, self._basis = plan.entries, plan.strategy, plan.basis
        self._lineages |= {name: entry.lineage for name, entry in plan.entries.items()}
        self.circle.keep(plan.entries.keys())
        if self._is_guest:
            return
        self.desk.set_nodes(self.nodes)
        if self.desk.dispatch.clients:
            return  # they get all blocks, whoever found them
        journal = self.desk.journal
        for orphan in journal.sources():
            _log.warning(
                "blocks_of_unknown_source",
                source=orphan,
                count=len(journal.unresolved(orphan)),
                path=str(journal.path),
                what_to_do="configure a node, or send them with submitblock",
            )

    def _entry(self, name: SourceId, one: UpstreamSettings, endpoint: Endpoint) -> _Entry:
        identity = _Identity(msgspec.structs.replace(one, weight=1.0), _file_hashes(one))
        known = self._entries.get(name)
        if known is not None and known.identity == identity:
            return known
        earlier = self._lineages.get(name)
        lineage = Lineage(name, self._ids)
        if earlier is not None:
            lineage.epoch = earlier.epoch + 1
            lineage.generation = earlier.generation + _HEADROOM
        parts = Parts(
            lineage=lineage,
            desk=self.desk,
            clock=self._clock,
            home=self._home,
            circle=self.circle,
            wire_log=self._wire_log,
            path=self._path,
        )
        source = SCHEMES[endpoint.scheme].make(one, endpoint, parts)
        reach = SCHEMES[endpoint.scheme].reach
        access = None if reach is None else reach(one, endpoint, self._home)
        return _Entry(identity=identity, source=source, lineage=lineage, access=access)

    def _strategy_for(
        self, settings: Sequence[UpstreamSettings], pools: PoolsSettings, basis: tuple[object, ...]
    ) -> Strategy:
        if self._strategy is not None and basis == self._basis:
            return self._strategy  # its accounts of who had how much go on
        match pools.strategy:
            case StrategyName.FAILOVER:
                return FailoverStrategy(standby=pools.standby)
            case StrategyName.ROTATE:
                return RotateStrategy(pools.turn_seconds)
            case StrategyName.QUOTA:
                weights = [one.weight for one in settings]
                if not any(weights):
                    raise ConfigError("no upstream has a `weight` above 0, so none would be used")
                return QuotaStrategy(weights, pools.turn_seconds)


def make_source(
    settings: Sequence[UpstreamSettings],
    *,
    ids: Iterator[int],
    journal: Path,
    clock: Callable[[], float] = monotonic,
    home: Path | None = None,
    pools: PoolsSettings | None = None,
) -> JobSource:
    """Make one source of all upstreams that stay as they are; see `Roster`.

    Its `run` retries for ever, with growing pauses, and falls back to another upstream
    while one cannot be used.

    Raises:
        ConfigError: no upstream, or one whose settings can never work; says which and why.
    """
    return Roster(
        settings, pools or PoolsSettings(), ids=ids, journal=journal, clock=clock, home=home
    ).group


def _endpoints(
    settings: Sequence[UpstreamSettings],
) -> Iterator[tuple[UpstreamSettings, Endpoint]]:
    ports = {name: scheme.default_port for name, scheme in SCHEMES.items()}
    for one in settings:
        yield one, parse_url(one.url, ports)


def _sources(plan: Plan) -> list[JobSource]:
    return [entry.source for entry in plan.entries.values()]


def _file_hashes(settings: UpstreamSettings) -> tuple[bytes, ...]:
    """Hash the files that settings name: secrets and certificates may change without them."""
    names = [
        value
        for key, value in msgspec.structs.asdict(settings).items()
        if key.endswith("_file") and value
    ]
    return tuple(_hash_of(Path(name)) for name in names)


def _hash_of(path: Path) -> bytes:
    try:
        return sha256(path.expanduser().read_bytes()).digest()
    except OSError:
        return b""  # whoever needs it says so


def _words(before: Mapping[SourceId, _Entry], after: Mapping[SourceId, _Entry]) -> Iterator[str]:
    """Say in words what became of which upstream."""
    yield from (f"{name} removed" for name in before if name not in after)
    for name, entry in after.items():
        if name not in before:
            yield f"{name} added"
        elif before[name] is not entry:
            yield f"{name} connects anew"
    stayed = [name for name in before if name in after]
    if stayed != [name for name in after if name in before]:
        yield f"order: {', '.join(after)}"
