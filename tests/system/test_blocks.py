"""No found block is missing, whatever its nodes do: on real ones, with the whole upstream.

After each trouble the chain, the journal and the feed agree.
"""

import asyncio
import hmac
import itertools
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from headframe.chain.hashes import hash_to_hex
from headframe.chain.job import Job
from headframe.chain.share import Reason
from headframe.upstream.journal import Journal
from headframe.upstream.journal_lines import BlockRecord
from headframe.upstream.options import BlocksSettings, PoolsSettings, UpstreamSettings
from headframe.upstream.roster import Roster
from tests.contracts.source import Answers, find_share, next_job, running
from tests.fakes.bitcoind import Bitcoind, NodeRpcError, running_bitcoind
from tests.fakes.foundblocks import Told, until
from tests.fakes.wallet import Wallet

pytestmark = [pytest.mark.system, pytest.mark.node, pytest.mark.timeout(240)]

MINE, THEIRS = Wallet.numbered(21).address, Wallet.numbered(22).address
LOGIN = "-rpcauth=u:aa$" + hmac.new(b"aa", b"p", "sha256").hexdigest()
"""Lets `u` with password `p` in, beside the cookie."""


class Solo:
    """Everything that looks after blocks, on real nodes; what it says of them is kept."""

    def __init__(
        self, folder: Path, *nodes: Bitcoind, blocks: BlocksSettings | None = None
    ) -> None:
        self.path = folder / "blocks.jsonl"
        settings = [
            UpstreamSettings(
                url=f"bitcoind+http://127.0.0.1:{node.port}",
                cookie=str(node.cookie),
                address=MINE,
                pace_seconds=0,
                name=f"node{place}",
            )
            for place, node in enumerate(nodes)
        ]
        self.roster = Roster(
            settings, PoolsSettings(), ids=itertools.count(1), journal=self.path, blocks=blocks
        )
        self.told = Told(self.roster.desk.feed)

    async def on_new_tip(self, job: Job) -> Job:
        """Wait for a job on another parent."""
        newer = job
        while newer.prev_hash == job.prev_hash:
            newer = await next_job(self.roster.group, newer)
        return newer

    async def mine_accepted(self, count: int, parent: str = "") -> None:
        """Find blocks one after the other; each is accepted.

        Args:
            count: how many.
            parent: the first is found on this block, as people write its hash; "": on any.
        """
        job = await next_job(self.roster.group)
        while parent and hash_to_hex(job.prev_hash) != parent:
            job = await next_job(self.roster.group, job)
        for _ in range(count):
            answers = Answers()
            self.roster.group.submit(find_share(job), None, answers.done)
            assert (await answers.one()).reason is Reason.ACCEPTED
            job = await self.on_new_tip(job)

    def records(self) -> list[BlockRecord]:
        """What a restart would know."""
        return list(Journal(self.path, wall=lambda: 0).records())


def agree(node: Bitcoind, records: list[BlockRecord]) -> bool:
    """Tell whether the journal says of each block what the node's chain says."""
    for record in records:
        try:
            depth = node.call("getblockheader", hash_to_hex(record.hash))["confirmations"]
        except NodeRpcError:
            return False
        if (depth > 0) != (record.state == "accepted"):
            return False
    return True


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Bitcoind]:
    with running_bitcoind(tmp_path / "node") as node:
        node.call("generatetoaddress", 1, THEIRS)
        yield node


@contextmanager
def strangers(folder: Path, count: int) -> Iterator[list[Bitcoind]]:
    """Several nodes with the same first block that do not know of each other."""
    with ExitStack() as stack:
        started = [
            stack.enter_context(running_bitcoind(folder / f"node{number}", extra=[LOGIN]))
            for number in range(count)
        ]
        (first,) = started[0].call("generatetoaddress", 1, THEIRS)
        raw = started[0].call("getblock", first, 0)
        for other in started[1:]:
            assert other.call("submitblock", raw) is None
        yield started


async def test_a_reorganisation_of_several_blocks_is_followed(
    node: Bitcoind, tmp_path: Path
) -> None:
    solo = Solo(tmp_path, node)
    async with running(solo.roster.group):
        await solo.mine_accepted(3)
        first = hash_to_hex(solo.records()[0].hash)
        await node.acall("invalidateblock", first)
        theirs = await node.acall("generatetoaddress", 4, THEIRS)
        for height in (2, 3, 4):
            await solo.told.wait("orphaned", height)
        await node.acall("reconsiderblock", first)
        await solo.mine_accepted(1, theirs[-1])  # mining goes on, on their branch
        assert await asyncio.to_thread(agree, node, solo.records())
        await node.acall("invalidateblock", theirs[0])
        for height in (2, 3, 4):
            await solo.told.wait("confirmed", height)
        await solo.told.wait("orphaned", 6)
    assert agree(node, solo.records())
    assert [record.state for record in solo.records()] == ["accepted"] * 3 + ["orphaned"]


