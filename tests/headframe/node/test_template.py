"""Choosing transactions and writing templates; whole templates are compared in test_core.py."""

import itertools
from collections.abc import Sequence

import pytest

from headframe.chain.template import parse_template
from headframe.node.coins import Coin
from headframe.node.deployments import DeploymentState
from headframe.node.mempool import Mempool, MempoolEntry
from headframe.node.template import Draft, least_time, make_template, positions, select
from headframe.node.tx import Tx, TxIn, TxOut, outpoint, parse_tx
from tests.fakes.vectors import load

KNOWN = {entry["id"]: entry["template"] for entry in load("gbt_blocks")["vectors"]}
serial = itertools.count(1)


class NoChain:
    """Nothing is asked of it: entries are put in directly."""

    height = 0

    def coin(self, point: bytes) -> Coin | None:
        raise AssertionError(point)

    def median_time_at(self, height: int) -> int:
        raise AssertionError(height)

    def verifies(self, tx: Tx, spent: Sequence[Coin]) -> bool:
        raise AssertionError(tx, spent)


def entry(fee: int, *parents: MempoolEntry, size: int = 100, sigops: int = 1) -> MempoolEntry:
    points = [outpoint(parent.tx.txid, 0) for parent in parents]
    points = points or [next(serial).to_bytes(36, "big")]
    raw = next(serial).to_bytes(size, "big")
    inputs = tuple(TxIn(point, b"", 0, ()) for point in points)
    return MempoolEntry(Tx(2, inputs, (TxOut(1, b"\x51"),), 0, raw, raw), fee, sigops, 0)


def pool(*entries: MempoolEntry) -> Mempool:
    mempool = Mempool(NoChain(), lambda: 0)
    for each in entries:
        mempool.put(each)
    return mempool


def test_the_best_paying_come_first() -> None:
    cheap, dear, free = entry(10), entry(1000), entry(0)
    assert select(pool(cheap, free, dear)) == (dear, cheap, free)


def test_a_child_brings_its_parents_along_before_it() -> None:
    grandparent = entry(0)
    parent = entry(0, grandparent)
    child = entry(100_000, parent)
    other = entry(500)
    assert select(pool(grandparent, parent, other, child)) == (grandparent, parent, child, other)


def test_a_transaction_is_taken_once_though_two_need_it() -> None:
    parent = entry(0)
    left, right = entry(5_000, parent), entry(4_000, parent)
    chosen = select(pool(parent, left, right))
    assert chosen == (parent, left, right)
    assert positions(chosen) == ((), (1,), (1,))


def test_positions_name_a_parent_once_per_input() -> None:
    parent, other = entry(1), entry(1)
    child = entry(1, other, parent, parent)
    assert positions([parent, other, child]) == ((), (), (2, 1, 1))


def test_the_block_is_not_overfilled() -> None:
    heavy = [entry(1000 + i, size=400_000) for i in range(3)]
    light = entry(10)
    chosen = select(pool(*heavy, light))
    assert chosen == (light, heavy[2], heavy[1])
    assert sum(each.tx.weight for each in chosen) <= 4_000_000 - 8_000


def test_sigops_are_bounded() -> None:
    many = [entry(1000 + i, sigops=30_000) for i in range(3)]
    assert select(pool(*many)) == (many[2], many[1])


def draft(dummy: DeploymentState = DeploymentState.DEFINED, *entries: MempoolEntry) -> Draft:
    return Draft(
        prev_hash=bytes(range(32)),
        height=7,
        nbits=0x207FFFFF,
        subsidy=5_000_000_000,
        mintime=1000,
        curtime=1001,
        dummy=dummy,
        changes=42,
        entries=entries,
        positions=positions(entries),
    )


def test_the_answer_has_all_fields_of_a_real_nodes() -> None:
    for known in KNOWN.values():
        assert make_template(draft()).keys() == known.keys()


@pytest.mark.parametrize(
    ("state", "version", "offered", "rules"),
    [
        (DeploymentState.DEFINED, 0x20000000, {}, ["csv", "!segwit", "taproot"]),
        (DeploymentState.STARTED, 0x30000000, {"testdummy": 28}, ["csv", "!segwit", "taproot"]),
        (DeploymentState.LOCKED_IN, 0x30000000, {"testdummy": 28}, ["csv", "!segwit", "taproot"]),
        (DeploymentState.ACTIVE, 0x20000000, {}, ["csv", "!segwit", "testdummy", "taproot"]),
    ],
)
def test_version_and_rules_follow_the_vote(
    state: DeploymentState, version: int, offered: dict[str, int], rules: list[str]
) -> None:
    """As a real node's templates were seen to have them at heights 144, 288 and 432."""
    answer = make_template(draft(state))
    assert (answer["version"], answer["vbavailable"], answer["rules"]) == (version, offered, rules)


def test_the_long_poll_id_is_tip_and_counter() -> None:
    answer = make_template(draft())
    assert answer["longpollid"] == f"{answer['previousblockhash']}42"


def test_our_own_reader_of_templates_understands_it() -> None:
    known = KNOWN["h110-5tx"]["transactions"]
    entries = [
        MempoolEntry(parse_tx(bytes.fromhex(tx["data"])), tx["fee"], tx["sigops"], 0)
        for tx in known
    ]
    answer = make_template(draft(DeploymentState.DEFINED, *entries))
    template = parse_template(answer)
    assert template.value == 5_000_000_000 + sum(tx["fee"] for tx in known)
    assert answer["default_witness_commitment"] == KNOWN["h110-5tx"]["default_witness_commitment"]
    assert answer["transactions"] == [
        {key: tx[key] for key in ("data", "txid", "hash", "depends", "fee", "sigops", "weight")}
        for tx in known
    ]


@pytest.mark.parametrize(
    ("height", "parent_time", "median", "least"),
    [
        (2015, 5000, 1000, 1001),
        (2016, 5000, 1000, 4400),
        (4032, 1500, 1000, 1001),
        (2017, 5000, 1000, 1001),
    ],
)
def test_a_periods_first_block_is_bound_to_its_parent(
    height: int, parent_time: int, median: int, least: int
) -> None:
    """BIP 94: not more than 600 seconds before it."""
    assert least_time(height, parent_time, median) == least
