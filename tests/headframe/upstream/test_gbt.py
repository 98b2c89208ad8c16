"""`GbtSource` on a real bitcoind, on the embedded node, and on nodes that misbehave."""

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from headframe.chain.hashes import hash_from_hex, hash_to_hex
from headframe.chain.job import Job, Lineage, SourceId, SplitCoinbase
from headframe.chain.network import Network
from headframe.chain.share import Reason, Verdict
from headframe.chain.target import difficulty_from_target, target_from_nbits, work_of
from headframe.runtime.clock import monotonic, wall_seconds
from headframe.upstream.base import (
    BadUpstreamError,
    RefusedError,
    SourceState,
    UnreachableError,
    UpstreamError,
)
from headframe.upstream.circle import Circle
from headframe.upstream.gbt import GbtSource
from headframe.upstream.gbt_options import GbtOptions
from headframe.upstream.journal import Journal
from headframe.upstream.node import NodeRpc
from headframe.upstream.payees import PayeeShare, payee_of
from headframe.upstream.tip import NO_ZMQ
from tests.contracts.source import (
    Answers,
    SourceContract,
    SourceRig,
    find_share,
    next_job,
    running,
    until_resolved,
)
from tests.fakes.bitcoind import Bitcoind, running_bitcoind
from tests.fakes.nodeparts import EmbeddedNode, running_node
from tests.fakes.ports import free_port
from tests.fakes.rpcnode import Fault, Hold, Raw, RpcNode, Script
from tests.fakes.solo import SoloSource
from tests.fakes.vectors import load
from tests.fakes.wallet import Wallet, coinbase_of

WALLET = Wallet.numbered(4711)
NODE = SourceId("node")
EASY_WORK = 2**12
"""Hashes that Python finds a block with in a moment."""


def source_on(
    rpc: NodeRpc, journal: Path, *, circle: Circle | None = None, **changes: Any
) -> GbtSource:
    options = GbtOptions(
        address=WALLET.address,
        pace_seconds=0,
        easiest_work=EASY_WORK,
        tag="/test/",
        poll_seconds=0.05,
    )
    return SoloSource(
        replace(options, **changes),
        rpc=rpc,
        lineage=Lineage(NODE, itertools.count(1)),
        journal=Journal(journal, wall=lambda: 0),
        circle=circle,
    )


async def mine(source: GbtSource, job: Job) -> Verdict:
    """Find a block of a job and submit it."""
    answers = Answers()
    source.submit(find_share(job), None, answers.done)
    return await answers.one()


async def next_height(source: GbtSource, after: Job) -> Job:
    """Wait for a job on another tip."""
    job = after
    while job.prev_hash == after.prev_hash:
        job = await next_job(source, job)
    return job


async def until_status(source: GbtSource, state: SourceState) -> str:
    """Wait for a state; return its detail."""
    async with asyncio.timeout(30):
        async for status in source.status:
            if status.state is state:
                return status.detail
    raise AssertionError("unreachable: the cell never ends")


async def failure_of(source: GbtSource) -> UpstreamError:
    async with asyncio.timeout(30):
        with pytest.raises(UpstreamError) as caught:
            await source.run()
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.fixture(scope="module")
def bitcoind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bitcoind]:
    with running_bitcoind(tmp_path_factory.mktemp("bitcoind")) as node:
        node.call("generatetoaddress", 101, WALLET.address)
        yield node


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedNode]:
    with running_node(tmp_path_factory.mktemp("embedded")) as node:
        yield node


