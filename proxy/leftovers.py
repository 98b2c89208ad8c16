"""Journals of found blocks that no route writes to any more: their blocks are not forgotten.

A route that is renamed or taken out of the settings leaves its journal behind, and so did
the further connections of routes in earlier releases. What stands there without a verdict
goes to all nodes of this process, and what is valid is followed, as if it were a route's.
A node that does not know a block's chain leaves it in the file, for the day when its own is
back.
"""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from headframe.runtime.clock import wall_seconds
from headframe.runtime.logs import get_logger
from headframe.upstream.access import NodeAccess
from headframe.upstream.blockdesk import BlockDesk, DeskOptions
from headframe.upstream.journal import Journal
from proxy.routing import Route, Routing

__all__ = ["JOURNAL", "Leftovers"]

log = get_logger(__name__)

JOURNAL: Final = "proxy-blocks"
"""How the names of all journals begin."""


class Leftovers:
    """Looks after the journals of a folder that belong to nobody.

    Args:
        folder: where all journals are.
        routing: the routes; the first one shows what becomes of the blocks.
        options: what is done for blocks.
    """

    def __init__(self, folder: Path, routing: Routing, options: DeskOptions) -> None:
        self._folder = folder
        self._routing = routing
        self._options = options
        self._desks: dict[Path, BlockDesk] = {}
        self._tasks: dict[Path, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None
        routing.on_route_end = self._on_route_end

    @property
    def desks(self) -> tuple[BlockDesk, ...]:
        """Who looks after them."""
        return tuple(self._desks.values())

    def follow(self, options: DeskOptions) -> None:
        """Do this for blocks from now on, and look again: routes may have changed, too."""
        self._options = options
        for desk in self._desks.values():
            desk.follow(options)
        self.look()

    def look(self) -> None:
        """Find what belongs to nobody now."""
        rosters = [
            each.roster
            for name, each in self._routing.known.items()
            if each.roster is not None and (each.runs or name in self._routing.routes)
        ]
        owned = {each.desk.journal.path for each in rosters}
        for path in [each for each in self._desks if each in owned]:
            stats = self._desks.pop(path).feed.stats
            stats.blocks_waiting = stats.blocks_followed = 0
            task = self._tasks.pop(path, None)
            if task is not None:
                task.cancel()
        nodes = {name: access for each in rosters for name, access in each.nodes.items()}
        for desk in self._desks.values():
            desk.set_nodes(nodes)
        for path in sorted(self._folder.glob(f"{JOURNAL}*.journal")):
            if path not in owned and path not in self._desks:
                self._adopt(path, nodes)

    def _on_route_end(self, _route: Route) -> None:
        self.look()

    async def run(self) -> None:
        """Submit and follow their blocks until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                for path in self._desks:
                    self._start(path)
                await asyncio.Event().wait()
        finally:
            self._group = None
            self._tasks.clear()

    def _adopt(self, path: Path, nodes: Mapping[str, NodeAccess]) -> None:
        """Look after a file, if there is a block in it that is not over."""
        journal = Journal(path, wall=wall_seconds)
        waiting = journal.unresolved()
        if not waiting and not journal.followed():
            return
        desk = self._desks[path] = BlockDesk(journal, self._options)
        self._routing.strays.append(desk.feed.stats)
        desk.feed.watch(self._routing.first.uplink.hear)
        desk.set_nodes(nodes)
        if waiting:
            asked = bool(desk.dispatch.clients)
            tell = log.warning if asked else log.error
            tell(
                "blocks_left_behind",
                path=str(path),
                count=len(waiting),
                detail="they are submitted to the nodes there are"
                if asked
                else "there is no node that they could be submitted to",
                what_to_do="configure the node they were found on under blocks.submit_to, or its "
                "route again; by hand: bitcoin-cli submitblock, with the line's `block`",
            )
        self._start(path)

    def _start(self, path: Path) -> None:
        if self._group is not None:
            desk = self._desks[path]
            self._tasks[path] = self._group.create_task(desk.run(), name=f"journal {path.name}")
