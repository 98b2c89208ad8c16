"""Found blocks on their way: journal first, every reply understood, nothing lost."""

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from headframe.chain.hashes import sha256d
from headframe.chain.job import SourceId
from headframe.chain.share import Reason, Verdict
from headframe.runtime.retry import Backoff
from headframe.upstream.base import RefusedError
from headframe.upstream.delivery import Delivery, verdict_of_reply
from headframe.upstream.journal import FoundBlock, Journal
from headframe.upstream.node import NodeRpc
from tests.contracts.source import Answers
from tests.fakes.rpcnode import Fault, Hold, Raw, RpcNode, Script
from tests.fakes.vectors import load

NODE = SourceId("node")


def block(number: int) -> FoundBlock:
    raw = bytes([number]) * 100
    return FoundBlock(source=NODE, height=number, hash=sha256d(raw[:80]), raw=raw)


class Bench:
    """A delivery with its node and its journal."""

    def __init__(self, node: RpcNode, path: Path) -> None:
        self.node = node
        self.path = path
        self.rpc = NodeRpc(node.url, user="u")
        self.judged: list[tuple[int, Verdict]] = []
        self.delivery = Delivery(
            self.rpc,
            Journal(path, wall=lambda: 0),
            source=NODE,
            judged=lambda block, verdict: self.judged.append((block.height, verdict)),
            backoff=lambda: Backoff(0.001, 0.001),
        )

    def on_disk(self) -> list[int]:
        """Heights of the blocks that a restart would find."""
        journal = Journal(self.path, wall=lambda: 0)
        return [block.height for block in journal.unresolved(NODE)]

    def submitted(self) -> list[str]:
        return [params[0] for method, params in self.node.calls if method == "submitblock"]


async def verdict_for(node: RpcNode, path: Path) -> tuple[Verdict, Bench]:
    """Give one block to a node; return what `done` was told."""
    bench = Bench(node, path)
    answers = Answers()
    async with bench.rpc, asyncio.TaskGroup() as group:
        task = group.create_task(bench.delivery.run())
        await asyncio.sleep(0)
        bench.delivery.give(block(1), answers.done)
        verdict = await answers.one()
        task.cancel()
    return verdict, bench


# What nodes say, from BIP 22 and from recordings of bitcoind (tests/vectors/gbt_rejects.json).
@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (None, Reason.ACCEPTED),
        ("duplicate", Reason.ACCEPTED),
        ("inconclusive", Reason.STALE),
        ("duplicate-inconclusive", Reason.STALE),
        ("prev-blk-not-found", Reason.STALE),
        ("inconclusive-not-best-prevblk", Reason.STALE),
        ("duplicate-invalid", Reason.OTHER),
        ("high-hash", Reason.LOW_DIFFICULTY),
        ("time-too-old", Reason.BAD_NTIME),
        ("time-too-new", Reason.BAD_NTIME),
        ("bad-version(0x00000001)", Reason.BAD_VERSION),
        ("bad-cb-amount", Reason.OTHER),
        ("rejected", Reason.OTHER),
        ("something-new", Reason.OTHER),
        (False, Reason.OTHER),
    ],
)
def test_replies_are_understood(reply: object, reason: Reason) -> None:
    verdict = verdict_of_reply(reply)
    assert verdict.reason is reason
    assert verdict.block is True
    assert verdict.detail == ("" if reply is None else str(reply))


@pytest.mark.parametrize(
    ("header", "reason", "words"),
    [
        ({"confirmations": 3}, Reason.ACCEPTED, "duplicate"),
        ({"confirmations": -1}, Reason.STALE, "duplicate-inconclusive"),
        (Fault(-5, "Block not found"), Reason.ACCEPTED, "duplicate"),
        ("no object", Reason.ACCEPTED, "duplicate"),
        ({"confirmations": None}, Reason.ACCEPTED, "duplicate"),
        ({}, Reason.ACCEPTED, "duplicate"),
    ],
)
async def test_a_known_block_is_accepted_unless_it_stands_beside_the_chain(
    header: object, reason: Reason, words: str, tmp_path: Path
) -> None:
    async with RpcNode({"submitblock": "duplicate", "getblockheader": header}) as node:
        verdict, bench = await verdict_for(node, tmp_path / "j")
    assert (verdict.reason, verdict.detail) == (reason, words)
    assert bench.on_disk() == []