@pytest.mark.node
class TestOnBitcoind(SourceContract):
    """The contract, and a chain grown by us."""

    @pytest.fixture
    def rig(self, bitcoind: Bitcoind, tmp_path: Path) -> SourceRig:
        async def advance() -> None:
            await bitcoind.acall("generatetoaddress", 1, WALLET.address)

        async def break_off() -> None:
            """Nothing: a node that restarts has a test of its own."""

        rpc = NodeRpc(bitcoind.url, cookie=bitcoind.cookie)
        return SourceRig(source_on(rpc, tmp_path / "j"), advance, break_off)

    async def test_blocks_with_transactions_are_accepted_and_pay_the_fees(
        self, bitcoind: Bitcoind, coins: Iterator[int], tmp_path: Path
    ) -> None:
        async def pay(fee: int) -> str:
            coin = await coinbase_of(bitcoind.acall, next(coins))
            txid = await bitcoind.acall("sendrawtransaction", WALLET.spend(coin, fee=fee))
            return str(txid)

        source = source_on(NodeRpc(bitcoind.url, cookie=bitcoind.cookie), tmp_path / "j")
        await bitcoind.acall("generatetoaddress", 5, WALLET.address)  # coins must be 100 deep
        start = await bitcoind.acall("getblockcount")
        txid, fee = await pay(10_000), 10_000
        async with running(source):
            job = await next_job(source)
            for number in range(3):
                following = await pay(fee + 1)  # in the next template, as that has a new tip
                assert await mine(source, job) == Verdict(reason=Reason.ACCEPTED, block=True)
                height = start + number + 1
                assert await bitcoind.acall("getblockcount") == height
                await self._check_block(bitcoind, height, txid, fee)
                job = await next_height(source, job)
                assert source.status.get().height == height + 1
                txid, fee = following, fee + 1
        await bitcoind.acall("generatetoaddress", 1, WALLET.address)  # leave no transaction behind

    async def _check_block(self, bitcoind: Bitcoind, height: int, txid: str, fee: int) -> None:
        block = await bitcoind.acall("getblock", await bitcoind.acall("getbestblockhash"))
        assert block["tx"][1:] == [txid]
        coinbase = await coinbase_of(bitcoind.acall, height)
        assert bytes(coinbase.vout[0].script_pubkey.data) == WALLET.script
        assert coinbase.vout[0].value == (5_000_000_000 >> (height // 150)) + fee
        assert b"/test/" in bytes(coinbase.vin[0].script_sig.data)

    async def test_somebody_elses_block_is_noticed_and_ours_comes_too_late(
        self, bitcoind: Bitcoind, tmp_path: Path
    ) -> None:
        source = source_on(NodeRpc(bitcoind.url, cookie=bitcoind.cookie), tmp_path / "j")
        async with running(source):
            old = await next_job(source)
            await bitcoind.acall("generatetoaddress", 1, WALLET.address)
            new = await next_height(source, old)
            assert new.prev_hash == hash_from_hex(await bitcoind.acall("getbestblockhash"))
            assert (new.generation, new.epoch) == (old.generation + 1, old.epoch + 1)
            # Valid, but second at its height; the node keeps it, and says so.
            verdict = await mine(source, old)
            assert verdict == Verdict(reason=Reason.STALE, detail="inconclusive", block=True)
            forgotten = old
            for _ in range(6):
                await bitcoind.acall("generatetoaddress", 1, WALLET.address)
                old, new = new, await next_height(source, new)
            answers = Answers()
            source.submit(find_share(forgotten), None, answers.done)
            assert (await answers.one()).reason is Reason.UNKNOWN_JOB

    async def test_wrong_credentials_are_refused_in_one_line(
        self, bitcoind: Bitcoind, tmp_path: Path
    ) -> None:
        cookie = tmp_path / "cookie"
        cookie.write_text("__cookie__:wrong")
        for rpc in (
            NodeRpc(bitcoind.url, user="me", password="wrong"),
            NodeRpc(bitcoind.url, cookie=cookie),
            NodeRpc(bitcoind.url, cookie=tmp_path / "missing"),
        ):
            source = source_on(rpc, tmp_path / "j")
            error = await failure_of(source)
            assert isinstance(error, RefusedError)
            assert source.status.get().detail == str(error)

    async def test_an_address_of_another_network_is_refused(
        self, bitcoind: Bitcoind, tmp_path: Path
    ) -> None:
        # BIP 173's example for mainnet.
        address = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"
        rpc = NodeRpc(bitcoind.url, cookie=bitcoind.cookie)
        error = await failure_of(source_on(rpc, tmp_path / "j", address=address))
        assert isinstance(error, BadUpstreamError)
        assert "mainnet address" in str(error)
        assert "regtest" in str(error)


@pytest.mark.kernel
class TestOnTheEmbeddedNode(SourceContract):
    """The same contract, on the node that comes with us."""

    @pytest.fixture
    def rig(self, embedded: EmbeddedNode, tmp_path: Path) -> SourceRig:
        async def advance() -> None:
            await asyncio.to_thread(embedded.call, "generatetoaddress", 1, WALLET.address)

        async def break_off() -> None:
            """Nothing: a node that restarts has a test of its own."""

        rpc = NodeRpc(f"http://127.0.0.1:{embedded.port}", cookie=embedded.cookie)
        return SourceRig(source_on(rpc, tmp_path / "j"), advance, break_off)


@pytest.fixture(scope="module")
def coins() -> Iterator[int]:
    """Heights of coinbases that nobody has spent yet."""
    return itertools.count(1)


@pytest.mark.node
async def test_a_block_found_while_the_node_is_down_goes_out_when_it_is_back(
    tmp_path: Path,
) -> None:
    with running_bitcoind(tmp_path / "node") as node:
        source = source_on(NodeRpc(node.url, cookie=node.cookie), tmp_path / "j")
        answers = Answers()
        async with asyncio.TaskGroup() as group:

            async def stop() -> Job:
                job = await next_job(source)
                await asyncio.to_thread(node.stop)
                return job

            stopping = group.create_task(stop())
            error = await failure_of(source)
        assert isinstance(error, UnreachableError)
        assert source.status.get().state is SourceState.DOWN
        job = stopping.result()
        source.submit(find_share(job), None, answers.done)
        assert (await answers.one()).reason is Reason.PENDING

        # The program is killed, too; both start again, with what is on disk.
        await asyncio.to_thread(node.start)
        assert await node.acall("getblockcount") == 0
        again = source_on(NodeRpc(node.url, cookie=node.cookie), tmp_path / "j")
        async with running(again):
            first = await next_job(again)
            if first.prev_hash == job.prev_hash:
                await next_height(again, first)
            assert await node.acall("getblockcount") == 1
            await until_resolved(tmp_path / "j")


@pytest.mark.node
async def test_on_regtest_blocks_are_paced_unless_told_otherwise(
    bitcoind: Bitcoind, tmp_path: Path
) -> None:
    source = source_on(
        NodeRpc(bitcoind.url, cookie=bitcoind.cookie), tmp_path / "j", pace_seconds=None
    )
    async with running(source):
        first = await next_job(source)
        assert first.target == first.block_target
        assert work_of(first.block_target) == EASY_WORK
        too_easy = Answers()
        source.submit(_miss(first), None, too_easy.done)
        assert (await too_easy.one()).reason is Reason.LOW_DIFFICULTY
        assert (await mine(source, first)).reason is Reason.ACCEPTED
        second = await next_height(source, first)
        while second.block_target == first.block_target:  # the tip was heard of before the verdict
            second = await next_job(source, second)
    assert work_of(second.block_target) == pytest.approx(4 * EASY_WORK, rel=0.01)
    assert second.nbits == first.nbits == 0x207FFFFF  # consensus is untouched


def _miss(job: Job) -> Any:
    """A share that the chain would take and the pace does not."""
    share = find_share(replace(job, target=target_from_nbits(job.nbits)))
    assert share != find_share(job)
    return share


# Nodes that misbehave: answers made from a recorded template.

TEMPLATE: dict[str, Any] = load("gbt_blocks")["vectors"][3]["template"]
TIP = TEMPLATE["previousblockhash"]
OTHER_TIP = "11" * 32
HEADER = {
    "hash": TIP,
    "height": TEMPLATE["height"] - 1,
    "time": TEMPLATE["curtime"] - 60,
    "mediantime": TEMPLATE["mintime"] - 1,
    "bits": TEMPLATE["bits"],
}
"""What nodes tell of the template's parent."""
_CROWDED = next(v for v in load("gbt_blocks")["vectors"] if v["id"] == "h113-11tx-rolled")[
    "template"
]
FULL = {
    **TEMPLATE,
    **{name: _CROWDED[name] for name in ("transactions", "default_witness_commitment")},
}
"""With the transactions of another block."""


def answers_for(template: object, chain: str = "regtest") -> dict[str, Any]:
    return {
        "getblockchaininfo": {
            "chain": chain,
            "blocks": 16,
            "headers": 16,
            "bestblockhash": TIP,
            "initialblockdownload": False,
        },
        "getbestblockhash": TIP,
        "waitfornewblock": {"hash": TIP, "height": 16},
        "getblocktemplate": template,
        "submitblock": None,
    }


async def test_a_template_that_makes_no_sense_leaves_the_last_job_in_place(
    tmp_path: Path,
) -> None:
    bad = {**TEMPLATE, "bits": "ff000000"}
    later = {**TEMPLATE, "curtime": TEMPLATE["curtime"] + 1}
    node = RpcNode(answers_for(Script(TEMPLATE, bad, bad, Fault(-1, "oops"), later)))
    async with node:
        rpc = NodeRpc(node.url, user="u")
        source = source_on(rpc, tmp_path / "j", refresh_seconds=0.01, trouble_seconds=0.01)
        async with running(source):
            first = await next_job(source)
            detail = await until_status(source, SourceState.DEGRADED)
            assert detail.startswith("node: template: bits")
            assert source.jobs.get() == first
            second = await next_job(source, first)
            assert source.status.get().state is SourceState.ACTIVE
            assert source.status.get().detail == ""
    assert (second.generation, second.epoch) == (first.generation, first.epoch)


def swapped() -> list[dict[str, Any]]:
    """Transactions that all have the bytes of the first one."""
    entries = FULL["transactions"]
    return [{**entry, "data": entries[0]["data"]} for entry in entries]


async def test_a_job_whose_transactions_turn_out_wrong_is_taken_back(tmp_path: Path) -> None:
    wrong = {**FULL, "previousblockhash": OTHER_TIP, "transactions": swapped()}
    async with RpcNode(answers_for(Script(TEMPLATE, wrong))) as node:
        source = source_on(NodeRpc(node.url, user="u"), tmp_path / "j")
        async with asyncio.TaskGroup() as group:
            failure = group.create_task(failure_of(source))
            first = await next_job(source)
            node.answers["getbestblockhash"] = OTHER_TIP
            error = await failure
        assert isinstance(error, BadUpstreamError)
        assert "transactions.1.hash" in str(error)
        assert source.jobs.get() is None
        node.answers.update(answers_for(FULL))
        async with running(source):
            again = await next_job(source)
    assert again.generation >= first.generation + 2  # what came in between counts for nothing


async def test_wrong_transactions_on_the_same_tip_are_found_before_they_are_used(
    tmp_path: Path,
) -> None:
    wrong = {**FULL, "curtime": FULL["curtime"] + 1, "transactions": swapped()}
    async with RpcNode(answers_for(Script(TEMPLATE, wrong))) as node:
        source = source_on(
            NodeRpc(node.url, user="u"), tmp_path / "j", refresh_seconds=0.01, trouble_seconds=0.01
        )
        async with running(source):
            first = await next_job(source)
            detail = await until_status(source, SourceState.DEGRADED)
            assert "transactions.1.hash" in detail
            assert source.jobs.get() == first


async def test_templates_that_stay_wrong_end_the_work_after_the_hold_time(tmp_path: Path) -> None:
    bad = {**TEMPLATE, "coinbasevalue": -1}
    async with RpcNode(answers_for(Script(TEMPLATE, bad))) as node:
        source = source_on(
            NodeRpc(node.url, user="u"),
            tmp_path / "j",
            refresh_seconds=0.01,
            trouble_seconds=0.01,
            hold_seconds=0.05,
        )
        error = await failure_of(source)
    assert isinstance(error, BadUpstreamError)
    assert "coinbasevalue" in str(error)
    assert source.jobs.get() is None


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ({**TEMPLATE, "rules": ["!blake2b"]}, "blake2b"),
        ({**TEMPLATE, "rules": ["!segwit", "!signet"], "signet_challenge": "00ff"}, "signet"),
        ({**TEMPLATE, "height": "17"}, "height"),
        ([], "no object"),
        (Fault(-9, "Bitcoin is not connected!"), "not connected"),
        (Raw(200, b"hello"), "no bitcoind"),
    ],
)
async def test_a_first_template_that_cannot_be_used_is_one_clear_line(
    tmp_path: Path, template: object, words: str
) -> None:
    async with RpcNode(answers_for(template)) as node:
        error = await failure_of(source_on(NodeRpc(node.url, user="u"), tmp_path / "j"))
    assert words in str(error)


