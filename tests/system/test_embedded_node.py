"""The embedded node and a real bitcoind, side by side: the same calls, the same answers."""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import pytest
from embit.transaction import Transaction

from headframe.chain.hashes import hash_to_hex
from headframe.node.tx import parse_block
from tests.fakes.bitcoind import NodeRpcError, running_bitcoind
from tests.fakes.nodeparts import BlockPlan, Coins, EmbeddedNode, Key, running_node
from tests.fakes.vectors import load

pytestmark = [pytest.mark.kernel, pytest.mark.node, pytest.mark.system]

KEY = Key(7)
SEGWIT = {"rules": ["segwit"]}
MOVING = {"curtime", "longpollid", "capabilities", "transactions"}
"""Of a template: what depends on the moment, and what only a node with proposal mode says."""
COMPARED = ("data", "hash", "fee", "sigops", "weight")
"""Of a transaction in a template."""
OTHER_WORDS = {
    # Text of libbitcoinkernel's newer release beside bitcoind's of version 29.
    "mempool-script-verify-flag-failed": "mandatory-script-verify-flag-failed",
    "block-script-verify-flag-failed": "mandatory-script-verify-flag-failed",
}


class Caller(Protocol):
    """Anything whose JSON-RPC can be called."""

    def call(self, method: str, *params: object) -> Any: ...


class Both:
    """The two nodes; whatever is asked of one is asked of the other."""

    def __init__(self, ours: EmbeddedNode, theirs: Caller) -> None:
        self.ours, self.theirs = ours, theirs

    def call(self, method: str, *params: object) -> Any:
        """Ask both; their answers must be equal."""
        answers = [_outcome(node, method, params) for node in (self.ours, self.theirs)]
        assert answers[0] == answers[1], (method, str(params)[:200])
        return answers[0]

    def shared(self, method: str, *params: object) -> dict[str, Any]:
        """Ask both; whatever ours says, theirs must say too."""
        ours, theirs = self.ours.call(method, *params), self.theirs.call(method, *params)
        assert {key: theirs[key] for key in ours} == ours
        return theirs  # type: ignore[no-any-return] # undecoded JSON

    def template(self) -> dict[str, Any]:
        """Ask both for a template; what does not depend on the moment must be equal.

        The order of transactions is each node's own choice, and the commitment follows it.
        """
        ours: dict[str, Any] = self.ours.call("getblocktemplate", SEGWIT)
        theirs: dict[str, Any] = self.theirs.call("getblocktemplate", SEGWIT)
        orders = [[tx["txid"] for tx in each["transactions"]] for each in (ours, theirs)]
        skipped = MOVING if orders[0] == orders[1] else MOVING | {"default_witness_commitment"}
        for key in ours.keys() - skipped:
            assert ours[key] == theirs[key], key
        assert ours.keys() == theirs.keys()
        listed = [
            {tx["txid"]: {key: tx[key] for key in COMPARED} for tx in each["transactions"]}
            for each in (ours, theirs)
        ]
        assert listed[0] == listed[1]
        return ours

    def submit(self, raw: bytes) -> Any:
        """Hand both the same block."""
        return self.call("submitblock", raw.hex())

    def mine(self, count: int = 1) -> bytes:
        """Make blocks that pay our key; both must take them. Returns the last one."""
        raw = b""
        for _ in range(count):
            raw = BlockPlan(template=self.template(), script=KEY.script).build()
            assert self.submit(raw) is None
        return raw

    def fill(self, count: int) -> None:
        """Let theirs make blocks that pay our key, and ours take them."""
        for block_hash in self.theirs.call("generatetoaddress", count, KEY.address):
            raw = self.theirs.call("getblock", block_hash, 0)
            assert self.ours.call("submitblock", raw) is None

    def coins(self, height: int) -> Coins:
        """The coinbase's first output at a height."""
        raw = bytes.fromhex(self.call("getblock", self.call("getblockhash", height), 0))
        tx = parse_block(raw).txs[0]
        return Coins(tx.txid[::-1], 0, tx.outputs[0].value, tx.outputs[0].script)

    def send(self, tx: Transaction) -> Any:
        """Hand both the same transaction."""
        return self.call("sendrawtransaction", tx.serialize().hex())


def _outcome(node: Caller, method: str, params: Sequence[object]) -> Any:
    try:
        return node.call(method, *params)
    except NodeRpcError as error:
        word = error.message.split(" (", 1)[0]  # the reason in parentheses our library keeps
        if word in OTHER_WORDS or word in OTHER_WORDS.values():
            return error.code, OTHER_WORDS.get(word, word)
        return error.code, error.message


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Both]:
    with (
        running_bitcoind(tmp_path / "theirs", extra=["-minrelaytxfee=0", "-blockmintxfee=0"]) as b,
        running_node(tmp_path / "ours") as ours,
    ):
        yield Both(ours, b)


