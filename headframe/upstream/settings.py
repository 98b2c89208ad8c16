"""From the settings of one upstream to a source; `roster` makes one of many.

The scheme of the URL chooses the kind of source. To add a kind: write its module, and a
row in `SCHEMES`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from headframe.chain.address import script_from_address
from headframe.chain.errors import AddressError
from headframe.chain.job import Lineage
from headframe.chain.merkle import PathMaker, first_leaf_path
from headframe.chain.network import Network
from headframe.runtime.errors import ConfigError
from headframe.runtime.settings import read_secret
from headframe.runtime.wirelog import WireLog
from headframe.upstream.access import NodeAccess
from headframe.upstream.base import JobSource
from headframe.upstream.blockdesk import BlockDesk, DeskOptions
from headframe.upstream.circle import Circle
from headframe.upstream.endpoint import Endpoint, parse_url
from headframe.upstream.options import BlocksSettings, PoolsSettings, UpstreamSettings
from headframe.upstream.payees import PayTo

if TYPE_CHECKING:
    import ssl

    from headframe.stratum.sv1.options import ClientOptions
    from headframe.upstream.payees import PayeeShare

__all__ = [
    "SCHEMES",
    "BlocksSettings",
    "Parts",
    "PoolsSettings",
    "Scheme",
    "UpstreamSettings",
    "access_of",
    "desk_options",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a source is made with beside its settings.

    Attributes:
        lineage: its name and serials.
        desk: looks after found blocks.
        clock: monotonic seconds.
        home: the user's folder, where bitcoind's own folder is.
        circle: all nodes of the process.
        wire_log: where what pools say and hear is written down, if it is.
        path: how merkle paths are made.
    """

    lineage: Lineage
    desk: BlockDesk
    clock: Callable[[], float]
    home: Path
    circle: Circle = field(default_factory=Circle)
    wire_log: WireLog | None = None
    path: PathMaker = first_leaf_path


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """A kind of upstream.

    Attributes:
        about: what it is, for people.
        default_port: used when the URL has none; 0: it must have one.
        make: makes the source, or raises `ConfigError`; does no input or output.
        reach: how a node is reached, that it may be sent blocks; `None` for what is no node.
    """

    about: str
    default_port: int
    make: Callable[[UpstreamSettings, Endpoint, Parts], JobSource]
    reach: Callable[[UpstreamSettings, Endpoint, Path], NodeAccess] | None = None


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

    if settings.payout is not PayTo.ADDRESS:
        raise ConfigError(
            f"upstream {endpoint.url} has payout = {settings.payout.value!r}, and is a pool, which "
            "pays its own accounts: leave it out, or use a node"
        )
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
    if settings.expect_payout:
        script = _payable(settings.expect_payout, settings, endpoint)
        options = replace(options, expects=(settings.expect_payout, script))
    candidates = parts.desk.candidates_of(parts.lineage.source)
    return StratumSource(
        options, lineage=parts.lineage, candidates=candidates, wire_log=parts.wire_log
    )


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

    for name in ("proxy", "expect_payout"):
        if getattr(settings, name):
            raise ConfigError(f"upstream {endpoint.url} has a `{name}`: that is for pools alone")
    shares = _shares(settings, endpoint)
    _ensure_zmq(settings, endpoint)
    access = access_of(settings, endpoint, parts.home)
    options = GbtOptions(
        address=settings.address,
        shares=shares,
        tag=settings.tag,
        extranonce_size=settings.extranonce_size,
        pace_seconds=settings.pace_seconds,
        version_mask=settings.version_mask,
        allow_mainnet=settings.allow_mainnet,
        hold_seconds=settings.hold_seconds,
        refresh_seconds=settings.refresh_seconds,
        empty_after_seconds=settings.empty_after_ms / 1000,
        fee_gain_percent=settings.fee_gain_percent,
        zmq=settings.zmq,
        path=parts.path,
    )
    parts.circle.add(parts.lineage.source, access.connect)
    return GbtSource(
        options,
        rpc=access.connect(),
        lineage=parts.lineage,
        delivery=parts.desk.dispatch,
        clock=parts.clock,
        circle=parts.circle,
    )