async def test_the_job_the_answers_time_and_the_difficulty_are_told(tmp_path: Path) -> None:
    async with RpcNode(answers_for(TEMPLATE)) as node:
        before = monotonic()
        source = source_on(NodeRpc(node.url, user="u"), tmp_path / "j")
        async with running(source):
            job = await next_job(source)
            status = source.status.get()
    assert status.job_at == job.received_at
    assert before < job.received_at < monotonic()
    assert status.difficulty == float(difficulty_from_target(job.target))
    assert status.clock_skew_seconds == pytest.approx(TEMPLATE["curtime"] - wall_seconds(), abs=60)
    assert status.answer_seconds is not None
    assert 0 < status.answer_seconds < 10
    assert status.answers is not None
    assert status.answers.count >= 1


async def test_the_same_template_again_is_no_new_job(tmp_path: Path) -> None:
    async with RpcNode(answers_for(TEMPLATE)) as node:
        source = source_on(NodeRpc(node.url, user="u"), tmp_path / "j", refresh_seconds=0.01)
        async with running(source):
            first = await next_job(source)
            await node.wait_called("getblocktemplate", 5)
            assert source.jobs.get() is first


async def test_a_new_tip_is_fetched_at_once_and_a_refresh_kills_nothing(tmp_path: Path) -> None:
    fresh = {**TEMPLATE, "curtime": TEMPLATE["curtime"] + 30}
    async with RpcNode(answers_for(TEMPLATE)) as node:
        source = source_on(NodeRpc(node.url, user="u"), tmp_path / "j", refresh_seconds=0.05)
        async with running(source):
            first = await next_job(source)
            node.answers["getblocktemplate"] = fresh
            second = await next_job(source, first)
            assert (second.epoch, second.generation) == (first.epoch, first.generation)
            node.answers["getblocktemplate"] = {**fresh, "previousblockhash": OTHER_TIP}
            node.answers["getbestblockhash"] = OTHER_TIP
            third = await next_job(source, second)
            assert third.prev_hash == hash_from_hex(OTHER_TIP)
            assert (third.epoch, third.generation) == (first.epoch + 1, first.generation + 1)
            for job in (first, second):  # both of the tip before: still a block, perhaps
                assert (await mine(source, job)).reason is Reason.ACCEPTED
    submitted = await node.wait_called("submitblock", 2)
    assert [hash_to_hex(bytes.fromhex(params[0])[4:36]) for params in submitted] == [TIP, TIP]


