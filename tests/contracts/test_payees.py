"""Payees over whatever becomes of work: a slow template, fresh fees, a node that is lost.

Real sources over nodes that say what a test wants, a real hub, and rigs on loopback. Whom a
block pays is read out of what is submitted.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import native
from headframe.chain.coinbase import parse
from headframe.chain.job import Job, Lineage, SourceId, SplitCoinbase
from headframe.chain.share import Reason
from headframe.upstream.gbt_options import GbtOptions
from headframe.upstream.journal import Journal
from headframe.upstream.node import NodeRpc
from headframe.upstream.payees import PayeeShare, PayTo, payee_of
from proxy.hub import Hub
from proxy.listener import Listener
from proxy.terms import HubSettings
from tests.fakes.blocks import read_block
from tests.fakes.groups import failover
from tests.fakes.handsource import quick
from tests.fakes.proxying import routing_of
from tests.fakes.rig import Rig, connected
from tests.fakes.rpcnode import Hold, RpcNode
from tests.fakes.solo import SoloSource
from tests.fakes.vectors import load

MAIN, OPERATOR, WPKH, TAPROOT = (
    "bcrt1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqdku202",
    "bcrt1qcr8te4kr609gcawutmrza0j4xv80jy8zeqchgx",
    "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080",
    "bcrt1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqc8gma6",
)
TEMPLATE: dict[str, Any] = load("gbt_blocks")["vectors"][3]["template"]
CROWDED = next(v for v in load("gbt_blocks")["vectors"] if v["id"] == "h113-11tx-rolled")
FULL = TEMPLATE | {
    name: CROWDED["template"][name] for name in ("transactions", "default_witness_commitment")
}
"""With the transactions of another block."""
TIP, OTHER_TIP = TEMPLATE["previousblockhash"], "11" * 32


def header_of(params: list[Any]) -> dict[str, Any]:
    """Answer as a node does that is asked for one of our two tips."""
    return {
        "hash": params[0],
        "height": TEMPLATE["height"] - (params[0] == TIP),
        "time": TEMPLATE["curtime"] - 60,
        "mediantime": TEMPLATE["mintime"] - 1,
        "bits": TEMPLATE["bits"],
    }


def answers() -> dict[str, Any]:
    return {
        "getblockchaininfo": {
            "chain": "regtest",
            "blocks": 16,
            "headers": 16,
            "bestblockhash": TIP,
            "initialblockdownload": False,
        },
        "getbestblockhash": TIP,
        "getblockheader": header_of,
        "getblocktemplate": dict(TEMPLATE),
        "waitfornewblock": Hold(),  # it hears of blocks by looking
        "submitblock": None,
    }


@asynccontextmanager
async def solo(folder: Path, *nodes: RpcNode, **options: Any) -> AsyncIterator[tuple[Hub, int]]:
    """Run a proxy on nodes, that pays logins."""
    ids = itertools.count(1)
    known = GbtOptions(
        address=MAIN,
        shares=(PayeeShare(address=OPERATOR, basis_points=150),),
        pace_seconds=0,
        poll_seconds=0.05,
        **options,
    )
    sources = [
        SoloSource(
            known,
            rpc=NodeRpc(node.url, user="u"),
            journal=Journal(folder / f"{number}.journal", wall=int),
            lineage=Lineage(SourceId(f"node{number}"), ids),
        )
        for number, node in enumerate(nodes)
    ]
    group = failover(sources, stable_seconds=0, backoff=quick)
    settings = HubSettings(pay_to=PayTo.LOGIN)
    hub = Hub(group, settings, ids=itertools.count(1), hasher=native)
    listener = Listener(routing_of(hub), "front")
    await listener.start("127.0.0.1", 0)
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(group.run()), tasks.create_task(hub.run())]
        try:
            yield hub, listener.port
            hub.ledger.verify()
        finally:
            listener.close("shutdown")
            await listener.wait_closed()
            for task in running:
                task.cancel()


def payees_of(job: Job) -> list[bytes]:
    """Read the scripts that a rig's job ends with: all but the commitment's."""
    assert isinstance(job.commitment, SplitCoinbase)
    suffix = job.commitment.suffix
    return [script for script in SCRIPTS if script in suffix]


SCRIPTS = [payee_of(each).script for each in (MAIN, OPERATOR, WPKH, TAPROOT)]


async def until_shown(rig: Rig, prev_hash: str) -> Job:
    """Wait for a job on a tip, in display hex."""
    job = await rig.job()
    while job.prev_hash != bytes.fromhex(prev_hash)[::-1]:
        job = await rig.job(job)
    return job


async def pays(rig: Rig, job: Job, node: RpcNode, address: str) -> None:
    """Find a block of a job, and see that it pays the address and the operator."""
    assert payees_of(job) == [script_of(OPERATOR), script_of(address)]
    before = sum(name == "submitblock" for name, _ in node.calls)
    assert (await rig.say(rig.find(job, at_most=2**255))).reason is Reason.ACCEPTED
    submitted = await node.wait_called("submitblock", before + 1)
    coinbase = read_block(bytes.fromhex(submitted[-1][0])).transactions[0]
    rest, share, commitment = parse(coinbase.stripped).outputs
    value = rest.value + share.value
    assert (rest.script, share.script) == (script_of(address), script_of(OPERATOR))
    assert (share.value, commitment.value) == (value * 150 // 10_000, 0)
    assert coinbase.has_witness


def script_of(address: str) -> bytes:
    return payee_of(address).script


async def test_each_payee_has_an_empty_job_and_then_a_full_one(tmp_path: Path) -> None:
    late = {**FULL, "previousblockhash": OTHER_TIP, "height": TEMPLATE["height"] + 1}
    held = Hold(late)
    async with (
        RpcNode(answers()) as node,
        solo(tmp_path, node, empty_after_seconds=0.01, hold_seconds=30) as (_, port),
        connected(port, f"{WPKH}.1", TAPROOT) as rigs,
    ):
        for rig in rigs:
            await until_shown(rig, TIP)
        node.answers |= {"getblocktemplate": held, "getbestblockhash": OTHER_TIP}
        empty = [await until_shown(rig, OTHER_TIP) for rig in rigs]
        assert [payees_of(job)[-1] for job in empty] == [script_of(WPKH), script_of(TAPROOT)]
        held.free.set()
        full = [await rig.job(job) for rig, job in zip(rigs, empty, strict=True)]
        for rig, address, job in zip(rigs, (WPKH, TAPROOT), full, strict=True):
            await pays(rig, job, node, address)


async def test_each_payee_is_paid_by_the_next_node_when_one_is_lost(tmp_path: Path) -> None:
    async with RpcNode(answers()) as first, RpcNode(answers()) as second:
        second.answers["getbestblockhash"] = OTHER_TIP
        second.answers["getblocktemplate"]["previousblockhash"] = OTHER_TIP
        second.answers["getblockchaininfo"]["bestblockhash"] = OTHER_TIP
        async with (
            solo(tmp_path, first, second) as (hub, port),
            connected(port, WPKH, f"{TAPROOT}.2") as rigs,
        ):
            for rig, address in zip(rigs, (WPKH, TAPROOT), strict=True):
                await pays(rig, await until_shown(rig, TIP), first, address)
            await first.go_away()
            for rig, address in zip(rigs, (WPKH, TAPROOT), strict=True):
                await pays(rig, await until_shown(rig, OTHER_TIP), second, address)
            assert len(hub.payouts) == 2
            assert [rig.lost for rig in rigs] == [False, False]


@pytest.mark.parametrize("more", [1, 5_000])
async def test_new_fees_come_to_each_payee(tmp_path: Path, more: int) -> None:
    async with (
        RpcNode(answers()) as node,
        solo(tmp_path, node, refresh_seconds=0.05) as (_, port),
        connected(port, WPKH, TAPROOT) as rigs,
    ):
        before = [await until_shown(rig, TIP) for rig in rigs]
        node.answers["getblocktemplate"] = {
            **TEMPLATE,
            "coinbasevalue": TEMPLATE["coinbasevalue"] + more,
        }
        for rig, job, address in zip(rigs, before, (WPKH, TAPROOT), strict=True):
            fresh = await rig.job(job)
            await pays(rig, fresh, node, address)
            await pays(rig, job, node, address)  # work on the one before is not thrown away
