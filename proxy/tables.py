"""The tables of the proxy's settings; `ProxyConfig` puts them together."""

from typing import Annotated, Literal

import msgspec

from headframe.runtime.errors import ConfigError
from headframe.runtime.wire import format_peer
from headframe.upstream.settings import PoolsSettings, UpstreamSettings
from proxy.names import Naming, NamingError
from proxy.policy import Stale, VerdictBy, WhenDry
from proxy.slices import MIN_ROLLABLE

__all__ = [
    "ExtranonceSettings",
    "ListenerSettings",
    "NameSettings",
    "RouteSettings",
    "RuleSettings",
    "VardiffSettings",
    "WebSettings",
]

Meta = msgspec.Meta


class VardiffSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The difficulty that each rig is given; never above the upstream's own."""

    shares_per_minute: Annotated[
        float, Meta(gt=0, le=6000, description="Shares that each rig should send in a minute.")
    ] = 20.0
    start: Annotated[
        float,
        Meta(
            gt=0,
            description="Difficulty that a rig starts with, unless it wishes another one by "
            "mining.suggest_difficulty, or by d=NUMBER in its password.",
        ),
    ] = 1.0
    least: Annotated[
        float, Meta(gt=0, description="Least difficulty; the default is regtest's own.")
    ] = 4.6e-10
    largest: Annotated[float, Meta(gt=0, description="Largest difficulty.")] = 1e15


class ListenerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where rigs connect, and how those that come there are dealt with."""

    name: Annotated[
        str, Meta(description="A name for rules, logs and the page; host:port if empty.")
    ] = ""
    host: Annotated[
        str,
        Meta(description="Address to listen on; 0.0.0.0 lets other machines connect."),
    ] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="Port; 0 for a free one.")] = 3333
    password: Annotated[
        str, Meta(description="What rigs must give as their password; anything goes if empty.")
    ] = ""
    password_file: Annotated[
        str, Meta(description="A file that holds that password, instead of `password`.")
    ] = ""
    max_connections: Annotated[
        int, Meta(ge=1, description="Connections served at once; more are turned away.")
    ] = 20_000
    max_per_address: Annotated[
        int, Meta(ge=1, description="Connections served at once from one address.")
    ] = 10_000
    handshake_seconds: Annotated[
        float, Meta(ge=1, description="How long a rig may take to subscribe and authorise.")
    ] = 20.0
    idle_seconds: Annotated[
        float, Meta(ge=60, description="A rig without a good share for so long is cut off.")
    ] = 7200.0
    ban_seconds: Annotated[
        float,
        Meta(
            ge=0,
            description="For how long an address is banned from which ten connections within ten "
            "minutes broke the protocol, and no other was open; 0 for never.",
        ),
    ] = 600.0
    certificate: Annotated[
        str,
        Meta(
            description="A PEM file with the certificate that rigs are shown, which makes this a "
            "listener for stratum+ssl; without TLS if empty. Read again at each reload."
        ),
    ] = ""
    certificate_key: Annotated[
        str, Meta(description="A PEM file with its private key, not encrypted.")
    ] = ""
    proxy_protocol: Annotated[
        bool,
        Meta(
            description="Each connection must begin with a PROXY header, version 1 or 2, from a "
            "balancer in `proxy_from`; a rig's address is what it says. With a `certificate`, TLS "
            "begins behind it."
        ),
    ] = False
    proxy_from: Annotated[
        tuple[str, ...],
        Meta(description="Addresses and ranges of the balancers, such as 10.0.0.5."),
    ] = ()
    vardiff: Annotated[
        VardiffSettings | None,
        Meta(description="Difficulty of the rigs that come here, instead of what `vardiff` says."),
    ] = None

    @property
    def label(self) -> str:
        """Its name for people and rules."""
        return self.name or format_peer((self.host or "*", self.port))


class ExtranonceSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the upstream's extranonce is shared out; the defaults suit nearly everyone."""

    rollable: Annotated[
        Annotated[int, Meta(ge=MIN_ROLLABLE, le=8)] | None,
        Meta(
            description="Bytes that each rig rolls. If unset: 4 where the upstream leaves 6 or "
            "more, else 2. A proxy behind this one needs at least 3."
        ),
    ] = None
    slice_size: Annotated[
        Annotated[int, Meta(ge=1, le=4)] | None,
        Meta(description="Bytes that tell rigs apart. If unset: 2, or 1 where there is no room."),
    ] = None
    slice_first: Annotated[
        int, Meta(ge=0, description="The least slice this process gives away.")
    ] = 0
    slice_end: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="One more than the largest slice it gives away; all if unset."),
    ] = None
    rigs_per_connection: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(
            description="Another connection to a route's upstreams is opened when all it has "
            "carry so many rigs, or have no slice left, and closed when it is empty for a minute. "
            "If unset: only when no slice is left. 1: for pools that leave fewer than 3 "
            "extranonce bytes, which is understood where there is one upstream alone."
        ),
    ] = None
    max_connections: Annotated[
        int,
        Meta(
            ge=1,
            le=256,
            description="Connections to a route's upstreams at most, the first one included. With "
            "no room on any of them a rig is turned away for want of a slice.",
        ),
    ] = 32
    lane: Annotated[
        str,
        Meta(
            description="Bytes, in hex, that set this process apart from others that share its "
            "upstream connection; all of them must have lanes of the same length."
        ),
    ] = ""


class NameSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The worker's name that shares go upstream under."""

    mode: Annotated[
        Literal["replace", "passthrough", "prefix", "template"],
        Meta(
            description="replace: all under the upstream's own user. passthrough: the rig's own "
            "name. prefix: `prefix` followed by the rig's own name. template: as `template` says. "
            "What pools do not take in a name becomes _. The pool must know the names."
        ),
    ] = "replace"
    prefix: Annotated[str, Meta(description="What `prefix` puts first, such as account.")] = ""
    template: Annotated[
        str,
        Meta(
            description="What `template` makes names of, such as account.{rig}. {worker} is the "
            "rig's whole name, {user} what stands before its first dot, {rig} what stands behind "
            "it, {address} where it is, {agent} what its software calls itself."
        ),
    ] = ""
    longest: Annotated[
        int, Meta(ge=1, le=1024, description="Characters that a name sent upstream has at most.")
    ] = 128

    def naming(self) -> Naming:
        """Make what names are made by.

        Raises:
            ConfigError: the template cannot be used.
        """
        try:
            return Naming(
                mode=self.mode,
                prefix=self.prefix,
                template=self.template,
                longest=self.longest,
            )
        except NamingError as error:
            raise ConfigError(f"names.{error}") from None


class RouteSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the work of some of the rigs comes from, and under which names theirs goes."""

    name: Annotated[
        str,
        Meta(
            description="For rules, logs, metrics and the page: up to 32 letters, digits, `-`, "
            "`_` and `.`.",
            pattern=r"^[A-Za-z0-9._-]{1,32}$",
            examples=["farm-a"],
        ),
    ]
    upstreams: Annotated[
        tuple[UpstreamSettings, ...],
        Meta(description="Pools or nodes of this route, the preferred first."),
    ] = ()
    pools: Annotated[
        PoolsSettings | None,
        Meta(description="How its upstreams are used; as `pools` says if left out."),
    ] = None
    names: Annotated[
        NameSettings | None,
        Meta(description="Names sent upstream; as `names` says if left out."),
    ] = None
    vardiff: Annotated[
        VardiffSettings | None,
        Meta(description="Difficulty of its rigs, instead of what their listener says."),
    ] = None
    verdict: Annotated[
        VerdictBy | None,
        Meta(description="Who answers its rigs' shares; as `verdict` says if left out."),
    ] = None
    stale: Annotated[
        Stale | None,
        Meta(description="What becomes of late shares; as `stale` says if left out."),
    ] = None
    when_dry: Annotated[
        WhenDry | None,
        Meta(
            description="What becomes of its rigs without upstream; as `when_dry` says if left out."
        ),
    ] = None
    version_mask: Annotated[
        Annotated[int, Meta(ge=0, le=0x1FFFFFFF)] | None,
        Meta(description="Version bits its rigs may roll; as `version_mask` says if left out."),
    ] = None
    max_rigs: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(
            description="Rigs that may be on it at once; any number if unset. One more takes the "
            "next rule that fits it, or is turned away. Who is on it stays when this is lowered."
        ),
    ] = None


class RuleSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which rigs take which route; what is left out fits all."""

    route: Annotated[
        str, Meta(description="The name of the route for rigs that this rule fits.")
    ] = ""
    refuse: Annotated[
        bool, Meta(description="Turn rigs that it fits away, instead of a route for them.")
    ] = False
    listener: Annotated[str, Meta(description="The name of the listener that they come to.")] = ""
    addresses: Annotated[
        tuple[str, ...],
        Meta(description="Ranges that they come from, such as 10.0.0.0/8, or single addresses."),
    ] = ()
    login: Annotated[
        str,
        Meta(
            description="A pattern for the name that a rig gives first: * is any text, ? any "
            "character, [ab] one of these; case counts."
        ),
    ] = ""
    agent: Annotated[
        str,
        Meta(description="Such a pattern for what its software calls itself; case does not count."),
    ] = ""


class WebSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The page, its JSON and the metrics."""

    enabled: Annotated[bool, Meta(description="Serve the page.")] = True
    host: Annotated[str, Meta(description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="Port; 0 for a free one.")] = 9332
    allowed_hosts: Annotated[
        tuple[str, ...], Meta(description="Further names that browsers reach the page by.")
    ] = ()
    token: Annotated[
        str,
        Meta(
            description="What a caller must send to change something, such as POST "
            "/api/v1/reload: the header `Authorization: Bearer TOKEN`. 16 characters or more; "
            "without one, nothing can be changed over HTTP."
        ),
    ] = ""
    token_file: Annotated[
        str, Meta(description="A file that holds the token, instead of `token`.")
    ] = ""
    worker_series: Annotated[
        int,
        Meta(
            ge=0,
            le=10_000,
            description="Workers with metrics of their own: the busiest. All others are one, "
            "called (other).",
        ),
    ] = 200
