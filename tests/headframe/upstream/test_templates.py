"""What is asked of a node beside its template, and what is refused."""

import copy
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from headframe.chain.errors import TemplateError
from headframe.chain.hashes import hash_to_hex, hashes_from_hex
from headframe.chain.merkle import first_leaf_path
from headframe.chain.network import Network
from headframe.chain.target import target_from_nbits
from headframe.chain.template import parse_template
from headframe.upstream.base import BadUpstreamError
from headframe.upstream.node import NodeRpc
from headframe.upstream.preflight import Chain
from headframe.upstream.templates import Templates
from tests.fakes.rpcnode import RpcNode, Script
from tests.fakes.vectors import load

VECTOR = next(v for v in load("gbt_blocks")["vectors"] if v["id"] == "h113-11tx-rolled")
TEMPLATE: dict[str, Any] = VECTOR["template"]
TIP = TEMPLATE["previousblockhash"]
TIME = TEMPLATE["curtime"]
OTHER = "11" * 32
HEADER = {
    "hash": TIP,
    "height": 112,
    "time": TIME - 60,
    "mediantime": TIME - 90,
    "bits": "207fffff",
}
NEXT_HEADER = {**HEADER, "hash": OTHER, "height": 113}


@asynccontextmanager
async def templates_of(
    answers: dict[str, Any],
    network: Network = Network.REGTEST,
    *,
    clock: Callable[[], float] = lambda: 0.0,
    wall: int = TIME,
) -> AsyncIterator[tuple[Templates, RpcNode]]:
    chain = Chain(network=network, private=True, height=112, tip=TIP)
    async with RpcNode(answers) as node, NodeRpc(node.url) as rpc:
        yield Templates(rpc, chain, source="node", clock=clock, wall=lambda: wall), node


async def test_a_template_on_the_tip_costs_one_call() -> None:
    async with templates_of({"getblocktemplate": TEMPLATE}) as (templates, node):
        assert templates.long_poll() is None
        template = await templates.fetch(TIP)
        assert hash_to_hex(template.prev_hash) == TIP
        assert [method for method, _ in node.calls] == ["getblocktemplate"]
        poll = templates.long_poll()
        assert poll is not None
        assert poll["longpollid"] == TEMPLATE["longpollid"]
        assert templates.easy_in_seconds() == float("inf")


async def test_transactions_are_kept_once() -> None:
    async with templates_of({"getblocktemplate": TEMPLATE}) as (templates, _):
        read = await templates.fetch("")
        first = await templates.check(read)
        second = await templates.check(await templates.fetch(""))
    assert read == first == second
    assert first.transactions
    assert all(a is b for a, b in zip(first.transactions, second.transactions, strict=True))


async def test_a_template_is_known_before_its_transactions_are_hashed() -> None:
    wrong = copy.deepcopy(TEMPLATE)
    wrong["transactions"][3]["data"] = wrong["transactions"][4]["data"]
    async with templates_of({"getblocktemplate": Script(wrong, TEMPLATE)}) as (templates, _):
        template = await templates.fetch("")
        assert len(template.transactions) == len(TEMPLATE["transactions"])
        with pytest.raises(
            TemplateError, match=r"transactions\.3\.hash .* is not the hash of data"
        ):
            await templates.check(template)
        # Nobody uses it any more:
        assert await templates.check(template, in_vain=lambda: True) is template
        await templates.check(await templates.fetch(""))  # what is wrong is not kept


async def test_what_is_odd_about_an_answer_is_named() -> None:
    odd = copy.deepcopy(TEMPLATE)
    odd["transactions"][2]["fee"] = "12"
    pointed = {**TEMPLATE, "difficulty": 0.5}  # a member that no node has, of a type of its own
    async with templates_of({"getblocktemplate": Script(odd, pointed, TEMPLATE)}) as (templates, _):
        with pytest.raises(
            TemplateError, match=r"transactions\.2\.fee should be a whole number, not '12'"
        ):
            await templates.fetch("")
        assert await templates.fetch("") == await templates.fetch("") == parse_template(TEMPLATE)


@pytest.mark.parametrize(
    ("name", "value"),
    [("txid", "00" * 32), ("data", TEMPLATE["transactions"][4]["data"]), ("weight", 5)],
)
async def test_what_was_checked_before_is_checked_again_when_it_has_changed(
    name: str, value: object
) -> None:
    changed = copy.deepcopy(TEMPLATE)
    changed["transactions"][3][name] = value
    changed["default_witness_commitment"] = TEMPLATE["default_witness_commitment"]
    async with templates_of({"getblocktemplate": Script(TEMPLATE, changed)}) as (templates, _):
        await templates.check(await templates.fetch(""))
        with pytest.raises(TemplateError, match=r"transactions\.3\."):
            await templates.check(await templates.fetch(""))


async def test_all_of_many_transactions_are_hashed() -> None:
    async with templates_of({"getblocktemplate": TEMPLATE}) as (templates, _):
        template = await templates.fetch("")
        many = template.transactions * 30
        await templates.check(replace(template, transactions=many))
        odd = replace(many[200], data=many[201].data)
        with pytest.raises(TemplateError, match=r"transactions\.200\.hash .* is not the hash"):
            await templates.check(replace(template, transactions=(*many[:200], odd, *many[201:])))


