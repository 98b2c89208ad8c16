"""One node: each reply understood, each block offered until there is one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from headframe.chain.hashes import hash_to_hex
from headframe.chain.share import Reason, Verdict
from headframe.upstream.courier import Courier, facts_of, quick_backoff, verdict_of_reply
from headframe.upstream.journal import FoundBlock
from headframe.upstream.node import NodeRpc
from tests.fakes.foundblocks import block, quick, until
from tests.fakes.rpcnode import Fault, Raw, RpcNode, Script
from tests.fakes.vectors import load


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


def test_every_recorded_refusal_is_a_verdict_with_the_nodes_words() -> None:
    replies = [case["submitblock"] for case in load("gbt_rejects")["vectors"]]
    words = [reply for reply in replies if isinstance(reply, str)]
    assert len(words) > 20
    for reply in words:
        verdict = verdict_of_reply(reply)
        assert verdict.detail == reply
        if not reply.startswith(("duplicate", "inconclusive")):
            assert verdict.reason is not Reason.ACCEPTED


class Desk:
    """A courier, and what it told."""

    def __init__(self, node: RpcNode) -> None:
        self.node = node
        self.heard: list[tuple[int, Verdict]] = []
        self.stuck: list[int] = []
        self.courier = Courier(
            "far",
            NodeRpc(node.url, user="u"),
            heard=self._on_verdict,
            stuck=lambda courier, block: self.stuck.append(block.height),
            backoff=quick,
        )

    def _on_verdict(self, courier: Courier, block: FoundBlock, verdict: Verdict) -> None:
        assert courier is self.courier
        self.heard.append((block.height, verdict))

    def submitted(self) -> list[str]:
        return [params[0] for method, params in self.node.calls if method == "submitblock"]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self.courier.run())
            yield
            task.cancel()

    async def verdict(self) -> Verdict:
        """Send one block; what the node made of it."""
        async with self.running():
            self.courier.take(block(1))
            await until(lambda: bool(self.heard))
        [(_, verdict)] = self.heard
        return verdict


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
    header: object, reason: Reason, words: str
) -> None:
    async with RpcNode({"submitblock": "duplicate", "getblockheader": header}) as node:
        verdict = await Desk(node).verdict()
    assert (verdict.reason, verdict.detail) == (reason, words)


async def test_an_undecodable_block_is_malformed() -> None:
    async with RpcNode({"submitblock": Fault(-22, "Block decode failed")}) as node:
        verdict = await Desk(node).verdict()
    assert verdict == Verdict(reason=Reason.MALFORMED, detail="Block decode failed", block=True)


TROUBLES: list[Any] = [
    Raw(503),  # the work queue is full
    Raw(401),
    Raw(403),
    Raw(200, b"<html>"),
    Fault(-28, "Loading block index..."),
    Fault(-1, "disk full"),
    Fault(-32601, "Method not found"),
]


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_a_node_in_trouble_has_said_nothing_about_the_block(trouble: object) -> None:
    async with RpcNode({"submitblock": Script(*[trouble] * 20, None)}) as node:
        desk = Desk(node)
        with capture_logs() as logs:
            verdict = await desk.verdict()
    assert verdict == Verdict(reason=Reason.ACCEPTED, block=True)
    assert desk.submitted() == [block(1).raw.hex()] * 21
    assert desk.stuck == [1] * 20
    said = [log["log_level"] for log in logs if log["event"] == "block_not_delivered_yet"]
    assert said == ["warning"] + ["debug"] * 19  # once, not at each try


class Broken(NodeRpc):
    """A client with a bug, the first time."""

    bugs = 1

    async def call(self, method: str, *params: object, **rest: Any) -> Any:
        if self.bugs:
            self.bugs -= 1
            raise ZeroDivisionError
        return await super().call(method, *params, **rest)


async def test_a_bug_of_ours_costs_no_block() -> None:
    async with RpcNode({"submitblock": None}) as node:
        desk = Desk(node)
        desk.courier.rpc = Broken(node.url, user="u")
        with capture_logs() as logs:
            assert (await desk.verdict()).reason is Reason.ACCEPTED
    assert [log["event"] for log in logs] == ["courier_broke", "block_not_delivered_yet"]


async def test_a_missing_parent_may_come_a_moment_later() -> None:
    """The parent is another block of ours, which this node hears of from its peers."""
    replies = Script("prev-blk-not-found", "prev-blk-not-found", None)
    async with RpcNode({"submitblock": replies}) as node:
        desk = Desk(node)
        assert (await desk.verdict()).reason is Reason.ACCEPTED
    assert desk.stuck == [1, 1]


async def test_a_parent_that_stays_missing_is_the_nodes_word() -> None:
    async with RpcNode({"submitblock": "prev-blk-not-found"}) as node:
        desk = Desk(node)
        verdict = await desk.verdict()
    assert (verdict.reason, verdict.detail) == (Reason.STALE, "prev-blk-not-found")
    assert len(desk.submitted()) == 8


async def test_a_block_that_has_to_wait_does_not_hold_up_the_next() -> None:
    def answer(params: list[str]) -> object:
        first = params[0] == block(1).raw.hex()
        return Fault(-1, "not this one") if first else None

    async with RpcNode({"submitblock": answer}) as node:
        desk = Desk(node)
        async with desk.running():
            desk.courier.take(block(1))
            desk.courier.take(block(2))
            await until(lambda: bool(desk.heard))
            assert desk.courier.is_stuck(block(1).hash)
            assert not desk.courier.is_stuck(block(2).hash)
            desk.courier.drop(block(1).hash)
            desk.courier.drop(block(1).hash)
            assert not desk.courier.is_stuck(block(1).hash)
    assert [height for height, _ in desk.heard] == [2]


async def test_blocks_wait_in_order_for_a_node_that_is_away() -> None:
    async with RpcNode({"submitblock": None}) as node:
        desk = Desk(node)
        await node.go_away()
        async with desk.running():
            for number in (1, 2, 3):
                desk.courier.take(block(number))
            await until(lambda: len(desk.stuck) > 3)
            assert set(desk.stuck) == {1}
            assert all(desk.courier.is_stuck(block(number).hash) for number in (1, 2, 3))
            await node.come_back()
            await until(lambda: len(desk.heard) == 3)
    assert [height for height, _ in desk.heard] == [1, 2, 3]


async def test_a_block_that_was_dropped_meanwhile_is_not_told_of(tmp_path: Path) -> None:
    async with RpcNode() as node:
        desk = Desk(node)

        def drop(params: list[str]) -> None:
            desk.courier.drop(block(1).hash)

        node.answers["submitblock"] = drop
        async with desk.running():
            desk.courier.take(block(1))
            await node.wait_called("submitblock")
            node.answers["submitblock"] = None
            desk.courier.take(block(2))
            await until(lambda: bool(desk.heard))
    assert [height for height, _ in desk.heard] == [2]


async def test_a_new_cookie_is_read_when_the_node_was_started_anew(tmp_path: Path) -> None:
    cookie = tmp_path / ".cookie"
    cookie.write_text("__cookie__:old")
    async with RpcNode({"submitblock": None}) as node:
        node.credentials = "__cookie__:new"
        desk = Desk(node)
        desk.courier.rpc = NodeRpc(node.url, cookie=cookie)
        async with desk.running():
            desk.courier.take(block(1))
            await until(lambda: bool(desk.stuck))
            cookie.write_text("__cookie__:new")
            await until(lambda: bool(desk.heard))
    assert [verdict.reason for _, verdict in desk.heard] == [Reason.ACCEPTED]


def test_the_first_tries_come_quickly_and_none_waits_long() -> None:
    pauses = quick_backoff()
    assert pauses.next() <= 1.0
    assert all(pauses.next() <= 10.0 for _ in range(20))


def test_a_block_is_told_by_its_display_hash() -> None:
    assert facts_of(block(3))["hash"] == hash_to_hex(block(3).hash)