def test_every_recorded_refusal_is_a_verdict_with_the_nodes_words() -> None:
    replies = [case["submitblock"] for case in load("gbt_rejects")["vectors"]]
    words = [reply for reply in replies if isinstance(reply, str)]
    assert len(words) > 20
    for reply in words:
        verdict = verdict_of_reply(reply)
        assert verdict.detail == reply
        if not reply.startswith(("duplicate", "inconclusive")):
            assert verdict.reason is not Reason.ACCEPTED


async def test_a_block_is_on_disk_before_the_node_hears_of_it(tmp_path: Path) -> None:
    path = tmp_path / "blocks.jsonl"
    seen: list[list[int]] = []

    def look(params: list[str]) -> None:
        seen.append([b.height for b in Journal(path, wall=lambda: 0).unresolved(NODE)])

    async with RpcNode({"submitblock": look}) as node:
        verdict, bench = await verdict_for(node, path)
    assert seen == [[1]]
    assert verdict == Verdict(reason=Reason.ACCEPTED, block=True)
    assert bench.submitted() == [block(1).raw.hex()]
    assert bench.judged == [(1, verdict)]
    assert bench.on_disk() == []


async def test_an_undecodable_block_is_malformed(tmp_path: Path) -> None:
    async with RpcNode({"submitblock": Fault(-22, "Block decode failed")}) as node:
        verdict, bench = await verdict_for(node, tmp_path / "j")
    assert verdict == Verdict(reason=Reason.MALFORMED, detail="Block decode failed", block=True)
    assert bench.on_disk() == []


async def test_a_block_is_offered_again_until_there_is_a_verdict(tmp_path: Path) -> None:
    trouble = Script(Raw(503), Fault(-28, "Loading"), None)
    async with RpcNode({"submitblock": trouble}) as node:
        with capture_logs() as logs:
            verdict, bench = await verdict_for(node, tmp_path / "j")
    assert verdict.reason is Reason.ACCEPTED
    assert len(bench.submitted()) == 3
    assert [log["event"] for log in logs] == [
        "block_found",
        "block_not_delivered_yet",
        "block_not_delivered_yet",
        "block_accepted",
    ]


async def test_a_node_in_trouble_is_no_verdict_so_the_block_stays(tmp_path: Path) -> None:
    async with RpcNode({"submitblock": Fault(-1, "disk full")}) as node:
        verdict, bench = await verdict_for(node, tmp_path / "j")
    assert verdict == Verdict(reason=Reason.OTHER, detail="disk full", block=True)
    assert len(bench.submitted()) == 4
    assert bench.on_disk() == [1]


async def test_the_same_block_twice_is_a_duplicate(tmp_path: Path) -> None:
    async with RpcNode({"submitblock": None}) as node:
        bench = Bench(node, tmp_path / "j")
        first, second = Answers(), Answers()
        async with bench.rpc, asyncio.TaskGroup() as group:
            task = group.create_task(bench.delivery.run())
            await asyncio.sleep(0)
            bench.delivery.give(block(1), first.done)
            bench.delivery.give(block(1), second.done)
            assert (await first.one()).reason is Reason.ACCEPTED
            task.cancel()
    assert second.verdicts == [Verdict(reason=Reason.DUPLICATE)]
    assert len(bench.submitted()) == 1


async def test_an_end_in_between_leaves_blocks_to_the_journal_and_the_next_run(
    tmp_path: Path,
) -> None:
    hold = Hold()
    async with RpcNode({"submitblock": hold}) as node:
        bench = Bench(node, tmp_path / "j")
        first, second, idle = Answers(), Answers(), Answers()
        async with bench.rpc, asyncio.TaskGroup() as group:
            task = group.create_task(bench.delivery.run())
            await asyncio.sleep(0)
            bench.delivery.give(block(1), first.done)
            bench.delivery.give(block(2), second.done)
            await node.wait_called("submitblock")
            assert first.verdicts == second.verdicts == []
            task.cancel()
        bench.delivery.give(block(3), idle.done)
        for answers in (first, second, idle):
            assert [verdict.reason for verdict in answers.verdicts] == [Reason.PENDING]
            assert answers.verdicts[0].block is True
        assert bench.on_disk() == [1, 2, 3]

        hold.free.set()
        node.answers["submitblock"] = "duplicate"
        async with bench.rpc, asyncio.TaskGroup() as group:
            task = group.create_task(bench.delivery.run())
            await node.wait_called("submitblock", 4)
            async with asyncio.timeout(10):
                while bench.on_disk():
                    await asyncio.sleep(0)
            task.cancel()
    assert bench.submitted()[1:] == [block(number).raw.hex() for number in (1, 2, 3)]
    assert len(first.verdicts) == 1  # answered once, not again
    assert [height for height, _ in bench.judged] == [1, 2, 3]