async def test_bits_that_must_stay_are_not_rolled(tmp_path: Path) -> None:
    template = {**TEMPLATE, "version": 0x20004000, "vbrequired": 0x00002000}
    async with RpcNode(answers_for(template)) as node:
        source = source_on(NodeRpc(node.url, user="u"), tmp_path / "j")
        async with running(source):
            job = await next_job(source)
    assert job.version_mask == 0x1FFFE000 & ~0x00006000


async def test_a_signets_rule_is_sent_and_its_blocks_are_paced(tmp_path: Path) -> None:
    template = {**TEMPLATE, "rules": ["csv", "!segwit", "!signet"], "signet_challenge": "51"}
    async with RpcNode(answers_for(template, "signet")) as node:
        address = "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx"  # BIP 173's for testnets
        source = source_on(
            NodeRpc(node.url, user="u"), tmp_path / "j", address=address, pace_seconds=None
        )
        async with running(source):
            job = await next_job(source)
        ((request,), *_) = await node.wait_called("getblocktemplate")
    assert request["rules"] == ["segwit", "signet"]
    assert work_of(job.block_target) == EASY_WORK


async def test_the_testnets_twenty_minutes(tmp_path: Path) -> None:
    parent = TEMPLATE["curtime"] - 1199
    hard = {**TEMPLATE, "bits": "1c0fffff", "target": f"{target_from_nbits(0x1C0FFFFF):064x}"}
    easy = {
        **TEMPLATE,
        "bits": "1d00ffff",
        "target": f"{target_from_nbits(0x1D00FFFF):064x}",
        "curtime": parent + 1201,
    }
    answers = answers_for(Script(hard, easy), "testnet4")
    answers["getblockheader"] = {**HEADER, "time": parent}
    ticks = itertools.count()
    async with RpcNode(answers) as node:
        rpc = NodeRpc(node.url, user="u")
        source = SoloSource(
            GbtOptions(address="tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx"),
            rpc=rpc,
            lineage=Lineage(NODE, itertools.count(1)),
            journal=Journal(tmp_path / "j", wall=lambda: 0),
            clock=lambda: float(next(ticks)),  # a second passes at each look
        )
        async with running(source):
            first = await next_job(source)
            second = await next_job(source, first)
        assert len(await node.wait_called("getblockheader")) == 1  # once per tip
    # A block with the normal bits may not be dated later, one with the easy bits not before.
    assert first.ntime_max == parent + 1200
    assert second.ntime_min == parent + 1201
    assert second.nbits == 0x1D00FFFF
    assert second.generation == first.generation  # shares of the first still count
    assert second.epoch > first.epoch  # but everybody should go to the easy one
    assert first.block_target == target_from_nbits(0x1C0FFFFF)  # no pace on a real test network


