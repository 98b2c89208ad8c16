"""Waiting for a new tip, without jamming the node.

A call that waits occupies one of the node's few RPC threads, also after its client has
left. So there is one such call at a time, bounded on the node's side where the node can
do that, and it is never cut short to be made again. Beside it a cheap question each
second, which finds what the waiting call misses and notices when the node is gone; and
which a hint from outside (`nudge`) brings forward.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Final

from headframe.runtime.logs import get_logger
from headframe.upstream.base import BadUpstreamError, UnreachableError
from headframe.upstream.node import METHOD_NOT_FOUND, NodeRpc, RpcError
from headframe.upstream.zmq import TipFeed, feed_address, has_zmq

__all__ = ["NO_ZMQ", "TipWatch"]

_log = get_logger(__name__)

NO_ZMQ: Final = "off"
"""As the address of a node's publisher: do not listen, and do not ask."""
_WAIT_SECONDS: Final = 20
"""Bound of a waiting call, below the half minute after which nodes close connections."""
_WAIT_GRACE_SECONDS: Final = 40.0
_LONG_POLL_SECONDS: Final = 900.0
"""A long poll that brings nothing ends when the node likes; after this it is given up."""
_NUDGE_PAUSE_SECONDS: Final = 0.05
"""Between two questions, however many hints come: who sends them may be anybody."""
_USAGE: Final = -1
"""Code for a call with an argument too many: the node's help text."""


class TipWatch:
    """Tells when the node's best block changes.

    Args:
        rpc: the node.
        long_poll: the argument of `getblocktemplate` that makes it wait for something
            newer than the last template, or `None` when there is none to name.
        saw: told the hash of the best block, display hex, whenever it was learnt.
        source: name of the node, for the log.
        poll_seconds: time between two of the cheap questions, and the least between two
            waiting calls that brought nothing new.
    """

    def __init__(
        self,
        rpc: NodeRpc,
        *,
        long_poll: Callable[[], dict[str, object] | None],
        saw: Callable[[str], None],
        source: str = "",
        poll_seconds: float = 1.0,
    ) -> None:
        self._rpc = rpc
        self._long_poll = long_poll
        self._saw = saw
        self._source = source
        self._poll_seconds = poll_seconds
        self._nudged = asyncio.Event()
        self.busy_until = 0.0
        """Until when, by the loop's clock, the node may be busy with a call of `wait`."""
        self._ways: list[Callable[[str], Awaitable[str]]] = [
            self._wait_beyond,
            self._wait_for_any,
            self._wait_by_template,
        ]

    def nudge(self) -> None:
        """Ask for the best block now: somebody hints that there is a new one.

        Costs a cheap question twenty times a second at most. The hint's own word is not
        taken: commands that nodes run per block overtake each other.
        """
        self._nudged.set()

    async def poll(self) -> None:
        """Ask for the best block again and again.

        Raises:
            UpstreamError: the node is gone.
        """
        while True:
            await asyncio.sleep(min(_NUDGE_PAUSE_SECONDS, self._poll_seconds))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._poll_seconds - _NUDGE_PAUSE_SECONDS):
                    await self._nudged.wait()
            self._nudged.clear()
            self._saw(_ensure_hash(await self._rpc.call("getbestblockhash")))

    async def hear(self, configured: str = "") -> None:
        """Listen to what the node publishes by ZMQ.

        Args:
            configured: the address; "" to ask the node for it, `NO_ZMQ` for not at all.

        Returns:
            At once, where there is nothing to listen to.

        Raises:
            UpstreamError: the node could not be asked.
        """
        if configured == NO_ZMQ:
            return
        address = configured or await feed_address(self._rpc)
        if not address:
            return
        if not has_zmq():
            _log.info(
                "zmq_not_installed",
                source=self._source,
                address=address,
                what_to_do="install headframe[zmq] to hear of new blocks a little sooner",
            )
            return
        await TipFeed(address, source=self._source, saw=self._saw, missed=self.nudge).run()

    async def wait(self) -> None:
        """Wait for blocks by the best way that the node knows."""
        tip = ""
        while self._ways:
            try:
                newest = await self._ways[0](tip)
            except RpcError as error:
                if error.code not in {METHOD_NOT_FOUND, _USAGE}:
                    raise
                self._ways.pop(0)
                continue
            except UnreachableError as error:
                _log.debug("waiting_call_failed", error=str(error))  # `poll` decides what it means
                newest = tip
            if newest == tip:
                await asyncio.sleep(self._poll_seconds)
            elif newest:
                self._saw(newest)
            tip = newest

    async def _wait_beyond(self, tip: str) -> str:
        """Core 30 and newer: answers at once when the tip is another already."""
        if not tip:
            return _ensure_hash(await self._rpc.call("getbestblockhash"))
        return await self._wait_for_block(_WAIT_SECONDS * 1000, tip)

    async def _wait_for_any(self, tip: str) -> str:
        """Older nodes: a block between two calls is missed here, and found by `poll`."""
        del tip
        return await self._wait_for_block(_WAIT_SECONDS * 1000)

    async def _wait_for_block(self, *params: object) -> str:
        self.busy_until = asyncio.get_running_loop().time() + _WAIT_SECONDS
        answer = await self._rpc.call(
            "waitfornewblock", *params, timeout_seconds=_WAIT_SECONDS + _WAIT_GRACE_SECONDS
        )
        self.busy_until = 0.0
        return _ensure_hash(answer.get("hash") if isinstance(answer, dict) else None)

    async def _wait_by_template(self, tip: str) -> str:
        """Nodes without `waitfornewblock`: a long poll."""
        request = self._long_poll()
        if request is None:
            return tip
        self.busy_until = asyncio.get_running_loop().time() + _LONG_POLL_SECONDS
        answer = await self._rpc.call(
            "getblocktemplate", request, timeout_seconds=_LONG_POLL_SECONDS
        )
        self.busy_until = 0.0
        return _ensure_hash(answer.get("previousblockhash") if isinstance(answer, dict) else None)


def _ensure_hash(value: Any) -> str:
    if not isinstance(value, str) or len(value) != 64:
        raise BadUpstreamError(f"the node names {value!r:.80} as its best block, which is no hash")
    return value
