import struct

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from headframe.chain.coinbase import (
    MAX_MONEY,
    Coinbase,
    Output,
    build,
    height_from_push,
    height_in,
    height_push,
    parse,
    strip,
    tag_room,
    weight_of,
    with_witness,
    witness_commitment,
)
from headframe.chain.errors import ChainError, CoinbaseError, WireError
from headframe.chain.hashes import hash_from_hex, hash_to_hex, hashes_from_hex, sha256d
from headframe.chain.merkle import merkle_root
from headframe.chain.target import target_from_nbits
from tests.fakes.blocks import Block, read_block
from tests.fakes.vectors import cases, load

BLOCKS = [*cases("gbt_blocks"), *cases("signet_blocks")]
PAY = (Output(value=50 * 10**8, script=b"\x51"),)
HEIGHTS = st.one_of(st.integers(0, 20), st.integers(0, 2**24), st.integers(0, 499_999_999))


def whole(coinbase: Coinbase, extranonce: bytes) -> bytes:
    return coinbase.prefix + extranonce + coinbase.suffix


# The height


@pytest.mark.parametrize("vector", cases("bip34", label="height"))
def test_a_height_is_pushed_in_the_one_form_that_nodes_accept(vector):
    push = bytes.fromhex(vector["push"])
    assert height_push(vector["height"]) == push
    assert height_from_push(push + b"more") == vector["height"]
    for refused in vector["refused"]:
        assert height_from_push(bytes.fromhex(refused["push"])) != vector["height"]


def test_height_zero_is_an_empty_number():
    assert height_push(0) == b"\x00"
    assert height_from_push(b"\x00\x00") == 0


@pytest.mark.parametrize("height", [-1, 500_000_000])
def test_what_is_no_height_is_refused(height):
    with pytest.raises(CoinbaseError, match=f"not {height}"):
        height_push(height)


@settings(max_examples=100, deadline=None)
@given(height=HEIGHTS, rest=st.binary(max_size=8))
def test_a_pushed_height_is_read_back_whatever_follows(height, rest):
    assert height_from_push(height_push(height) + rest) == height


@pytest.mark.parametrize(
    "script_sig", ["", "05", "0100", "0180", "02ff", "61", "4c017f", "04ffffffff", "0500ca9a3b00"]
)
def test_what_begins_with_no_height_has_none(script_sig):
    assert height_from_push(bytes.fromhex(script_sig)) is None


# Building


@pytest.mark.parametrize("vector", BLOCKS)
def test_a_coinbase_is_built_like_the_one_that_a_node_accepted(vector):
    given_, job = vector["coinbase"], vector["stratum"]
    script_sig, push = bytes.fromhex(given_["scriptsig"]), bytes.fromhex(given_["height_push"])
    extranonce = bytes.fromhex(job["extranonce1"] + job["submit_params"][2])
    end = len(script_sig)
    if extranonce:
        end = script_sig.index(extranonce)
    outputs = [
        Output(value=o["value"], script=bytes.fromhex(o["script"])) for o in given_["outputs"]
    ]
    coinbase = build(
        height=vector["height"],
        outputs=outputs,
        extranonce_size=len(extranonce),
        aux=script_sig[len(push) : end],
        tag=script_sig[end + len(extranonce) :],
    )
    built = whole(coinbase, extranonce)
    assert coinbase.size == len(built)
    assert not coinbase.tag_cut
    # Ours always has the sequence and lock time of BIP 54; most vectors have older habits.
    position = built.index(script_sig) + len(script_sig)
    assert built[position : position + 4] == b"\xfe\xff\xff\xff"
    assert built[-4:] == struct.pack("<I", vector["height"] - 1)
    sequence = bytes.fromhex(given_["sequence"])[::-1]
    lock_time = struct.pack("<I", given_["locktime"])
    patched = built[:position] + sequence + built[position + 4 : -4] + lock_time
    assert patched.hex() == given_["stripped"]


def test_the_lock_time_and_sequence_are_those_that_a_node_accepted_at_height_20():
    accepted = next(v for v in load("gbt_blocks")["vectors"] if v["id"] == "h20")["coinbase"]
    parts = parse(whole(build(height=20, outputs=PAY, extranonce_size=0), b""))
    assert (parts.lock_time, parts.sequence) == (
        accepted["locktime"],
        int(accepted["sequence"], 16),
    )
    assert parts.version == accepted["tx_version"]