async def test_a_headers_answer_without_a_time(tmp_path: Path) -> None:
    answers = answers_for(TEMPLATE, "test")
    answers["getblockheader"] = {**HEADER, "time": "late"}
    async with RpcNode(answers) as node:
        source = source_on(
            NodeRpc(node.url, user="u"),
            tmp_path / "j",
            address="tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx",
        )
        error = await failure_of(source)
    assert "getblockheader.time should be a whole number" in str(error)


async def test_silence_makes_the_next_job_easier(tmp_path: Path) -> None:
    now = 0.0
    async with RpcNode(
        answers_for(lambda params: {**TEMPLATE, "curtime": TEMPLATE["curtime"] + int(now)})
    ) as node:
        source = SoloSource(
            GbtOptions(
                address=WALLET.address,
                pace_seconds=10,
                easiest_work=EASY_WORK,
                refresh_seconds=0.02,
            ),
            rpc=NodeRpc(node.url, user="u"),
            lineage=Lineage(NODE, itertools.count(1)),
            journal=Journal(tmp_path / "j", wall=lambda: 0),
            clock=lambda: now,
        )
        async with running(source):
            first = await next_job(source)
            assert (await mine(source, first)).reason is Reason.ACCEPTED
            async with asyncio.timeout(20):
                harder = first
                while harder.block_target == first.block_target:
                    now += 0.1
                    harder = await next_job(source, harder)
            now += 100
            easier = harder
            async with asyncio.timeout(20):
                while easier.block_target == harder.block_target:
                    easier = await next_job(source, easier)
    assert work_of(harder.block_target) == pytest.approx(4 * EASY_WORK, rel=0.01)
    assert work_of(easier.block_target) == EASY_WORK
    assert easier.generation == harder.generation == first.generation


async def test_shares_that_are_no_blocks_never_reach_the_node(tmp_path: Path) -> None:
    async with RpcNode(answers_for(TEMPLATE)) as node:
        source = source_on(NodeRpc(node.url, user="u"), tmp_path / "j", pace_seconds=10.0)
        async with running(source):
            job = await next_job(source)
            short, hopeless = Answers(), Answers()
            share = find_share(job)
            source.submit(replace(share, extranonce=b"1"), None, short.done)
            source.submit(_miss(job), None, hopeless.done)
            assert (await short.one()).reason is Reason.BAD_EXTRANONCE
            assert (await hopeless.one()).reason is Reason.LOW_DIFFICULTY
        assert [method for method, _ in node.calls if method == "submitblock"] == []


