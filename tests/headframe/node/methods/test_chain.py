"""Methods that look at the chain; against a real node in tests/system/test_embedded_node.py."""

import asyncio

import pytest

from headframe.chain.header import Header
from headframe.node.service import NodeService
from tests.fakes.nodemethods import call, refusal
from tests.fakes.nodeparts import Coins, Key
from tests.fakes.vectors import load

pytestmark = pytest.mark.kernel

REPLAY = load("regtest_replay")
LAST = load("gbt_blocks")["vectors"][-1]
KEY = Key()


async def replay(node: NodeService) -> None:
    for entry in REPLAY["vectors"]:
        await call(node, "submitblock", entry["block"])


async def test_the_recorded_chain_is_described(node: NodeService) -> None:
    await replay(node)
    assert await call(node, "getblockcount") == 129
    assert await call(node, "getbestblockhash") == REPLAY["final_tip"]
    assert await call(node, "getblockhash", 0) == REPLAY["genesis"]
    info = await call(node, "getblockchaininfo")
    assert (info["chain"], info["blocks"], info["bits"]) == ("regtest", 129, "207fffff")
    assert info["initialblockdownload"] is True
    assert info["difficulty"] == await call(node, "getdifficulty") == 4.656542373906925e-10
    assert info["time"] == LAST["template"]["curtime"]
    # 130 blocks of two hashes each.
    assert int(info["chainwork"], 16) == 260


async def test_a_header_is_bytes_or_words(node: NodeService) -> None:
    await replay(node)
    raw = await call(node, "getblockheader", REPLAY["final_tip"], False)
    assert raw == LAST["header"]
    about = await call(node, "getblockheader", REPLAY["final_tip"])
    assert about["hash"] == REPLAY["final_tip"]
    assert about["previousblockhash"] == LAST["template"]["previousblockhash"]
    assert about["mediantime"] + 1 > LAST["template"]["mintime"]
    assert "nextblockhash" not in about
    genesis = await call(node, "getblockheader", REPLAY["genesis"])
    assert genesis["nextblockhash"] == await call(node, "getblockhash", 1)
    assert "previousblockhash" not in genesis
    assert genesis["confirmations"] == 130


async def test_a_block_comes_in_three_depths(node: NodeService) -> None:
    await replay(node)
    known = next(e for e in load("gbt_blocks")["vectors"] if e["id"] == "h110-5tx")
    block_hash = known["block_hash"]
    assert await call(node, "getblock", block_hash, 0) == known["block"]
    assert await call(node, "getblock", block_hash, False) == known["block"]
    txids = [known["coinbase"]["txid"], *(tx["txid"] for tx in known["template"]["transactions"])]
    about = await call(node, "getblock", block_hash)
    assert about["tx"] == txids
    assert about["size"] == len(known["block"]) // 2
    full = await call(node, "getblock", block_hash, 2)
    assert [tx["txid"] for tx in full["tx"]] == txids
    assert [tx["hex"] for tx in full["tx"][1:]] == [
        tx["data"] for tx in known["template"]["transactions"]
    ]
    assert full["tx"][0]["vin"][0]["coinbase"] == known["coinbase"]["scriptsig"]


async def test_a_stale_block_has_minus_one_confirmations(node: NodeService) -> None:
    await replay(node)
    stale = next(e for e in REPLAY["vectors"] if e["id"] == "h101-a")
    header = bytes.fromhex(stale["block"])[:80]
    block_hash = Header.parse(header).hash()[::-1].hex()
    assert (await call(node, "getblockheader", block_hash))["confirmations"] == -1


async def test_what_is_not_there_is_told_as_bitcoind_does(node: NodeService) -> None:
    assert await refusal(node, "getblockhash", 1) == (-8, "Block height out of range")
    assert await refusal(node, "getblock", "00" * 32) == (-5, "Block not found")
    assert await refusal(node, "getblockheader", "00" * 32) == (-5, "Block not found")
    assert (await refusal(node, "getblock", REPLAY["genesis"], "x"))[0] == -3
    assert await refusal(node, "waitfornewblock", -1) == (-1, "Negative timeout")
    await replay(node)
    refused = next(e for e in REPLAY["vectors"] if e["id"] == "rej-height-plus1")
    block_hash = Header.parse(bytes.fromhex(refused["block"])[:80]).hash()[::-1].hex()
    assert await refusal(node, "getblock", block_hash) == (-1, "Block not found on disk")


async def test_an_output_is_there_until_it_is_spent(node: NodeService) -> None:
    (first, *_) = await call(node, "generatetoaddress", 101, KEY.address)
    tx = (await call(node, "getblock", first, 2))["tx"][0]
    out = await call(node, "gettxout", tx["txid"], 0)
    assert out["scriptPubKey"]["address"] == KEY.address
    assert (out["confirmations"], out["coinbase"]) == (101, True)
    assert bytes(out["value"]) == b"50.00000000"
    coins = Coins(bytes.fromhex(tx["txid"]), 0, 5_000_000_000, KEY.script)
    spend = KEY.pay(coins, KEY.script, fee=100)
    await call(node, "sendrawtransaction", spend.serialize().hex())
    assert await call(node, "gettxout", tx["txid"], 0) is None
    assert await call(node, "gettxout", tx["txid"], 0, False) is not None
    waiting = await call(node, "gettxout", spend.txid().hex(), 0)
    assert waiting["confirmations"] == 0
    assert await call(node, "gettxout", spend.txid().hex(), 0, False) is None
    assert await call(node, "gettxout", spend.txid().hex(), 1) is None
    assert await call(node, "gettxout", spend.txid().hex(), -1) is None


async def test_waiting_ends_with_the_next_block(node: NodeService) -> None:
    genesis = await call(node, "getbestblockhash")
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        waits = [
            group.create_task(call(node, "waitfornewblock")),
            group.create_task(call(node, "waitfornewblock", 60_000, genesis)),
            group.create_task(call(node, "waitforblockheight", 1)),
        ]
        await asyncio.sleep(0)
        (block_hash,) = await call(node, "generatetoaddress", 1, KEY.address)
    assert [wait.result() for wait in waits] == [{"hash": block_hash, "height": 1}] * 3
    missed = await call(node, "waitfornewblock", 60_000, genesis)
    assert missed["hash"] == block_hash


async def test_waiting_ends_with_its_time(node: NodeService) -> None:
    assert await call(node, "waitfornewblock", 1) == {"hash": REPLAY["genesis"], "height": 0}
