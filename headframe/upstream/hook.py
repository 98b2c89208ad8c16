"""`WebHook`: tells a URL of what becomes of found blocks, by POST, in JSON.

    {"event": "accepted", "hash": "...", "height": 7, "source": "node", "reason": "accepted",
     "detail": "", "node": "node", "confirmations": 1, "found_at": 1700000000}

`event` is one of `BlockEventKind`. Events go in order, each until it got through or was
tried often enough. Nothing waits for a hook: events beyond the queue are dropped and
counted. Its URL often is a secret in itself, so logs name its host alone.
"""

import asyncio
import ssl
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

import msgspec

from headframe.chain.hashes import hash_to_hex
from headframe.runtime.errors import ConfigError
from headframe.runtime.http import aiohttp, trust
from headframe.runtime.logs import get_logger
from headframe.runtime.retry import Backoff
from headframe.upstream.blocks import BlockEvent, BlockFeed

__all__ = ["WebHook", "place_of_hook"]

_log = get_logger(__name__)

_QUEUE: Final = 256
_TRIES: Final = 8
_CALL_SECONDS: Final = 10.0
_WORTH_ANOTHER_TRY: Final = frozenset({408, 425, 429})
"""Refusals that may be over soon; so may those of 500 and more."""


class WebHook:
    """Posts block events to a URL.

    Args:
        url: where to; http or https. "" for nowhere.
        feed: whose events, and where calls are counted.
        tries: for one event.
        call_seconds: for one call.
        backoff: makes the pauses between two tries.

    Raises:
        ConfigError: that is no URL of a web server.
    """

    def __init__(
        self,
        url: str,
        *,
        feed: BlockFeed,
        tries: int = _TRIES,
        call_seconds: float = _CALL_SECONDS,
        backoff: Callable[[], Backoff] = lambda: Backoff(1.0, 60.0),
    ) -> None:
        self.point_to(url)
        self._stats = feed.stats
        self._tries = tries
        self._timeout = aiohttp.ClientTimeout(total=call_seconds)
        self._backoff = backoff
        self._trust: ssl.SSLContext | None = None  # made when the URL first is https
        self._queue: asyncio.Queue[BlockEvent] = asyncio.Queue(_QUEUE)
        feed.watch(self._on_event)

    def point_to(self, url: str) -> None:
        """Post to another URL from now on, events that wait included.

        Raises:
            ConfigError: that is no URL of a web server; nothing has changed.
        """
        self._place = place_of_hook(url) if url else ""
        self._url = url

    async def run(self) -> None:
        """Post events until cancelled; no trouble with the hook ends it."""
        async with aiohttp.ClientSession(
            timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar()
        ) as session:
            while True:
                event = await self._queue.get()
                if self._url:
                    await self._tell(session, event)

    def _on_event(self, event: BlockEvent) -> None:
        if not self._url:
            return
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            self._give_up(event, f"{_QUEUE} earlier events wait")

    async def _tell(self, session: aiohttp.ClientSession, event: BlockEvent) -> None:
        body = msgspec.json.encode(_as_plain(event))
        backoff = self._backoff()
        for left in range(self._tries - 1, -1, -1):
            trouble, again = await self._post(session, body)
            if not trouble:
                return
            if not again or not left:
                break
            await asyncio.sleep(backoff.next())
        self._give_up(event, trouble)

    async def _post(self, session: aiohttp.ClientSession, body: bytes) -> tuple[str, bool]:
        """Make one call; what went wrong or "", and whether another try is worth it."""
        headers = {"Content-Type": "application/json"}
        if self._trust is None and urlsplit(self._url).scheme == "https":
            self._trust = await trust()
        try:
            async with session.post(
                self._url,
                data=body,
                headers=headers,
                allow_redirects=False,
                ssl=self._trust or True,
            ) as answer:
                status = answer.status
        except TimeoutError:
            return f"no answer within {self._timeout.total:g} s", True
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return type(error).__name__, True  # its text may hold the URL
        if 200 <= status < 300:
            self._stats.block_hook_calls += 1
            return "", False
        return f"HTTP status {status}", status >= 500 or status in _WORTH_ANOTHER_TRY

    def _give_up(self, event: BlockEvent, trouble: str) -> None:
        self._stats.block_hook_failures += 1
        _log.warning(
            "block_hook_failed",
            host=self._place,
            error=trouble,
            what=event.kind.value,
            hash=hash_to_hex(event.block.hash),
        )


def _as_plain(event: BlockEvent) -> dict[str, object]:
    block = event.block
    return {
        "event": event.kind.value,
        "hash": hash_to_hex(block.hash),
        "height": block.height,
        "source": block.source,
        "reason": block.reason.value,
        "detail": block.detail,
        "node": block.node,
        "confirmations": block.confirmations,
        "found_at": block.found_at,
    }


def place_of_hook(url: str) -> str:
    """Return what of a URL may be shown.

    Raises:
        ConfigError: it is none of a web server.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or parts.scheme not in {"http", "https"}:
        raise ConfigError("blocks.hook is no URL of a web server: write https://host/path")
    return host if port is None else f"{host}:{port}"