async def test_a_node_that_goes_away_ends_the_run(tmp_path: Path) -> None:
    node = RpcNode(answers_for(TEMPLATE))
    async with node:
        source = source_on(NodeRpc(node.url, user="u"), tmp_path / "j")
        async with asyncio.TaskGroup() as group:

            async def leave() -> None:
                await next_job(source)
                await node.go_away()

            group.create_task(leave())
            error = await failure_of(source)
        assert isinstance(error, UnreachableError)
        assert source.jobs.get() is None
        assert source.status.get().state is SourceState.DOWN

        await node.come_back()
        async with running(source):
            await next_job(source)
            assert source.status.get().connects == 2


# Hearing of a new tip, and what is fetched then


class WatchedRpc(NodeRpc):
    """Counts calls, and holds templates back when it is told to."""

    def __init__(self, node: Bitcoind) -> None:
        super().__init__(node.url, cookie=node.cookie)
        self.calls: list[str] = []
        self.templates = asyncio.Event()
        self.templates.set()
        self._called = asyncio.Condition()

    async def call(self, method: str, *params: object, **rest: Any) -> Any:
        self.calls.append(method)
        async with self._called:
            self._called.notify_all()
        if method == "getblocktemplate":
            await self.templates.wait()
        return await super().call(method, *params, **rest)

    async def wait_called(self, method: str, more: int) -> None:
        """Wait until a method is called so many times more."""
        await self.until_called(method, self.calls.count(method) + more)

    async def until_called(self, method: str, count: int) -> None:
        """Wait until a method was called so often."""
        async with asyncio.timeout(30), self._called:
            await self._called.wait_for(lambda: self.calls.count(method) >= count)


@pytest.fixture
def publishing(tmp_path: Path) -> Iterator[Bitcoind]:
    """A bitcoind with ZMQ, past its initial download: in that it publishes nothing."""
    feed = f"-zmqpubhashblock=tcp://127.0.0.1:{free_port()}"
    with running_bitcoind(tmp_path / "node", extra=[feed]) as node:
        node.call("generatetoaddress", 101, WALLET.address)
        yield node


@pytest.mark.node
async def test_a_tip_that_all_ways_tell_of_costs_one_template(
    publishing: Bitcoind, tmp_path: Path
) -> None:
    rpc, circle = WatchedRpc(publishing), Circle()
    source = source_on(rpc, tmp_path / "j", circle=circle, poll_seconds=0.02)
    async with running(source):
        job = await next_job(source)
        before = rpc.calls.count("getblocktemplate")
        for _ in range(5):
            circle.nudge()
            await publishing.acall("generatetoaddress", 1, WALLET.address)
            circle.nudge()
            job = await next_height(source, job)
        await rpc.wait_called("getbestblockhash", 3)  # who is late has told by now
        assert rpc.calls.count("getblocktemplate") - before == 5
        # Our own block is such a tip, too.
        assert (await mine(source, job)).reason is Reason.ACCEPTED
        await next_height(source, job)
        await rpc.wait_called("getbestblockhash", 3)
        assert rpc.calls.count("getblocktemplate") - before == 6


class DeafRpc(WatchedRpc):
    """Cannot wait for blocks: the node refuses the calls that do."""

    async def call(self, method: str, *params: object, **rest: Any) -> Any:
        if method == "waitfornewblock":
            await asyncio.Event().wait()
        return await super().call(method, *params, **rest)


@pytest.mark.node
async def test_zmq_alone_brings_a_new_tip(publishing: Bitcoind, tmp_path: Path) -> None:
    source = source_on(DeafRpc(publishing), tmp_path / "j", poll_seconds=1000)
    async with running(source):
        job = await next_job(source)
        for _ in range(3):
            await publishing.acall("generatetoaddress", 1, WALLET.address)
            job = await next_height(source, job)


async def test_a_hint_from_outside_is_followed_at_once(tmp_path: Path) -> None:
    answers = answers_for(TEMPLATE)
    hold = answers["waitfornewblock"] = Hold({"hash": TIP, "height": 16})
    circle = Circle()
    async with RpcNode(answers) as node:
        rpc = NodeRpc(node.url, user="u")
        source = source_on(rpc, tmp_path / "j", circle=circle, poll_seconds=1000, zmq=NO_ZMQ)
        assert circle.nudge() == 0
        async with running(source):
            job = await next_job(source)
            node.answers["getblocktemplate"] = {**TEMPLATE, "previousblockhash": OTHER_TIP}
            node.answers["getbestblockhash"] = OTHER_TIP
            circle.nudge()
            assert (await next_height(source, job)).prev_hash == hash_from_hex(OTHER_TIP)
            assert await node.wait_called("getblocktemplate", 2)
        assert "getzmqnotifications" not in [method for method, _ in node.calls]
        hold.free.set()


