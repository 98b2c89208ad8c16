"""The miner put together: source, engine, devices, page and display under one task group."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from pathlib import Path
from typing import ClassVar, Final

from headframe.chain.job import Job
from headframe.runtime.clock import monotonic, wall_seconds
from headframe.runtime.errors import (
    EXIT_OK,
    EXIT_UNAVAILABLE,
    ConfigError,
    HeadframeError,
    PortInUseError,
)
from headframe.runtime.latest import Latest
from headframe.runtime.logs import get_logger
from headframe.runtime.notify import Notifier, notify_reloaded, notify_reloading
from headframe.runtime.reload import Outcome, Reloader
from headframe.runtime.vitals import Vitals
from headframe.runtime.web import WebServer, read_token
from headframe.runtime.wirelog import WireLog, wire_log_at
from headframe.upstream.base import JobSource, SourceState, SourceStatus
from headframe.upstream.blockdesk import BlockDesk
from headframe.upstream.roster import Roster
from miner.api import actions_of, endpoints_of
from miner.cgapi.service import ApiService
from miner.config import DEFAULT_WEB_PORT, MinerConfig, StopSettings, WebSettings
from miner.devices import detect
from miner.devices.base import Device
from miner.engine import Engine
from miner.fleet import Fleet
from miner.live import Display
from miner.monitor import Monitor
from miner.rearrange import LIVE, Rearrangement
from miner.show import line_of
from miner.stats import MinerStats
from miner.status import MinerStatus

__all__ = ["JOURNAL", "Miner", "NoUpstreamError", "make_miner", "state_dir"]

JOURNAL: Final = "blocks.jsonl"
"""Name of the journal of found blocks, in the state folder."""
_DRAIN_SECONDS: Final = 2.0
"""How long shares in flight may take at the end."""
_TICK_SECONDS: Final = 1.0

log = get_logger(__name__)


class NoUpstreamError(HeadframeError):
    """With `--once`: no upstream can be used."""

    exit_code: ClassVar[int] = EXIT_UNAVAILABLE


class Miner:
    """Everything that runs while the miner runs.

    Args:
        source: where work comes from.
        devices: what hashes.
        stop: when to end by itself.
        web: whether and where to serve the page.
        api: answers cgminer's commands, or `None`.
        reloader: reads the settings again when it is asked to.
        vitals: how this process is doing.
        wire_log: what the source's connections are written down in, to be closed at the end.
        desk: looks after found blocks.
        clock: seconds that never go back.
    """

    def __init__(  # noqa: PLR0913 # the parts of a program, by keyword
        self,
        source: JobSource,
        devices: Sequence[Device],
        *,
        stop: StopSettings = StopSettings(),  # noqa: B008 # frozen
        web: WebSettings = WebSettings(enabled=False),  # noqa: B008
        api: ApiService | None = None,
        reloader: Reloader[MinerConfig] | None = None,
        vitals: Vitals | None = None,
        wire_log: WireLog | None = None,
        desk: BlockDesk | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.stats = MinerStats()
        self.web_url = ""
        """Where the page is, once it is served."""
        self.api_place = ""
        """Where cgminer's API is, as host:port, once it is served."""
        self._source = source
        self._fleet = devices if isinstance(devices, Fleet) else Fleet(devices)
        self._stop = stop
        self._web = web
        self._api = api
        self._reloader = reloader
        self._wire_log = wire_log
        self._scope: asyncio.Timeout | None = None
        self._engine = Engine(source, self._fleet, self.stats, clock=clock)
        if desk is not None:
            self._engine.hear_of_blocks(desk)
        self.vitals = vitals or Vitals()
        """Of this process."""
        self._monitor = Monitor(source, self._fleet, self.stats, clock, self.vitals)
        self._notifier = Notifier(
            healthy=self._hashes, status=lambda: line_of(self._monitor.status())
        )

    async def run(self, display: Display) -> int:
        """Mine until cancelled, or until what `StopSettings` asks for is done.

        Returns:
            The process's exit code.

        Raises:
            NoUpstreamError: with `once`.
            ConfigError: the page's token cannot be used.
            ListenError: page or API cannot be served where they were asked for.
        """
        async with AsyncExitStack() as stack:
            if self._wire_log is not None:
                stack.push_async_callback(asyncio.to_thread, self._wire_log.close)
            if self._reloader is not None:
                await stack.enter_async_context(_background(self._reloader.run()))
            await self._serve(stack)
            if self._api is not None:
                self.api_place = await self._api.serve(stack, self._monitor.snapshot, self.end)
            self._greet()
            stack.enter_context(display.shown())
            # Entered first, left last: shares in flight still need the source.
            await stack.enter_async_context(_background(self._source.run()))
            stack.push_async_callback(self._engine.drain, _DRAIN_SECONDS)
            await stack.enter_async_context(
                _background(
                    self._engine.run(),
                    self._tick(),
                    self.vitals.watch(),
                    display.run(self._status),
                    self._watch_jobs(self._source.jobs),
                    self._watch_status(self._source.status),
                    self._notifier.run(),
                )
            )
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None) as self._scope:
                    await self._until_done()
        return EXIT_OK

    def end(self) -> None:
        """End `run` soon, with all that belongs to a good end."""
        if self._scope is not None:
            self._scope.reschedule(0)

    async def _serve(self, stack: AsyncExitStack) -> None:
        web, monitor = self._web, self._monitor
        if not web.enabled:
            return
        token = read_token(web.token, web.token_file)
        wanted = [DEFAULT_WEB_PORT, 0] if web.port is None else [web.port]
        for port in wanted:
            server = WebServer(
                web.host,
                port,
                status=monitor.status,
                metrics=monitor.metrics,
                healthy=monitor.healthy,
                schema=MinerStatus,
                title="Headframe miner",
                allowed_hosts=web.allowed_hosts,
                endpoints=[*endpoints_of(monitor.history, self._api)],
                actions=actions_of(self._reloader, self._api, token),
            )
            try:
                await stack.enter_async_context(server)
            except PortInUseError:
                if port == wanted[-1]:
                    raise
                continue
            self.web_url = server.url
            return

    def _greet(self) -> None:
        devices = [f"{device.name} ({device.stats.kernel})" for device in self._fleet]
        places = {"page": self.web_url, "api": self.api_place}
        served = {name: place for name, place in places.items() if place}
        log.info("miner_started", devices=", ".join(devices), **served)

    def _status(self) -> dict[str, object]:
        return self._monitor.status() | {"page": self.web_url}

    def _hashes(self) -> bool:
        """Tell whether any device can: a restart may help when all have failed."""
        return any(device.stats.state != "failed" for device in self._fleet)

    async def _tick(self) -> None:
        while True:
            self._monitor.tick()
            await asyncio.sleep(_TICK_SECONDS)

    async def _watch_jobs(self, jobs: Latest[Job | None]) -> None:
        epoch: int | None = None
        async for job in jobs:
            if job is not None:
                self.stats.jobs["false" if job.epoch == epoch else "true"] += 1
                epoch = job.epoch
                log.debug("new_job", pool=job.source, epoch=job.epoch, ntime=job.ntime)

    async def _watch_status(self, status: Latest[SourceStatus]) -> None:
        """With `once`, end when nothing can be used; what comes and goes the sources tell."""
        async for now in status:
            if self._stop.once and now.state is SourceState.DOWN and now.detail:
                raise NoUpstreamError(now.detail)

    async def _until_done(self) -> None:
        stop, stats = self._stop, self.stats
        async for _ in self._engine.pending:
            shares, blocks = stats.shares_accepted, stats.blocks_accepted
            if (stop.shares and shares >= stop.shares) or (stop.blocks and blocks >= stop.blocks):
                log.info("miner_done", shares=shares, blocks=blocks)
                return


