"""Settings of the proxy; `docs/config.md`, `examples/proxy.toml` and `--help` come from here."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from headframe.chain.job import BIP320_MASK
from headframe.chain.target import target_from_difficulty
from headframe.runtime.errors import ConfigError
from headframe.runtime.settings import read_secret
from headframe.upstream.payees import PayTo
from headframe.upstream.settings import BlocksSettings, PoolsSettings, UpstreamSettings
from proxy.bans import Bans
from proxy.history_settings import HistorySettings, ShareLogSettings
from proxy.hub import HubSettings
from proxy.policy import Stale, VerdictBy, WhenDry
from proxy.rig import RigSettings
from proxy.routes import Router, Rule, parse_network
from proxy.space import SpaceSettings
from proxy.tables import (
    ExtranonceSettings,
    ListenerSettings,
    NameSettings,
    RouteSettings,
    RuleSettings,
    VardiffSettings,
    WebSettings,
)
from proxy.vardiff import Bounds

__all__ = ["DEFAULT_ROUTE", "ProxyConfig"]

DEFAULT_ROUTE: Final = "default"
"""The name of the route that the upstreams at the top of the settings are."""

Meta = msgspec.Meta


class ProxyConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that the proxy can be told."""

    upstreams: Annotated[
        tuple[UpstreamSettings, ...],
        Meta(
            description="Pools or nodes to work for, the preferred first: of the route that is "
            f"called {DEFAULT_ROUTE}, which rigs take that no rule fits."
        ),
    ] = ()
    pools: Annotated[PoolsSettings, Meta(description="How several upstreams are used.")] = (
        PoolsSettings()
    )
    blocks: Annotated[
        BlocksSettings, Meta(description="What is done for blocks that are found.")
    ] = BlocksSettings()
    listeners: Annotated[tuple[ListenerSettings, ...], Meta(description="Where rigs connect.")] = (
        ListenerSettings(),
    )
    routes: Annotated[
        tuple[RouteSettings, ...],
        Meta(
            description="More routes, each with upstreams of its own. Without `upstreams` at the "
            "top, the first of these is for rigs that no rule fits."
        ),
    ] = ()
    rules: Annotated[
        tuple[RuleSettings, ...],
        Meta(description="Which rigs take which route; the first rule that fits decides."),
    ] = ()
    bans: Annotated[
        tuple[str, ...],
        Meta(description="Addresses and ranges that are never let in; others by the API."),
    ] = ()
    vardiff: Annotated[VardiffSettings, Meta(description="Difficulty of the rigs.")] = (
        VardiffSettings()
    )
    extranonce: Annotated[
        ExtranonceSettings, Meta(description="How the extranonce is shared out.")
    ] = ExtranonceSettings()
    names: Annotated[NameSettings, Meta(description="Names sent upstream.")] = NameSettings()
    web: Annotated[WebSettings, Meta(description="Page and metrics.")] = WebSettings()
    history: Annotated[
        HistorySettings, Meta(description="What is kept of the books, over restarts.")
    ] = HistorySettings()
    share_log: Annotated[
        ShareLogSettings, Meta(description="A line for each share, if that is wanted.")
    ] = ShareLogSettings()
    version_mask: Annotated[
        int,
        Meta(
            ge=0,
            le=0x1FFFFFFF,
            description="Version bits that rigs may roll; the default is BIP 320's, 0 is none.",
        ),
    ] = BIP320_MASK
    verdict: Annotated[
        VerdictBy,
        Meta(
            description="Who answers a rig's share. local: the proxy itself, at once. pool: the "
            "upstream, where the share is one for it, and the rig's later answers wait for that; "
            "all others the proxy. When an upstream is lost, what waits for it is answered as an "
            "error within two seconds."
        ),
    ] = VerdictBy.LOCAL
    stale: Annotated[
        Stale,
        Meta(
            description="What becomes of a good share whose job is dead. refuse: it does not "
            "count. forward: it goes up where it meets the upstream's target. block: it goes up "
            "and counts where it could be a block. A block candidate goes up in any case."
        ),
    ] = Stale.REFUSE
    refresh_seconds: Annotated[
        float, Meta(ge=1, le=60, description="Rigs hear of a job at least this often.")
    ] = 30.0
    grace_seconds: Annotated[
        float,
        Meta(
            ge=0,
            description="Rigs are cut off after so long without live work, so that they use "
            "their own backup pool; see `when_dry`.",
        ),
    ] = 60.0
    when_dry: Annotated[
        WhenDry,
        Meta(
            description="What becomes of rigs when no upstream is left. close: they are cut off "
            "after `grace_seconds`. keep: they are shown the last job again and again, and told "
            "that their shares are stale."
        ),
    ] = WhenDry.CLOSE
    state_dir: Annotated[
        str,
        Meta(
            description="Folder for found blocks and history; "
            "if empty: $XDG_STATE_HOME/headframe, or ~/.local/state/headframe."
        ),
    ] = ""
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="Least that is logged.")
    ] = "info"
    log_format: Annotated[
        Literal["auto", "json", "text"],
        Meta(description="auto: text on a terminal, JSON elsewhere."),
    ] = "auto"
    log_wire: Annotated[
        str,
        Meta(
            description="A file for every line that pools and rigs say and hear, as JSON, "
            "passwords left out; it is put aside at 32 MiB, and three such are kept. Nothing if "
            "empty."
        ),
    ] = ""

    def state_path(self) -> Path:
        """Return the folder for state."""
        if self.state_dir:
            return Path(self.state_dir).expanduser()
        base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
        return Path(base).expanduser() / "headframe"

    def all_listeners(self) -> tuple[ListenerSettings, ...]:
        """Return all listeners.

        Raises:
            ConfigError: there is none, or two have one name or place.
        """
        if not self.listeners:
            raise ConfigError("no listener is configured: rigs could not connect")
        seen: set[object] = set()
        for each in self.listeners:
            keys: list[object] = [each.label]
            if each.port:
                keys.append((each.host, each.port))
            for key in keys:
                if key in seen:
                    raise ConfigError(
                        f"two listeners are {each.label}: give each a name and a port of its own"
                    )
            seen.update(keys)
        return self.listeners

    def banned(self) -> tuple[str, ...]:
        """Return who is never let in.

        Raises:
            ConfigError: one of them is no address or range.
        """
        try:
            Bans(self.bans)
        except ValueError as error:
            raise ConfigError(f"bans: {error}") from None
        return self.bans

    def all_routes(self) -> tuple[RouteSettings, ...]:
        """Return all routes, whole: what a route leaves out is as the top says.

        Raises:
            ConfigError: two have one name, or one has no upstream.
        """
        first = RouteSettings(name=DEFAULT_ROUTE, upstreams=self.upstreams)
        given = (*([first] if self.upstreams or not self.routes else []), *self.routes)
        seen: set[str] = set()
        for route in given:
            if route.name in seen:
                raise ConfigError(f"two routes are called {route.name}: give one another name")
            if not route.upstreams and route is not first:
                raise ConfigError(f"route {route.name} has no upstreams: give a pool or a node")
            seen.add(route.name)
        return tuple(self._whole(each) for each in given)

    def _whole(self, route: RouteSettings) -> RouteSettings:
        return msgspec.structs.replace(
            route, pools=route.pools or self.pools, names=route.names or self.names
        )

    def router(self) -> Router:
        """Make what chooses routes.

        Raises:
            ConfigError: a rule names a route or a listener that is none, or a range that is
                none.
        """
        names = [route.name for route in self.all_routes()]
        doors = [each.label for each in self.all_listeners()]
        rules = [
            _rule(rule, f"rules.{index}", names, doors) for index, rule in enumerate(self.rules)
        ]
        return Router(rules, names[0])

    def rig_settings(
        self, listener: ListenerSettings | None = None, route: RouteSettings | None = None
    ) -> RigSettings:
        """Make what the sessions of a listener need that are on a route.

        Args:
            listener: the first by default.
            route: the first by default.

        Raises:
            ConfigError: the difficulties contradict each other, or the password's file
                cannot be read.
        """
        door = listener or self.listeners[0]
        known = (route and route.vardiff) or door.vardiff or self.vardiff
        mask = None if route is None else route.version_mask
        if not known.least <= known.start <= known.largest:
            raise ConfigError(
                f"vardiff: start {known.start} must lie between least {known.least} and "
                f"largest {known.largest}"
            )
        return RigSettings(
            bounds=Bounds.from_difficulties(
                per_minute=known.shares_per_minute, least=known.least, largest=known.largest
            ),
            start=target_from_difficulty(known.start),
            mask=self.version_mask if mask is None else mask,
            password=read_secret(door.password, door.password_file),
            handshake_seconds=door.handshake_seconds,
            idle_seconds=door.idle_seconds,
        )

    def hub_settings(self, route: RouteSettings | None = None) -> HubSettings:
        """Make what a route's hub needs; of the first route by default.

        Raises:
            ConfigError: its names cannot be made, or its upstreams pay in different ways.
        """
        names = (route and route.names) or self.names
        return HubSettings(
            refresh_seconds=self.refresh_seconds,
            grace_seconds=self.grace_seconds,
            verdict=(route and route.verdict) or self.verdict,
            stale=(route and route.stale) or self.stale,
            when_dry=(route and route.when_dry) or self.when_dry,
            worker_sent=names.naming().rule(),
            pay_to=_pay_to(self.upstreams if route is None else route.upstreams, route),
            max_rigs=None if route is None else route.max_rigs,
        )

    def max_rigs(self) -> dict[str, int]:
        """Say how many rigs may be on each route that has a limit."""
        return {each.name: each.max_rigs for each in self.routes if each.max_rigs is not None}

    def payouts(self) -> dict[str, PayTo]:
        """Say who is paid on each route.

        Raises:
            ConfigError: the upstreams of one pay in different ways.
        """
        return {route.name: _pay_to(route.upstreams, route) for route in self.all_routes()}

    def _is_bound(self) -> bool:
        """Say whether there is one upstream alone, whose room is all that there will be."""
        count = sum(len(route.upstreams) for route in self.all_routes())
        return count == 1 and self.extranonce.rigs_per_connection is None

    def space_settings(self) -> SpaceSettings:
        """Make what the extranonce is shared out by.

        Raises:
            ConfigError: the lane is no hex, or the range of slices is empty.
        """
        known = self.extranonce
        try:
            lane = bytes.fromhex(known.lane)
        except ValueError:
            raise ConfigError(
                f"extranonce.lane = {known.lane!r}: expected bytes in hex, such as 01"
            ) from None
        limit = 256 ** (known.slice_size or 2)
        end = limit if known.slice_end is None else known.slice_end
        if not known.slice_first < end <= limit:
            raise ConfigError(
                f"extranonce: slices {known.slice_first} .. {end} do not lie in 0 .. {limit}"
            )
        return SpaceSettings(
            lane=lane,
            slice_size=known.slice_size,
            rollable=known.rollable,
            slice_first=known.slice_first,
            slice_end=known.slice_end,
            alone=known.rigs_per_connection == 1,
            bound=self._is_bound(),
        )


