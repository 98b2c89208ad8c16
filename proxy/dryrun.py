"""`headframe proxy --dry-run`: which rigs would go where, without a start or a change."""

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec

from headframe.runtime.errors import ConfigError
from headframe.runtime.http import aiohttp, trust
from headframe.runtime.wire import format_peer
from proxy.config import ProxyConfig
from proxy.tryout import Rules, Trial, parse_rig, parse_rigs, try_rigs

__all__ = ["dry_run", "live_rigs_at"]

_PATIENCE_SECONDS: Final = 10.0
_ANYWHERE: Final = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - compared with, not bound to


def dry_run(config: ProxyConfig, rigs: Sequence[str], running: str) -> list[str]:
    """Say where rigs would go with these settings; a line each, and a sum.

    Args:
        config: the settings.
        rigs: `listener,address,login,agent` each; without any, those of a running proxy.
        running: the address of that proxy's page; "": where these settings put it.

    Raises:
        ConfigError: the settings cannot be used, a rig cannot be read, or no proxy answers.
    """
    rules = Rules.of(config)
    if rigs:
        return [each.words for each in try_rigs(map(parse_rig, rigs), rules)]
    url = running or _page_of(config)
    tried = try_rigs(asyncio.run(live_rigs_at(url)), rules)
    moves = [each for each in tried if each.moves]
    lines = [each.words for each in tried]
    return [*lines, f"{len(moves)} of {len(tried)} rigs would move"]


async def live_rigs_at(url: str) -> list[Trial]:
    """Ask a running proxy for its rigs.

    Args:
        url: the address of its page.

    Raises:
        ConfigError: it does not answer, or not as a proxy does.
    """
    what_to_do = "give --running URL, its page's address, or rigs with --rig"
    timeout = aiohttp.ClientTimeout(total=_PATIENCE_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"{url.rstrip('/')}/api/v1/routes", ssl=await trust()) as answer,
        ):
            body = await answer.read()
            status = answer.status
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        why = str(error) or "no answer in time"
        raise ConfigError(f"no running proxy at {url}: {why}; {what_to_do}") from None
    try:
        plain = msgspec.json.decode(body, type=dict[str, object]) if status == 200 else {}
        return parse_rigs(plain["rigs"])
    except (msgspec.DecodeError, KeyError, ConfigError):
        raise ConfigError(
            f"what answers at {url} (with status {status}) is no proxy's page; {what_to_do}"
        ) from None


def _page_of(config: ProxyConfig) -> str:
    web = config.web
    host = "127.0.0.1" if web.host in _ANYWHERE else web.host
    return f"http://{format_peer((host, web.port))}/"
