"""The node's core, fed with blocks and templates that a real node made."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headframe.chain.hashes import hash_from_hex, hash_to_hex
from headframe.node.core import NodeCore, Tip
from headframe.node.errors import BlockDecodeError, Code, KernelError, RpcError, TxRefusedError
from headframe.node.template import make_template
from headframe.node.tx import outpoint, parse_block, parse_tx
from tests.fakes.nodeparts import BlockPlan, Coins, Key, need_kernel
from tests.fakes.vectors import load

pytestmark = pytest.mark.kernel

REPLAY = load("regtest_replay")
TEMPLATES = {entry["height"]: entry for entry in load("gbt_blocks")["vectors"]}
NOW = 1_750_000_000  # in the past: the kernel goes by the wall clock, and there is no other
KEY = Key()
STATIC = (
    "version",
    "rules",
    "vbavailable",
    "vbrequired",
    "previousblockhash",
    "coinbaseaux",
    "coinbasevalue",
    "target",
    "mintime",
    "mutable",
    "noncerange",
    "sigoplimit",
    "sizelimit",
    "weightlimit",
    "bits",
    "height",
    "default_witness_commitment",
)


class Opened:
    """A core in a folder, and every tip it told of."""

    def __init__(self, folder: Path) -> None:
        need_kernel()
        self.folder = folder
        self.tips: list[Tip] = []
        self.core = self.open()

    def open(self) -> NodeCore:
        self.core = NodeCore(self.folder, clock=lambda: NOW, changed=self.tips.append)
        return self.core

    def reopen(self) -> NodeCore:
        self.core.close()
        return self.open()

    def replay(self, *, last: str) -> None:
        for entry in REPLAY["vectors"]:
            self.core.submit(bytes.fromhex(entry["block"]))
            if entry["id"] == last:
                return

    def template(self) -> dict[str, Any]:
        return make_template(self.core.draft())

    def mine(self, count: int, script: bytes = KEY.script) -> list[bytes]:
        found = [self.core.mine(script, 1000)[0] for _ in range(count)]
        return [block_hash for block_hash in found if block_hash is not None]

    def coins(self, block_hash: bytes) -> Coins:
        raw = self.core.kernel.block(block_hash)
        assert raw is not None
        tx = parse_block(raw).txs[0]
        return Coins(tx.txid[::-1], 0, tx.outputs[0].value, tx.outputs[0].script)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    opened = Opened(tmp_path / "regtest")
    yield opened
    opened.core.close()


def test_every_answer_to_the_replay_is_bitcoinds(opened: Opened) -> None:
    answers = {}
    for entry in REPLAY["vectors"]:
        answers[entry["id"]] = opened.core.submit(bytes.fromhex(entry["block"]))
        assert answers[entry["id"]] == entry["submitblock"], entry["id"]
    assert hash_to_hex(opened.core.tip.hash) == REPLAY["final_tip"]
    assert opened.core.tip.height == opened.core.height == 129


def test_templates_are_those_of_a_real_node(opened: Opened) -> None:
    """Along the replay, wherever the vectors hold the template of a node at that height."""
    seen = 0
    for entry in REPLAY["vectors"]:
        known = TEMPLATES.get(opened.core.height + 1)
        if known and entry["block"] == known["block"]:
            expected = known["template"]
            for tx in expected["transactions"]:
                opened.core.send(parse_tx(bytes.fromhex(tx["data"])), 0)
            ours = opened.template()
            by_id = {tx["txid"]: tx for tx in ours["transactions"]}
            for tx in expected["transactions"]:
                mine = by_id[tx["txid"]]
                for key in ("data", "hash", "fee", "sigops", "weight"):
                    assert mine[key] == tx[key], (known["id"], key)
            if [tx["txid"] for tx in expected["transactions"]] == list(by_id):
                assert {key: ours[key] for key in STATIC} == {key: expected[key] for key in STATIC}
                assert [tx["depends"] for tx in ours["transactions"]] == [
                    tx["depends"] for tx in expected["transactions"]
                ]
                seen += 1
        opened.core.submit(bytes.fromhex(entry["block"]))
    assert seen >= 15


def test_a_block_takes_its_transactions_out_of_the_mempool(opened: Opened) -> None:
    opened.replay(last="h105")
    known = TEMPLATES[106]
    tx = parse_tx(bytes.fromhex(known["template"]["transactions"][0]["data"]))
    opened.core.send(tx, 0)
    assert opened.core.tip.pooled == 1
    assert opened.core.submit(bytes.fromhex(known["block"])) is None
    assert opened.core.tip.pooled == 0
    with pytest.raises(RpcError) as caught:
        opened.core.send(tx, 0)
    assert caught.value.code == Code.VERIFY_ALREADY_IN_CHAIN


def test_coins_and_mempool_follow_a_reorganisation_and_come_back(opened: Opened) -> None:
    hashes = opened.mine(101)
    fork = opened.template()
    spend = KEY.pay(opened.coins(hashes[0]), KEY.taproot_script, fee=1000)
    raw = spend.serialize()
    opened.core.send(parse_tx(raw), 0)
    opened.mine(1)
    created = outpoint(spend.txid()[::-1], 0)
    assert opened.core.coin(created) is not None
    assert opened.core.tip.pooled == 0

    sibling = BlockPlan(template=fork, tag=b"/other/", txs=[])
    first = sibling.build()
    assert opened.core.submit(first) == "inconclusive"
    child = sibling.but(
        prev_hash=hash_to_hex(parse_block(first).hash),
        height=fork["height"] + 1,
        value=fork["coinbasevalue"],
        ntime=fork["curtime"] + 1,
    )
    assert opened.core.submit(child.build()) is None
    assert opened.core.coin(created) is None
    assert [entry.tx.raw for entry in opened.core.mempool.entries.values()] == [raw]
    assert opened.template()["transactions"][0]["data"] == raw.hex()
    opened.mine(1)
    assert opened.core.coin(created) is not None
    assert opened.core.tip.pooled == 0


def test_a_coinbase_is_spent_after_a_hundred_blocks_not_before(opened: Opened) -> None:
    hashes = opened.mine(99)
    tx = parse_tx(KEY.pay(opened.coins(hashes[0]), KEY.script, fee=0).serialize())
    with pytest.raises(TxRefusedError, match="bad-txns-premature-spend-of-coinbase") as caught:
        opened.core.send(tx, 0)
    assert str(caught.value).endswith("depth 99")
    opened.mine(1)
    opened.core.send(tx, 0)
    opened.mine(1)
    assert opened.core.coin(outpoint(tx.txid, 0)) is not None


def test_state_is_the_same_after_a_restart(opened: Opened) -> None:
    hashes = opened.mine(102)
    tx = parse_tx(KEY.pay(opened.coins(hashes[0]), KEY.script, fee=700).serialize())
    opened.core.send(tx, 0)
    before = opened.core.tip
    core = opened.reopen()
    assert (core.tip.hash, core.tip.height, core.tip.pooled) == (before.hash, 102, 1)
    assert opened.template()["coinbasevalue"] == 5_000_000_700
    assert core.coin(outpoint(opened.coins(hashes[1]).txid[::-1], 0)) is not None


@pytest.mark.parametrize("content", [b"", b"\x00\x01 nonsense"])
def test_spoilt_state_files_are_made_anew(opened: Opened, content: bytes) -> None:
    hashes = opened.mine(3)
    opened.core.close()
    for name in ("coins.dat", "mempool.dat"):
        (opened.folder / name).write_bytes(content)
    core = opened.open()
    assert core.height == 3
    assert core.coin(outpoint(opened.coins(hashes[2]).txid[::-1], 0)) is not None


def test_coins_of_another_chain_are_not_believed(opened: Opened, tmp_path: Path) -> None:
    opened.mine(2)
    other = Opened(tmp_path / "other")
    other.mine(5, b"\x51")
    other.core.close()
    opened.core.close()
    (opened.folder / "coins.dat").write_bytes((other.folder / "coins.dat").read_bytes())
    core = opened.open()
    assert core.height == 2
    assert core.coin(outpoint(opened.coins(core.tip.hash).txid[::-1], 0)) is not None


def test_a_fee_above_the_limit_is_refused(opened: Opened) -> None:
    hashes = opened.mine(101)
    tx = parse_tx(KEY.pay(opened.coins(hashes[0]), KEY.script, fee=2_000_000).serialize())
    with pytest.raises(RpcError, match="Fee exceeds maximum") as caught:
        opened.core.send(tx, 10_000_000)
    assert caught.value.code == Code.VERIFY
    opened.core.send(tx, 0)
    opened.core.send(tx, 0)
    assert opened.core.tip.pooled == 1


def test_a_wrong_signature_is_refused_by_the_kernel(opened: Opened) -> None:
    hashes = opened.mine(101)
    signed = KEY.pay(opened.coins(hashes[0]), KEY.script, fee=500)
    signed.vout[0].value -= 1
    with pytest.raises(TxRefusedError, match="mempool-script-verify-flag-failed"):
        opened.core.send(parse_tx(signed.serialize()), 0)


def test_the_subsidy_halves_every_150_blocks(opened: Opened) -> None:
    opened.mine(149)
    assert opened.template()["coinbasevalue"] == 2_500_000_000
    opened.mine(1)
    assert opened.core.draft().subsidy == 2_500_000_000


def test_each_new_tip_is_told(opened: Opened) -> None:
    hashes = opened.mine(3)
    assert [tip.hash for tip in opened.tips] == hashes
    assert [tip.height for tip in opened.tips] == [1, 2, 3]


def test_mining_gives_up_when_the_tries_are_used_up(opened: Opened) -> None:
    assert opened.core.mine(KEY.script, 0) == (None, 0)
    assert opened.core.height == 0


def test_bytes_that_are_no_block_are_refused(opened: Opened) -> None:
    with pytest.raises(BlockDecodeError):
        opened.core.submit(b"\x00" * 80)


def test_median_time_is_that_of_eleven_blocks(opened: Opened) -> None:
    opened.replay(last="h20")
    times = []
    for height in range(21):
        entry = opened.core.kernel.entry_at(height)
        assert entry is not None
        times.append(entry.header.ntime)
    assert opened.core.median_time_at(20) == sorted(times[-11:])[5]
    assert opened.core.median_time_at(0) == times[0]
    assert opened.core.hashes_per_second() >= 0


def test_the_hash_of_the_genesis_block_is_regtests(opened: Opened) -> None:
    assert opened.core.tip.hash == hash_from_hex(REPLAY["genesis"])


def test_state_that_cannot_be_saved_costs_no_block(opened: Opened) -> None:
    opened.mine(3)
    (opened.folder / "coins.part").mkdir()
    opened.core.close()
    assert not (opened.folder / "dirty").exists()
    assert opened.open().height == 3


def test_a_time_beyond_the_best_chain_is_an_error(opened: Opened) -> None:
    with pytest.raises(KernelError, match="no block at height 5"):
        opened.core.median_time_at(5)


def test_our_own_block_that_is_refused_is_an_error(tmp_path: Path) -> None:
    need_kernel()
    late = NodeCore(tmp_path, clock=lambda: 4_000_000_000, changed=lambda _: None)
    with pytest.raises(KernelError, match="was refused: time-too-new"):
        late.mine(KEY.script, 1000)
    late.close()