async def test_merkle_paths_are_made_as_it_is_told() -> None:
    asked: list[int] = []

    def path(others: bytes) -> tuple[bytes, ...]:
        asked.append(len(others) // 32)
        return first_leaf_path(others)

    chain = Chain(network=Network.REGTEST, private=True, height=112, tip=TIP)
    async with (
        RpcNode({"getblocktemplate": TEMPLATE}) as node,
        NodeRpc(node.url) as rpc,
    ):
        templates = Templates(
            rpc, chain, source="node", clock=lambda: 0.0, wall=lambda: TIME, path=path
        )
        template = await templates.fetch(TIP)
    assert asked == [11, 11]  # the transactions' tree, and that of the witnesses
    assert template.path == first_leaf_path(
        hashes_from_hex([tx.txid for tx in template.transactions])
    )


async def test_a_template_on_an_old_tip_is_asked_for_again() -> None:
    newer = {**TEMPLATE, "previousblockhash": OTHER}
    answers = {"getblocktemplate": Script(TEMPLATE, newer), "getbestblockhash": OTHER}
    async with templates_of(answers) as (templates, node):
        template = await templates.fetch(OTHER)
        assert hash_to_hex(template.prev_hash) == OTHER
        assert len(await node.wait_called("getblocktemplate", 2)) == 2


async def test_a_tip_that_went_back_is_believed_to_the_node() -> None:
    # After a reorganisation what was heard last need not be the best block any more.
    answers = {"getblocktemplate": TEMPLATE, "getbestblockhash": TIP}
    async with templates_of(answers) as (templates, _):
        assert hash_to_hex((await templates.fetch(OTHER)).prev_hash) == TIP


async def test_a_node_whose_templates_stay_behind_its_tip() -> None:
    answers = {"getblocktemplate": TEMPLATE, "getbestblockhash": OTHER}
    async with templates_of(answers) as (templates, _):
        with pytest.raises(TemplateError, match=f"builds on {TIP}.*best block is {OTHER}"):
            await templates.fetch(OTHER)


async def test_a_time_that_nodes_would_refuse() -> None:
    # Consensus: two hours ahead of a node's clock is the most (time-too-new).
    async with templates_of({"getblocktemplate": TEMPLATE}, wall=TIME - 7200) as (templates, _):
        assert (await templates.fetch("")).curtime == TIME
    async with templates_of({"getblocktemplate": TEMPLATE}, wall=TIME - 7201) as (templates, _):
        with pytest.raises(TemplateError, match="7201 s ahead of this machine's clock"):
            await templates.fetch("")


@pytest.mark.parametrize("answer", [[], "x", None, 7])
async def test_what_is_no_object(answer: object) -> None:
    async with templates_of({"getblocktemplate": answer}) as (templates, _):
        with pytest.raises(BadUpstreamError, match="getblocktemplate is no object"):
            await templates.fetch("")
    answers = {"getblocktemplate": TEMPLATE, "getblockheader": answer}
    async with templates_of(answers, Network.TESTNET4) as (templates, _):
        with pytest.raises(BadUpstreamError, match="getblockheader is no object"):
            await templates.fetch("")


async def test_an_empty_block_follows_a_header() -> None:
    now = 0.0
    answers = {"getblocktemplate": TEMPLATE, "getblockheader": NEXT_HEADER}
    async with templates_of(answers, clock=lambda: now) as (templates, _):
        assert await templates.stopgap(OTHER) is None  # nothing is known of the node yet
        await templates.fetch("")
        now = 7.9
        template = await templates.stopgap(OTHER)
    assert template is not None
    assert (template.height, template.value, template.transactions) == (114, 5_000_000_000, ())
    assert template.curtime == TIME + 7  # the node's clock, as it was told, and goes on


async def test_the_testnets_easy_time_is_counted_down() -> None:
    now = 0.0
    hard = {**TEMPLATE, "bits": "1c0fffff", "target": f"{target_from_nbits(0x1C0FFFFF):064x}"}
    header = {**HEADER, "time": TIME - 1000}
    answers = {"getblocktemplate": hard, "getblockheader": header}
    async with templates_of(answers, Network.TESTNET4, clock=lambda: now) as (templates, node):
        assert templates.easy_in_seconds() == float("inf")
        template = await templates.fetch("")
        assert template.maxtime == TIME + 200
        assert templates.easy_in_seconds() == 201
        now = 200.5
        assert templates.easy_in_seconds() == 0.5
        now = 300.0  # the node's clock may be a little behind: look again, but not in a rush
        assert 0 < templates.easy_in_seconds() < 1
        await templates.fetch("")
        assert len(await node.wait_called("getblockheader")) == 1  # once per tip
        node.answers["getblocktemplate"] = {**hard, "curtime": TIME + 201}
        await templates.fetch("")
        assert templates.easy_in_seconds() == float("inf")


async def test_on_other_chains_no_time_is_easy() -> None:
    ticks = itertools.count()
    answers = {"getblocktemplate": TEMPLATE, "getblockheader": HEADER}
    async with templates_of(answers, clock=lambda: float(next(ticks))) as (templates, _):
        await templates.fetch("")
        await templates.stopgap(TIP)
        assert templates.easy_in_seconds() == float("inf")
