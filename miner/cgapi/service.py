"""`ApiService`: the cgminer API of one miner, from its settings to its port."""

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

from headframe.chain.job import Job
from headframe.runtime.clock import wall_seconds
from headframe.runtime.errors import PortInUseError
from headframe.runtime.logs import get_logger
from headframe.upstream.options import UpstreamSettings
from headframe.upstream.roster import Roster
from miner.cgapi.access import Access
from miner.cgapi.api import Api
from miner.cgapi.figures import Figures
from miner.cgapi.pools import PoolList
from miner.cgapi.server import ApiServer
from miner.config import DEFAULT_API_PORT, ApiSettings
from miner.status import MinerStatus

__all__ = ["ApiService"]

log = get_logger(__name__)


class ApiService:
    """Meets `Control` and `Upstreams`: what the commands ask for and change.

    Args:
        settings: whether and where to listen, and who may ask.
        roster: the miner's upstreams.

    Raises:
        ConfigError: who may ask is not told in addresses or networks.
    """

    def __init__(self, settings: ApiSettings, roster: Roster) -> None:
        self._settings = settings
        self.roster = roster
        """The miner's upstreams."""
        self._access = Access.of(settings.read, settings.write)
        self._stop: Callable[[], None] = lambda: None
        self.pools = PoolList(self)

    @property
    def current(self) -> Sequence[UpstreamSettings]:
        """The upstreams in force, the preferred first."""
        return self.roster.settings

    def change(self, upstreams: Sequence[UpstreamSettings]) -> None:
        """Use these from now on.

        Raises:
            ConfigError: they cannot work.
        """
        plan = self.roster.plan(upstreams, self.roster.pools)
        changed = self.roster.apply(plan)
        log.info("api_changed_pools", changed="; ".join(changed) or "nothing")

    def quit(self) -> None:
        """End the miner."""
        log.info("api_quit")
        self._stop()

    async def serve(
        self, stack: AsyncExitStack, status: Callable[[], MinerStatus], stop: Callable[[], None]
    ) -> str:
        """Listen until the stack is left.

        Without a port of its own, the usual one being taken is only told: mining goes on.

        Args:
            stack: takes the listener.
            status: the miner's figures.
            stop: ends the miner soon.

        Returns:
            Where, as host:port; "" if nowhere.

        Raises:
            ListenError: it cannot listen where it was asked to.
        """
        settings = self._settings
        if not settings.enabled:
            return ""
        self._stop = stop
        api = Api(lambda: self._figures(status()), self, wall_seconds)
        port = DEFAULT_API_PORT if settings.port is None else settings.port
        server = ApiServer(settings.host, port, answer=api.answer, access=self._access)
        try:
            await stack.enter_async_context(server)
        except PortInUseError as error:
            if settings.port is not None:
                raise
            log.warning("api_not_served", error=str(error), setting="api.port")
            return ""
        return server.place

    def _figures(self, status: MinerStatus) -> Figures:
        job: Job | None = self.roster.group.jobs.get()
        return Figures(
            status=status,
            strategy=self.roster.pools.strategy,
            pools=self.pools.view(status.pools),
            job=job,
            now=wall_seconds(),
        )
