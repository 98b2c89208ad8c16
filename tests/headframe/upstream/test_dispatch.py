"""Found blocks on their way to all nodes: journal first, one verdict each, nothing lost."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from structlog.testing import capture_logs

from headframe.chain.job import SourceId
from headframe.chain.share import Reason, Verdict
from headframe.upstream.access import NodeAccess
from headframe.upstream.dispatch import Dispatch
from headframe.upstream.journal import Journal
from tests.contracts.source import Answers
from tests.fakes.foundblocks import Told, block, quick, until
from tests.fakes.rpcnode import Fault, Hold, Raw, RpcNode, Script


class Bench:
    """A dispatch with its nodes, the first of which is called "0", and its journal."""

    def __init__(self, path: Path, *nodes: RpcNode) -> None:
        self.nodes = nodes
        self.path = path
        self.told = Told()
        self.journal = Journal(path, wall=lambda: 0)
        self.dispatch = Dispatch(self.journal, feed=self.told.feed, backoff=quick)
        self.dispatch.set_nodes(
            {str(place): NodeAccess(url=node.url, user="u") for place, node in enumerate(nodes)}
        )

    def give(self, number: int, source: str = "node") -> Answers:
        answers = Answers()
        self.dispatch.give(block(number, SourceId(source)), answers.done)
        return answers

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self.dispatch.run())
            await asyncio.sleep(0)
            yield
            task.cancel()

    def on_disk(self) -> list[int]:
        """Heights of the blocks that a restart would find."""
        return [block.height for block in Journal(self.path, wall=lambda: 0).unresolved()]

    def submitted(self, place: int = 0) -> list[str]:
        calls = self.nodes[place].calls
        return [params[0] for method, params in calls if method == "submitblock"]


async def verdict_of(path: Path, *nodes: RpcNode) -> tuple[Verdict, Bench]:
    bench = Bench(path, *nodes)
    async with bench.running():
        verdict = await bench.give(1).one()
    return verdict, bench


async def test_a_block_is_on_disk_before_the_node_hears_of_it(tmp_path: Path) -> None:
    path = tmp_path / "blocks.jsonl"
    seen: list[list[int]] = []

    def look(params: list[str]) -> None:
        seen.append([b.height for b in Journal(path, wall=lambda: 0).unresolved()])

    async with RpcNode({"submitblock": look}) as node:
        verdict, bench = await verdict_of(path, node)
    assert seen == [[1]]
    assert verdict == Verdict(reason=Reason.ACCEPTED, block=True)
    assert bench.submitted() == [block(1).raw.hex()]
    assert bench.told.words == [("found", 1), ("accepted", 1)]
    assert bench.told.events[1].block.node == "0"
    assert bench.on_disk() == []


async def test_a_block_is_in_the_file_when_give_returns(tmp_path: Path) -> None:
    """The rig is told right afterwards: from then on kill -9 may not lose it."""
    async with RpcNode({"submitblock": None}) as node:
        bench = Bench(tmp_path / "j", node)
        async with bench.running():
            answers = bench.give(1)
            assert bench.on_disk() == [1]
            await answers.one()


async def test_every_node_gets_each_block_and_one_yes_is_enough(tmp_path: Path) -> None:
    replies = ["inconclusive", None, "duplicate"]
    async with (
        RpcNode({"submitblock": replies[0]}) as one,
        RpcNode({"submitblock": replies[1]}) as two,
        RpcNode({"submitblock": replies[2]}) as three,
    ):
        bench = Bench(tmp_path / "j", one, two, three)
        async with bench.running():
            assert (await bench.give(1).one()).reason is Reason.ACCEPTED
            await until(lambda: all(bench.submitted(place) for place in range(3)))
    accepted = [event for event in bench.told.events if event.kind == "accepted"]
    assert len(accepted) == 1
    assert bench.told.feed.stats.blocks_judged[Reason.ACCEPTED] == 1
    assert sum(bench.told.feed.stats.blocks_judged.values()) == 1


async def test_a_refusal_waits_for_the_nodes_that_can_be_asked(tmp_path: Path) -> None:
    hold = Hold()
    async with (
        RpcNode({"submitblock": "bad-cb-amount"}) as one,
        RpcNode({"submitblock": hold}) as two,
    ):
        bench = Bench(tmp_path / "j", one, two)
        async with bench.running():
            answers = bench.give(1)
            await one.wait_called("submitblock")
            await two.wait_called("submitblock")
            assert answers.verdicts == []
            hold.free.set()
            assert (await answers.one()).reason is Reason.ACCEPTED


async def test_the_best_of_several_refusals_is_the_verdict(tmp_path: Path) -> None:
    """One that stands beside the chain may still win; one that is wrong never does."""
    async with (
        RpcNode({"submitblock": "prev-blk-not-found"}) as one,
        RpcNode({"submitblock": "bad-cb-amount"}) as two,
        RpcNode({"submitblock": "inconclusive"}) as three,
    ):
        verdict, bench = await verdict_of(tmp_path / "j", one, two, three)
    assert (verdict.reason, verdict.detail) == (Reason.STALE, "inconclusive")
    assert bench.told.words == [("found", 1), ("refused", 1)]
    assert bench.told.events[1].block.followed


async def test_a_node_that_is_away_does_not_keep_a_verdict_back_and_gets_the_block_later(
    tmp_path: Path,
) -> None:
    async with (
        RpcNode({"submitblock": "inconclusive"}) as one,
        RpcNode({"submitblock": None}) as two,
    ):
        await two.go_away()
        bench = Bench(tmp_path / "j", one, two)
        async with bench.running():
            assert (await bench.give(1).one()).reason is Reason.STALE
            assert bench.on_disk() == []
            await two.come_back()
            late = await bench.told.wait("accepted", 1)
            assert (late.block.state, late.block.node) == ("accepted", "1")
    assert Journal(bench.path, wall=lambda: 0).records()[0].state == "accepted"


async def test_late_words_that_are_no_news_change_nothing(tmp_path: Path) -> None:
    async with (
        RpcNode({"submitblock": Script("bad-cb-amount", None)}) as one,
        RpcNode({"submitblock": Script("high-hash", None)}) as two,
    ):
        await two.go_away()
        bench = Bench(tmp_path / "j", one, two)
        async with bench.running():
            assert (await bench.give(1).one()).detail == "bad-cb-amount"
            await two.come_back()
            await until(lambda: len(bench.submitted(1)) == 1)
            assert (await bench.give(2).one()).reason is Reason.ACCEPTED
            await until(lambda: len(bench.submitted(1)) == 2)
    assert [kind for kind, height in bench.told.words if height == 1] == ["found", "refused"]


async def test_a_node_without_the_parent_does_not_speak_for_one_that_is_away(
    tmp_path: Path,
) -> None:
    async with (
        RpcNode({"submitblock": "prev-blk-not-found"}) as one,
        RpcNode({"submitblock": None}) as two,
    ):
        await two.go_away()
        bench = Bench(tmp_path / "j", one, two)
        async with bench.running():
            answers = bench.give(1)
            await one.wait_called("submitblock", 8)
            assert answers.verdicts == []
            assert bench.on_disk() == [1]
            await two.come_back()
            assert (await answers.one()).reason is Reason.ACCEPTED


async def test_only_so_many_blocks_wait_for_a_node_that_stays_away(tmp_path: Path) -> None:
    async with RpcNode({"submitblock": None}) as one, RpcNode({"submitblock": None}) as two:
        await two.go_away()
        bench = Bench(tmp_path / "j", one, two)
        async with bench.running():
            for number in range(256):
                bench.give(number)
            last = Answers()
            extra = block(1, SourceId("other"))
            raw = b"\x07" + extra.raw
            from_other = type(extra)(source=extra.source, height=999, hash=bytes([7]) * 32, raw=raw)
            bench.dispatch.give(from_other, last.done)
            await last.one()
            await until(lambda: bench.told.feed.stats.blocks_waiting == 0)
            await two.come_back()
            await until(lambda: raw.hex() in bench.submitted(1))
    assert block(0).raw.hex() not in bench.submitted(1)
    assert block(1).raw.hex() in bench.submitted(1)


async def test_a_block_is_offered_again_until_there_is_a_verdict(tmp_path: Path) -> None:
    trouble = Script(Raw(503), Fault(-28, "Loading"), Fault(-1, "disk full"), None)
    async with RpcNode({"submitblock": trouble}) as node:
        with capture_logs() as logs:
            verdict, bench = await verdict_of(tmp_path / "j", node)
    assert verdict.reason is Reason.ACCEPTED
    assert len(bench.submitted()) == 4
    assert [log["event"] for log in logs if log["log_level"] != "debug"] == [
        "block_not_delivered_yet",
        "block_not_delivered_yet",
        "block_not_delivered_yet",
        "block_accepted",
    ]


async def test_the_same_block_twice_is_a_duplicate(tmp_path: Path) -> None:
    async with RpcNode({"submitblock": None}) as node:
        bench = Bench(tmp_path / "j", node)
        async with bench.running():
            first, second = bench.give(1), bench.give(1)
            assert (await first.one()).reason is Reason.ACCEPTED
    assert second.verdicts == [Verdict(reason=Reason.DUPLICATE)]
    assert len(bench.submitted()) == 1
    assert bench.told.words == [("found", 1), ("accepted", 1)]


async def test_an_end_in_between_leaves_blocks_to_the_journal_and_the_next_run(
    tmp_path: Path,
) -> None:
    hold = Hold()
    async with RpcNode({"submitblock": hold}) as node:
        bench = Bench(tmp_path / "j", node)
        async with bench.running():
            first, second = bench.give(1), bench.give(2)
            await node.wait_called("submitblock")
            assert first.verdicts == second.verdicts == []
        idle = bench.give(3)
        for answers in (first, second, idle):
            assert [verdict.reason for verdict in answers.verdicts] == [Reason.PENDING]
            assert answers.verdicts[0].block is True
        assert bench.on_disk() == [1, 2, 3]

        hold.free.set()
        node.answers["submitblock"] = "duplicate"
        async with bench.running():
            await bench.told.wait("accepted", 3)
    assert bench.on_disk() == []
    assert bench.submitted()[1:] == [block(number).raw.hex() for number in (1, 2, 3)]
    assert len(first.verdicts) == 1  # answered once, not again
    assert [what for what in bench.told.words if what[0] == "accepted"] == [
        ("accepted", 1),
        ("accepted", 2),
        ("accepted", 3),
    ]


async def test_a_source_that_ends_does_not_end_the_way_of_its_blocks(tmp_path: Path) -> None:
    hold = Hold()
    async with RpcNode({"submitblock": hold}) as node:
        bench = Bench(tmp_path / "j", node)
        async with bench.running():
            ours, theirs = bench.give(1, "ours"), bench.give(2, "theirs")
            bench.dispatch.put_off(SourceId("ours"))
            assert [verdict.reason for verdict in ours.verdicts] == [Reason.PENDING]
            hold.free.set()
            assert (await theirs.one()).reason is Reason.ACCEPTED
            await bench.told.wait("accepted", 1)
            assert len(ours.verdicts) == 1


async def test_blocks_behind_one_that_the_node_thinks_about_are_on_disk(tmp_path: Path) -> None:
    hold = Hold()
    async with RpcNode({"submitblock": hold}) as node:
        bench = Bench(tmp_path / "j", node)
        async with bench.running():
            for number in (1, 2, 3):
                bench.give(number)
            assert bench.told.feed.stats.blocks_waiting == 3
            await node.wait_called("submitblock")
            assert bench.on_disk() == [1, 2, 3]
            assert bench.submitted() == [block(1).raw.hex()]


async def test_after_a_crash_the_journals_blocks_go_out_whoever_found_them(
    tmp_path: Path,
) -> None:
    path = tmp_path / "j"
    Journal(path, wall=lambda: 0).found(block(5, SourceId("renamed")))  # and then it was killed
    async with RpcNode({"submitblock": None}) as node:
        bench = Bench(path, node)
        async with bench.running():
            await bench.told.wait("accepted", 5)
            await bench.give(6).one()
    assert bench.submitted() == [block(5).raw.hex(), block(6).raw.hex()]
    assert bench.on_disk() == []


async def test_a_block_is_written_down_as_soon_as_the_disk_has_room(tmp_path: Path) -> None:
    path = tmp_path / "j"
    seen: list[list[int]] = []

    async with RpcNode() as node:
        bench = Bench(path, node)
        path.symlink_to("/dev/full")

        def make_room(params: list[str]) -> Raw:
            if path.is_symlink():
                path.unlink()
            elif bench.on_disk():
                node.answers["submitblock"] = look
            return Raw(503)

        def look(params: list[str]) -> None:
            seen.append(bench.on_disk())

        node.answers["submitblock"] = make_room
        async with bench.running():
            await bench.give(1).one()
    assert seen == [[1]]


async def test_a_full_disk_does_not_keep_a_block_from_the_node(tmp_path: Path) -> None:
    path = tmp_path / "j"
    async with RpcNode({"submitblock": None}) as node:
        bench = Bench(path, node)
        path.symlink_to("/dev/full")
        with capture_logs() as logs:
            async with bench.running():
                verdict = await bench.give(1).one()
    assert verdict.reason is Reason.ACCEPTED
    assert "block_journal_not_written" in [log["event"] for log in logs]


async def test_wrong_credentials_end_nothing_and_keep_the_block(tmp_path: Path) -> None:
    async with RpcNode({"submitblock": None}) as node:
        node.credentials = "u:other"
        bench = Bench(tmp_path / "j", node)
        async with bench.running():
            answers = bench.give(1)
            await until(lambda: node.refused > 2)
            assert bench.on_disk() == [1]
            node.credentials = "u:"
            assert (await answers.one()).reason is Reason.ACCEPTED
    assert bench.on_disk() == []


async def test_hashes_are_remembered_up_to_a_bound(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "j")
    first = block(1)
    for number in range(4097):
        made = type(first)(
            source=first.source, height=number, hash=bytes(30) + number.to_bytes(2), raw=b""
        )
        bench.dispatch.give(made, Answers().done)
    again = Answers()
    bench.dispatch.give(
        type(first)(source=first.source, height=0, hash=bytes(32), raw=b""), again.done
    )
    assert [verdict.reason for verdict in again.verdicts] == [Reason.PENDING]


async def test_nodes_come_and_go_while_blocks_are_on_their_way(tmp_path: Path) -> None:
    async with (
        RpcNode({"submitblock": Raw(503)}) as one,
        RpcNode({"submitblock": "inconclusive"}) as two,
        RpcNode({"submitblock": None}) as three,
    ):
        bench = Bench(tmp_path / "j", one)
        first, second = (NodeAccess(url=node.url, user="u") for node in (one, two))
        async with bench.running():
            answers = bench.give(1)
            await one.wait_called("submitblock")
            clients = bench.dispatch.clients
            bench.dispatch.set_nodes({"b": second, "0": first})
            assert bench.dispatch.clients[1] is clients[0]  # it goes on as it was
            assert (await answers.one()).detail == "inconclusive"
            bench.dispatch.set_nodes({"0": NodeAccess(url=three.url, user="u")})
            assert len(bench.dispatch.clients) == 1
            assert (await bench.give(2).one()).reason is Reason.ACCEPTED
    assert [params[0] for _, params in three.calls] == [block(2).raw.hex()]
    assert len(two.calls) == 1


async def test_the_last_node_that_was_waited_for_goes(tmp_path: Path) -> None:
    hold = Hold()
    async with (
        RpcNode({"submitblock": "bad-cb-amount"}) as one,
        RpcNode({"submitblock": hold}) as two,
    ):
        bench = Bench(tmp_path / "j", one, two)
        async with bench.running():
            answers = bench.give(1)
            await one.wait_called("submitblock")
            await two.wait_called("submitblock")
            await until(lambda: bool(bench.dispatch._cases[block(1).hash].words))
            bench.dispatch.set_nodes({"0": NodeAccess(url=one.url, user="u")})
            assert (await answers.one()).detail == "bad-cb-amount"


async def test_a_block_of_another_chain_is_not_given_up(tmp_path: Path) -> None:
    """The upstreams were changed to another network while one of its blocks waited."""
    path = tmp_path / "j"
    Journal(path, wall=lambda: 0).found(block(5, SourceId("regtest node")))
    async with RpcNode({"submitblock": "prev-blk-not-found"}) as node:
        bench = Bench(path, node)
        with capture_logs() as logs:
            async with bench.running():
                await until(lambda: bench.told.feed.stats.blocks_waiting == 0)
    assert "block_of_another_chain" in [log["event"] for log in logs]
    assert bench.on_disk() == [5]


async def test_a_lone_node_without_the_parent_has_the_last_word_on_its_own_block(
    tmp_path: Path,
) -> None:
    async with RpcNode({"submitblock": "prev-blk-not-found"}) as node:
        bench = Bench(tmp_path / "j", node)
        async with bench.running():
            own, foreign = bench.give(1, "0"), bench.give(2, "gone")
            assert (await own.one()).detail == "prev-blk-not-found"
            assert (await foreign.one()).reason is Reason.PENDING
    assert bench.on_disk() == [2]


async def test_a_block_in_two_files_is_sent_first_and_then_written_down_whole(
    tmp_path: Path,
) -> None:
    hold = Hold()
    async with RpcNode({"submitblock": hold}) as node:
        bench = Bench(tmp_path / "j", node)
        whole = block(1)
        name = bench.journal.bodies.keep(whole.raw[-20:])
        answers = Answers()

        def lines() -> list[bytes]:
            return (tmp_path / "j").read_bytes().splitlines()

        async with bench.running():
            bench.dispatch.give(replace(whole, body=name, body_bytes=20), answers.done)
            await node.wait_called("submitblock")
            await until(lambda: len(lines()) == 2)
            assert [line.count(whole.raw.hex().encode()) for line in lines()] == [0, 1]
            assert bench.submitted() == [whole.raw.hex()]
            bench.dispatch.give(replace(block(2), body=name, body_bytes=20), Answers().done)
    # One that the end of the process overtakes is written down whole at once.
    assert [line.count(block(2).raw.hex().encode()) for line in lines()][-2:] == [0, 1]
