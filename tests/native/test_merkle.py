from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headframe.chain.hashes import hash_from_hex, hashes_from_hex
from headframe.chain.merkle import first_leaf_path, fold
from native.merkle import leaf_path, leaf_path_in_python
from tests.fakes.vectors import load

Path = Callable[[bytes], tuple[bytes, ...]]

both = pytest.mark.parametrize("path", [leaf_path, leaf_path_in_python], ids=["c", "python"])
hashes = st.lists(st.binary(min_size=32, max_size=32), max_size=70).map(b"".join)


@both
@settings(max_examples=60, deadline=None)
@given(others=hashes)
def test_it_is_the_path_of_the_chain(path: Path, others: bytes):
    assert path(others) == first_leaf_path(others)


@both
@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 255, 256, 257, 4000])
def test_it_is_as_long_as_the_tree_is_high(path: Path, count: int):
    others = b"".join(number.to_bytes(32, "little") for number in range(count))
    made = path(others)
    assert len(made) == count.bit_length()
    assert made == first_leaf_path(others)


@both
def test_it_leads_to_the_roots_of_real_blocks(path: Path):
    vectors = [each for each in load("gbt_blocks")["vectors"] if each["id"] != "h115-subset"]
    for vector in vectors:  # all whose blocks hold all transactions of their templates
        ids = hashes_from_hex([tx["txid"] for tx in vector["template"]["transactions"]])
        root = bytes.fromhex(vector["merkle_root_header_order"])
        assert fold(hash_from_hex(vector["coinbase"]["txid"]), path(ids)) == root


def test_what_is_no_hash_is_refused():
    with pytest.raises(ValueError, match="a hash has 32 bytes"):
        leaf_path(bytes(32) + bytes(31))
