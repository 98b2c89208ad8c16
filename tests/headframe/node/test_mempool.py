"""The mempool on a chain of the test's own making."""

import itertools
from collections.abc import Sequence

import pytest

from headframe.node.coins import Coin
from headframe.node.errors import TxRefusedError
from headframe.node.mempool import Mempool, MempoolEntry
from headframe.node.tx import NULL_OUTPOINT, Tx, TxIn, TxOut, outpoint

ANYONE = b"\x51"
serial = itertools.count(1)


class Chain:
    """A best chain whose coins the test lays out; it meets `ChainView`."""

    def __init__(self) -> None:
        self.height = 200
        self.coins: dict[bytes, Coin] = {}
        self.good_scripts = True
        self.asked: list[tuple[Tx, list[Coin]]] = []

    def coin(self, point: bytes) -> Coin | None:
        return self.coins.get(point)

    def median_time_at(self, height: int) -> int:
        return 1_700_000_000 + height

    def verifies(self, tx: Tx, spent: Sequence[Coin]) -> bool:
        self.asked.append((tx, list(spent)))
        return self.good_scripts

    def fund(self, value: int = 10_000) -> bytes:
        point = next(serial).to_bytes(36, "big")
        self.coins[point] = Coin(value, ANYONE, 50, coinbase=False)
        return point


def tx(
    *points: bytes,
    pays: Sequence[int] = (9_000,),
    size: int = 100,
    lock_time: int = 0,
    sequence: int = 0xFFFFFFFF,
    script: bytes = ANYONE,
) -> Tx:
    """A transaction of a stated size; its bytes are of no matter but for its id."""
    raw = next(serial).to_bytes(size, "big")
    inputs = tuple(TxIn(point, b"", sequence, ()) for point in points)
    return Tx(2, inputs, tuple(TxOut(pay, script) for pay in pays), lock_time, raw, raw)


@pytest.fixture
def chain() -> Chain:
    return Chain()


@pytest.fixture
def pool(chain: Chain) -> Mempool:
    return Mempool(chain, lambda: 1_700_000_500)


def add(pool: Mempool, *txs: Tx) -> list[MempoolEntry]:
    entries = []
    for each in txs:
        entries.append(pool.check(each))
        pool.put(entries[-1])
    return entries


def refused(pool: Mempool, each: Tx) -> str:
    with pytest.raises(TxRefusedError) as caught:
        pool.check(each)
    return str(caught.value)


def test_a_good_transaction_is_taken_with_its_fee(chain: Chain, pool: Mempool) -> None:
    payment = tx(chain.fund(), chain.fund(), pays=(15_000, 4_000))
    (entry,) = add(pool, payment)
    assert (entry.fee, entry.time, entry.sigops) == (1_000, 1_700_000_500, 0)
    assert entry.data == payment.raw.hex()
    assert chain.asked == [(payment, list(chain.coins.values()))]
    assert pool.changes == 1


def test_checking_changes_nothing(chain: Chain, pool: Mempool) -> None:
    pool.check(tx(chain.fund()))
    assert (pool.changes, pool.entries) == (0, {})


def test_a_child_spends_what_waits(chain: Chain, pool: Mempool) -> None:
    parent = tx(chain.fund())
    child = tx(outpoint(parent.txid, 0), pays=(8_000,))
    add(pool, parent, child)
    assert pool.parents(child) == [parent.txid]
    assert pool.ancestors(child) == {parent.txid}
    assert pool.coin(outpoint(child.txid, 0)) == Coin(8_000, ANYONE, 201, coinbase=False)
    assert pool.spends(outpoint(parent.txid, 0))
    assert not pool.spends(outpoint(child.txid, 0))


def test_a_missing_input_is_told_apart(pool: Mempool, chain: Chain) -> None:
    parent = tx(chain.fund())
    add(pool, parent)
    for point in (b"\x09" * 36, outpoint(parent.txid, 1)):
        with pytest.raises(TxRefusedError, match="bad-txns-inputs-missingorspent") as caught:
            pool.check(tx(point))
        assert caught.value.missing