@pytest.mark.node
async def test_an_empty_block_bridges_the_time_until_a_slow_template(
    publishing: Bitcoind, tmp_path: Path
) -> None:
    coin = await coinbase_of(publishing.acall, 1)
    txid = await publishing.acall("sendrawtransaction", WALLET.spend(coin, fee=5_000))
    rpc = WatchedRpc(publishing)
    source = source_on(rpc, tmp_path / "j", empty_after_seconds=0.01)
    async with running(source):
        first = await next_job(source)
        rpc.templates.clear()
        other = (await publishing.acall("generateblock", WALLET.address, []))["hash"]
        empty = await next_height(source, first)
        assert empty.prev_hash == hash_from_hex(other)
        assert (empty.epoch, empty.generation) == (first.epoch + 1, first.generation + 1)
        rpc.templates.set()
        full = await next_job(source, empty)
        # The full one follows as a refresh: work on the empty one is not thrown away ...
        assert (full.prev_hash, full.epoch, full.generation) == (
            empty.prev_hash,
            empty.epoch,
            empty.generation,
        )
        # ... and is a block that a real node takes.
        assert (await mine(source, empty)) == Verdict(reason=Reason.ACCEPTED, block=True)
        block = await publishing.acall("getblock", await publishing.acall("getbestblockhash"), 2)
        assert (block["height"], block["nTx"]) == (103, 1)
        assert sum(out["value"] for out in block["tx"][0]["vout"]) == 50
        assert txid in await publishing.acall("getrawmempool")


@pytest.mark.node
async def test_several_are_paid_by_their_shares_of_subsidy_and_fees(
    publishing: Bitcoind, tmp_path: Path
) -> None:
    other = Wallet.numbered(4712)
    coin = await coinbase_of(publishing.acall, 1)
    await publishing.acall("sendrawtransaction", WALLET.spend(coin, fee=10_001))
    source = source_on(
        NodeRpc(publishing.url, cookie=publishing.cookie),
        tmp_path / "j",
        shares=(PayeeShare(address=other.address, basis_points=150),),
    )
    async with running(source):
        job = await next_job(source)
        assert (await mine(source, job)).reason is Reason.ACCEPTED
    paid = (await coinbase_of(publishing.acall, 102)).vout
    value = 5_000_000_000 + 10_001
    share = value * 150 // 10_000
    assert [(out.value, bytes(out.script_pubkey.data)) for out in paid[:2]] == [
        (value - share, WALLET.script),
        (share, other.script),
    ]


@pytest.mark.node
async def test_the_block_of_a_payees_job_pays_the_payee(
    publishing: Bitcoind, tmp_path: Path
) -> None:
    other, operator = Wallet.numbered(4713), Wallet.numbered(4714)
    coin = await coinbase_of(publishing.acall, 1)
    await publishing.acall("sendrawtransaction", WALLET.spend(coin, fee=20_002))
    source = source_on(
        NodeRpc(publishing.url, cookie=publishing.cookie),
        tmp_path / "j",
        shares=(PayeeShare(address=operator.address, basis_points=250),),
    )
    async with running(source):
        job = await next_job(source)
        paying = source.paying(job, payee_of(f"{other.address}.rig", Network.REGTEST))
        assert paying is not None
        assert (await mine(source, paying)).reason is Reason.ACCEPTED
        assert (await mine(source, job)).reason is not Reason.ACCEPTED  # of the same height
    paid = (await coinbase_of(publishing.acall, 102)).vout
    value = 5_000_000_000 + 20_002
    share = value * 250 // 10_000
    assert [(out.value, bytes(out.script_pubkey.data)) for out in paid[:2]] == [
        (value - share, other.script),
        (share, operator.script),
    ]


async def test_the_last_tips_jobs_have_payees_too(tmp_path: Path) -> None:
    payee = payee_of("bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080")
    async with RpcNode(answers_for(TEMPLATE)) as node:
        source = source_on(NodeRpc(node.url, user="u"), tmp_path / "j", refresh_seconds=0.05)
        async with running(source):
            first = await next_job(source)
            before = source.paying(first, payee)
            node.answers["getblocktemplate"] = {
                **TEMPLATE,
                "curtime": TEMPLATE["curtime"] + 30,
                "previousblockhash": OTHER_TIP,
            }
            node.answers["getbestblockhash"] = OTHER_TIP
            second = await next_job(source, first)
            after = source.paying(second, payee)
            assert before is not None
            assert after is not None
            assert (before.generation, after.generation) == (first.generation, second.generation)
            assert (after.prev_hash, after.epoch) == (second.prev_hash, second.epoch)
            for each in (before, after):  # the first is of a dead tip: still a block, perhaps
                assert (await mine(source, each)).reason is Reason.ACCEPTED
    submitted = await node.wait_called("submitblock", 2)
    assert all(payee.script.hex() in params[0] for params in submitted)


@pytest.mark.node
async def test_a_reorganisation_of_several_blocks_is_followed_both_ways(
    publishing: Bitcoind, tmp_path: Path
) -> None:
    source = source_on(NodeRpc(publishing.url, cookie=publishing.cookie), tmp_path / "j")
    async with running(source):
        start = await next_job(source)
        branch = await publishing.acall("generatetoaddress", 3, WALLET.address)
        job = start
        while hash_to_hex(job.prev_hash) != branch[-1]:
            job = await next_job(source, job)
        await publishing.acall("invalidateblock", branch[0])  # ZMQ says nothing of this
        back = job
        while back.prev_hash != start.prev_hash:
            back = await next_job(source, back)
        assert back.generation > job.generation  # work on the branch is dead
        assert (await mine(source, back)).reason is Reason.ACCEPTED
        await publishing.acall("reconsiderblock", branch[0])  # the longer one wins again
        again = back
        while hash_to_hex(again.prev_hash) != branch[-1]:
            again = await next_job(source, again)
        assert again.generation > back.generation
        assert (await mine(source, again)).reason is Reason.ACCEPTED
        assert await publishing.acall("getblockcount") == 105