def test_a_script_of_a_height_alone_gets_the_second_byte_that_consensus_wants():
    accepted = load("gbt_blocks")["vectors"][0]["coinbase"]["scriptsig"]
    built = build(height=1, outputs=PAY, extranonce_size=0)
    assert parse(whole(built, b"")).script_sig.hex() == accepted == "5100"
    assert not built.tag_cut
    assert parse(whole(build(height=0, outputs=PAY, extranonce_size=0), b"")).lock_time == 0


def test_the_tag_is_cut_where_the_room_ends():
    tag = bytes(range(100))
    built = build(height=20, outputs=PAY, extranonce_size=16, tag=tag, aux=b"aux")
    assert built.tag_cut
    script_sig = parse(whole(built, bytes(16))).script_sig
    assert script_sig == b"\x01\x14aux" + bytes(16) + tag[:79]
    assert len(script_sig) == 100
    assert tag_room(height=20, extranonce_size=16, aux=b"aux") == 79
    assert not build(height=20, outputs=PAY, extranonce_size=16, tag=tag[:82]).tag_cut


def test_an_extranonce_that_leaves_no_room_is_refused_by_name():
    assert tag_room(height=20, extranonce_size=98) == 0
    with pytest.raises(CoinbaseError) as caught:
        build(height=20, outputs=PAY, extranonce_size=98, aux=b"x")
    assert "would have 101 bytes, 100 at most" in str(caught.value)
    assert "height 2, node's data 1, extranonce 98" in str(caught.value)


@pytest.mark.parametrize(
    "outputs", [[], [Output(value=MAX_MONEY, script=b""), Output(value=1, script=b"")]]
)
def test_outputs_that_no_node_accepts_are_refused(outputs):
    with pytest.raises(CoinbaseError, match="at least one output"):
        build(height=20, outputs=outputs, extranonce_size=4)


def test_a_negative_extranonce_is_refused():
    with pytest.raises(CoinbaseError, match="not -1"):
        build(height=20, outputs=PAY, extranonce_size=-1)


@pytest.mark.parametrize("value", [-1, 2_100_000_000_000_001])
def test_an_output_of_impossible_money_is_refused(value):
    with pytest.raises(CoinbaseError, match=f"{value} satoshi"):
        Output(value=value, script=b"")
    assert Output(value=2_100_000_000_000_000, script=b"").value == MAX_MONEY


@settings(max_examples=100, deadline=None)
@given(
    height=HEIGHTS,
    values=st.lists(st.integers(0, 10**10), min_size=1, max_size=300),
    extranonce=st.binary(max_size=40),
    tag=st.binary(max_size=120),
    aux=st.binary(max_size=20),
)
@example(height=7, values=[0] * 253, extranonce=b"", tag=b"", aux=b"")
def test_what_is_built_is_read_back(height, values, extranonce, tag, aux):
    outputs = [Output(value=v, script=bytes([n % 256]) * (n % 300)) for n, v in enumerate(values)]
    built = build(height=height, outputs=outputs, extranonce_size=len(extranonce), tag=tag, aux=aux)
    raw = whole(built, extranonce)
    parts = parse(raw)
    assert parts.height == height_in(built.prefix) == height
    assert parts.outputs == tuple(outputs)
    assert parts.lock_time == max(height - 1, 0)
    assert 2 <= len(parts.script_sig) <= 100
    wanted = height_push(height) + aux + extranonce + tag
    assert built.tag_cut is (len(wanted) > 100)
    assert parts.script_sig.startswith(wanted[:100])
    full = with_witness(raw)
    assert strip(full) == strip(raw) == raw
    assert parse(full).witness == (bytes(32),)
    assert weight_of(len(raw), has_witness=True) == 3 * len(raw) + len(full)
    assert weight_of(len(raw), has_witness=False) == 4 * len(raw)


# Reading


