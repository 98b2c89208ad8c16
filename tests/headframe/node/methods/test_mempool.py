"""Methods for transactions that wait for a block."""

import pytest

from headframe.node.service import NodeService
from tests.fakes.nodemethods import call, refusal
from tests.fakes.nodeparts import Coins, Key

pytestmark = pytest.mark.kernel

KEY = Key()


async def mature(node: NodeService) -> Coins:
    (first, *_) = await call(node, "generatetoaddress", 101, KEY.address)
    tx = (await call(node, "getblock", first, 2))["tx"][0]
    return Coins(bytes.fromhex(tx["txid"]), 0, 5_000_000_000, KEY.script)


async def test_a_payment_waits_is_described_and_is_mined(node: NodeService) -> None:
    coins = await mature(node)
    parent = KEY.pay(coins, KEY.taproot_script, fee=1_500)
    child = KEY.pay(Coins.made_by(parent), KEY.script, fee=2_500)
    ids = [tx.txid().hex() for tx in (parent, child)]
    for tx, txid in zip((parent, child), ids, strict=True):
        assert await call(node, "sendrawtransaction", tx.serialize().hex()) == txid
    assert await call(node, "getrawmempool") == ids
    about = await call(node, "getrawmempool", True)
    assert bytes(about[ids[1]]["fees"]["base"]) == b"0.00002500"
    assert about[ids[1]]["depends"] == [ids[0]]
    info = await call(node, "getmempoolinfo")
    assert (info["size"], bytes(info["total_fee"])) == (2, b"0.00004000")
    (block_hash,) = await call(node, "generatetoaddress", 1, KEY.address)
    assert (await call(node, "getblock", block_hash))["tx"][1:] == ids
    assert await call(node, "getrawmempool") == []
    again = await refusal(node, "sendrawtransaction", child.serialize().hex())
    assert again == (-27, "Transaction outputs already in utxo set")


async def test_a_refused_payment_gets_bitcoinds_code_and_word(node: NodeService) -> None:
    coins = await mature(node)
    unknown = KEY.pay(Coins(b"\x05" * 32, 0, 9_999, KEY.script), KEY.script, fee=1)
    raw = unknown.serialize().hex()
    assert await refusal(node, "sendrawtransaction", raw) == (
        -25,
        "bad-txns-inputs-missingorspent",
    )
    early = KEY.pay(coins, KEY.script, fee=1, lock_time=500)
    assert await refusal(node, "sendrawtransaction", early.serialize().hex()) == (-26, "non-final")
    dear = KEY.pay(coins, KEY.script, fee=4_000_000_000).serialize().hex()
    assert (await refusal(node, "sendrawtransaction", dear))[0] == -25
    assert (await refusal(node, "sendrawtransaction", dear, 0.5))[0] == -25
    assert len(await call(node, "sendrawtransaction", dear, 0)) == 64


async def test_coins_are_not_burnt_by_mistake(node: NodeService) -> None:
    coins = await mature(node)
    burning = KEY.pay(coins, b"\x6a\x04burn", fee=1_000)
    raw = burning.serialize().hex()
    assert await refusal(node, "sendrawtransaction", raw) == (
        -25,
        "Unspendable output exceeds maximum configured by user (maxburnamount)",
    )
    assert await call(node, "sendrawtransaction", raw, "0.1", 50) == burning.txid().hex()


@pytest.mark.parametrize("text", ["", "00", "zz", "0200000000000000000000"])
async def test_what_is_no_transaction_is_an_error(node: NodeService, text: str) -> None:
    assert await refusal(node, "sendrawtransaction", text) == (
        -22,
        "TX decode failed. Make sure the tx has at least one input.",
    )


@pytest.mark.parametrize(
    ("rate", "code"),
    [(2, -8), (1, -8), ("x", -3), (True, -3), (-1, -3), (0.123456789, -3), ({}, -3), ("inf", -3)],
)
async def test_a_bad_fee_rate_is_an_error(node: NodeService, rate: object, code: int) -> None:
    assert (await refusal(node, "sendrawtransaction", "00", rate))[0] == code
