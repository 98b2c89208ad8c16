"""Checks of pools and nodes, as far as can be said without asking them."""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

import msgspec

from headframe.chain.job import Lineage, SourceId
from headframe.runtime.clock import monotonic, wall_seconds
from headframe.runtime.errors import ConfigError
from headframe.runtime.logs import is_secret
from headframe.runtime.settings import read_secret
from headframe.runtime.tls import client_context
from headframe.runtime.tunnel import parse_tunnel
from headframe.upstream.base import JobSource
from headframe.upstream.blockdesk import BlockDesk
from headframe.upstream.endpoint import Endpoint, parse_url
from headframe.upstream.journal import Journal
from headframe.upstream.options import (
    BlocksSettings,
    PoolsSettings,
    StrategyName,
    UpstreamSettings,
)
from headframe.upstream.settings import SCHEMES, Parts, desk_options

__all__ = ["Finding", "check_blocks", "check_upstreams", "endpoint_of", "source_of"]

_NOWHERE: Final = Path(os.devnull)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that a check found.

    Attributes:
        key: the setting, with dots between; "" for the file as a whole.
        text: one line for people: the value, and what to do.
        fatal: the program would not start, or could not work; else it is only odd.
    """

    key: str
    text: str
    fatal: bool = True


def check_upstreams(
    upstreams: Sequence[UpstreamSettings], pools: PoolsSettings, prefix: str = ""
) -> Iterator[Finding]:
    """Yield what is wrong with the upstreams of a program, and with how they go together.

    Args:
        upstreams: all that stand in for each other.
        pools: how they are used.
        prefix: of their keys, where they are not at the top, such as `routes.0.`.
    """
    if not upstreams:
        text = "there is no [[upstreams]]: --url must name a pool or a node"
        yield Finding(key=f"{prefix}upstreams", text=text, fatal=False)
    names: Counter[str] = Counter()
    for index, one in enumerate(upstreams):
        key = f"{prefix}upstreams.{index}"
        found = list(_one(one, key))
        yield from found
        name = _name(one)
        names[name] += 1
        if name and names[name] > 1:
            text = f"two upstreams are called {name!r}: give one of them a `name`"
            yield Finding(key=f"{key}.{'name' if one.name else 'url'}", text=text)
    if pools.strategy is StrategyName.QUOTA and upstreams and not any(u.weight for u in upstreams):
        text = "no upstream has a `weight` above 0, so none would be used"
        yield Finding(key=f"{prefix}pools.strategy", text=text)


def check_blocks(blocks: BlocksSettings) -> Iterator[Finding]:
    """Yield what is wrong with what is done for found blocks."""
    parts = {
        "submit_to": msgspec.structs.replace(blocks, hook="", hook_file=""),
        "hook_file": msgspec.structs.replace(blocks, submit_to=()) if blocks.hook_file else None,
        "hook": msgspec.structs.replace(blocks, submit_to=(), hook_file=""),
    }
    for name, part in parts.items():
        try:
            BlockDesk(_journal(), desk_options(part or BlocksSettings(), Path.home()))
        except ConfigError as error:
            yield Finding(key=f"blocks.{name}", text=str(error))


def endpoint_of(one: UpstreamSettings) -> Endpoint:
    """Take the URL of an upstream apart.

    Raises:
        ConfigError: it is none.
    """
    return parse_url(one.url, {name: scheme.default_port for name, scheme in SCHEMES.items()})


def source_of(one: UpstreamSettings) -> JobSource:
    """Make the source of one upstream, with a journal that keeps nothing.

    Raises:
        ConfigError: its settings can never work.
    """
    endpoint = endpoint_of(one)
    parts = Parts(
        lineage=Lineage(SourceId(one.name or endpoint.place), count(1)),
        desk=BlockDesk(_journal()),
        clock=monotonic,
        home=Path.home(),
    )
    return SCHEMES[endpoint.scheme].make(one, endpoint, parts)


def _journal() -> Journal:
    """Make a journal that keeps nothing."""
    return Journal(_NOWHERE, wall=wall_seconds)


def _name(one: UpstreamSettings) -> str:
    try:
        return one.name or endpoint_of(one).place
    except ConfigError:
        return ""


def _one(one: UpstreamSettings, key: str) -> Iterator[Finding]:
    checks: dict[str, Callable[[], object]] = {
        "url": lambda: endpoint_of(one),
        "proxy": lambda: parse_tunnel(one.proxy) if one.proxy else None,
        "password_file": lambda: read_secret(one.password, one.password_file),
        "ca_file": lambda: client_context(ca_file=one.ca_file) if one.ca_file else None,
        "fingerprint": lambda: client_context(fingerprint=one.fingerprint),
    }
    found = []
    for name, check in checks.items():
        try:
            check()
        except ConfigError as error:
            found.append(Finding(key=f"{key}.{name}", text=str(error)))
    found.extend(_cookie(one, key))
    if not any(each.fatal for each in found):
        try:
            source_of(one)
        except ConfigError as error:
            found.append(Finding(key=f"{key}{_setting_in(str(error), one)}", text=str(error)))
    yield from found


def _cookie(one: UpstreamSettings, key: str) -> Iterator[Finding]:
    """Look at a cookie file that is named; there is none while the node does not run."""
    if not one.cookie:
        return
    path = Path(one.cookie).expanduser()
    if not path.exists():
        text = f"there is no cookie {path} now: the node writes it when it starts"
        yield Finding(key=f"{key}.cookie", text=text, fatal=False)
    elif not os.access(path, os.R_OK) or path.is_dir():
        text = f"the cookie {path} cannot be read: run as a user who may, or give a password"
        yield Finding(key=f"{key}.cookie", text=text)


def _setting_in(text: str, one: UpstreamSettings) -> str:
    """Find which setting a message is about: one that it names, or whose value it has."""
    values = msgspec.structs.asdict(one)
    named = [match for match in re.findall(r"`(\w+)`", text) if match in values]
    quoted = [
        name
        for name, value in values.items()
        if isinstance(value, str) and value and not is_secret(name) and repr(value) in text
    ]
    return f".{(named or quoted)[0]}" if named or quoted else ""