@pytest.mark.parametrize("vector", BLOCKS)
def test_an_accepted_coinbase_is_read_and_stripped(vector):
    given_ = vector["coinbase"]
    full, stripped = bytes.fromhex(given_["full"]), bytes.fromhex(given_["stripped"])
    parts = parse(full)
    assert parts.script_sig.hex() == given_["scriptsig"]
    assert parts.height == vector["height"]
    assert parts.version == given_["tx_version"]
    assert f"{parts.sequence:08x}" == given_["sequence"]
    assert parts.lock_time == given_["locktime"]
    assert [(o.value, o.script.hex()) for o in parts.outputs] == [
        (o["value"], o["script"]) for o in given_["outputs"]
    ]
    assert strip(full) == stripped
    assert hash_to_hex(sha256d(stripped)) == given_["txid"]
    reserved = given_["witness_reserved_value"]
    assert parts.witness == (None if reserved is None else (bytes.fromhex(reserved),))
    if reserved == "00" * 32:
        assert with_witness(stripped) == full


@pytest.mark.parametrize("vector", [*cases("stratum_jobs"), *BLOCKS])
def test_the_height_is_read_from_what_a_pool_sends_first(vector):
    coinb1 = vector.get("notify_params", vector.get("stratum", {}).get("notify_params"))[2]
    known = {
        "slush-doc": 25096,
        "p2poolv2-b": 123,
        "p2poolv2-with_version_rolling": 0x013C,
        "mainnet-block-881423": 881423,
        "testnet4-block-40000": 40000,
        "signet-block-31500": 31500,
    }
    height = vector.get("height", known.get(vector["id"]))
    if height is not None:
        assert height_in(bytes.fromhex(coinb1)) == height


def test_the_height_is_read_from_a_coinbase_with_a_witness():
    full = with_witness(whole(build(height=881_423, outputs=PAY, extranonce_size=4), bytes(4)))
    assert height_in(full) == 881_423


@pytest.mark.parametrize("start", [b"", b"\x01\x00\x00", b"\x01\x00\x00\x00\x02", bytes(60)])
def test_there_is_no_height_in_what_is_no_coinbase(start):
    assert height_in(start) is None


def test_there_is_no_height_in_a_start_that_is_cut_before_it():
    prefix = build(height=881_423, outputs=PAY, extranonce_size=4).prefix
    assert [height_in(prefix[:n]) for n in range(len(prefix))] == [None] * len(prefix)


def test_a_transaction_that_is_no_coinbase_is_refused():
    spending = load("gbt_to_job")["vectors"][0]["template"]["transactions"][0]["data"]
    with pytest.raises(CoinbaseError, match="no coinbase"):
        parse(bytes.fromhex(spending))


def test_bytes_left_over_are_refused():
    raw = whole(build(height=1, outputs=PAY, extranonce_size=4), bytes(4))
    with pytest.raises(WireError, match="1 bytes are left over"):
        strip(raw + b"x")


def test_a_witness_of_several_items_is_stripped_too():
    raw = whole(build(height=1, outputs=PAY, extranonce_size=4), bytes(4))
    odd = raw[:4] + b"\x00\x01" + raw[4:-4] + b"\x02\x01a\x00" + raw[-4:]
    assert parse(odd).witness == (b"a", b"")
    assert strip(odd) == raw


@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=120), cut=st.integers(0, 200), place=st.integers(0, 150))
def test_junk_raises_nothing_but_chain_errors(data, cut, place):
    raw = with_witness(whole(build(height=9, outputs=PAY, extranonce_size=4), bytes(4)))
    for junk in (data, raw[:cut], raw[:place] + data + raw[place:]):
        try:
            parse(junk)
            strip(junk)
        except ChainError:
            continue
    assert height_in(data) is None or len(data) > 41


# The witness commitment


@pytest.mark.parametrize("vector", [*BLOCKS, *cases("gbt_to_job")])
def test_the_commitment_is_the_one_that_the_node_computed(vector):
    wtxids = hashes_from_hex([tx["hash"] for tx in vector["template"]["transactions"]])
    script = witness_commitment(wtxids)
    assert script.hex() == vector["template"]["default_witness_commitment"]
    assert len(script) == 38


