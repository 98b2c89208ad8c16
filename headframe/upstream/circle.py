"""`Circle`: what the nodes of one process know of each other.

Several nodes are there to stand in for each other, so they must be on one network, and one
that is behind the others is not mined on: its blocks would be stale. A node by itself cannot
tell that it is behind; the others can.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Final

from headframe.chain.job import SourceId
from headframe.chain.network import Network
from headframe.upstream.base import BadUpstreamError, UpstreamError
from headframe.upstream.node import NodeRpc
from headframe.upstream.preflight import Chain, chain_of
from headframe.upstream.tasks import run_together

__all__ = ["Circle"]

_LAG_BLOCKS: Final = 2
"""How far behind is too far: by one block nodes differ whenever one is found."""
_ASK_SECONDS: Final = 0.5
"""For another node's answer: a dead one must not delay the one that takes over."""


class Circle:
    """The nodes of one process; each source that mines on one belongs to it."""

    def __init__(self) -> None:
        self._nodes: dict[SourceId, Callable[[], NodeRpc]] = {}
        self._first: tuple[SourceId, Network] | None = None
        self._nudged: list[Callable[[], None]] = []

    @contextmanager
    def hearing(self, nudge: Callable[[], None]) -> Iterator[None]:
        """Have a source told of hints for the length of a block.

        Args:
            nudge: makes it look for a new tip.
        """
        self._nudged.append(nudge)
        try:
            yield
        finally:
            self._nudged.remove(nudge)

    def nudge(self) -> int:
        """Tell all sources at work that there may be a new block; return how many.

        It costs each of them a cheap question, and no more than twenty a second.
        """
        for nudge in self._nudged:
            nudge()
        return len(self._nudged)

    def add(self, name: SourceId, reach: Callable[[], NodeRpc]) -> None:
        """Take a node in; one of the same name before it is forgotten.

        Args:
            name: of its source.
            reach: makes a client of it, for one question.
        """
        self._nodes[name] = reach

    def keep(self, names: Collection[SourceId]) -> None:
        """Forget all nodes but these."""
        self._nodes = {name: reach for name, reach in self._nodes.items() if name in names}
        if self._first is not None and self._first[0] not in self._nodes:
            self._first = None

    def admit(self, name: SourceId, network: Network) -> None:
        """Let a node join; the first that does so settles the network.

        Raises:
            BadUpstreamError: the others are on another network.
        """
        if self._first is None:
            self._first = (name, network)
        first, settled = self._first
        if network is settled:
            return
        if first == name:  # it was started anew on another chain, and so may be the others
            self._first = (name, network)
            return
        raise BadUpstreamError(
            f"{name} is on {network.label}, and {first} is on {settled.label}: nodes that stand in "
            "for each other must be on one network; correct the URL, or leave one of them out"
        )

    async def lag_of(self, name: SourceId, chain: Chain) -> str:
        """Ask the other nodes whether this one is behind.

        Args:
            name: the node.
            chain: where it stands, asked a moment ago.

        Returns:
            One line for people; "" if it is not behind any other node that answers.
        """
        lags: list[str] = []

        async def compare(other: SourceId, reach: Callable[[], NodeRpc]) -> None:
            ahead = await _ahead(other, reach, chain)
            if ahead is not None:
                lags.append(
                    f"{name} is behind: its best block has height {chain.height}, {other} has "
                    f"{ahead}; it is used again when it has caught up"
                )

        others = [each for each in self._nodes.items() if each[0] != name]
        if others:
            await run_together(*(compare(*each) for each in others))
        return max(lags, default="")


async def _ahead(name: SourceId, reach: Callable[[], NodeRpc], chain: Chain) -> int | None:
    """Return another node's height, if it is on a better chain than ours and well ahead."""
    try:
        async with reach() as rpc:
            answer = await rpc.call("getblockchaininfo", timeout_seconds=_ASK_SECONDS)
            other = chain_of(answer, source=name, allow_mainnet=True)
            better = other.network is chain.network and other.work >= chain.work
            if not better or other.height < chain.height + _LAG_BLOCKS:
                return None
            if chain.private:
                # Everybody makes such chains: only one that goes on from ours is ahead of us.
                await rpc.call("getblockheader", chain.tip, timeout_seconds=_ASK_SECONDS)
    except UpstreamError:
        return None
    return other.height
