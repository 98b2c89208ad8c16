import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headframe.chain.hashes import hashes_from_hex, sha256d
from headframe.chain.merkle import first_leaf_path, fold, merkle_root
from tests.fakes.blocks import read_block
from tests.fakes.vectors import cases, load

HASHES = st.binary(min_size=32, max_size=32)


def naive_root(row: list[bytes]) -> bytes:
    """The whole tree, level by level, as consensus states it."""
    while len(row) > 1:
        if len(row) % 2 == 1:
            row = [*row, row[-1]]
        row = [sha256d(row[i] + row[i + 1]) for i in range(0, len(row), 2)]
    return row[0]


def test_a_tree_without_leaves_is_refused():
    with pytest.raises(ValueError, match="at least one leaf"):
        merkle_root([])


def test_a_lone_leaf_is_the_root_and_has_no_path():
    assert merkle_root([b"\x07" * 32]) == b"\x07" * 32
    assert first_leaf_path(b"") == ()


@pytest.mark.parametrize("count", range(1, 35))
def test_the_root_is_that_of_the_whole_tree(count):
    leaves = [sha256d(bytes((number,))) for number in range(count)]
    assert merkle_root(leaves) == naive_root(leaves)


@pytest.mark.parametrize("count", [*range(2, 18), 2048, 2049])
def test_the_path_is_as_long_as_the_tree_is_high(count):
    path = first_leaf_path(bytes(32) * (count - 1))
    assert len(path) == (count - 1).bit_length()


@settings(max_examples=60, deadline=None)
@given(leaves=st.lists(HASHES, min_size=1, max_size=40), other=HASHES)
def test_a_path_serves_whatever_the_first_leaf_is(leaves, other):
    path = first_leaf_path(b"".join(leaves[1:]))
    assert fold(leaves[0], path) == naive_root(leaves)
    assert fold(other, path) == naive_root([other, *leaves[1:]])


@pytest.mark.parametrize("vector", cases("gbt_to_job"))
def test_the_path_is_the_branch_that_a_pool_sends(vector):
    txids = hashes_from_hex([tx["txid"] for tx in vector["template"]["transactions"]])
    branch = [bytes.fromhex(item) for item in vector["expect"]["merkle_branch"]]
    assert list(first_leaf_path(txids)) == branch


@pytest.mark.parametrize(
    "vector", [v for v in load("stratum_jobs")["partial"] if v["what"] == "merkle-root"]
)
def test_a_branch_of_another_miners_tests_leads_to_its_root(vector):
    coinbase = vector["coinb1"] + vector["extranonce1"] + vector["extranonce2"] + vector["coinb2"]
    leaf = sha256d(bytes.fromhex(coinbase))
    assert leaf.hex() == vector["coinbase_hash_internal"]
    path = [bytes.fromhex(item) for item in vector["merkle_branch"]]
    assert fold(leaf, path).hex() == vector["merkle_root_header_order"]


@pytest.mark.parametrize("vector", cases("gbt_blocks"))
def test_the_root_over_a_real_block_is_in_its_header(vector):
    block = read_block(bytes.fromhex(vector["block"]))
    assert block.root == block.header.root
    assert block.root.hex() == vector["merkle_root_header_order"]
