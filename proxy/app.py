"""The proxy as a whole: source, hub, listener, page and history in one task group."""

import asyncio
import resource
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

import native
from headframe.runtime.errors import ConfigError, ListenError
from headframe.runtime.logs import get_logger
from headframe.runtime.notify import Notifier
from headframe.runtime.process import EXIT_OK
from headframe.runtime.vitals import Vitals
from headframe.runtime.web import WebServer
from headframe.runtime.wire import format_peer
from headframe.runtime.wirelog import WireLog, wire_log_at
from headframe.upstream.base import JobSource
from headframe.upstream.roster import Roster
from proxy.config import ProxyConfig
from proxy.hub import Clock, Hub
from proxy.listener import Listener
from proxy.page import Page
from proxy.status import ProxyStatus
from proxy.store import Rollups, Store

__all__ = ["Ready", "roster_of", "run"]

log = get_logger(__name__)

JOURNAL: Final = "proxy-blocks.journal"
HISTORY: Final = "proxy.sqlite"
_ANYWHERE: Final = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - compared with, not bound to
_ROLLUP_SECONDS: Final = 60
_GOODBYE_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """Where a running proxy is to be found.

    Attributes:
        stratum_url: for rigs.
        web_url: of the page; "" without one.
        hub: its middle.
    """

    stratum_url: str
    web_url: str
    hub: Hub


def roster_of(config: ProxyConfig, wire_log: WireLog | None = None) -> Roster:
    """Make the upstreams that a configuration asks for; connects to nothing yet.

    Raises:
        ConfigError: they can never work, and why.
    """
    journal = _state(config) / JOURNAL
    return Roster(
        config.upstreams,
        config.pools,
        ids=count(1),
        journal=journal,
        blocks=config.blocks,
        wire_log=wire_log,
    )


async def run(
    config: ProxyConfig,
    *,
    source: JobSource | None = None,
    ready: Callable[[Ready], None] | None = None,
    clock: Clock | None = None,
) -> int:
    """Serve until cancelled.

    Args:
        config: what to do.
        source: used instead of the configured upstreams.
        ready: called once rigs may connect.
        clock: where time comes from.

    Returns:
        The exit status.

    Raises:
        ConfigError: the configuration cannot work: a port is taken, a folder cannot be
            written, an upstream's settings contradict each other.
    """
    rigs = config.rig_settings()
    _raise_file_limit()
    hints, roster = None, None
    wire_log = wire_log_at(config.log_wire)
    if source is None:
        roster = roster_of(config, wire_log)
        source, hints = roster.group, roster.circle.nudge
    if native.extension_missing:
        log.warning("kernels_missing", detail=native.extension_missing)
    hub = Hub(source, config.hub_settings(), ids=count(1), hasher=native, clock=clock)
    if roster is not None:
        hub.hear_of_blocks(roster.desk)
    listener = Listener(hub, rigs, config.limits(), wire_log=wire_log)
    store = Store(_state(config) / HISTORY)
    vitals = Vitals()
    try:
        await listener.start(config.listen.host, config.listen.port)
        async with _page(config, hub, store, listener, vitals, hints) as (stratum_url, web_url):
            store.start()
            log.info("proxy_ready", stratum=stratum_url, web=web_url)
            if ready is not None:
                ready(Ready(stratum_url=stratum_url, web_url=web_url, hub=hub))
            await _serve(hub, store, vitals)
    except ListenError as error:
        raise ConfigError(str(error)) from error
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(_GOODBYE_SECONDS):
                await listener.stop()
        if wire_log is not None:
            await asyncio.to_thread(wire_log.close)
    return EXIT_OK


async def _serve(hub: Hub, store: Store, vitals: Vitals) -> None:
    rollups = Rollups(hub.ledger)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(hub.source.run(), name="source")
            group.create_task(hub.run(), name="hub")
            group.create_task(vitals.watch(), name="vitals")
            group.create_task(_keep_history(hub, store, rollups), name="history")
            # A loop that runs is all that a restart could mend.
            notifier = Notifier(healthy=lambda: True, status=lambda: _line_of(hub))
            group.create_task(notifier.run(), name="notifier")
    finally:
        store.put(rollups.cut(hub.clock.wall() // 60))
        await asyncio.to_thread(store.stop)


def _line_of(hub: Hub) -> str:
    """Say in one line how it goes."""
    upstream = hub.source.status.get()
    return f"{len(hub.guests)} connections | {upstream.source} {upstream.state}"


async def _keep_history(hub: Hub, store: Store, rollups: Rollups) -> None:
    while True:
        await asyncio.sleep(_ROLLUP_SECONDS)
        store.put(rollups.cut(hub.clock.wall() // 60))


@asynccontextmanager
async def _page(
    config: ProxyConfig,
    hub: Hub,
    store: Store,
    listener: Listener,
    vitals: Vitals,
    hints: Callable[[], int] | None,
) -> AsyncIterator[tuple[str, str]]:
    """Serve the page, if it is wanted; yields where rigs connect, and the page's address."""
    host = config.listen.host
    if host in _ANYWHERE:
        host = socket.gethostname()
    stratum_url = f"stratum+tcp://{format_peer((host, listener.port))}"
    if not config.web.enabled:
        yield stratum_url, ""
        return
    page = Page(hub, store, stratum_url, vitals, worker_series=config.web.worker_series)
    web = WebServer(
        config.web.host,
        config.web.port,
        status=page.status,
        metrics=page.metrics,
        healthy=page.healthy,
        schema=ProxyStatus,
        hints=hints,
        title="Headframe proxy",
    )
    async with web:
        yield stratum_url, web.url


def _raise_file_limit() -> None:
    """Allow as many connections as the system does; the usual limit is 1,024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _state(config: ProxyConfig) -> Path:
    """Return the state folder, made if need be."""
    folder = config.state_path()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"state_dir {folder}: {error.strerror or error}; choose a folder that can be written"
        ) from None
    return folder
