"""The coin index, over the recorded chain and back."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headframe.chain.hashes import hash_from_hex
from headframe.node.coins import Coin, CoinIndex
from headframe.node.tx import Block, outpoint, parse_block
from tests.fakes.vectors import load

REPLAY = load("regtest_replay")
GENESIS = hash_from_hex(REPLAY["genesis"])


def best_chain() -> list[Block]:
    by_hash = {}
    for entry in REPLAY["vectors"]:
        if entry["submitblock"] in (None, "inconclusive"):
            block = parse_block(bytes.fromhex(entry["block"]))
            by_hash[block.hash] = block
    chain = []
    tip = hash_from_hex(REPLAY["final_tip"])
    while tip != GENESIS:
        chain.append(by_hash[tip])
        tip = by_hash[tip].header.prev_hash
    return chain[::-1]


CHAIN = best_chain()


def reference(blocks: list[Block]) -> dict[bytes, Coin]:
    """What is unspent, the obvious way: all that was made, less all that was spent."""
    made = {
        outpoint(tx.txid, index): Coin(
            output.value, output.script, height, coinbase=tx is block.txs[0]
        )
        for height, block in enumerate(blocks, start=1)
        for tx in block.txs
        for index, output in enumerate(tx.outputs)
        if not output.script.startswith(b"\x6a")
    }
    spent = {tx_in.outpoint for block in blocks for tx in block.txs for tx_in in tx.inputs}
    return {point: coin for point, coin in made.items() if point not in spent}


def spent_by(block: Block, before: dict[bytes, Coin], height: int) -> list[list[Coin]]:
    inside = {
        outpoint(tx.txid, index): Coin(output.value, output.script, height, coinbase=False)
        for tx in block.txs[1:]
        for index, output in enumerate(tx.outputs)
    }
    known = {**inside, **before}
    return [[known[tx_in.outpoint] for tx_in in tx.inputs] for tx in block.txs[1:]]


@pytest.fixture(scope="module")
def full() -> CoinIndex:
    index = CoinIndex(GENESIS)
    for block in CHAIN:
        index.connect(block)
    return index


def test_it_holds_what_was_made_and_not_spent(full: CoinIndex) -> None:
    expected = reference(CHAIN)
    assert len(full) == len(expected)
    assert {point: full.get(point) for point in expected} == expected
    assert (full.tip, full.height) == (CHAIN[-1].hash, 129)


def test_going_back_undoes_going_forward() -> None:
    index = CoinIndex(GENESIS)
    for block in CHAIN:
        index.connect(block)
    for height in range(129, 100, -1):
        before = reference(CHAIN[: height - 1])
        index.disconnect(CHAIN[height - 1], spent_by(CHAIN[height - 1], before, height))
        assert (index.height, len(index)) == (height - 1, len(before))
        assert all(index.get(point) == coin for point, coin in before.items())


def test_a_block_in_the_wrong_place_is_refused(full: CoinIndex) -> None:
    with pytest.raises(ValueError, match="does not follow"):
        full.connect(CHAIN[5])
    with pytest.raises(ValueError, match="is not the index"):
        full.disconnect(CHAIN[5], [])


def test_it_comes_back_from_its_file(full: CoinIndex, tmp_path: Path) -> None:
    path = tmp_path / "coins.dat"
    full.save(path)
    again = CoinIndex(GENESIS)
    assert again.load(path)
    assert (again.tip, again.height, len(again)) == (full.tip, full.height, len(full))
    assert [path.name for path in tmp_path.iterdir()] == ["coins.dat"]


@pytest.mark.parametrize("content", [None, b"", b"\x94\x02\xc4\x00\x00\x80"])
def test_a_file_that_is_not_to_be_had_changes_nothing(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "coins.dat"
    if content is not None:
        path.write_bytes(content)
    index = CoinIndex(GENESIS)
    assert not index.load(path)
    assert (index.tip, index.height, len(index)) == (GENESIS, 0, 0)


def test_any_output_of_a_transaction_is_found(full: CoinIndex) -> None:
    coinbase = CHAIN[-1].txs[0]
    assert full.has_any(coinbase.txid, len(coinbase.outputs))
    assert not full.has_any(bytes(32), 5)


@given(st.integers(0, 2**63), st.binary(max_size=60), st.integers(0, 2**30), st.booleans())
def test_a_coin_is_kept_as_it_is(value: int, script: bytes, height: int, coinbase: bool) -> None:
    coin = Coin(value, script, height, coinbase)
    block = CHAIN[0]
    index = CoinIndex(GENESIS)
    index.connect(block)
    point = b"\x07" * 36
    index._coins[point] = _packed(coin)
    assert index.get(point) == coin


def _packed(coin: Coin) -> bytes:
    """The documented layout: value (8), height and coinbase flag (4), script."""
    place = coin.height * 2 + (1 if coin.coinbase else 0)
    return coin.value.to_bytes(8, "little") + place.to_bytes(4, "little") + coin.script