async def test_a_longer_chain_of_another_miner_makes_orphans_of_ours(tmp_path: Path) -> None:
    with strangers(tmp_path, 2) as (ours, theirs):
        solo = Solo(tmp_path, ours)
        async with running(solo.roster.group):
            await solo.mine_accepted(2)
            for shown in await theirs.acall("generatetoaddress", 3, THEIRS):
                await ours.acall("submitblock", await theirs.acall("getblock", shown, 0))
            for height in (2, 3):
                await solo.told.wait("orphaned", height)
        assert agree(ours, solo.records())


async def test_every_node_gets_every_block_and_so_do_the_extra_ones(tmp_path: Path) -> None:
    with strangers(tmp_path, 3) as (first, second, extra):
        url = f"bitcoind+http://u:p@127.0.0.1:{extra.port}"
        solo = Solo(tmp_path, first, second, blocks=BlocksSettings(submit_to=(url,)))
        async with running(solo.roster.group):
            await solo.mine_accepted(3)
            for node in (second, extra):
                await until(lambda node=node: node.call("getblockcount") == 4)  # type: ignore[misc]
        assert solo.told.feed_verdicts() == {Reason.ACCEPTED: 3}
        for node in (first, second, extra):
            assert agree(node, solo.records())


async def test_a_block_found_while_the_node_is_stopped_is_on_its_chain_later(
    node: Bitcoind, tmp_path: Path
) -> None:
    solo = Solo(tmp_path, node)
    async with running(solo.roster.group):
        await solo.mine_accepted(1)
        job = await next_job(solo.roster.group)
        await asyncio.to_thread(node.stop)
        answers = Answers()
        solo.roster.group.submit(find_share(job), None, answers.done)
        await solo.told.wait("found", 3)
        await asyncio.to_thread(node.start, node.port)
        await solo.told.wait("accepted", 3)
        assert (await answers.one()).reason in {Reason.ACCEPTED, Reason.PENDING}
    assert agree(node, solo.records())
    assert len(solo.records()) == 2


async def test_a_wrong_cookie_delays_a_block_and_loses_none(node: Bitcoind, tmp_path: Path) -> None:
    solo = Solo(tmp_path, node)
    async with running(solo.roster.group):
        await solo.mine_accepted(1)
        job = await next_job(solo.roster.group)
        node.stop()  # with the loop at rest, or we are let in before the cookie is wrong
        node.start(node.port)
        good = node.cookie.read_text()
        node.cookie.write_text("__cookie__:" + "0" * 64)
        solo.roster.group.submit(find_share(job), None, Answers().done)
        await solo.told.wait("found", 3)
        await until(lambda: solo.roster.desk.feed.stats.blocks_waiting == 1)
        node.cookie.write_text(good)
        await solo.told.wait("accepted", 3)
    assert agree(node, solo.records())


async def test_a_node_whose_work_queue_is_full_gets_the_block_when_it_is_not(
    tmp_path: Path,
) -> None:
    extra = ["-rpcthreads=2", "-rpcworkqueue=1"]
    with running_bitcoind(tmp_path / "node", extra=extra) as node:
        node.call("generatetoaddress", 1, THEIRS)
        solo = Solo(tmp_path, node)
        async with running(solo.roster.group):
            job = await next_job(solo.roster.group)
            async with asyncio.TaskGroup() as group:
                for _ in range(6):  # they hold its threads, and its queue
                    group.create_task(_hold(node))
                await asyncio.sleep(0.2)
                solo.roster.group.submit(find_share(job), None, Answers().done)
                await solo.told.wait("found", 2)
            await solo.told.wait("accepted", 2)
        await until(lambda: agree(node, solo.records()))  # once it answers again


async def _hold(node: Bitcoind) -> None:
    with suppress(NodeRpcError, OSError):
        await node.acall("waitfornewblock", 2000)


async def test_a_block_survives_the_end_of_the_process_and_its_verdict_is_told(
    node: Bitcoind, tmp_path: Path
) -> None:
    solo = Solo(tmp_path, node)
    async with running(solo.roster.group):
        job = await next_job(solo.roster.group)
        await asyncio.to_thread(node.stop)
        answers = Answers()
        solo.roster.group.submit(find_share(job), None, answers.done)
        await solo.told.wait("found", 2)
    assert (await answers.one()).reason is Reason.PENDING
    await asyncio.to_thread(node.start, node.port)
    again = Solo(tmp_path, node)
    async with running(again.roster.group):
        event = await again.told.wait("accepted", 2)
    assert event.block.source == "node0"
    assert again.told.feed_verdicts() == {Reason.ACCEPTED: 1}
    assert agree(node, again.records())
