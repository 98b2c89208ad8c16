"""From settings to a source.

The scheme of the URL chooses the kind of source. To add a kind: write its module, and a
row in `SCHEMES`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from headframe.chain.address import script_from_address
from headframe.chain.errors import AddressError
from headframe.chain.job import Lineage, SourceId
from headframe.chain.network import Network
from headframe.runtime.clock import monotonic, wall_seconds
from headframe.runtime.errors import ConfigError
from headframe.runtime.logs import get_logger
from headframe.runtime.settings import read_secret
from headframe.upstream.base import JobSource
from headframe.upstream.endpoint import Endpoint, parse_url
from headframe.upstream.failover import FailoverSource
from headframe.upstream.group import GroupOptions
from headframe.upstream.journal import Journal
from headframe.upstream.options import PoolsSettings, StrategyName, UpstreamSettings
from headframe.upstream.turns import QuotaSource, RotateSource

if TYPE_CHECKING:
    import ssl

    from headframe.stratum.sv1.options import ClientOptions

__all__ = ["SCHEMES", "Parts", "PoolsSettings", "Scheme", "UpstreamSettings", "make_source"]

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a source is made with beside its settings.

    Attributes:
        lineage: its name and serials.
        journal: found blocks.
        clock: monotonic seconds.
        home: the user's folder, where bitcoind's own folder is.
    """

    lineage: Lineage
    journal: Journal
    clock: Callable[[], float]
    home: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """A kind of upstream.

    Attributes:
        about: what it is, for people.
        default_port: used when the URL has none; 0: it must have one.
        make: makes the source, or raises `ConfigError`; does no input or output.
    """

    about: str
    default_port: int
    make: Callable[[UpstreamSettings, Endpoint, Parts], JobSource]


def make_source(
    settings: Sequence[UpstreamSettings],
    *,
    ids: Iterator[int],
    journal: Path,
    clock: Callable[[], float] = monotonic,
    home: Path | None = None,
    pools: PoolsSettings | None = None,
) -> JobSource:
    """Make one source of all upstreams, the preferred first.

    Its `run` retries for ever, with growing pauses, and falls back to another upstream
    while one cannot be used.

    Args:
        settings: at least one upstream.
        ids: gives the jobs' serials; one iterator for the whole process.
        journal: the file that keeps found blocks until a node has judged them.
        clock: monotonic seconds.
        home: the user's folder; this user's own by default.
        pools: how they are used together; by default the first that works.

    Raises:
        ConfigError: no upstream, or one whose settings can never work; says which and why.
    """
    if not settings:
        raise ConfigError("no upstream is configured: give a pool or a node, as in --url URL")
    log = Journal(journal, wall=wall_seconds)
    ports = {name: scheme.default_port for name, scheme in SCHEMES.items()}
    sources: dict[SourceId, JobSource] = {}
    for one in settings:
        endpoint = parse_url(one.url, ports)
        name = SourceId(one.name or endpoint.place)
        if name in sources:
            raise ConfigError(f"two upstreams are called {name!r}: give one of them a `name`")
        parts = Parts(
            lineage=Lineage(name, ids), journal=log, clock=clock, home=home or Path.home()
        )
        sources[name] = SCHEMES[endpoint.scheme].make(one, endpoint, parts)
    for orphan in log.sources() - sources.keys():
        _log.warning(
            "blocks_of_unknown_source",
            source=orphan,
            count=len(log.unresolved(orphan)),
            path=str(journal),
            what_to_do="configure an upstream of this name, or send them with submitblock",
        )
    return _together(tuple(sources.values()), settings, pools or PoolsSettings())


def _together(
    sources: Sequence[JobSource], settings: Sequence[UpstreamSettings], pools: PoolsSettings
) -> JobSource:
    hold_seconds, stable_seconds = settings[0].hold_seconds, pools.stable_seconds
    options = GroupOptions(hold_seconds=hold_seconds, stable_seconds=stable_seconds)
    match pools.strategy:
        case StrategyName.FAILOVER:
            return FailoverSource(
                sources,
                standby=pools.standby,
                hold_seconds=hold_seconds,
                stable_seconds=stable_seconds,
            )
        case StrategyName.ROTATE:
            return RotateSource(sources, turn_seconds=pools.turn_seconds, options=options)
        case StrategyName.QUOTA:
            weights = [one.weight for one in settings]
            if not any(weights):
                raise ConfigError("no upstream has a `weight` above 0, so none would be used")
            return QuotaSource(sources, weights, turn_seconds=pools.turn_seconds, options=options)


def _make_pool(settings: UpstreamSettings, endpoint: Endpoint, parts: Parts) -> JobSource:
    for name in ("ca_file", "fingerprint"):
        if getattr(settings, name):
            raise ConfigError(
                f"upstream {endpoint.url} has a `{name}`, but no TLS: write stratum+ssl://, or "
                "leave it out"
            )
    return _make_stratum(settings, endpoint, parts, tls=None)


def _make_tls_pool(settings: UpstreamSettings, endpoint: Endpoint, parts: Parts) -> JobSource:
    from headframe.runtime.tls import client_context

    try:
        tls = client_context(ca_file=settings.ca_file, fingerprint=settings.fingerprint)
    except ConfigError as error:
        raise ConfigError(f"upstream {endpoint.url}: {error}") from None
    return _make_stratum(settings, endpoint, parts, tls=tls)


