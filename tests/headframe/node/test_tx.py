"""Transactions and blocks read from their bytes; embit and recorded blocks are the judges."""

from typing import Any

import pytest
from embit.transaction import Transaction
from hypothesis import given
from hypothesis import strategies as st

from headframe.chain.errors import WireError
from headframe.chain.hashes import hash_to_hex
from headframe.chain.wire import Reader
from headframe.node.tx import (
    NULL_OUTPOINT,
    add_coinbase_witness,
    outpoint,
    parse_block,
    parse_tx,
    read_tx,
)
from tests.fakes.vectors import cases, load

BLOCKS = {entry["id"]: entry for entry in load("gbt_blocks")["vectors"]}
LISTED = [tx for entry in BLOCKS.values() for tx in entry["template"]["transactions"]]
SOME_TX = bytes.fromhex(LISTED[0]["data"])


@pytest.mark.parametrize("tx", LISTED, ids=lambda tx: tx["txid"][:8])
def test_ids_and_weight_are_those_of_the_node(tx: dict[str, Any]) -> None:
    ours = parse_tx(bytes.fromhex(tx["data"]))
    assert hash_to_hex(ours.txid) == tx["txid"]
    assert hash_to_hex(ours.wtxid) == tx["hash"]
    assert ours.weight == tx["weight"]
    assert ours.vsize == -(-tx["weight"] // 4)
    assert ours.has_witness == (tx["txid"] != tx["hash"])
    assert not ours.is_coinbase


@pytest.mark.parametrize("tx", LISTED, ids=lambda tx: tx["txid"][:8])
def test_fields_are_those_that_embit_reads(tx: dict[str, Any]) -> None:
    raw = bytes.fromhex(tx["data"])
    ours, theirs = parse_tx(raw), Transaction.parse(raw)
    assert (ours.version, ours.lock_time) == (theirs.version, theirs.locktime)
    assert [(i.outpoint, i.script_sig, i.sequence, list(i.witness)) for i in ours.inputs] == [
        (
            outpoint(i.txid[::-1], i.vout),
            bytes(i.script_sig.data),
            i.sequence,
            list(i.witness.items),
        )
        for i in theirs.vin
    ]
    assert [(o.value, o.script) for o in ours.outputs] == [
        (o.value, bytes(o.script_pubkey.data)) for o in theirs.vout
    ]


@pytest.mark.parametrize("entry", cases("gbt_blocks"))
def test_blocks_are_read_whole(entry: dict[str, Any]) -> None:
    raw = bytes.fromhex(entry["block"])
    block = parse_block(raw + b"what follows is ignored")
    assert block.raw == raw
    assert hash_to_hex(block.hash) == entry["block_hash"]
    assert block.txs[0].is_coinbase
    assert block.txs[0].inputs[0].outpoint == NULL_OUTPOINT
    assert block.txs[0].stripped.hex() == entry["coinbase"]["stripped"]
    assert block.weight == 3 * block.stripped_size + len(raw)
    assert b"".join([raw[:81], *(tx.raw for tx in block.txs)]) == raw


def test_a_missing_coinbase_witness_is_put_in() -> None:
    entry = BLOCKS["h107-nowit"]
    block = parse_block(bytes.fromhex(entry["block"]))
    assert not block.txs[0].has_witness
    repaired = parse_block(add_coinbase_witness(block))
    assert repaired.txs[0].inputs[0].witness == (bytes(32),)
    assert repaired.hash == block.hash
    assert repaired.txs[0].txid == block.txs[0].txid
    assert repaired.txs[1:] == block.txs[1:]


@pytest.mark.parametrize("name", ["h108-2tx", "h112-legacy-nocommit"])
def test_a_block_that_lacks_none_stays_as_it_is(name: str) -> None:
    raw = bytes.fromhex(BLOCKS[name]["block"])
    assert add_coinbase_witness(parse_block(raw)) == raw


def test_a_block_without_transactions_stays_as_it_is() -> None:
    raw = bytes.fromhex(BLOCKS["h108-2tx"]["block"])[:80] + b"\x00"
    assert add_coinbase_witness(parse_block(raw)) == raw


def test_a_witness_mark_without_a_witness_is_refused() -> None:
    coinbase = bytes.fromhex(BLOCKS["h107-nowit"]["coinbase"]["stripped"])
    marked = coinbase[:4] + b"\x00\x01" + coinbase[4:-4] + b"\x00" + coinbase[-4:]
    with pytest.raises(WireError, match="has none"):
        parse_tx(marked)


def test_a_count_that_cannot_fit_is_refused_at_once() -> None:
    with pytest.raises(WireError, match="does not fit"):
        parse_tx(b"\x02\x00\x00\x00" + b"\xff" + b"\xff" * 8)


def test_bytes_left_over_are_refused() -> None:
    with pytest.raises(WireError):
        parse_tx(SOME_TX + b"\x00")


@given(st.integers(0, len(SOME_TX) - 1))
def test_a_cut_transaction_is_refused(size: int) -> None:
    with pytest.raises(WireError):
        parse_tx(SOME_TX[:size])


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    for parse in (parse_tx, parse_block):
        try:
            parse(raw)
        except WireError:
            continue


def test_reading_goes_on_where_it_ended() -> None:
    data = b"ab" + SOME_TX + SOME_TX
    reader = Reader(data)
    reader.take(2)
    assert [read_tx(reader, data).raw for _ in range(2)] == [SOME_TX, SOME_TX]
    assert reader.at_end