def test_the_recorded_blocks_get_equal_answers(both: Both) -> None:
    replay = load("regtest_replay")
    for entry in replay["vectors"]:
        assert both.submit(bytes.fromhex(entry["block"])) == entry["submitblock"], entry["id"]
    assert both.call("getbestblockhash") == replay["final_tip"]
    both.template()


def test_blocks_with_one_fault_get_equal_answers(both: Both) -> None:
    both.fill(20)
    good = BlockPlan(template=both.template(), script=KEY.script)
    curtime = good.template["curtime"]
    faults = {
        "bad-cb-amount": good.but(value=good.template["coinbasevalue"] + 1),
        "bad-cb-height": good.but(height=good.template["height"] - 1),
        "bad-txnmrklroot": good.but(bad_root=True),
        "high-hash": good.but(hard=False),
        "bad-diffbits": good.but(nbits=0x207FFFFE),
        "bad-version(0x00000003)": good.but(version=3),
        "time-too-old": good.but(ntime=good.template["mintime"] - 1),
        "time-too-new": good.but(ntime=curtime + 7300),
        "prev-blk-not-found": good.but(prev_hash="ab" * 32),
        "unexpected-witness": good.but(commit=False),
    }
    for reason, plan in faults.items():
        assert both.submit(plan.build()) == reason
    wrong = faults["bad-cb-amount"].build()
    assert both.submit(wrong) == "duplicate-invalid"
    assert both.submit(wrong[:-1]) == (-22, "Block decode failed")
    assert both.submit(b"") == (-22, "Block decode failed")
    assert both.call("submitblock", "zz") == (-22, "Block decode failed")
    assert both.submit(good.but(witness=False).build() + b"trailing") is None
    assert both.call("getblockcount") == 21


def test_siblings_and_reorganisations_get_equal_answers(both: Both) -> None:
    both.mine(5)
    template = both.template()
    plans = [BlockPlan(template=template, tag=f"/{i}/".encode()) for i in range(3)]
    blocks = [plan.build() for plan in plans]
    assert [both.submit(raw) for raw in blocks] == [None, "inconclusive", "inconclusive"]
    assert both.submit(blocks[0]) == "duplicate"
    assert both.submit(blocks[1]) == "duplicate"
    child = plans[1].but(
        prev_hash=hash_to_hex(parse_block(blocks[1]).hash),
        height=template["height"] + 1,
        ntime=template["curtime"] + 1,
    )
    assert both.submit(child.build()) is None
    assert both.call("getbestblockhash") == hash_to_hex(parse_block(child.build()).hash)
    bad = plans[2].but(
        prev_hash=hash_to_hex(parse_block(blocks[2]).hash),
        height=template["height"] + 1,
        ntime=template["curtime"] + 1,
        value=template["coinbasevalue"] + 1,
    )
    grandchild = bad.but(
        prev_hash=hash_to_hex(parse_block(bad.build()).hash),
        height=template["height"] + 2,
        value=template["coinbasevalue"],
        tag=b"/late/",
    )
    assert both.submit(bad.build()) == "inconclusive"
    both.submit(grandchild.build())
    both.submit(grandchild.build())
    both.mine(2)
    for raw in (*blocks, child.build(), bad.build()):
        both.submit(raw)
        both.shared("getblockheader", hash_to_hex(parse_block(raw).hash))


@pytest.mark.parametrize("seed", range(4))
def test_spoilt_blocks_get_equal_answers(pair: Both, seed: int) -> None:
    rng = random.Random(seed)
    pair.mine(3)
    for _ in range(40):
        raw = bytearray(BlockPlan(template=pair.template(), script=KEY.script).build())
        for _ in range(rng.randint(1, 3)):
            raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
        raw[3] &= 0x7F  # a version with bit 31 is refused in words of their own by some builds
        pair.submit(bytes(raw))
    pair.mine(1)


def test_payments_of_both_kinds_are_mined_by_both(both: Both) -> None:
    both.fill(103)
    first = KEY.pay(both.coins(1), KEY.taproot_script, fee=1_000)
    second = KEY.pay(Coins.made_by(first), KEY.script, fee=30_000)
    third = KEY.pay(both.coins(2), KEY.script, fee=2_000)
    for tx in (first, second, third):
        assert both.send(tx) == tx.txid().hex()
        assert both.send(tx) == tx.txid().hex()
    assert set(both.ours.call("getrawmempool")) == set(both.theirs.call("getrawmempool"))
    template = both.template()
    assert template["coinbasevalue"] == 5_000_000_000 + 33_000
    raw = both.mine()
    assert len(parse_block(raw).txs) == 4
    assert both.call("getrawmempool") == []
    ours, theirs = (n.call("gettxout", second.txid().hex(), 0) for n in (both.ours, both.theirs))
    assert ours.pop("scriptPubKey").items() <= theirs["scriptPubKey"].items()
    assert ours.items() <= theirs.items()
    assert both.call("gettxout", first.txid().hex(), 0) is None
    assert both.send(second) == (-27, "Transaction outputs already in utxo set")