@pytest.mark.node
async def test_a_node_with_few_threads_is_not_jammed(tmp_path: Path) -> None:
    # Nodes before version 29 have four; a waiting call holds one until it is answered.
    few = ["-rpcthreads=2", "-rpcworkqueue=4", f"-zmqpubhashblock=tcp://127.0.0.1:{free_port()}"]
    with running_bitcoind(tmp_path / "node", extra=few) as node:
        source = source_on(
            NodeRpc(node.url, cookie=node.cookie), tmp_path / "j", fee_gain_percent=1.0
        )
        for _ in range(3):  # runs that end leave no second call behind
            async with running(source):
                job = await next_job(source)
                for _ in range(3):
                    assert (await mine(source, job)).reason is Reason.ACCEPTED
                    job = await next_height(source, job)
        assert await node.acall("getblockcount") == 9


async def test_a_header_that_cannot_be_had_makes_no_empty_job(tmp_path: Path) -> None:
    answers = answers_for(TEMPLATE)
    answers["getblockheader"] = Fault(-5, "Block not found")
    async with RpcNode(answers) as node:
        rpc = NodeRpc(node.url, user="u")
        source = source_on(rpc, tmp_path / "j", empty_after_seconds=0.001)
        async with running(source):
            job = await next_job(source)
            hold = Hold({**TEMPLATE, "previousblockhash": OTHER_TIP})
            node.answers["getblocktemplate"] = hold
            node.answers["getbestblockhash"] = OTHER_TIP
            await node.wait_called("getblockheader")
            hold.free.set()
            full = await next_height(source, job)
            assert isinstance(full.commitment, SplitCoinbase)
            assert len(full.commitment.path) == len(TEMPLATE["transactions"]).bit_length()


async def test_no_empty_job_takes_the_place_of_a_full_one_that_is_being_checked(
    tmp_path: Path,
) -> None:
    async with RpcNode(answers_for(FULL)) as node:
        rpc = NodeRpc(node.url, user="u")
        source = source_on(rpc, tmp_path / "j", empty_after_seconds=0.02)
        async with running(source):
            seen = [await next_job(source)]
            for tip in (OTHER_TIP, "22" * 32):
                node.answers["getblockheader"] = {**HEADER, "hash": tip}
                node.answers["getblocktemplate"] = {**FULL, "previousblockhash": tip}
                node.answers["getbestblockhash"] = tip
                while not (seen[-1].prev_hash == hash_from_hex(tip) and sizes(seen)[-1]):
                    seen.append(await next_job(source, seen[-1]))
    # Where the template was slow an empty job came before the full one, and never after it.
    for earlier, later in itertools.pairwise(seen):
        if earlier.prev_hash == later.prev_hash:
            assert sizes([earlier, later])[0] <= sizes([earlier, later])[1]


def sizes(jobs: list[Job]) -> list[int]:
    """How long the merkle path of each is."""
    return [len(job.commitment.path) for job in jobs if isinstance(job.commitment, SplitCoinbase)]


@pytest.mark.node
async def test_fees_that_have_risen_bring_a_new_job_that_ends_no_work(
    publishing: Bitcoind, tmp_path: Path
) -> None:
    rpc = WatchedRpc(publishing)
    source = source_on(rpc, tmp_path / "j", refresh_seconds=1000.0, fee_gain_percent=1.0)
    async with running(source):
        first = await next_job(source)
        await rpc.until_called("getmempoolinfo", 1)
        coin = await coinbase_of(publishing.acall, 1)
        raw = WALLET.spend(coin, fee=60_000_000)  # over 1 % of 50 coins
        await publishing.acall("sendrawtransaction", raw, 0)
        second = await next_job(source, first)
        assert (second.epoch, second.generation) == (first.epoch, first.generation)
        assert (await mine(source, first)).reason is Reason.ACCEPTED  # and still a block


async def test_the_end_of_the_subsidy_is_said_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # 33 halvings of 150 blocks leave nothing of 50 coins (regtest).
    late = {**TEMPLATE, "height": 4950, "coinbasevalue": 1500}
    async with RpcNode(answers_for(Script(late, {**late, "curtime": late["curtime"] + 1}))) as node:
        source = source_on(NodeRpc(node.url, user="u"), tmp_path / "j", refresh_seconds=0.01)
        async with running(source):
            first = await next_job(source)
            await next_job(source, first)
    assert capsys.readouterr().out.count("subsidy_over") == 1
