import pytest

from headframe.chain.hashes import (
    hash_from_hex,
    hash_to_hex,
    hash_to_int,
    hashes_from_hex,
    sha256d,
)
from tests.fakes.vectors import cases, load


def test_sha256d_hashes_twice():
    # The digest of "hello" hashed twice, as Bitcoin's developer documentation shows it.
    assert (
        sha256d(b"hello").hex()
        == "9595c9df90075148eb06860365df33584b75bff782a510c6cd4883a419833d50"
    )


@pytest.mark.parametrize("vector", cases("headers"))
def test_a_hash_is_shown_as_people_write_it(vector):
    digest = sha256d(bytes.fromhex(vector["header"]))
    assert hash_to_hex(digest) == vector["hash"]
    assert hash_from_hex(vector["hash"]) == digest
    assert hash_to_int(digest) == int(vector["hash"], 16)


@pytest.mark.parametrize(
    "text", ["", "00", "00" * 31, "00" * 33, "0g" + "00" * 31, "00 " * 32, "00" * 32 + " "]
)
def test_what_is_not_64_hex_digits_is_no_hash(text):
    with pytest.raises(ValueError, match="hex"):
        hash_from_hex(text)
    with pytest.raises(ValueError, match="hex"):
        hashes_from_hex(["00" * 32, text])


def test_many_hashes_keep_their_order():
    shown = [vector["hash"] for vector in load("headers")["vectors"]]
    assert hashes_from_hex(shown) == b"".join(map(hash_from_hex, shown))
    assert hashes_from_hex([]) == b""
    for odd in (["00" * 31, "00" * 33], ["00" * 33, "00" * 31]):  # as long together as two
        with pytest.raises(ValueError, match="64 hex digits"):
            hashes_from_hex(odd)