def _ensure_zmq(settings: UpstreamSettings, endpoint: Endpoint) -> None:
    """Refuse an address that ZMQ cannot use, or one without the library for it."""
    from headframe.upstream.tip import NO_ZMQ
    from headframe.upstream.zmq import has_zmq, is_feed_address

    if settings.zmq in ("", NO_ZMQ):
        return
    if not is_feed_address(settings.zmq):
        raise ConfigError(
            f"upstream {endpoint.url}: zmq {settings.zmq!r} is no address to listen to: write "
            f"tcp://host:port as in the node's zmqpubhashblock, or {NO_ZMQ}"
        )
    if not has_zmq():
        raise ConfigError(
            f"upstream {endpoint.url} has a `zmq`, and pyzmq is not installed: install "
            "headframe[zmq], or leave `zmq` out (blocks are heard of without it, too)"
        )


def access_of(settings: UpstreamSettings, endpoint: Endpoint, home: Path) -> NodeAccess:
    """Make what it takes to talk to a node.

    Args:
        settings: the node's.
        endpoint: its URL.
        home: the user's folder, where bitcoind's own folder is.

    Raises:
        ConfigError: there is no password, and no telling where the cookie is.
    """
    password = _password(settings, endpoint)
    return NodeAccess(
        url=f"http://{endpoint.place}",
        user=settings.user or endpoint.user,
        password=password,
        cookie=None if password else _cookie(settings, endpoint, home),
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


def _shares(settings: UpstreamSettings, endpoint: Endpoint) -> "tuple[PayeeShare, ...]":
    """Read who is paid, and refuse what no chain that we may mine on can pay."""
    from headframe.upstream.payees import parse_shares

    if not settings.address:
        raise ConfigError(
            f"upstream {endpoint.url} needs an `address`: who is paid for the blocks found there"
        )
    try:
        shares = parse_shares(settings.payouts)
    except ConfigError as error:
        raise ConfigError(f"upstream {endpoint.url}: {error}") from None
    for address in (settings.address, *(share.address for share in shares)):
        _payable(address, settings, endpoint)
    return shares


def _payable(address: str, settings: UpstreamSettings, endpoint: Endpoint) -> bytes:
    """Return the script that pays an address; refuse one that no chain we may mine on can pay.

    Whether it is one of the upstream's own chain is seen when the upstream is.
    """
    first: AddressError | None = None
    networks = [each for each in Network if settings.allow_mainnet or each is not Network.MAIN]
    for network in reversed(networks):  # regtest first: its words fit most who get them
        try:
            return script_from_address(address, network)
        except AddressError as error:
            first = first or error
    raise ConfigError(f"upstream {endpoint.url}: {first}")


SCHEMES: Final[Mapping[str, Scheme]] = MappingProxyType(
    {
        "stratum+tcp": Scheme(about="a pool, Stratum V1", default_port=3333, make=_make_pool),
        "stratum+ssl": Scheme(
            about="a pool, Stratum V1 over TLS", default_port=3333, make=_make_tls_pool
        ),
        "bitcoind+http": Scheme(
            about="a node, getblocktemplate",
            default_port=18443,
            make=_make_node,
            reach=access_of,
        ),
    }
)
"""All kinds of upstream, by the scheme of their URL."""


def desk_options(blocks: BlocksSettings, home: Path) -> DeskOptions:
    """Make what the one who looks after blocks is told.

    Raises:
        ConfigError: a URL that cannot be used.
    """
    ports = {name: scheme.default_port for name, scheme in SCHEMES.items() if scheme.reach}
    extra = {}
    for url in blocks.submit_to:
        endpoint = parse_url(url, ports)
        extra[endpoint.place] = access_of(UpstreamSettings(url=url), endpoint, home)
    hook = read_secret(blocks.hook, blocks.hook_file)
    if hook:
        from headframe.upstream.hook import place_of_hook

        place_of_hook(hook)  # it is looked at now, while nothing has changed
    return DeskOptions(extra=extra, hook=hook, depth=blocks.confirmations)