def test_the_last_commitment_counts():
    first, last = b"\x6a\x24\xaa\x21\xa9\xed" + b"1" * 32, witness_commitment(b"") + b"more"
    outputs = [*PAY, *(Output(value=0, script=s) for s in (first, last, first[:37], b"\x6a"))]
    assert (
        parse(whole(build(height=1, outputs=outputs, extranonce_size=1), b"x")).commitment
        == (last[6:38])
    )
    assert parse(whole(build(height=1, outputs=PAY, extranonce_size=1), b"x")).commitment is None


# Blocks that a node refused, and what our pieces say of them


def script_fault(raw: bytes, height: int) -> str | None:
    try:
        parts = parse(raw)
    except CoinbaseError:
        return "bad-cb-length"
    return None if parts.script_sig.startswith(height_push(height)) else "bad-cb-height"


def witness_fault(block: Block) -> str | None:
    parts = parse(block.transactions[0].full)
    if parts.commitment is None:
        has_witness = any(tx.has_witness for tx in block.transactions)
        return "unexpected-witness" if has_witness else None
    if parts.witness is None or [len(item) for item in parts.witness] != [32]:
        return "bad-witness-nonce-size"
    root = merkle_root([bytes(32), *(tx.wtxid for tx in block.transactions[1:])])
    if parts.commitment != sha256d(root + parts.witness[0]):
        return "bad-witness-merkle-match"
    return None


ALLOWED = {
    hash_from_hex(v["template"]["previousblockhash"]): v["template"]["coinbasevalue"]
    for v in load("gbt_blocks")["vectors"]
}
"""Satoshi that a coinbase may pay, by the parent for which the node said it."""


def fault(block: Block, height: int) -> str | None:
    """Say what is wrong with a regtest block as far as no other block is needed for it."""
    header, coinbase = block.header, block.transactions[0]
    if int.from_bytes(header.hash(), "little") > target_from_nbits(header.nbits):
        return "high-hash"
    if block.root != header.root:
        return "bad-txnmrklroot"
    if header.nbits != 0x207FFFFF:
        return "bad-diffbits"
    if header.version < 4:
        return f"bad-version(0x{header.version:08x})"
    found = script_fault(coinbase.full, height) or witness_fault(block)
    paid = sum(o.value for o in parse(coinbase.full).outputs) if found is None else 0
    if paid > ALLOWED.get(header.prev_hash, MAX_MONEY):
        return "bad-cb-amount"
    return found


NEED_THE_CHAIN = {
    "rej-time-old",
    "rej-time-new",
    "rej-prev-unknown",
    "rej-locktime",
    "rej-order",
    "rej-missing-parent",
    "rej-dup-last",
}


@pytest.mark.parametrize("vector", cases("gbt_rejects"))
def test_what_a_node_refused_is_recognised(vector):
    block = read_block(bytes.fromhex(vector["block"]))
    assert hash_to_hex(block.header.hash()) == vector["block_hash"]
    expected = None if vector["id"] in NEED_THE_CHAIN else vector["submitblock"]
    assert fault(block, vector["tip_height"] + 1) == expected


@pytest.mark.parametrize("vector", cases("gbt_blocks"))
def test_nothing_is_wrong_with_what_a_node_accepted(vector):
    block = read_block(bytes.fromhex(vector["block"]))
    # Only submitblock adds a missing reserved value; proposal mode refuses it as we do.
    assert fault(block, vector["height"]) == vector["proposal"]


def test_nothing_is_wrong_with_a_whole_chain_that_a_node_accepted():
    replay = load("regtest_replay")
    heights = {hash_from_hex(replay["genesis"]): 0}
    for entry in replay["vectors"]:
        if entry["submitblock"] in (None, "inconclusive"):
            block = read_block(bytes.fromhex(entry["block"]))
            height = heights[block.header.prev_hash] + 1
            heights[block.header.hash()] = height
            assert fault(block, height) in (None, "bad-witness-nonce-size")
    assert len(heights) == 131


def test_a_signet_block_without_commitment_is_seen_to_lack_it():
    refused = load("signet_blocks")["rejects"][0]
    block = read_block(bytes.fromhex(refused["block"]))
    assert parse(block.transactions[0].full).commitment is None
