"""Blocks after their verdict: deeper and deeper, or away from the chain and back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from headframe.chain.hashes import hash_from_hex, hash_to_hex
from headframe.chain.job import SourceId
from headframe.chain.share import Reason, Verdict
from headframe.upstream.blocks import BlockEventKind
from headframe.upstream.follow import Follower
from headframe.upstream.journal import FoundBlock, Journal
from headframe.upstream.node import NodeRpc
from tests.fakes.bitcoind import Bitcoind, running_bitcoind
from tests.fakes.foundblocks import Told, block, until
from tests.fakes.rpcnode import Fault, Raw, RpcNode
from tests.fakes.wallet import Wallet

ACCEPTED = Verdict(reason=Reason.ACCEPTED, block=True)
BESIDE = Verdict(reason=Reason.STALE, detail="inconclusive", block=True)
UNKNOWN = Fault(-5, "Block not found")


class Chain:
    """What a node says of its chain: the height of its tip, and confirmations by block."""

    def __init__(self, height: int, **confirmations: int) -> None:
        self.height = height
        self.tip = "aa" * 32
        self.confirmations: dict[str, Any] = dict(confirmations)
        self.trouble: object = None

    def answers(self) -> dict[str, Any]:
        return {"getbestblockhash": lambda params: self.tip, "getblockheader": self._header}

    def _header(self, params: list[str]) -> object:
        if params[0] == self.tip:
            return {"height": self.height, "confirmations": 1}
        if self.trouble is not None:
            return self.trouble
        known = self.confirmations.get(params[0])
        return UNKNOWN if known is None else {"confirmations": known}

    def move(self, height: int, of: FoundBlock, confirmations: int | None) -> None:
        self.height = height
        self.tip = f"{int(self.tip, 16) + 1:064x}"
        self.confirmations[hash_to_hex(of.hash)] = confirmations


class Desk:
    """A follower and its journal, which holds a block of height 7."""

    def __init__(self, path: Path, *nodes: NodeRpc, depth: int = 100) -> None:
        self.told = Told()
        self.journal = Journal(path, wall=lambda: 0)
        self.follower = Follower(
            lambda: nodes, self.journal, feed=self.told.feed, depth=depth, poll_seconds=0.01
        )

    def accept(self, found: FoundBlock, verdict: Verdict = ACCEPTED) -> None:
        self.journal.found(found)
        self.journal.resolved(found.hash, verdict, node="node")
        record = self.journal.record(found.hash)
        assert record is not None
        kind = BlockEventKind.ACCEPTED if verdict is ACCEPTED else BlockEventKind.REFUSED
        self.told.feed.tell(kind, record)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self.follower.run())
            yield
            task.cancel()

    def confirmations(self) -> list[int]:
        return [record.confirmations for record in self.journal.records()]


@asynccontextmanager
async def desk_on(chain: Chain, path: Path, *, depth: int = 100) -> AsyncIterator[Desk]:
    async with RpcNode(chain.answers()) as node, NodeRpc(node.url, user="u") as rpc:
        yield Desk(path, rpc, depth=depth)


async def test_a_block_grows_deep_and_is_followed_no_further(tmp_path: Path) -> None:
    chain, mine = Chain(6), block(7)
    async with desk_on(chain, tmp_path / "j", depth=3) as desk, desk.running():
        chain.move(7, mine, 1)
        desk.accept(mine)
        for depth in (2, 3):
            chain.move(6 + depth, mine, depth)
            await until(lambda depth=depth: desk.confirmations() == [depth])  # type: ignore[misc]
        settled = await desk.told.wait("settled", 7)
        await until(lambda: desk.told.feed.stats.blocks_followed == 0)
    assert (settled.block.confirmations, settled.block.state) == (3, "accepted")
    assert desk.journal.followed() == ()
    assert Journal(tmp_path / "j", wall=lambda: 0).followed() == ()
    assert desk.told.feed.stats.blocks_settled == 1


async def test_an_orphan_is_told_and_so_is_its_return(tmp_path: Path) -> None:
    chain, mine = Chain(7), block(7)
    async with desk_on(chain, tmp_path / "j") as desk:
        desk.accept(mine)
        with capture_logs() as logs:
            async with desk.running():
                chain.move(8, mine, -1)
                orphaned = await desk.told.wait("orphaned", 7)
                assert Journal(tmp_path / "j", wall=lambda: 0).records()[0].state == "orphaned"
                chain.move(9, mine, 3)
                confirmed = await desk.told.wait("confirmed", 7)
    assert (orphaned.block.state, orphaned.block.confirmations) == ("orphaned", 0)
    assert (confirmed.block.state, confirmed.block.confirmations) == ("accepted", 3)
    assert [(log["event"], log["log_level"]) for log in logs] == [
        ("block_orphaned", "warning"),
        ("block_confirmed", "info"),
    ]
    stats = desk.told.feed.stats
    assert (stats.blocks_orphaned, stats.blocks_confirmed, stats.blocks_followed) == (1, 1, 1)


async def test_a_restart_goes_on_where_it_was(tmp_path: Path) -> None:
    chain, mine = Chain(7), block(7)
    async with desk_on(chain, tmp_path / "j", depth=3) as desk:
        desk.accept(mine)
        async with desk.running():
            chain.move(8, mine, -1)
            await desk.told.wait("orphaned", 7)
    chain.move(9, mine, -1)
    async with desk_on(chain, tmp_path / "j", depth=3) as again, again.running():
        settled = await again.told.wait("settled", 7)
    assert again.told.words == [("settled", 7)]  # that it is orphaned is no news
    assert settled.block.state == "orphaned"


async def test_a_block_beside_the_chain_may_still_win(tmp_path: Path) -> None:
    chain, mine = Chain(7), block(7)
    async with desk_on(chain, tmp_path / "j") as desk:
        desk.accept(mine, BESIDE)
        async with desk.running():
            chain.move(8, mine, 2)
            event = await desk.told.wait("confirmed", 7)
    assert (event.block.state, event.block.reason) == ("accepted", Reason.STALE)


@pytest.mark.parametrize(("height", "orphaned"), [(6, False), (7, True)])
async def test_a_node_that_does_not_know_a_block_has_another_one_or_is_behind(
    height: int, orphaned: bool, tmp_path: Path
) -> None:
    chain, mine = Chain(height), block(7)
    async with desk_on(chain, tmp_path / "j") as desk:
        desk.accept(mine)
        async with desk.running():
            if not orphaned:
                chain.move(height, mine, None)
                await asyncio.sleep(0)
                chain.move(7, mine, 1)
                await until(lambda: desk.told.feed.stats.blocks_followed == 1)
            else:
                await desk.told.wait("orphaned", 7)
    assert [kind for kind, _ in desk.told.words] == ["accepted"] + ["orphaned"] * orphaned


async def test_a_block_on_one_nodes_chain_is_no_orphan(tmp_path: Path) -> None:
    here, there, mine = Chain(7), Chain(7), block(7)
    here.move(7, mine, 1)
    there.move(8, mine, -1)
    async with (
        RpcNode(here.answers()) as one,
        RpcNode(there.answers()) as two,
        NodeRpc(one.url, user="u") as first,
        NodeRpc(two.url, user="u") as second,
    ):
        desk = Desk(tmp_path / "j", second, first)
        desk.accept(mine)
        async with desk.running():
            here.move(8, mine, 2)
            await until(lambda: desk.confirmations() == [2])
            here.move(9, mine, -1)
            await desk.told.wait("orphaned", 7)
    assert desk.told.words == [("accepted", 7), ("orphaned", 7)]


@pytest.mark.parametrize(
    "trouble", [Raw(503), Fault(-1, "busy"), "no object", {}, {"confirmations": "many"}]
)
async def test_a_node_that_cannot_tell_is_asked_again(trouble: object, tmp_path: Path) -> None:
    chain, mine = Chain(7), block(7)
    async with RpcNode(chain.answers()) as node, NodeRpc(node.url, user="u") as rpc:
        desk = Desk(tmp_path / "j", rpc)
        desk.accept(mine)
        chain.move(8, mine, -1)
        chain.trouble = trouble
        async with desk.running():
            await node.wait_called("getblockheader", 4)
            assert desk.told.words == [("accepted", 7)]
            chain.trouble = None  # the tip is the same, but the answer is owed
            await desk.told.wait("orphaned", 7)


async def test_without_news_of_the_tip_nobody_is_asked_about_blocks(tmp_path: Path) -> None:
    chain, mine = Chain(7), block(7)
    chain.move(7, mine, 1)
    async with RpcNode(chain.answers()) as node, NodeRpc(node.url, user="u") as rpc:
        desk = Desk(tmp_path / "j", rpc)
        desk.accept(mine)
        async with desk.running():
            await node.wait_called("getbestblockhash", 5)
        asked = [params for method, params in node.calls if method == "getblockheader"]
    assert asked.count([hash_to_hex(mine.hash)]) == 1


async def test_following_can_be_turned_off_and_on(tmp_path: Path) -> None:
    chain, mine = Chain(6), block(7)
    async with desk_on(chain, tmp_path / "j", depth=0) as desk, desk.running():
        chain.move(7, mine, 1)
        desk.accept(mine)
        for _ in range(9):
            await asyncio.sleep(0)
        assert desk.told.feed.stats.blocks_followed == 0
        chain.move(8, mine, 2)
        desk.follower.follow_until(2)
        await desk.told.wait("settled", 7)


async def test_a_refused_block_is_not_followed(tmp_path: Path) -> None:
    chain = Chain(7)
    async with desk_on(chain, tmp_path / "j") as desk, desk.running():
        await asyncio.sleep(0)
        desk.accept(block(3), Verdict(reason=Reason.OTHER, detail="bad-cb-amount", block=True))
        desk.accept(block(7))
        await until(lambda: desk.told.feed.stats.blocks_followed == 1)
        await desk.told.wait("orphaned", 7)
    assert ("orphaned", 3) not in desk.told.words


@pytest.mark.node
async def test_a_reorganisation_of_several_blocks_on_a_real_node(tmp_path: Path) -> None:
    with running_bitcoind(tmp_path / "node") as node:
        mine, others = Wallet.numbered(3).address, Wallet.numbered(4).address
        node.call("generatetoaddress", 2, others)
        ours = node.call("generatetoaddress", 3, mine)
        async with NodeRpc(node.url, cookie=node.cookie) as rpc:
            desk = Desk(tmp_path / "j", rpc)
            for height, shown in enumerate(ours, start=3):
                desk.accept(_found(node, shown, height))
            async with desk.running():
                await until(lambda: desk.confirmations() == [3, 2, 1])
                await node.acall("invalidateblock", ours[0])
                await node.acall("generatetoaddress", 4, others)
                for height in (3, 4, 5):
                    await desk.told.wait("orphaned", height)
                await node.acall("reconsiderblock", ours[0])
                await node.acall("generatetoaddress", 1, others)
                # The other branch is longer: nothing comes back until ours is.
                assert [record.state for record in desk.journal.records()] == ["orphaned"] * 3
                await node.acall("invalidateblock", await node.acall("getblockhash", 3))
                for height in (3, 4, 5):
                    await desk.told.wait("confirmed", height)
            for record in desk.journal.records():
                header = await node.acall("getblockheader", hash_to_hex(record.hash))
                assert header["confirmations"] == record.confirmations > 0


def _found(node: Bitcoind, shown: str, height: int) -> FoundBlock:
    raw = bytes.fromhex(node.call("getblock", shown, 0))
    return FoundBlock(source=SourceId("node"), height=height, hash=hash_from_hex(shown), raw=raw)
