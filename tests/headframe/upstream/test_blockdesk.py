"""All that looks after blocks, together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from headframe.chain.hashes import hash_to_hex
from headframe.chain.job import SourceId
from headframe.chain.share import Reason
from headframe.runtime.errors import ConfigError
from headframe.upstream.access import NodeAccess
from headframe.upstream.blockdesk import BlockDesk, DeskOptions
from headframe.upstream.journal import Journal
from tests.contracts.source import Answers
from tests.fakes.foundblocks import Told, block
from tests.fakes.rpcnode import RpcNode
from tests.fakes.source import make_job


def desk(path: Path, options: DeskOptions | None = None) -> BlockDesk:
    return BlockDesk(Journal(path, wall=lambda: 0), options, wall=lambda: 7)


@asynccontextmanager
async def at_work(desk: BlockDesk) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(desk.run())
        for _ in range(5):  # until all of its tasks run
            await asyncio.sleep(0)
        yield
        task.cancel()


def reach(node: RpcNode) -> NodeAccess:
    return NodeAccess(url=node.url, user="u")


async def test_extra_nodes_get_every_block_and_are_told_apart(tmp_path: Path) -> None:
    async with (
        RpcNode({"submitblock": None}) as mined_on,
        RpcNode({"submitblock": "duplicate"}) as extra,
    ):
        # The second is given twice: it is mined on, too.
        options = DeskOptions(extra={"x": reach(extra), "m": reach(mined_on)})
        blocks = desk(tmp_path / "j", options)
        blocks.set_nodes({"node": reach(mined_on)})
        assert len(blocks.dispatch.clients) == 2
        async with at_work(blocks):
            answers = Answers()
            blocks.dispatch.give(block(1), answers.done)
            assert (await answers.one()).reason is Reason.ACCEPTED
            for node in (mined_on, extra):
                assert await node.wait_called("submitblock") == [[block(1).raw.hex()]]


async def test_an_accepted_block_is_followed(tmp_path: Path) -> None:
    shown = hash_to_hex(block(1).hash)

    def header(params: list[str]) -> dict[str, int]:
        return {"height": 2, "confirmations": -1 if params == [shown] else 1}

    answers = {"submitblock": None, "getbestblockhash": "aa" * 32, "getblockheader": header}
    async with RpcNode(answers) as node:
        blocks = desk(tmp_path / "j", DeskOptions(poll_seconds=0.01))
        told = Told()
        blocks.feed.watch(told._on_event)
        blocks.set_nodes({"node": reach(node)})
        async with at_work(blocks):
            blocks.dispatch.give(block(1), Answers().done)
            await told.wait("orphaned", 1)


def test_candidates_of_pools_are_told_on_the_same_feed(tmp_path: Path) -> None:
    blocks = desk(tmp_path / "j")
    kept = blocks.candidates_of(SourceId("fake"))
    job = make_job()
    kept.remember(job)
    assert kept.generation_of(job.id) == job.generation


def test_a_hook_that_is_none_is_told_at_once_and_is_a_secret(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="hook is no URL"):
        desk(tmp_path / "j", DeskOptions(hook="nonsense"))
    assert "s3cret" not in repr(DeskOptions(hook="https://h/s3cret"))
    assert desk(tmp_path / "j", DeskOptions(hook="https://h/s3cret")).feed.stats is not None
