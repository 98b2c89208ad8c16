"""Methods that miners call; against a real node in tests/system/test_embedded_node.py."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from headframe.node.service import NodeService, Waits
from tests.fakes.nodemethods import NOW, call, refusal
from tests.fakes.nodeparts import BlockPlan, Coins, Key, need_kernel
from tests.fakes.vectors import load

pytestmark = pytest.mark.kernel

KEY = Key()
SEGWIT = {"rules": ["segwit"]}


async def test_the_recorded_blocks_get_the_recorded_answers(node: NodeService) -> None:
    for entry in load("regtest_replay")["vectors"]:
        answer = await call(node, "submitblock", entry["block"])
        assert answer == entry["submitblock"], entry["id"]


async def test_refused_blocks_get_the_recorded_words(node: NodeService) -> None:
    rejects = {entry["block"]: entry for entry in load("gbt_rejects")["vectors"]}
    seen = 0
    for entry in load("regtest_replay")["vectors"]:
        answer = await call(node, "submitblock", entry["block"])
        if entry["block"] in rejects:
            assert answer == rejects[entry["block"]]["submitblock"]
            seen += 1
    assert seen == len(rejects)


async def test_a_block_of_the_template_is_taken(node: NodeService) -> None:
    template = await call(node, "getblocktemplate", SEGWIT)
    raw = BlockPlan(template=template).build().hex()
    assert await call(node, "submitblock", raw) is None
    assert await call(node, "submitblock", raw, "ignored") == "duplicate"
    assert (await call(node, "getblocktemplate", SEGWIT))["height"] == 2


@pytest.mark.parametrize("text", ["", "zz", "00", "0"])
async def test_what_is_no_block_is_an_error(node: NodeService, text: str) -> None:
    assert await refusal(node, "submitblock", text) == (-22, "Block decode failed")


@pytest.mark.parametrize(
    ("request_", "code", "words"),
    [
        ({}, -8, "must be called with the segwit rule set"),
        ({"rules": "segwit"}, -8, "must be called with the segwit rule set"),
        ({"mode": "other", **SEGWIT}, -8, "Invalid mode"),
        ({"mode": "proposal", **SEGWIT}, -8, "not supported"),
        ({"longpollid": "abc", **SEGWIT}, -8, "longpollid must be of length 64 (not 3, for 'abc')"),
    ],
)
async def test_a_bad_request_for_a_template_is_told(
    node: NodeService, request_: dict[str, Any], code: int, words: str
) -> None:
    answer = await refusal(node, "getblocktemplate", request_)
    assert answer[0] == code
    assert words in answer[1]


async def test_no_request_at_all_gets_the_help(node: NodeService) -> None:
    assert (await refusal(node, "getblocktemplate"))[0] == -1


async def test_blocks_are_mined_to_an_address(node: NodeService) -> None:
    hashes = await call(node, "generatetoaddress", 5, KEY.taproot_address)
    assert node.tip.height == len(set(hashes)) == 5
    assert hashes[-1] == node.tip.hash[::-1].hex()
    assert await call(node, "generatetoaddress", 0, KEY.address) == []
    assert await call(node, "generatetoaddress", 9, KEY.address, 0) == []
    assert await refusal(node, "generatetoaddress", 1, "x") == (-5, "Error: Invalid address")


async def test_mining_info_names_the_next_block(node: NodeService) -> None:
    await call(node, "generatetoaddress", 2, KEY.address)
    about = await call(node, "getmininginfo")
    assert (about["blocks"], about["next"]["height"], about["pooledtx"]) == (2, 3, 0)
    assert about["chain"] == "regtest"


async def test_a_long_poll_is_ended_by_the_mempool_after_a_while(tmp_path: Path) -> None:
    need_kernel()
    waits = Waits(mempool_seconds=0.01)
    async with NodeService(tmp_path, wall=lambda: NOW, waits=waits) as node:
        (first, *_) = await call(node, "generatetoaddress", 101, KEY.address)
        tx = (await call(node, "getblock", first, 2))["tx"][0]
        coins = Coins(bytes.fromhex(tx["txid"]), 0, 5_000_000_000, KEY.script)
        longpoll_id = (await call(node, "getblocktemplate", SEGWIT))["longpollid"]
        request = {**SEGWIT, "longpollid": longpoll_id}
        async with asyncio.timeout(20), asyncio.TaskGroup() as group:
            poll = group.create_task(call(node, "getblocktemplate", request))
            await asyncio.sleep(0)
            spend = KEY.pay(coins, KEY.script, fee=100)
            await call(node, "sendrawtransaction", spend.serialize().hex())
        assert [tx["txid"] for tx in poll.result()["transactions"]] == [spend.txid().hex()]


async def test_a_long_poll_is_answered_at_last_though_nothing_happened(tmp_path: Path) -> None:
    need_kernel()
    waits = Waits(mempool_seconds=0.01, longest_seconds=0.01)
    async with NodeService(tmp_path, wall=lambda: NOW, waits=waits) as node, asyncio.timeout(20):
        template = await call(node, "getblocktemplate", SEGWIT)
        request = {**SEGWIT, "longpollid": template["longpollid"]}
        assert await call(node, "getblocktemplate", request) == template
        assert (await call(node, "waitfornewblock"))["height"] == 0