def _make_stratum(
    settings: UpstreamSettings, endpoint: Endpoint, parts: Parts, *, tls: "ssl.SSLContext | None"
) -> JobSource:
    from headframe.runtime.tunnel import parse_tunnel
    from headframe.upstream.stratum import StratumOptions, StratumSource
    from headframe.upstream.watch import Limits

    options = StratumOptions(
        endpoint=endpoint,
        tls=tls,
        client=_client(settings, endpoint),
        allow_mainnet=settings.allow_mainnet,
        limits=Limits(
            silence_seconds=settings.silence_seconds,
            job_seconds=settings.job_seconds,
            answer_seconds=settings.answer_seconds,
            rejects=settings.max_rejects,
        ),
        reconnect=settings.reconnect,
        tunnel=parse_tunnel(settings.proxy) if settings.proxy else None,
    )
    return StratumSource(options, lineage=parts.lineage)


def _client(settings: UpstreamSettings, endpoint: Endpoint) -> "ClientOptions":
    from headframe.stratum.errors import RemoteProtocolError
    from headframe.stratum.sv1.dialect import target_from_hex
    from headframe.stratum.sv1.options import ClientOptions

    user = settings.user or endpoint.user
    if not user:
        raise ConfigError(
            f"upstream {endpoint.url} needs a `user`: the worker or account that shares count for"
        )
    try:
        target = target_from_hex(settings.suggest_target) if settings.suggest_target else None
    except RemoteProtocolError:
        raise ConfigError(
            f"upstream {endpoint.url}: suggest_target {settings.suggest_target!r} is no target: "
            "write 64 hex digits, not all zero"
        ) from None
    client = ClientOptions(
        user=user,
        version_mask=settings.version_mask,
        min_bits=settings.min_version_bits,
        extranonce_subscribe=settings.extranonce_subscribe,
        ntime_roll_seconds=settings.ntime_roll_seconds,
        suggest_difficulty=settings.suggest_difficulty,
        suggest_target=target,
    )
    password = _password(settings, endpoint)
    return replace(client, password=password) if password else client


def _make_node(settings: UpstreamSettings, endpoint: Endpoint, parts: Parts) -> JobSource:
    from headframe.upstream.gbt import GbtSource
    from headframe.upstream.gbt_options import GbtOptions
    from headframe.upstream.node import NodeRpc

    if settings.proxy:
        raise ConfigError(f"upstream {endpoint.url} has a `proxy`: that is for pools alone")
    _ensure_payable(settings, endpoint)
    password = _password(settings, endpoint)
    rpc = NodeRpc(
        f"http://{endpoint.place}",
        user=settings.user or endpoint.user,
        password=password,
        cookie=None if password else _cookie(settings, endpoint, parts.home),
    )
    options = GbtOptions(
        address=settings.address,
        tag=settings.tag,
        extranonce_size=settings.extranonce_size,
        pace_seconds=settings.pace_seconds,
        version_mask=settings.version_mask,
        allow_mainnet=settings.allow_mainnet,
        hold_seconds=settings.hold_seconds,
    )
    return GbtSource(
        options, rpc=rpc, lineage=parts.lineage, journal=parts.journal, clock=parts.clock
    )


def _password(settings: UpstreamSettings, endpoint: Endpoint) -> str:
    return read_secret(settings.password, settings.password_file) or endpoint.password


_FOLDERS: Final[Mapping[int, str]] = MappingProxyType(
    {8332: ".", 18332: "testnet3", 48332: "testnet4", 38332: "signet", 18443: "regtest"}
)
"""Where in its data folder bitcoind keeps the cookie, by the RPC port of the chain."""


def _cookie(settings: UpstreamSettings, endpoint: Endpoint, home: Path) -> Path:
    if settings.cookie:
        return Path(settings.cookie).expanduser()
    folder = _FOLDERS.get(endpoint.port)
    if folder is None:
        raise ConfigError(
            f"upstream {endpoint.url} needs the node's `cookie` file, or its `user` and "
            "`password`: port "
            f"{endpoint.port} is no chain's own, so the cookie cannot be found by itself"
        )
    return home / ".bitcoin" / folder / ".cookie"


def _ensure_payable(settings: UpstreamSettings, endpoint: Endpoint) -> None:
    """Refuse an address that no chain we may mine on can pay; the rest waits for the node."""
    if not settings.address:
        raise ConfigError(
            f"upstream {endpoint.url} needs an `address`: who is paid for the blocks found there"
        )
    first: AddressError | None = None
    networks = [each for each in Network if settings.allow_mainnet or each is not Network.MAIN]
    for network in reversed(networks):  # regtest first: its words fit most who get them
        try:
            script_from_address(settings.address, network)
        except AddressError as error:
            first = first or error
        else:
            return
    raise ConfigError(f"upstream {endpoint.url}: {first}")


SCHEMES: Final[Mapping[str, Scheme]] = MappingProxyType(
    {
        "stratum+tcp": Scheme(about="a pool, Stratum V1", default_port=3333, make=_make_pool),
        "stratum+ssl": Scheme(
            about="a pool, Stratum V1 over TLS", default_port=3333, make=_make_tls_pool
        ),
        "bitcoind+http": Scheme(
            about="a node, getblocktemplate", default_port=18443, make=_make_node
        ),
    }
)
"""All kinds of upstream, by the scheme of their URL."""
