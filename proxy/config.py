"""Settings of the proxy; `docs/config.md`, `examples/proxy.toml` and `--help` come from here."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from headframe.chain.job import BIP320_MASK
from headframe.chain.target import target_from_difficulty
from headframe.runtime.errors import ConfigError
from headframe.runtime.settings import read_secret
from headframe.upstream.settings import BlocksSettings, PoolsSettings, UpstreamSettings
from proxy.hub import HubSettings
from proxy.listener import Limits
from proxy.rig import RigSettings
from proxy.slices import MIN_ROLLABLE
from proxy.vardiff import Bounds

__all__ = [
    "ExtranonceSettings",
    "ListenSettings",
    "NameSettings",
    "ProxyConfig",
    "VardiffSettings",
    "WebSettings",
]

Meta = msgspec.Meta


class ListenSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where rigs connect, and how they are dealt with."""

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
        Literal["replace", "passthrough", "prefix"],
        Meta(
            description="replace: all under the upstream's own user. passthrough: the rig's own "
            "name. prefix: `prefix` followed by the rig's own name. The pool must know the names."
        ),
    ] = "replace"
    prefix: Annotated[str, Meta(description="What `prefix` puts first, such as account.")] = ""


class WebSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The page, its JSON and the metrics."""

    enabled: Annotated[bool, Meta(description="Serve the page.")] = True
    host: Annotated[str, Meta(description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="Port; 0 for a free one.")] = 9332
    worker_series: Annotated[
        int,
        Meta(
            ge=0,
            le=10_000,
            description="Workers with metrics of their own: the busiest. All others are one, "
            "called (other).",
        ),
    ] = 200


class ProxyConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that the proxy can be told."""

    upstreams: Annotated[
        tuple[UpstreamSettings, ...],
        Meta(description="Pools or nodes to work for, the preferred first."),
    ] = ()
    pools: Annotated[PoolsSettings, Meta(description="How several upstreams are used.")] = (
        PoolsSettings()
    )
    blocks: Annotated[
        BlocksSettings, Meta(description="What is done for blocks that are found.")
    ] = BlocksSettings()
    listen: Annotated[ListenSettings, Meta(description="Where rigs connect.")] = ListenSettings()
    vardiff: Annotated[VardiffSettings, Meta(description="Difficulty of the rigs.")] = (
        VardiffSettings()
    )
    extranonce: Annotated[
        ExtranonceSettings, Meta(description="How the extranonce is shared out.")
    ] = ExtranonceSettings()
    names: Annotated[NameSettings, Meta(description="Names sent upstream.")] = NameSettings()
    web: Annotated[WebSettings, Meta(description="Page and metrics.")] = WebSettings()
    version_mask: Annotated[
        int,
        Meta(
            ge=0,
            le=0x1FFFFFFF,
            description="Version bits that rigs may roll; the default is BIP 320's, 0 is none.",
        ),
    ] = BIP320_MASK
    verdict: Annotated[
        Literal["local"],
        Meta(description="Who answers a rig's share: local is the proxy itself, at once."),
    ] = "local"
    refresh_seconds: Annotated[
        float, Meta(ge=1, le=60, description="Rigs hear of a job at least this often.")
    ] = 30.0
    grace_seconds: Annotated[
        float,
        Meta(
            ge=0,
            description="Rigs are cut off after so long without work, so that they use their "
            "own backup pool.",
        ),
    ] = 60.0
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

    def rig_settings(self) -> RigSettings:
        """Make what the sessions need.

        Raises:
            ConfigError: the difficulties contradict each other, or the password's file
                cannot be read.
        """
        known = self.vardiff
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
            mask=self.version_mask,
            password=read_secret(self.listen.password, self.listen.password_file),
            handshake_seconds=self.listen.handshake_seconds,
            idle_seconds=self.listen.idle_seconds,
        )

    def hub_settings(self) -> HubSettings:
        """Make what the hub needs.

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
        return HubSettings(
            refresh_seconds=self.refresh_seconds,
            grace_seconds=self.grace_seconds,
            lane=lane,
            slice_size=known.slice_size,
            rollable=known.rollable,
            slice_first=known.slice_first,
            slice_end=known.slice_end,
            worker_sent=_name_rule(self.names),
        )

    def limits(self) -> Limits:
        """Make what the listener needs."""
        return Limits(
            connections=self.listen.max_connections, per_address=self.listen.max_per_address
        )


def _name_rule(names: NameSettings) -> Callable[[str], str | None]:
    match names.mode:
        case "replace":
            return lambda _worker: None
        case "passthrough":
            return lambda worker: worker
        case "prefix":
            return lambda worker: names.prefix + worker
