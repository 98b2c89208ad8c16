"""The proxy as a whole: routes, listeners, page and history in one task group."""

import asyncio
import resource
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import native
from headframe.runtime.clock import wall_seconds
from headframe.runtime.errors import ConfigError, ListenError
from headframe.runtime.logs import get_logger
from headframe.runtime.notify import Notifier, notify_reloaded, notify_reloading
from headframe.runtime.process import EXIT_OK
from headframe.runtime.reload import Outcome, Reloader
from headframe.runtime.vitals import Vitals
from headframe.runtime.web import WebServer, read_token
from headframe.runtime.wire import format_peer
from headframe.runtime.wirelog import wire_log_at
from headframe.upstream.base import JobSource
from headframe.upstream.settings import desk_options
from proxy.access import keep_out
from proxy.api import actions_of, endpoints_of
from proxy.building import Builder
from proxy.chronicle import Chronicle
from proxy.config import DEFAULT_ROUTE, ProxyConfig
from proxy.doors import Doors
from proxy.entrance import entrance_of
from proxy.history_file import HISTORY
from proxy.hub import Clock
from proxy.leftovers import Leftovers
from proxy.page import Page
from proxy.rearrange import LIVE, Rearrangement
from proxy.routing import Routing
from proxy.status import ProxyStatus
from proxy.store import Store

__all__ = ["Ready", "check", "run"]

log = get_logger(__name__)

_ANYWHERE: Final = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - compared with, not bound to
_GOODBYE_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """Where a running proxy is to be found.

    Attributes:
        stratum_url: for rigs.
        web_url: of the page; "" without one.
        routing: its routes.
    """

    stratum_url: str
    web_url: str
    routing: Routing


async def run(
    config: ProxyConfig,
    *,
    source: JobSource | None = None,
    ready: Callable[[Ready], None] | None = None,
    clock: Clock | None = None,
    read: Callable[[], ProxyConfig] | None = None,
    file: str = "",
) -> int:
    """Serve until cancelled.

    Args:
        config: what to do.
        source: used instead of the configured upstreams.
        ready: called once rigs may connect.
        clock: where time comes from.
        read: reads the settings again, for a reload; by default there is none.
        file: where it finds them, for people; "" without a file.

    Returns:
        The exit status.

    Raises:
        ConfigError: the configuration cannot work: a port is taken, a folder cannot be
            written, an upstream's settings contradict each other.
    """
    _raise_file_limit()
    wire_log = wire_log_at(config.log_wire)
    state = _state(config)
    builder = Builder(config, state, clock=clock, wire_log=wire_log)
    routing = builder.routing(config, source)
    doors = Doors(routing, wire_log)
    vitals = Vitals()
    leftovers = Leftovers(state, routing, desk_options(config.blocks, Path.home()))
    known = config.history
    store = Store(state / HISTORY, retention=known.retention(), adopt_as=DEFAULT_ROUTE)
    chronicle = Chronicle(routing, store, config.share_log.log(), flush_seconds=known.flush_seconds)
    reloader = None
    if read is not None and source is None:
        reloader = Reloader(
            config,
            read=lambda: _announced(read),
            prepare=Rearrangement(builder, routing, doors, chronicle, leftovers).prepare,
            live=LIVE,
            note=lambda outcome: _account(vitals, outcome),
            file=file,
        )
    if native.extension_missing:
        log.warning("kernels_missing", detail=native.extension_missing)
    proxy = _Proxy(config, builder, routing, doors, chronicle, leftovers, vitals, reloader, read)
    try:
        chronicle.begin()
        leftovers.look()
        keep_out(routing, config.banned())
        (await doors.prepare(config.all_listeners(), {}))()
        async with proxy.page() as web_url:
            log.info("proxy_ready", stratum=proxy.stratum_url, web=web_url)
            if ready is not None:
                ready(Ready(stratum_url=proxy.stratum_url, web_url=web_url, routing=routing))
            await proxy.serve()
    except ListenError as error:
        raise ConfigError(str(error)) from error
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(_GOODBYE_SECONDS):
                await doors.close()
        await chronicle.end()
        if wire_log is not None:
            await asyncio.to_thread(wire_log.close)
    return EXIT_OK


def check(config: ProxyConfig) -> None:
    """Make everything that a start would, and connect to nothing.

    Raises:
        ConfigError: the configuration cannot work, and why.
    """
    config.banned()
    for each in config.all_listeners():
        entrance_of(each)
    Builder(config, _state(config)).arrange(config)
    read_token(config.web.token, config.web.token_file)


def _announced(read: Callable[[], ProxyConfig]) -> ProxyConfig:
    """Read the settings again; the service manager knows of it until the outcome is told."""
    notify_reloading()
    return read()


def _account(vitals: Vitals, outcome: Outcome) -> None:
    vitals.reloaded(wall_seconds(), done=not outcome.error)
    notify_reloaded()


@dataclass(frozen=True, slots=True)
class _Proxy:
    """What runs, while it runs."""

    config: ProxyConfig
    builder: Builder
    routing: Routing
    doors: Doors
    chronicle: Chronicle
    leftovers: Leftovers
    vitals: Vitals
    reloader: Reloader[ProxyConfig] | None
    read: Callable[[], ProxyConfig] | None

    @property
    def stratum_url(self) -> str:
        """Where rigs connect: the first listener's URL."""
        listener, host = self.doors.listeners[0], self.config.listeners[0].host
        if host in _ANYWHERE:
            host = socket.gethostname()
        scheme = "stratum+tcp" if listener.entrance.tls is None else "stratum+ssl"
        return f"{scheme}://{format_peer((host, listener.port))}"

    async def serve(self) -> None:
        """Run all parts until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.routing.run(), name="routing")
            group.create_task(self.leftovers.run(), name="leftovers")
            group.create_task(self.vitals.watch(), name="vitals")
            group.create_task(self.chronicle.run(), name="history")
            if self.reloader is not None:
                group.create_task(self.reloader.run(), name="reloader")
            # A loop that runs is all that a restart could mend.
            notifier = Notifier(healthy=lambda: True, status=self._line)
            group.create_task(notifier.run(), name="notifier")

    def _line(self) -> str:
        """Say in one line how it goes."""
        upstream = self.routing.status
        connections = sum(len(hub.guests) for hub in self.routing.hubs)
        return f"{connections} connections | {upstream.source} {upstream.state}"

    @asynccontextmanager
    async def page(self) -> AsyncIterator[str]:
        """Serve the page, if it is wanted; yields its address."""
        web = self.config.web
        if not web.enabled:
            yield ""
            return
        page = Page(
            self.routing,
            self.chronicle.store,
            self.stratum_url,
            self.vitals,
            worker_series=web.worker_series,
            others=[*self.chronicle.stats, self.doors.rows],
        )
        token = read_token(web.token, web.token_file)
        server = WebServer(
            web.host,
            web.port,
            status=page.status,
            metrics=page.metrics,
            healthy=page.healthy,
            schema=ProxyStatus,
            endpoints=[*endpoints_of(self.routing, page.rigs, self.chronicle.store.path)],
            hints=self._nudge if self.builder.rosters else None,
            title="Headframe proxy",
            allowed_hosts=web.allowed_hosts,
            actions=actions_of(self.routing, self.reloader, self.read, token),
        )
        async with server:
            yield server.url

    def _nudge(self) -> int:
        """Tell all nodes that there may be a new block; return how many."""
        return sum(roster.circle.nudge() for roster in self.builder.rosters)


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
