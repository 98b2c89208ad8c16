import pytest

from headframe.chain.hashes import hash_from_hex, hash_to_hex, hash_to_int
from headframe.chain.header import Header
from headframe.chain.target import target_from_nbits
from tests.fakes.blocks import read_block
from tests.fakes.vectors import cases, load


@pytest.mark.parametrize("vector", cases("headers"))
def test_a_real_header_is_read_written_and_hashed(vector):
    raw = bytes.fromhex(vector["header"])
    header = Header.parse(raw)
    assert header == Header(
        version=int(vector["version"], 16),
        prev_hash=hash_from_hex(vector["previousblockhash"]),
        root=hash_from_hex(vector["merkleroot"]),
        ntime=vector["time"],
        nbits=int(vector["bits"], 16),
        nonce=vector["nonce"],
    )
    assert header.encode() == raw
    assert hash_to_hex(header.hash()) == vector["hash"]
    meets = hash_to_int(header.hash()) <= target_from_nbits(header.nbits)
    assert meets is vector["meets_own_target"]


@pytest.mark.parametrize("size", [0, 79, 81])
def test_a_header_of_another_length_is_refused(size):
    with pytest.raises(ValueError, match=f"80 bytes, not {size}"):
        Header.parse(bytes(size))


def test_the_replayed_chain_hangs_together_by_its_hashes():
    replay = load("regtest_replay")
    heights = {hash_from_hex(replay["genesis"]): 0}
    for entry in replay["vectors"]:
        header = read_block(bytes.fromhex(entry["block"])).header
        if entry["submitblock"] in (None, "inconclusive"):
            heights[header.hash()] = heights[header.prev_hash] + 1
        elif entry["submitblock"] == "duplicate":
            assert header.hash() in heights
    assert heights[hash_from_hex(replay["final_tip"])] == max(heights.values()) == 129
