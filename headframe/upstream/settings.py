"""Settings of an upstream, and from settings to a source.

The scheme of the URL chooses the kind of source. To add a kind: write its module, and a
row in `SCHEMES`.
"""

import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final

import msgspec

from headframe.chain.address import script_from_address
from headframe.chain.errors import AddressError
from headframe.chain.job import BIP320_MASK, Lineage, SourceId
from headframe.chain.network import Network
from headframe.runtime.clock import monotonic, wall_seconds
from headframe.runtime.errors import ConfigError
from headframe.runtime.logs import get_logger
from headframe.runtime.settings import read_secret
from headframe.upstream.base import JobSource
from headframe.upstream.endpoint import Endpoint, parse_url
from headframe.upstream.failover import FailoverSource
from headframe.upstream.journal import Journal

__all__ = ["SCHEMES", "Parts", "Scheme", "UpstreamSettings", "make_source"]

_log = get_logger(__name__)

_EXTRANONCE_MAX: Final = 32
_MASK_MAX: Final = 0x1FFFFFFF


class UpstreamSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One upstream: a pool, or a node to mine on alone."""

    url: Annotated[
        str,
        msgspec.Meta(
            description="Where work comes from: stratum+tcp://host:port for a pool, "
            "stratum+ssl://host:port for a pool over TLS, bitcoind+http://host:port for a node."
        ),
    ]
    name: Annotated[
        str, msgspec.Meta(description="A name for logs and metrics; host:port if empty.")
    ] = ""
    user: Annotated[
        str,
        msgspec.Meta(
            description="The pool's worker or account, or the node's rpcuser; may stand in the URL."
        ),
    ] = ""
    password: Annotated[
        str,
        msgspec.Meta(
            description="Its password; pools that ask for none get an x. May stand in the URL."
        ),
    ] = ""
    password_file: Annotated[
        str, msgspec.Meta(description="A file that holds the password, instead of `password`.")
    ] = ""
    cookie: Annotated[
        str,
        msgspec.Meta(
            description="The node's .cookie file, used when there is no password. If empty, it is "
            "looked for where bitcoind puts it, by the chain that the port belongs to."
        ),
    ] = ""
    address: Annotated[
        str, msgspec.Meta(description="Who is paid for blocks found on a node: required there.")
    ] = ""
    tag: Annotated[
        str, msgspec.Meta(description="Text for the coinbase of blocks found on a node.")
    ] = "/headframe/"
    extranonce_size: Annotated[
        int,
        msgspec.Meta(
            ge=4,
            le=_EXTRANONCE_MAX,
            description="Bytes of the coinbase that miners may choose, on a node.",
        ),
    ] = 8
    pace_seconds: Annotated[
        Annotated[float, msgspec.Meta(ge=0)] | None,
        msgspec.Meta(
            description="Seconds between blocks to aim at on a node, by making them harder than "
            "the chain asks; 0 for no pace. If unset: 10 on regtest and on a signet that needs no "
            "signatures, none elsewhere."
        ),
    ] = None
    version_mask: Annotated[
        int,
        msgspec.Meta(
            ge=0,
            le=_MASK_MAX,
            description="Version bits that miners may roll; the default is BIP 320's, "
            "0 is no version rolling.",
        ),
    ] = BIP320_MASK
    allow_mainnet: Annotated[
        bool, msgspec.Meta(description="Mine on mainnet, which is refused otherwise.")
    ] = False
    hold_seconds: Annotated[
        float,
        msgspec.Meta(
            ge=0, description="How long the last job is worked on after the upstream is lost."
        ),
    ] = 60.0


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
    wall: Callable[[], int] = wall_seconds,
    home: Path | None = None,
) -> JobSource:
    """Make one source of all upstreams, the preferred first.

    Its `run` retries for ever, with growing pauses, and falls back to the next upstream
    while one cannot be used.

    Args:
        settings: at least one upstream.
        ids: gives the jobs' serials; one iterator for the whole process.
        journal: the file that keeps found blocks until a node has judged them.
        clock: monotonic seconds.
        wall: seconds since 1970.
        home: the user's folder; this user's own by default.

    Raises:
        ConfigError: no upstream, or one whose settings can never work; says which and why.
    """
    if not settings:
        raise ConfigError("no upstream is configured: give a pool or a node, as in --url URL")
    log = Journal(journal, wall=wall)
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
    return FailoverSource(tuple(sources.values()), hold_seconds=settings[0].hold_seconds)


def _make_pool(settings: UpstreamSettings, endpoint: Endpoint, parts: Parts) -> JobSource:
    return _make_stratum(settings, endpoint, parts, tls=None)


def _make_tls_pool(settings: UpstreamSettings, endpoint: Endpoint, parts: Parts) -> JobSource:
    return _make_stratum(settings, endpoint, parts, tls=ssl.create_default_context())


def _make_stratum(
    settings: UpstreamSettings, endpoint: Endpoint, parts: Parts, *, tls: ssl.SSLContext | None
) -> JobSource:
    from headframe.stratum.sv1.client import ClientOptions
    from headframe.upstream.stratum import StratumOptions, StratumSource

    user = settings.user or endpoint.user
    if not user:
        raise ConfigError(
            f"upstream {endpoint.url} needs a `user`: the worker or account that shares count for"
        )
    password = _password(settings, endpoint)
    client = ClientOptions(user=user, version_mask=settings.version_mask)
    if password:
        client = replace(client, password=password)
    return StratumSource(
        StratumOptions(
            endpoint=endpoint,
            tls=tls,
            client=client,
            allow_mainnet=settings.allow_mainnet,
        ),
        lineage=parts.lineage,
    )


def _make_node(settings: UpstreamSettings, endpoint: Endpoint, parts: Parts) -> JobSource:
    from headframe.upstream.gbt import GbtOptions, GbtSource
    from headframe.upstream.node import NodeRpc

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
