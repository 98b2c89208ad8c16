"""`Health`: whether a node is fit to be mined on, before the first job and from then on.

Templates come from a node that is far behind, too, so we ask for more than them.
"""

import asyncio
from typing import Final

from headframe.chain.job import SourceId
from headframe.upstream.base import BadUpstreamError, UnreachableError
from headframe.upstream.circle import Circle
from headframe.upstream.node import NodeRpc
from headframe.upstream.preflight import Chain, inspect_chain

__all__ = ["Health"]

_LOOK_SECONDS: Final = 15.0


class Health:
    """Looks after one node.

    Args:
        rpc: the node.
        circle: the other nodes that we have.
        source: name of the node.
        allow_mainnet: mine on mainnet, too.
        look_seconds: time between two looks while it is mined on.
    """

    def __init__(
        self,
        rpc: NodeRpc,
        circle: Circle,
        *,
        source: SourceId,
        allow_mainnet: bool,
        look_seconds: float = _LOOK_SECONDS,
    ) -> None:
        self._rpc = rpc
        self._circle = circle
        self._source = source
        self._allow_mainnet = allow_mainnet
        self._look_seconds = look_seconds

    async def admit(self) -> Chain:
        """Refuse a node that may not, cannot or should not be mined on; return its chain.

        Raises:
            BadUpstreamError: as `inspect_chain`; or the node is on another network than the
                others, or behind them.
            UpstreamError: the node could not be asked.
        """
        chain = await self._look()
        self._circle.admit(self._source, chain.network)
        lag = await self._circle.lag_of(self._source, chain)
        if lag:
            raise BadUpstreamError(lag)
        return chain

    async def run(self) -> None:
        """Look again and again.

        Raises:
            BadUpstreamError: the node is not fit any more. Being behind the other nodes
                counts the second time: a block takes a moment to reach them all.
            UpstreamError: the node refuses to say.
        """
        lagged = False
        while True:
            await asyncio.sleep(self._look_seconds)
            try:
                chain = await self._look()
            except UnreachableError:
                continue  # the watch of the tip decides what that means
            lag = await self._circle.lag_of(self._source, chain)
            if lag and lagged:
                raise BadUpstreamError(lag)
            lagged = bool(lag)

    async def _look(self) -> Chain:
        return await inspect_chain(
            self._rpc, source=self._source, allow_mainnet=self._allow_mainnet
        )
