"""Found blocks on their way to the nodes: journal, `submitblock`, verdict.

A block is in the journal's file as soon as it is given, so that whoever found it may be
told, and on disk before a node hears of it. It goes to every node at once, and to each
until that node has judged it, over lost connections, restarts of the nodes and of this
program. A block has one verdict: accepted as soon as one node accepts it, refused when
all nodes have spoken that can be asked.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from headframe.chain.job import SourceId
from headframe.chain.share import Reason, Verdict
from headframe.runtime.logs import get_logger
from headframe.runtime.retry import Backoff
from headframe.upstream.access import NodeAccess
from headframe.upstream.base import Done
from headframe.upstream.blocks import BlockEventKind, BlockFeed
from headframe.upstream.bodies import Bodies
from headframe.upstream.courier import PARENTLESS, Courier, facts_of, quick_backoff
from headframe.upstream.journal import FoundBlock, Journal
from headframe.upstream.node import NodeRpc

__all__ = ["Dispatch"]

_log = get_logger(__name__)

_JOURNAL_SECONDS: Final = 3.0
"""A disk that takes longer must not keep a block from the nodes."""
_APART_SECONDS: Final = 0.5
"""A block whose end is in a file of its own is written down whole when nothing was found for so
long: not while it goes out."""
_REMEMBERED: Final = 4096
"""Hashes of blocks given, to tell a share that comes twice."""
_LATECOMERS: Final = 256
"""Blocks with a verdict that are still kept for nodes which were away."""


@dataclass(slots=True, eq=False)
class _Case:
    """A block without a verdict."""

    block: FoundBlock
    done: Done | None
    sent: bool = False
    words: dict[str, Verdict] = field(default_factory=dict)  # by node


class Dispatch:
    """Takes found blocks to all nodes.

    Args:
        journal: where blocks are written down first.
        feed: told what becomes of them.
        backoff: makes the pauses between two tries.
    """

    def __init__(
        self,
        journal: Journal,
        *,
        feed: BlockFeed,
        backoff: Callable[[], Backoff] = quick_backoff,
    ) -> None:
        self._journal = journal
        self._feed = feed
        self._backoff = backoff
        self._nodes: dict[str, tuple[NodeAccess, Courier]] = {}
        self._tasks: dict[Courier, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._cases: dict[bytes, _Case] = {}
        self._fresh: deque[_Case] = deque()  # on their way to the disk
        self._fresh_came = asyncio.Event()
        self._parted: deque[FoundBlock] = deque()  # whose end is in another file so far
        self._given: dict[bytes, None] = {}
        self._decided: deque[bytes] = deque()  # of which some node has not heard yet

    @property
    def bodies(self) -> Bodies:
        """Where transactions are kept before a block of theirs is found."""
        return self._journal.bodies

    @property
    def clients(self) -> tuple[NodeRpc, ...]:
        """The nodes, to ask them other things; closed when they are not used any more."""
        return tuple(courier.rpc for courier in self._couriers)

    def set_nodes(self, nodes: Mapping[str, NodeAccess]) -> None:
        """Say which nodes there are, at any time; one that stays as it is goes on.

        Args:
            nodes: by name, the most trusted first.
        """
        before, self._nodes = self._nodes, {}
        for name, access in nodes.items():
            known = before.get(name)
            if known is not None and known[0] == access:
                self._nodes[name] = before.pop(name)
                continue
            courier = Courier(
                name, access.connect(), heard=self._heard, stuck=self._stuck, backoff=self._backoff
            )
            self._nodes[name] = (access, courier)
            self._start(courier)
        for _, courier in before.values():
            task = self._tasks.pop(courier, None)
            if task is not None:
                task.cancel()
        self._judge_all()

    def give(self, block: FoundBlock, done: Done) -> None:
        """Take a block over: the end of this process does not lose it from here on.

        Waits for neither disk nor node while `run` runs.

        Args:
            block: what was found.
            done: called once: with the verdict; with `DUPLICATE` when the block was given
                before; with `PENDING` when `run` is not running, ends first, or the
                source puts its blocks off. Then the block is in the journal, and the feed
                tells the verdict when there is one.
        """
        if block.hash in self._given:
            done(Verdict(reason=Reason.DUPLICATE))
            return
        self._given[block.hash] = None
        if len(self._given) > _REMEMBERED:
            del self._given[next(iter(self._given))]
        case = _Case(block, done)
        running = self._group is not None
        if running:
            self._journal.note(block)  # before anybody hears of it
            self._cases[block.hash] = case
            self._write(case)
        else:
            self._journal.found(block)
        self._tell(BlockEventKind.FOUND, block)  # the program logs it: it knows the finder
        if not running:
            done(_PENDING)

    def put_off(self, source: SourceId) -> None:
        """Answer what waits for verdicts on this source's blocks with `PENDING`.

        For the end of the source's `run`; the blocks go on their way all the same.
        """
        for case in self._cases.values():
            if case.block.source == source and case.done is not None:
                done, case.done = case.done, None
                done(_PENDING)

    async def run(self) -> None:
        """Submit what the journal still holds, and then what is given, until cancelled."""
        old = self._journal.unresolved()
        for block in old:
            self._cases[block.hash] = _Case(block, None, sent=True)
        if old:
            _log.info("blocks_submitted_again", count=len(old))
        self._feed.stats.blocks_waiting = len(self._cases)
        try:
            async with asyncio.TaskGroup() as self._group:
                for courier in self._couriers:
                    self._start(courier)
                await self._write_all()
        finally:
            self._group = None
            self._tasks.clear()
            self._leave_to_journal()

    @property
    def _couriers(self) -> list[Courier]:
        return [courier for _, courier in self._nodes.values()]

    def _start(self, courier: Courier) -> None:
        """Let a node have what is on its way, if anything is running."""
        if self._group is not None:
            for case in self._cases.values():
                if case.sent:
                    courier.take(case.block)
            self._tasks[courier] = self._group.create_task(courier.run())

    # to the disk

    def _write(self, case: _Case) -> None:
        self._fresh.append(case)
        self._fresh_came.set()

    async def _write_all(self) -> None:
        """Bring what is given to the disk: also while the nodes think about an earlier one."""
        while True:
            while self._fresh:
                block = self._fresh[0].block
                if block.hash in self._cases:
                    await self._write_down(block)
                self._send(self._fresh.popleft())
                if block.body:
                    self._parted.append(block)
            self._fresh_came.clear()
            try:
                async with asyncio.timeout(_APART_SECONDS if self._parted else None):
                    await self._fresh_came.wait()
            except TimeoutError:
                await asyncio.to_thread(self._journal.complete, self._parted.popleft())

    async def _write_down(self, block: FoundBlock) -> None:
        try:
            async with asyncio.timeout(_JOURNAL_SECONDS):
                await asyncio.to_thread(self._secure, block)
        except TimeoutError:
            _log.error(
                "block_journal_slow",
                path=str(self._journal.path),
                consequence="the block is submitted before it is safe on disk",
                **facts_of(block),
            )

    def _secure(self, block: FoundBlock) -> None:
        if self._journal.holds(block.hash):
            self._journal.sync()
        else:
            self._journal.found(block)

    def _leave_to_journal(self) -> None:
        self._parted.clear()
        unwritten = [*self._fresh]
        self._fresh.clear()
        for case in self._cases.values():
            if case in unwritten or not self._journal.holds(case.block.hash):
                self._secure(case.block)
            if case.block.body:
                self._journal.complete(case.block)
            if case.done is not None:
                case.done(_PENDING)
        self._cases.clear()

    # to the nodes

    def _send(self, case: _Case) -> None:
        if case.sent or case.block.hash not in self._cases:
            return
        case.sent = True
        for courier in self._couriers:
            courier.take(case.block)

    def _stuck(self, courier: Courier, block: FoundBlock) -> None:
        """Take note that a node could not be asked about a block."""
        del courier
        case = self._cases.get(block.hash)
        unwritten = case is not None and not self._journal.holds(block.hash)
        if case is not None and unwritten and case not in self._fresh and not self._journal.busy:
            self._write(case)  # the disk had no room, and may have by now
        self._judge_all()

    def _judge_all(self) -> None:
        for case in [*self._cases.values()]:
            self._judge(case)

    def _heard(self, courier: Courier, block: FoundBlock, verdict: Verdict) -> None:
        facts = facts_of(block)
        words = verdict.detail or verdict.reason.value
        _log.debug("node_judged_block", node=courier.name, node_says=words, **facts)
        case = self._cases.get(block.hash)
        if case is None:
            self._heard_late(courier, block, verdict)
            return
        case.words[courier.name] = verdict
        self._judge(case)

    def _judge(self, case: _Case) -> None:
        """Decide a case if that can be done by now."""
        words = case.words
        if not words:
            return
        node, verdict = min(words.items(), key=lambda item: _rank(item[1]))
        if verdict.reason is not Reason.ACCEPTED:
            silent = [each for each in self._couriers if each.name not in words]
            if any(not each.is_stuck(case.block.hash) for each in silent):
                return  # it will speak soon
            if silent and verdict.detail == PARENTLESS:
                return  # the others may know better
        if verdict.detail == PARENTLESS and case.block.source not in self._nodes:
            self._leave(case)
        else:
            self._decide(case, node, verdict)

    def _leave(self, case: _Case) -> None:
        """Leave a block of an earlier configuration in the journal: its chain is not here."""
        del self._cases[case.block.hash]
        self._feed.stats.blocks_waiting = len(self._cases)
        _log.warning(
            "block_of_another_chain",
            what_to_do="configure the node it was found on, or send it there with submitblock",
            path=str(self._journal.path),
            **facts_of(case.block),
        )
        if case.done is not None:
            case.done(_PENDING)

    def _decide(self, case: _Case, node: str, verdict: Verdict) -> None:
        block = case.block
        del self._cases[block.hash]
        if any(each.name not in case.words for each in self._couriers):
            self._decided.append(block.hash)
            if len(self._decided) > _LATECOMERS:
                self._forget(self._decided.popleft())
        self._journal.resolved(block.hash, verdict, node=node)
        if case.done is not None:  # first, since it may hear of it on the feed as well
            case.done(verdict)
        self._publish(block, node, verdict)

    def _publish(self, block: FoundBlock, node: str, verdict: Verdict) -> None:
        facts = {**facts_of(block), "node": node}
        if verdict.reason is Reason.ACCEPTED:
            _log.info("block_accepted", **facts)
            self._tell(BlockEventKind.ACCEPTED, block)
        else:
            _log.warning(
                "block_refused", reason=verdict.reason.value, node_says=verdict.detail, **facts
            )
            self._tell(BlockEventKind.REFUSED, block)

    def _heard_late(self, courier: Courier, block: FoundBlock, verdict: Verdict) -> None:
        """Take note of a node that was away when the block was judged."""
        record = self._journal.record(block.hash)
        if record is None or record.state == "accepted" or verdict.reason is not Reason.ACCEPTED:
            return
        self._journal.amended(block.hash, verdict, node=courier.name)
        _log.info("block_accepted", node=courier.name, late=True, **facts_of(block))
        self._tell(BlockEventKind.ACCEPTED, block)

    def _forget(self, block_hash: bytes) -> None:
        for courier in self._couriers:
            courier.drop(block_hash)

    def _tell(self, kind: BlockEventKind, block: FoundBlock) -> None:
        self._feed.stats.blocks_waiting = len(self._cases)
        record = self._journal.record(block.hash)
        assert record is not None  # noqa: S101 # noted above, and fresh
        self._feed.tell(kind, record)


_PENDING: Final = Verdict(
    reason=Reason.PENDING,
    detail="the block is in the journal and is submitted when a node is back",
    block=True,
)


def _rank(verdict: Verdict) -> int:
    """Order verdicts: the best first."""
    if verdict.reason is Reason.ACCEPTED:
        return 0
    if verdict.detail == PARENTLESS:
        return 3
    return 1 if verdict.reason is Reason.STALE else 2
