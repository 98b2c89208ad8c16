"""`BlockDesk`: all that looks after found blocks in a process, put together.

The journal, the way to every node, the watch over accepted blocks, the web hook and the
candidates of pools share one feed. It runs as long as the upstreams do, whichever of them
is in use.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from headframe.chain.job import SourceId
from headframe.runtime.clock import wall_seconds
from headframe.upstream.access import NodeAccess
from headframe.upstream.blocks import BlockFeed
from headframe.upstream.candidates import Candidates
from headframe.upstream.dispatch import Dispatch
from headframe.upstream.follow import DEFAULT_DEPTH, Follower
from headframe.upstream.hook import WebHook
from headframe.upstream.journal import Journal
from headframe.upstream.tasks import run_together

__all__ = ["BlockDesk", "DeskOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskOptions:
    """What is done for blocks.

    Attributes:
        extra: nodes that get blocks and nothing else, by name.
        hook: a URL that is told of all that happens to blocks, or "".
        depth: confirmations after which a block is followed no further; 0: none ever is.
        poll_seconds: time between two looks at the tips, while blocks are followed; fixed for
            the life of a desk.
    """

    extra: Mapping[str, NodeAccess] = field(default_factory=dict)
    hook: str = field(default="", repr=False)
    depth: int = DEFAULT_DEPTH
    poll_seconds: float = 5.0


class BlockDesk:
    """Looks after the blocks of a process.

    Args:
        journal: where blocks are written down.
        options: what is done for them.
        wall: the present, in seconds since 1970.

    Raises:
        ConfigError: the hook's URL is none.
    """

    def __init__(
        self,
        journal: Journal,
        options: DeskOptions | None = None,
        *,
        wall: Callable[[], int] = wall_seconds,
    ) -> None:
        options = options or DeskOptions()
        self.journal = journal
        self.feed = BlockFeed()
        """What becomes of blocks."""
        self.dispatch = Dispatch(journal, feed=self.feed)
        """Takes found blocks."""
        self._extra = options.extra
        self._nodes: Mapping[str, NodeAccess] = {}
        self._wall = wall
        self._hook = WebHook(options.hook, feed=self.feed)
        self._follower = Follower(
            lambda: self.dispatch.clients,
            journal,
            feed=self.feed,
            depth=options.depth,
            poll_seconds=options.poll_seconds,
        )

    def follow(self, options: DeskOptions) -> None:
        """Do this for blocks from now on.

        Raises:
            ConfigError: the hook's URL is none; nothing has changed.
        """
        self._hook.point_to(options.hook)
        self._follower.follow_until(options.depth)
        self._extra = options.extra
        self.set_nodes(self._nodes)

    def set_nodes(self, nodes: Mapping[str, NodeAccess]) -> None:
        """Say which nodes are mined on; all of them and the extra ones get every block."""
        self._nodes = nodes
        known = {access.url for access in nodes.values()}
        extra = {name: access for name, access in self._extra.items() if access.url not in known}
        self.dispatch.set_nodes(
            {**nodes, **{f"{name} (blocks only)": extra[name] for name in extra}}
        )

    def candidates_of(self, source: SourceId) -> Candidates:
        """Make the keeper of a pool's blocks."""
        return Candidates(source, self.journal, feed=self.feed, wall=self._wall)

    async def run(self) -> None:
        """Deliver, follow and tell until cancelled."""
        await run_together(self.dispatch.run(), self._follower.run(), self._hook.run())