def _pay_to(upstreams: Sequence[UpstreamSettings], route: RouteSettings | None) -> PayTo:
    """Say who is paid on a route: its rigs must not be paid by one upstream and not by another."""
    ways = {each.payout for each in upstreams}
    if len(ways) > 1:
        name = DEFAULT_ROUTE if route is None else route.name
        raise ConfigError(
            f"route {name}: its upstreams have different payouts ({', '.join(sorted(ways))}): rigs "
            "would be paid by one of them and not by the next. Give all of them the same, and a "
            "pool a route of its own"
        )
    return next(iter(ways), PayTo.ADDRESS)


def _rule(rule: RuleSettings, key: str, routes: Sequence[str], listeners: Sequence[str]) -> Rule:
    if rule.refuse == bool(rule.route):
        raise ConfigError(f"{key}: give either a `route`, or `refuse = true`")
    if rule.route and rule.route not in routes:
        raise ConfigError(
            f"{key}.route = {rule.route!r}: no such route; there are {', '.join(routes)}"
        )
    if rule.listener and rule.listener not in listeners:
        raise ConfigError(
            f"{key}.listener = {rule.listener!r}: no such listener; there are "
            f"{', '.join(listeners)}"
        )
    networks = []
    for text in rule.addresses:
        try:
            networks.append(parse_network(text))
        except ValueError as error:
            raise ConfigError(f"{key}.addresses: {text!r} is no range: {error}") from None
    return Rule(
        route=rule.route,
        listener=rule.listener,
        addresses=tuple(networks),
        login=rule.login,
        agent=rule.agent,
    )