async def test_a_block_is_in_the_file_when_give_returns(tmp_path: Path) -> None:
    """The rig is told right afterwards: from then on kill -9 may not lose it."""
    async with RpcNode({"submitblock": None}) as node:
        bench = Bench(node, tmp_path / "j")
        answers = Answers()
        async with bench.rpc, asyncio.TaskGroup() as group:
            task = group.create_task(bench.delivery.run())
            await asyncio.sleep(0)
            bench.delivery.give(block(1), answers.done)
            assert bench.on_disk() == [1]
            await answers.one()
            task.cancel()


async def test_blocks_behind_one_that_the_node_thinks_about_are_on_disk(tmp_path: Path) -> None:
    hold = Hold()
    async with RpcNode({"submitblock": hold}) as node:
        bench = Bench(node, tmp_path / "j")
        async with bench.rpc, asyncio.TaskGroup() as group:
            task = group.create_task(bench.delivery.run())
            await asyncio.sleep(0)
            for number in (1, 2, 3):
                bench.delivery.give(block(number), Answers().done)
            await node.wait_called("submitblock")
            async with asyncio.timeout(20):
                while bench.on_disk() != [1, 2, 3]:
                    await asyncio.sleep(0)
            assert bench.submitted() == [block(1).raw.hex()]
            task.cancel()


async def test_a_block_is_written_down_as_soon_as_the_disk_has_room(tmp_path: Path) -> None:
    path = tmp_path / "j"
    seen: list[list[int]] = []

    async with RpcNode() as node:
        bench = Bench(node, path)
        path.symlink_to("/dev/full")

        def make_room(params: list[str]) -> Raw:
            path.unlink()
            node.answers["submitblock"] = look
            return Raw(503)

        def look(params: list[str]) -> None:
            seen.append(bench.on_disk())

        node.answers["submitblock"] = make_room
        answers = Answers()
        async with bench.rpc, asyncio.TaskGroup() as group:
            task = group.create_task(bench.delivery.run())
            await asyncio.sleep(0)
            bench.delivery.give(block(1), answers.done)
            await answers.one()
            task.cancel()
    assert seen == [[1]]


async def test_after_a_crash_the_journals_blocks_go_out_first(tmp_path: Path) -> None:
    path = tmp_path / "j"
    Journal(path, wall=lambda: 0).found(block(5))  # and then the process was killed
    async with RpcNode({"submitblock": None}) as node:
        bench = Bench(node, path)
        answers = Answers()
        async with bench.rpc, asyncio.TaskGroup() as group:
            task = group.create_task(bench.delivery.run())
            await node.wait_called("submitblock")
            bench.delivery.give(block(6), answers.done)
            await answers.one()
            task.cancel()
    assert bench.submitted() == [block(5).raw.hex(), block(6).raw.hex()]
    assert bench.on_disk() == []


async def test_a_full_disk_does_not_keep_a_block_from_the_node(tmp_path: Path) -> None:
    path = tmp_path / "j"
    async with RpcNode({"submitblock": None}) as node:
        bench = Bench(node, path)
        path.symlink_to("/dev/full")
        answers = Answers()
        with capture_logs() as logs:
            async with bench.rpc, asyncio.TaskGroup() as group:
                task = group.create_task(bench.delivery.run())
                await asyncio.sleep(0)
                bench.delivery.give(block(1), answers.done)
                verdict = await answers.one()
                task.cancel()
    assert verdict.reason is Reason.ACCEPTED
    assert "block_journal_not_written" in [log["event"] for log in logs]


async def test_wrong_credentials_end_the_run_and_keep_the_block(tmp_path: Path) -> None:
    async with RpcNode({"submitblock": None}) as node:
        node.credentials = "u:other"
        bench = Bench(node, tmp_path / "j")
        answers = Answers()

        async def give() -> None:
            bench.delivery.give(block(1), answers.done)

        async with bench.rpc, asyncio.TaskGroup() as group:
            group.create_task(give())
            with pytest.raises(RefusedError):
                await bench.delivery.run()
    assert [verdict.reason for verdict in answers.verdicts] == [Reason.PENDING]
    assert bench.on_disk() == [1]
