"""The kinds of files: each program's settings, and the checks that only it has.

To add a kind: a function with its checks, and a row in `KINDS`.
"""

import os
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, cast

import msgspec

from headframe.check.upstreams import Finding, check_blocks, check_upstreams
from headframe.node.config import NodeConfig
from headframe.runtime.errors import ConfigError
from headframe.runtime.settings_fields import all_keys
from headframe.runtime.web import read_token
from headframe.upstream.options import UpstreamSettings
from headframe.upstream.payees import PayTo
from miner.cgapi.access import Access
from miner.config import MinerConfig
from miner.devices import DEVICE_TYPES
from native import kernels
from proxy.config import ProxyConfig
from proxy.slices import LayoutError, fit
from proxy.tables import ListenerSettings

__all__ = ["KINDS", "Kind", "check_ports", "check_room", "kind_of", "upstreams_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One program's settings.

    Attributes:
        name: for `--kind`.
        command: the program.
        struct: its settings.
        check: yields what is wrong beyond types.
    """

    name: str
    command: str
    struct: type[msgspec.Struct]
    check: Callable[[Any], Iterator[Finding]]


def kind_of(path: Path) -> Kind:
    """Say which program a file is for: the one that knows most of its keys.

    A file that fits two is taken for the one whose name is in the file's, or the first.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        data = {}  # what is wrong with it is told when it is loaded
    given = set(_keys(data))

    def fitness(kind: Kind) -> tuple[int, bool]:
        known = {key for key, _ in all_keys(kind.struct)}
        return len(given & known), kind.name in path.stem.lower()

    return max(KINDS.values(), key=fitness)


def upstreams_of(settings: msgspec.Struct) -> dict[str, UpstreamSettings]:
    """Return the upstreams that settings have, those of routes too, by their keys."""
    upstreams = cast("tuple[UpstreamSettings, ...]", getattr(settings, "upstreams", ()))
    found = {f"upstreams.{index}": one for index, one in enumerate(upstreams)}
    for number, route in enumerate(getattr(settings, "routes", ())):
        for index, one in enumerate(route.upstreams):
            found[f"routes.{number}.upstreams.{index}"] = one
    return found


def check_ports(settings: msgspec.Struct) -> Iterator[Finding]:
    """Yield ports that are to be listened on twice; port 0 is a free one."""
    taken: dict[tuple[str, int], str] = {}
    for key, table in _tables(settings):
        host, port = getattr(table, "host", None), getattr(table, "port", None)
        if not isinstance(host, str) or not port or not getattr(table, "enabled", True):
            continue
        everywhere = host in {"", "0.0.0.0", "::"}  # noqa: S104 # compared with, not bound to
        for (other, number), first in taken.items():
            if number == port and (everywhere or other in {"", host}):
                text = f"{key}.port = {port}: {first}.port has it, too"
                yield Finding(key=f"{key}.port", text=text)
        taken["" if everywhere else host, port] = key


def check_room(config: ProxyConfig, free: int, key: str) -> Iterator[Finding]:
    """Yield why an upstream's extranonce cannot be shared among rigs.

    Args:
        config: the proxy's.
        free: bytes that the upstream leaves.
        key: what decides on them.
    """
    wanted = config.space_settings()
    try:
        fit(free, lane=wanted.lane, slice_size=wanted.slice_size, rollable=wanted.rollable)
    except LayoutError as error:
        yield Finding(key=key, text=str(error))


def _miner(config: MinerConfig) -> Iterator[Finding]:
    yield from check_upstreams(config.upstreams, config.pools)
    yield from check_blocks(config.blocks)
    for key, one in upstreams_of(config).items():
        if one.payout is not PayTo.ADDRESS:
            text = f"payout = {one.payout.value!r} is for the proxy: a miner pays `address`"
            yield Finding(key=f"{key}.payout", text=text, fatal=False)
    if config.log.wire:
        yield from _folder("log.wire", Path(config.log.wire).expanduser().parent)
    yield from _told("pin", config.wishes)
    yield from _told("api.read", partial(Access.of, config.api.read, ()))
    yield from _told("api.write", partial(Access.of, (), config.api.write))
    yield from _told("web.token", partial(read_token, config.web.token, config.web.token_file))
    unknown = [each for each in config.devices if each.partition(":")[0] not in DEVICE_TYPES]
    if unknown:
        text = (
            f"devices: {', '.join(unknown)}: expected some of {', '.join(DEVICE_TYPES)}, or gpu:0"
        )
        yield Finding(key="devices", text=text)
    names = [kernel.name for kernel in kernels()]
    if config.kernel and config.devices == ("cpu",) and config.kernel not in names:
        text = f"kernel {config.kernel!r} is none of this machine's: {', '.join(names)}"
        yield Finding(key="kernel", text=text)
    if config.state_dir is not None:
        yield from _folder("state_dir", config.state_dir)
    yield from check_ports(config)


def _proxy(config: ProxyConfig) -> Iterator[Finding]:
    if config.upstreams or not config.routes:
        yield from check_upstreams(config.upstreams, config.pools)
    yield from check_blocks(config.blocks)
    if config.log_wire:
        yield from _folder("log_wire", Path(config.log_wire).expanduser().parent)
    yield from _told("listeners", config.all_listeners)
    for index, door in enumerate(config.listeners):
        settings = partial(config.rig_settings, door)
        yield from _told(f"listeners.{index}.password_file", settings, only="secret")
        if door.vardiff is not None:
            yield from _told(f"listeners.{index}.vardiff", settings, only="vardiff")
    plain = msgspec.structs.replace(config, listeners=(ListenerSettings(),))
    yield from _told("vardiff.start", plain.rig_settings, only="vardiff")
    yield from _routes(config)
    sizes = list(_told("extranonce", config.space_settings))
    yield from sizes
    for index, one in enumerate(config.upstreams):
        if not sizes and one.url.lower().startswith("bitcoind"):
            yield from check_room(config, one.extranonce_size, f"upstreams.{index}.extranonce_size")
    yield from _folder("state_dir", config.state_path())
    yield from check_ports(config)


def _routes(config: ProxyConfig) -> Iterator[Finding]:
    """Yield what is wrong with routes and rules."""
    paid = list(_told("upstreams", config.payouts, only="payouts"))
    yield from paid
    if not paid:
        yield from _told("names", config.hub_settings)
    for index, route in enumerate(config.routes):
        key = f"routes.{index}"
        yield from check_upstreams(route.upstreams, route.pools or config.pools, f"{key}.")
        if not paid:
            yield from _told(f"{key}.names", partial(config.hub_settings, route))
        if route.vardiff is not None:
            settings = partial(config.rig_settings, None, route)
            yield from _told(f"{key}.vardiff", settings, only="vardiff")
    if not any(_told("listeners", config.all_listeners)):
        yield from _told("rules", config.router)


def _node(config: NodeConfig) -> Iterator[Finding]:
    if config.datadir:
        yield from _folder("datadir", Path(config.datadir).expanduser())


KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            Kind(name="miner", command="headframe mine", struct=MinerConfig, check=_miner),
            Kind(name="proxy", command="headframe proxy", struct=ProxyConfig, check=_proxy),
            Kind(name="node", command="headframe node", struct=NodeConfig, check=_node),
        )
    }
)
"""All kinds, the one that a file with nothing of its own is taken for first."""


