"""The host's part of a search, against hashlib and the constants of FIPS 180-4."""

import struct
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miner.devices import opencl_job
from miner.devices.opencl_job import is_hit, make_launch_job, word7, zero_mask
from tests.contracts.kernel import HEAD, TAIL, proof

targets = st.one_of(
    st.integers(min_value=0, max_value=2**256 - 1),
    st.integers(min_value=0, max_value=255).map(lambda bit: 1 << bit),
)


def digest_of(block: bytes, state: tuple[int, ...]) -> bytes:
    return struct.pack(">8I", *opencl_job._compress(state, block))


def test_constants_are_those_of_the_standard() -> None:
    # FIPS 180-4, 4.2.2 and 5.3.3: the first and last of each table.
    assert (opencl_job._K[0], opencl_job._K[63]) == (0x428A2F98, 0xC67178F2)
    assert (opencl_job._IV[0], opencl_job._IV[7]) == (0x6A09E667, 0x5BE0CD19)


@given(message=st.binary(max_size=55))
def test_compression_is_what_hashlib_says(message: bytes) -> None:
    block = (message + b"\x80").ljust(56, b"\0") + struct.pack(">Q", 8 * len(message))
    assert digest_of(block, opencl_job._IV) == sha256(message).digest()


@given(head=st.binary(min_size=64, max_size=64), tail=st.binary(min_size=12, max_size=12))
def test_midstate_goes_on_to_the_hash_of_the_header(head: bytes, tail: bytes) -> None:
    job = make_launch_job((head,), tail)
    midstate = struct.unpack("=8I", job.heads[0][1])
    rest = (tail + b"\0\0\0\x07" + b"\x80").ljust(60, b"\0") + struct.pack(">I", 640)
    assert digest_of(rest, midstate) == sha256(head + tail + b"\0\0\0\x07").digest()


@given(target=targets, digest=st.binary(min_size=32, max_size=32))
def test_no_hash_within_the_target_has_a_bit_of_the_mask(target: int, digest: bytes) -> None:
    hash_ = min(int.from_bytes(digest, "little"), target).to_bytes(32, "little")
    assert word7(hash_) & zero_mask(target.to_bytes(32, "little")) == 0


@pytest.mark.parametrize(
    ("target", "bits"),
    [
        ((1 << 256) - 1, 0),
        (1 << 255, 0),
        ((1 << 255) - 1, 1),
        (0x7FFFFF << 232, 1),  # regtest
        (0xFFFF << 208, 32),  # difficulty 1
        (1 << 224, 31),
        (0, 32),
    ],
)
def test_mask_has_as_many_bits_as_the_top_word_has_zeros(target: int, bits: int) -> None:
    assert zero_mask(target.to_bytes(32, "little")).bit_count() == bits


def test_candidate_is_compared_with_all_of_the_target() -> None:
    number = proof(HEAD, TAIL, 5)
    mask = zero_mask(number.to_bytes(32, "little"))
    assert is_hit(HEAD, TAIL, 5, mask, number) is True
    assert is_hit(HEAD, TAIL, 5, mask, number - 1) is False


def test_claim_that_is_no_candidate_is_told_from_one_that_misses() -> None:
    digest = proof(HEAD, TAIL, 5).to_bytes(32, "little")
    assert is_hit(HEAD, TAIL, 5, word7(digest), (1 << 256) - 1) is None
