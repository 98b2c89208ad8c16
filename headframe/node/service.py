"""`NodeService`: the node's core on a thread of its own, for the event loop.

All calls of the kernel happen on that one thread, so that the loop answers at once whatever
the kernel does; callers see a newest `Tip` in a cell.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

from headframe.node.core import NodeCore, Tip
from headframe.node.errors import Code, RpcError
from headframe.runtime.clock import monotonic, wall_seconds
from headframe.runtime.latest import Latest

__all__ = ["DEFAULT_WAITS", "NodeService", "Waits"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """How long calls may wait.

    Attributes:
        mempool_seconds: how long a long poll looks for a new tip only, before a changed mempool
            ends it too.
        longest_seconds: when a waiting call is answered though nothing happened.
    """

    mempool_seconds: float = 10.0
    longest_seconds: float = 600.0


DEFAULT_WAITS: Final = Waits()
"""Waiting calls cost this node next to nothing, but one that waits for ever is a leak."""


class NodeService:
    """An open chain, as an asynchronous context manager.

    Attributes:
        folder: where the chain is.
        waits: how long calls may wait.
        stop_requested: set by the RPC method `stop`.
        published_at: where new blocks are published by ZMQ; "" for nowhere.
    """

    def __init__(
        self,
        folder: Path,
        *,
        wall: Callable[[], int] = wall_seconds,
        clock: Callable[[], float] = monotonic,
        waits: Waits = DEFAULT_WAITS,
    ) -> None:
        """Say which chain; entering the context opens it.

        Args:
            folder: of this chain alone; made if it is not there.
            wall: seconds since 1970.
            clock: monotonic seconds.
            waits: how long calls may wait.
        """
        self.folder = folder
        self.waits = waits
        self.stop_requested = asyncio.Event()
        self.published_at = ""
        self._wall = wall
        self._clock = clock
        self._started = clock()
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="kernel")
        self._core: NodeCore | None = None
        self._tip: Latest[Tip] | None = None
        self._closing = False

    async def __aenter__(self) -> Self:
        """Open the chain.

        Raises:
            NodeError: the folder is in use or unreadable, or there is no kernel.
        """
        loop = asyncio.get_running_loop()

        def changed(tip: Tip) -> None:
            with suppress(RuntimeError):  # the loop may be gone at the very end
                loop.call_soon_threadsafe(self._set_tip, tip)

        def open_core() -> NodeCore:
            return NodeCore(self.folder, clock=self._wall, changed=changed)

        opening = loop.run_in_executor(self._executor, open_core)
        try:
            self._core = await asyncio.shield(opening)
        except asyncio.CancelledError:
            await self._abandon(opening)
            raise
        except BaseException:
            self._executor.shutdown()
            raise
        self._tip = Latest(self._core.tip)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Write everything to disk and let the chain go."""
        self.release_waiters()
        if self._core is not None:
            core, self._core = self._core, None
            await asyncio.get_running_loop().run_in_executor(self._executor, core.close)
        self._executor.shutdown()

    async def _abandon(self, opening: asyncio.Future[NodeCore]) -> None:
        """Close a chain whose opening was no longer wanted: it may not be left half open."""
        try:
            core = await opening
        except Exception:  # noqa: BLE001 - it did not open, and nobody wants it any more
            self._executor.shutdown()
            return
        await asyncio.get_running_loop().run_in_executor(self._executor, core.close)
        self._executor.shutdown()

    @property
    def tip(self) -> Tip:
        """Where the node stands."""
        return self._cell.get()

    @property
    def uptime_seconds(self) -> int:
        """How long the node has run."""
        return int(self._clock() - self._started)

    def wall_seconds(self) -> int:
        """Return the node's time: seconds since 1970."""
        return self._wall()

    async def run(self, job: Callable[[NodeCore], T]) -> T:
        """Do something with the core, on its thread; in the order of the calls.

        Raises:
            RpcError: the node is shutting down.
        """
        if self._core is None or self._closing:
            raise _shutting_down()
        return await asyncio.get_running_loop().run_in_executor(self._executor, job, self._core)

    async def wait_tip(self, is_enough: Callable[[Tip], bool], seconds: float) -> Tip:
        """Wait for a tip or mempool that is enough; return what there is when the time is over.

        Raises:
            RpcError: the node is shutting down.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                async for tip in self._cell:
                    if self._closing:
                        raise _shutting_down()
                    if is_enough(tip):
                        return tip
        return self.tip

    def release_waiters(self) -> None:
        """Let everyone who waits know that the node is shutting down."""
        self._closing = True
        if self._tip is not None:
            self._tip.set(self._tip.get())

    @property
    def _cell(self) -> Latest[Tip]:
        if self._tip is None:
            raise _shutting_down()
        return self._tip

    def _set_tip(self, tip: Tip) -> None:
        if self._tip is not None:
            self._tip.set(tip)


def _shutting_down() -> RpcError:
    return RpcError(Code.NOT_CONNECTED, "Shutting down")