def test_bad_transactions_get_equal_answers(both: Both) -> None:
    both.fill(101)
    mature, young = both.coins(1), both.coins(3)
    bad_signature = KEY.pay(mature, KEY.script, fee=900)
    bad_signature.vout[0].value += 1
    unknown = Coins(b"\x11" * 32, 0, 1000, KEY.script)
    late = KEY.pay(mature, KEY.script, fee=900, lock_time=200)
    waiting = KEY.pay(mature, KEY.script, fee=900, sequence=500)
    too_much = KEY.pay(mature, KEY.script, fee=-5)
    answers = [
        both.send(tx)
        for tx in (
            KEY.pay(young, KEY.script, fee=900),
            bad_signature,
            KEY.pay(unknown, KEY.script, fee=100),
            late,
            waiting,
            too_much,
            KEY.pay(mature, KEY.script, fee=400_000_000),
        )
    ]
    assert [answer[0] for answer in answers] == [-26, -26, -25, -26, -26, -26, -25]
    for text in ("", "00", "zz", mature.txid.hex()):
        assert both.call("sendrawtransaction", text)[0] == -22
    coinbase = parse_block(both.mine()).txs[0].raw.hex()
    assert both.call("sendrawtransaction", coinbase)[0] == -27


def test_a_block_with_a_bad_signature_is_refused_by_both(both: Both) -> None:
    both.fill(101)
    tx = KEY.pay(both.coins(1), KEY.script, fee=0)
    tx.vout[0].value -= 7
    template = both.template()
    plan = BlockPlan(template=template, txs=[tx.serialize()], commit=False, witness=False)
    assert both.submit(plan.build()) == "unexpected-witness"
    stripped = Transaction.parse(tx.serialize())
    stripped.vin[0].witness.items = []
    plan = plan.but(txs=[stripped.serialize()])
    answers = [node.call("submitblock", plan.build().hex()) for node in (both.ours, both.theirs)]
    assert all("script-verify-flag-failed" in answer for answer in answers)
    assert both.call("getblockcount") == 101


def test_the_chain_is_described_alike(both: Both) -> None:
    both.fill(150)
    info = both.ours.call("getblockchaininfo")
    theirs = both.theirs.call("getblockchaininfo")
    for key in info.keys() - {"size_on_disk"}:
        assert info[key] == theirs[key], key
    for height in (0, 1, 75, 149, 150):
        block_hash = both.call("getblockhash", height)
        both.shared("getblockheader", block_hash)
        both.call("getblockheader", block_hash, False)
        both.call("getblock", block_hash, 0)
        both.shared("getblock", block_hash)
        both.shared("getblock", block_hash, 1)
        ours = both.ours.call("getblock", block_hash, 2)["tx"][0]
        tx = both.theirs.call("getblock", block_hash, 2)["tx"][0]
        assert ours["txid"] == tx["txid"]
        assert [out["value"] for out in ours["vout"]] == [out["value"] for out in tx["vout"]]
        assert ours["hex"] == tx["hex"]
    mining = both.ours.call("getmininginfo")
    other = both.theirs.call("getmininginfo")
    for key in mining.keys() - {"networkhashps"}:
        assert mining[key] == other[key], key
    for address in [entry["address"] for entry in load("addresses")["valid"][:8]]:
        ours, tx = (node.call("validateaddress", address) for node in (both.ours, both.theirs))
        assert ours["isvalid"] == tx["isvalid"]
        if ours["isvalid"]:
            assert {key: tx[key] for key in ours} == ours


def test_the_vote_on_a_version_bit_is_followed_alike(both: Both) -> None:
    for height in (143, 144, 287, 288, 431):
        both.fill(height - both.call("getblockcount") - 1)
        both.template()
        both.mine()
    assert "testdummy" in both.template()["rules"]


@pytest.mark.parametrize(
    "call",
    [
        ("getblockhash", -1),
        ("getblockhash", 10_000),
        ("getblockhash", "1"),
        ("getblock", "aa"),
        ("getblock", "00" * 32),
        ("getblockheader", "zz" * 32),
        ("getblockheader", "00" * 32),
        ("nope",),
        ("submitblock", 1),
        ("getblocktemplate", {}),
        ("getblocktemplate", {"mode": "other"}),
        ("getblocktemplate", {"rules": ["segwit"], "longpollid": "abc"}),
        ("generatetoaddress", 1, "nobody"),
        ("generatetoaddress", "x", "y"),
        ("waitfornewblock", -1),
        ("gettxout", "aa", 0),
        ("sendrawtransaction", 5),
    ],
    ids=str,
)
def test_bad_calls_get_equal_answers(pair: Both, call: tuple[Any, ...]) -> None:
    code, _ = pair.call(*call)
    assert code < 0


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    folder = tmp_path_factory.mktemp("pair")
    with running_bitcoind(folder / "theirs") as theirs, running_node(folder / "ours") as ours:
        yield Both(ours, theirs)