def _told(key: str, make: Callable[[], object], *, only: str = "") -> Iterator[Finding]:
    """Yield what a program says when it makes something of its settings.

    Args:
        key: the setting it is about.
        make: makes it.
        only: a word that the message has, if it may be about another setting.
    """
    try:
        make()
    except ConfigError as error:
        if only in str(error):
            yield Finding(key=key, text=str(error))


def _folder(key: str, folder: Path) -> Iterator[Finding]:
    """Yield that a folder cannot be written or made; by this user, who may be another one."""
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir():
        yield Finding(key=key, text=f"{key} = {folder}: {there} is no folder")
    elif not os.access(there, os.W_OK | os.X_OK):
        text = f"{key} = {folder}: this user may not write to {there}; may the program's?"
        yield Finding(key=key, text=text, fatal=False)


def _tables(settings: msgspec.Struct, key: str = "") -> Iterator[tuple[str, msgspec.Struct]]:
    for name, value in msgspec.structs.asdict(settings).items():
        items = enumerate(value) if isinstance(value, tuple) else ()
        tables = {name: value, **{f"{name}.{index}": item for index, item in items}}
        for place, table in tables.items():
            if isinstance(table, msgspec.Struct):
                yield f"{key}{place}", table
                yield from _tables(table, f"{key}{place}.")


def _keys(data: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the keys of plain data, as `all_keys` writes them."""
    for name, value in data.items():
        yield prefix + name
        if isinstance(value, dict):
            yield from _keys(value, f"{prefix}{name}.")
        elif isinstance(value, list):
            for item in value:
                if isinstance(item, dict):
                    yield from _keys(item, f"{prefix}{name}.0.")