def test_what_is_wrong_is_named(chain: Chain, pool: Mempool) -> None:
    young = chain.fund()
    chain.coins[young] = Coin(10_000, ANYONE, 150, coinbase=True)
    waiting = tx(chain.fund(), sequence=150 + 2)
    assert refused(pool, tx()) == "bad-txns-vin-empty"
    coinbase = tx(NULL_OUTPOINT)
    assert refused(pool, coinbase) == "bad-cb-length"
    inputs = (TxIn(NULL_OUTPOINT, b"ab", 0, ()),)
    assert refused(pool, Tx(2, inputs, coinbase.outputs, 0, b"a", b"a")) == "coinbase"
    assert refused(pool, tx(young)).startswith("bad-txns-premature-spend-of-coinbase")
    assert refused(pool, tx(chain.fund(), pays=(10_001,))).startswith("bad-txns-in-belowout")
    assert refused(pool, tx(chain.fund(), lock_time=201, sequence=0)) == "non-final"
    assert refused(pool, waiting) == "non-BIP68-final"
    assert refused(pool, tx(chain.fund(), size=64)) == "tx-size-small"
    assert refused(pool, tx(chain.fund(), size=100_001)) == "tx-size"
    many = tx(chain.fund(), pays=(1,), script=b"\xae" * 201)
    assert refused(pool, many) == "bad-txns-too-many-sigops"
    chain.good_scripts = False
    assert refused(pool, tx(chain.fund())) == "mempool-script-verify-flag-failed"


def test_twice_the_same_and_two_for_one_coin_are_refused(chain: Chain, pool: Mempool) -> None:
    point = chain.fund()
    first = tx(point)
    add(pool, first)
    assert refused(pool, first) == "txn-already-in-mempool"
    assert refused(pool, tx(point)) == "txn-mempool-conflict"


def test_a_chain_of_25_is_the_longest(chain: Chain, pool: Mempool) -> None:
    last = tx(chain.fund(100_000), pays=(90_000,))
    add(pool, last)
    for paid in range(1, 25):
        last = tx(outpoint(last.txid, 0), pays=(90_000 - paid,))
        add(pool, last)
    assert refused(pool, tx(outpoint(last.txid, 0))) == "too-long-mempool-chain"


def test_it_is_bounded(chain: Chain, pool: Mempool) -> None:
    for _ in range(200):
        add(pool, tx(chain.fund(), size=100_000))
    assert refused(pool, tx(chain.fund())) == "mempool full"


def test_a_block_takes_out_what_it_has_and_what_it_contradicts(chain: Chain, pool: Mempool) -> None:
    shared = chain.fund()
    mined, rival, other = tx(chain.fund()), tx(shared), tx(chain.fund())
    kept_child = tx(outpoint(mined.txid, 0), pays=(8_000,))
    lost_child = tx(outpoint(rival.txid, 0), pays=(8_000,))
    lost_grandchild = tx(outpoint(lost_child.txid, 0), pays=(7_000,))
    add(pool, mined, rival, other, kept_child, lost_child, lost_grandchild)
    before = pool.changes
    pool.confirm([mined, tx(shared)])
    assert list(pool.entries) == [other.txid, kept_child.txid]
    assert pool.changes > before
    assert pool.parents(kept_child) == []
    chain.coins[outpoint(rival.txid, 0)] = Coin(9_000, ANYONE, 201, coinbase=False)
    add(pool, lost_child)


def test_after_a_reorganisation_what_can_be_mined_is_kept(chain: Chain, pool: Mempool) -> None:
    returned, child = tx(chain.fund()), tx(chain.fund())
    gone = tx(chain.fund())
    grandchild = tx(outpoint(returned.txid, 0), pays=(8_000,))
    add(pool, child, gone)
    del chain.coins[gone.inputs[0].outpoint]
    before = pool.changes
    pool.rebuild([returned, grandchild])
    assert list(pool.entries) == [returned.txid, grandchild.txid, child.txid]
    assert pool.changes > before
