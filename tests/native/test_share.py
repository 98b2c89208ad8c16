import struct
from collections.abc import Callable, Sequence
from hashlib import sha256

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from native.compiled import extension_missing
from native.kernel import KernelError
from native.share import choose_hasher, hash_in_python, pack_context, share_hash
from tests.contracts.kernel import REAL_HEADERS

digests = st.binary(min_size=32, max_size=32)
numbers = st.integers(min_value=0, max_value=2**32 - 1)


def sha256d(data: bytes) -> bytes:
    return sha256(sha256(data).digest()).digest()


def by_definition(
    prefix: bytes,
    suffix: bytes,
    path: Sequence[bytes],
    prev_hash: bytes,
    nbits: int,
    *,
    extranonce: bytes,
    version: int,
    ntime: int,
    nonce: int,
) -> bytes:
    digest = sha256d(prefix + extranonce + suffix)
    for sibling in path:
        digest = sha256d(digest + sibling)
    return sha256d(
        struct.pack("<I", version) + prev_hash + digest + struct.pack("<III", ntime, nbits, nonce)
    )


@pytest.fixture(params=["c", "python"])
def hash_of(request):
    if request.param == "python":
        return hash_in_python
    if extension_missing:
        pytest.skip(extension_missing)
    return share_hash


class TestShareHash:
    @settings(max_examples=150, deadline=None)
    @given(
        prefix=st.binary(max_size=300),
        suffix=st.binary(max_size=300),
        path=st.lists(digests, max_size=14),
        prev_hash=digests,
        nbits=numbers,
        extranonce=st.binary(max_size=64),
        version=numbers,
        ntime=numbers,
        nonce=numbers,
    )
    @example(b"", b"", [], bytes(32), 0, b"", 0, 0, 0)
    def test_it_is_what_hashlib_says(  # noqa: PLR0917
        self, prefix, suffix, path, prev_hash, nbits, extranonce, version, ntime, nonce
    ):
        context = pack_context(prefix, suffix, path, prev_hash, nbits)
        wanted = by_definition(
            prefix,
            suffix,
            path,
            prev_hash,
            nbits,
            extranonce=extranonce,
            version=version,
            ntime=ntime,
            nonce=nonce,
        )
        assert share_hash(context, extranonce, version, ntime, nonce) == wanted
        assert hash_in_python(context, extranonce, version, ntime, nonce) == wanted

    def test_coinbase_may_end_anywhere_in_a_block(self, hash_of):
        for size in range(131):
            coinbase = bytes(range(size))
            wanted = by_definition(
                coinbase, b"", [], bytes(32), 7, extranonce=b"", version=1, ntime=2, nonce=3
            )
            for cut in {0, size // 3, max(size - 4, 0), size}:
                prefix, rest = coinbase[:cut], coinbase[cut:]
                context = pack_context(prefix, rest[4:], [], bytes(32), 7)
                assert hash_of(context, rest[:4], 1, 2, 3) == wanted, (size, cut)

    @pytest.mark.parametrize("name", sorted(REAL_HEADERS))
    def test_header_is_laid_out_as_in_real_blocks(self, hash_of, name):
        raw = bytes.fromhex(REAL_HEADERS[name][0])
        version, ntime, nbits, nonce = struct.unpack("<I64xIII", raw)
        context = pack_context(b"coinbase", b"", [], raw[4:36], nbits)
        made_up = raw[:36] + sha256d(b"coinbase") + raw[68:]
        assert hash_of(context, b"", version, ntime, nonce) == sha256d(made_up)

    @pytest.mark.parametrize("cut", [0, 1, 47, 48, 100, 129])
    def test_cut_context_is_refused(self, hash_of, cut):
        context = pack_context(b"p" * 20, b"s" * 30, [b"h" * 32], b"q" * 32, 1)
        assert len(context) == 130
        with pytest.raises(ValueError, match=f"these {cut} bytes are no context"):
            hash_of(context[:cut], b"", 1, 2, 3)

    def test_longer_context_is_refused(self, hash_of):
        context = pack_context(b"p", b"s", [], b"q" * 32, 1)
        with pytest.raises(ValueError, match="are no context"):
            hash_of(context + b"x", b"", 1, 2, 3)

    @pytest.mark.parametrize("field", [0, 4, 8])
    @pytest.mark.parametrize("value", [0x7FFFFFFF, 0xFFFFFFFF, 0x08000000])
    def test_sizes_that_overflow_are_refused(self, hash_of, field, value):
        context = bytearray(pack_context(b"p" * 32, b"s" * 32, [b"h" * 32], b"q" * 32, 1))
        struct.pack_into("<I", context, field, value)
        with pytest.raises(ValueError, match="are no context"):
            hash_of(bytes(context), b"", 1, 2, 3)

    @pytest.mark.parametrize(
        "sizes", [(3, 4, 1 << 27), (0xFFFFFFFF, 8, 0), (8, 0xFFFFFFFF, 0), (7, 0, 0x08000000)]
    )
    def test_sizes_that_are_right_only_modulo_32_bits_are_refused(self, hash_of, sizes):
        context = bytearray(pack_context(b"pre", b"suff", [], b"q" * 32, 1))
        struct.pack_into("<III", context, 0, *sizes)
        assert (sizes[0] + sizes[1] + 32 * sizes[2]) % 2**32 == 7
        with pytest.raises(ValueError, match="are no context"):
            hash_of(bytes(context), b"", 1, 2, 3)

    @settings(max_examples=100, deadline=None)
    @given(context=st.binary(max_size=200), extranonce=st.binary(max_size=20))
    def test_junk_is_refused_or_hashed_alike(self, context, extranonce):
        def outcome(function: Callable[[bytes, bytes, int, int, int], bytes]) -> bytes | str:
            try:
                return function(context, extranonce, 1, 2, 3)
            except ValueError as error:
                return str(error)

        assert outcome(share_hash) == outcome(hash_in_python)

    @pytest.mark.parametrize("place", range(3))
    @pytest.mark.parametrize("number", [-1, 2**32, 2**70])
    def test_number_that_does_not_fit_is_refused(self, hash_of, place, number):
        values = [1, 2, 3]
        values[place] = number
        context = pack_context(b"", b"", [], bytes(32), 1)
        with pytest.raises(ValueError, match=f"not unsigned numbers of 32 bits: .*{number}"):
            hash_of(context, b"", *values)


class TestPackContext:
    @pytest.mark.parametrize("size", [0, 31, 33])
    def test_hash_of_another_size_is_refused(self, size):
        with pytest.raises(ValueError, match=f"32 bytes, not {size}"):
            pack_context(b"", b"", [bytes(size)], bytes(32), 1)
        with pytest.raises(ValueError, match=f"32 bytes, not {size}"):
            pack_context(b"", b"", [], bytes(size), 1)

    @pytest.mark.parametrize("nbits", [-1, 2**32])
    def test_bits_that_do_not_fit_are_refused(self, nbits):
        with pytest.raises(ValueError, match=f"not unsigned numbers of 32 bits: {nbits}"):
            pack_context(b"", b"", [], bytes(32), nbits)


class TestChooseHasher:
    @staticmethod
    def run(number, context, extranonce, numbers):
        """Be wrong for all numbers below 3."""
        digest = hash_in_python(context, extranonce, *numbers)
        return digest if number >= 3 else bytes(32)

    def test_first_that_agrees_with_hashlib_is_taken(self):
        assert choose_hasher([0, 2, 4, 3], self.run) == 4

    def test_hashers_that_are_all_wrong_are_refused(self):
        with pytest.raises(KernelError, match="no compiled hasher computes right hashes"):
            choose_hasher([0, 1, 2], self.run)


@pytest.mark.skipif(bool(extension_missing), reason=extension_missing or "there")
class TestHashers:
    def test_every_usable_hasher_agrees_with_hashlib(self):
        from native._native import lib
        from native.share import _hash_in_c

        context = pack_context(bytes(range(200)), bytes(99), [b"h" * 32] * 3, b"q" * 32, 1)
        wanted = hash_in_python(context, b"nonce", 1, 2, 3)
        usable = [n for n in range(lib.hf_hasher_count()) if lib.hf_hasher_usable(n)]
        assert usable
        for number in usable:
            assert _hash_in_c(number, context, b"nonce", (1, 2, 3)) == wanted

    def test_number_of_no_hasher_is_no_crash(self):
        from native._native import ffi, lib

        out = ffi.new("uint8_t[32]")
        context = pack_context(b"", b"", [], bytes(32), 1)
        code = lib.hf_share_hash(out, lib.hf_hasher_count(), context, len(context), b"", 0, 1, 2, 3)
        assert code == lib.HF_BAD_KERNEL