def make_miner(
    config: MinerConfig,
    env: Mapping[str, str] = os.environ,
    read: Callable[[], MinerConfig] | None = None,
    file: str = "",
) -> Miner:
    """Make a miner of its settings.

    Args:
        config: the settings.
        env: the environment, for where state is kept.
        read: reads the settings again, for a reload; by default there is none.
        file: where it finds them, for people; "" without a file.

    Raises:
        ConfigError: settings that cannot work; in one line.
    """
    if not config.upstreams:
        raise ConfigError(
            "nothing to mine on: give a pool, as in --url stratum+tcp://host:3333 --user NAME, "
            "or a node, as in --url bitcoind+http://127.0.0.1:18443 --address ADDRESS"
        )
    journal = (config.state_dir or state_dir(env)) / JOURNAL
    wire_log = wire_log_at(config.log.wire)
    roster = Roster(
        config.upstreams,
        config.pools,
        ids=count(1),
        journal=journal,
        blocks=config.blocks,
        wire_log=wire_log,
    )
    api = ApiService(config.api, roster)
    fleet, vitals = Fleet(detect(config.devices, config.wishes())), Vitals()
    reloader = read and Reloader(
        config,
        read=lambda: _announced(read),
        prepare=Rearrangement(config, roster, fleet).prepare,
        live=LIVE,
        note=lambda outcome: _account(vitals, outcome),
        file=file,
    )
    return Miner(
        roster.group,
        fleet,
        stop=config.stop,
        web=config.web,
        api=api,
        reloader=reloader,
        vitals=vitals,
        wire_log=wire_log,
        desk=roster.desk,
    )


def _announced(read: Callable[[], MinerConfig]) -> MinerConfig:
    """Read the settings again; the service manager knows of it until the outcome is told."""
    notify_reloading()
    return read()


def _account(vitals: Vitals, outcome: Outcome) -> None:
    vitals.reloaded(wall_seconds(), done=not outcome.error)
    notify_reloaded()


def state_dir(env: Mapping[str, str]) -> Path:
    """Say where the miner keeps what must outlive it."""
    base = env.get("XDG_STATE_HOME", "")
    return (Path(base) if base else Path.home() / ".local" / "state") / "headframe" / "miner"


@asynccontextmanager
async def _background(*tasks: Coroutine[object, object, None]) -> AsyncIterator[None]:
    """Run tasks while a block runs; end them when it ends, and the block when one fails."""
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(task) for task in tasks]
        try:
            yield
        finally:
            for task in running:
                task.cancel()
