"""What every kernel must do: subclass `KernelContract` and give it a `kernel` fixture.

Expected hits are computed here, with hashlib; known nonces come from real blocks.
"""

import json
import threading
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from native import Kernel, ScanResult, StopFlag

VECTORS = Path(__file__).parent.parent / "vectors" / "headers.json"
REAL_HEADERS = {
    vector["id"]: (vector["header"], vector["hash"])
    for vector in json.loads(VECTORS.read_text())["vectors"]
}
NONCES = 1 << 32
IMPOSSIBLE = bytes(32)
REGTEST = (0x7FFFFF << 232).to_bytes(32, "little")
HEAD, TAIL = bytes(range(64)), bytes(range(100, 112))

heads_of = st.lists(st.binary(min_size=64, max_size=64), min_size=1, max_size=6)
tails = st.binary(min_size=12, max_size=12)
targets = st.one_of(
    st.integers(min_value=246, max_value=256).map(lambda bits: (1 << bits) - 1),
    st.integers(min_value=0, max_value=2**256 - 1),
).map(lambda target: target.to_bytes(32, "little"))
firsts = st.one_of(
    st.integers(min_value=0, max_value=NONCES - 200),
    st.integers(min_value=0, max_value=300),
    st.integers(min_value=NONCES - 500, max_value=NONCES - 200),
)
# The kernel fixture is the same for all examples and keeps nothing between them.
moderate = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def proof(head: bytes, tail12: bytes, nonce: int) -> int:
    """Hash a header; the number that is compared with a target."""
    header = head + tail12 + nonce.to_bytes(4, "little")
    return int.from_bytes(sha256(sha256(header).digest()).digest(), "little")


def expected_hits(
    heads: Sequence[bytes], tail12: bytes, target: bytes, first: int, count: int
) -> list[tuple[int, int]]:
    """List all hits the slow way, by nonce and then head."""
    limit = int.from_bytes(target, "little")
    return [
        (index, nonce)
        for nonce in range(first, first + count)
        for index, head in enumerate(heads)
        if proof(head, tail12, nonce) <= limit
    ]


def all_hits(
    kernel: Kernel, heads: Sequence[bytes], tail12: bytes, target: bytes, first: int, count: int
) -> list[tuple[int, int]]:
    """Scan to the end, however often the kernel returns early."""
    hits: list[tuple[int, int]] = []
    at, end = first, first + count
    while at < end:
        result = kernel.scan(heads, tail12, target, at, end - at, StopFlag())
        assert at < result.next <= end
        assert len(result.hits) <= 64
        assert all(at <= nonce < result.next for _, nonce in result.hits)
        hits += result.hits
        at = result.next
    return hits


class KernelContract:
    """The suite; `kernel` is a fixture of the subclass."""

    @moderate
    @given(heads=heads_of, tail=tails, target=targets, first=firsts, count=st.integers(0, 200))
    @example(heads=[HEAD], tail=TAIL, target=REGTEST, first=NONCES - 200, count=200)
    @example(heads=[HEAD] * 16, tail=TAIL, target=b"\xff" * 32, first=0, count=50)
    def test_any_scan_finds_exactly_the_hits_there_are(
        self, kernel, heads, tail, target, first, count
    ):
        found = all_hits(kernel, heads, tail, target, first, count)
        assert found == expected_hits(heads, tail, target, first, count)

    @pytest.mark.parametrize("start", [0, 1, 250, None])
    def test_every_small_range_is_exact_whatever_the_lanes(self, kernel, start):
        target = ((1 << 254) - 1).to_bytes(32, "little")  # a quarter of all nonces
        size = 2 * kernel.lanes + 2
        start = NONCES - size - 10 if start is None else start
        known = expected_hits([HEAD], TAIL, target, start, size + 10)
        for first in range(start, start + 10):
            for count in range(size + 1):
                wanted = [hit for hit in known if first <= hit[1] < first + count]
                result = kernel.scan([HEAD], TAIL, target, first, count, StopFlag())
                assert result == ScanResult(tuple(wanted), first + count)

    def test_last_nonce_is_scanned(self, kernel):
        nonce = NONCES - 1
        target = proof(HEAD, TAIL, nonce).to_bytes(32, "little")
        for before in range(35):
            result = kernel.scan([HEAD], TAIL, target, nonce - before, before + 1, StopFlag())
            assert (0, nonce) in result.hits, before
            assert result.next == NONCES, before

    @pytest.mark.parametrize("heads", [1, 2, 4, 5])
    def test_no_hit_is_dropped_where_every_second_hash_is_one(self, kernel, heads):
        several = [bytes([index]) + HEAD[1:] for index in range(heads)]
        known = expected_hits(several, TAIL, REGTEST, 77, 5000 // heads)
        for count in (each // heads for each in (1, 2, 3, 64, 65, 1000, 5000)):
            wanted = [(index, nonce) for index, nonce in known if nonce < 77 + count]
            assert all_hits(kernel, several, TAIL, REGTEST, 77, count) == wanted, count

    def test_every_nonce_hits_the_easiest_target(self, kernel):
        result = kernel.scan([HEAD], TAIL, b"\xff" * 32, 5, 1000, StopFlag())
        assert result.hits == tuple((0, nonce) for nonce in range(5, result.next))
        assert 1 <= len(result.hits) <= 64

    def test_hash_equal_to_the_target_hits_and_one_above_does_not(self, kernel):
        for nonce in range(1000, 1070):  # in whatever lane it is
            number = proof(HEAD, TAIL, nonce)
            for target, there in ((number, True), (number - 1, False)):
                hits = all_hits(kernel, [HEAD], TAIL, target.to_bytes(32, "little"), 1000, 80)
                assert ((0, nonce) in hits) is there, (nonce, target)

    def test_target_of_any_size_is_compared_in_full(self, kernel):
        for bit in range(0, 256, 5):
            target = (1 << bit).to_bytes(32, "little")
            wanted = expected_hits([HEAD], TAIL, target, 0, 60)
            assert all_hits(kernel, [HEAD], TAIL, target, 0, 60) == wanted, bit

    @pytest.mark.parametrize("name", sorted(REAL_HEADERS))
    def test_nonce_of_a_real_block_is_found_from_any_start(self, kernel, name):
        header, hash_hex = bytes.fromhex(REAL_HEADERS[name][0]), REAL_HEADERS[name][1]
        head, tail, nonce = header[:64], header[64:76], int.from_bytes(header[76:], "little")
        target = bytes.fromhex(hash_hex)[::-1]  # its own hash: as hard as can be
        for offset in (0, 1, 2, 3, 5, 17, 255):
            first = max(nonce - offset, 0)
            count = min(offset + 7, NONCES - first)
            hits = all_hits(kernel, [head], tail, target, first, count)
            assert (0, nonce) in hits

    @pytest.mark.parametrize("name", sorted(REAL_HEADERS))
    def test_real_block_hits_every_easier_target(self, kernel, name):
        raw, hash_hex = bytes.fromhex(REAL_HEADERS[name][0]), REAL_HEADERS[name][1]
        nonce, number = int.from_bytes(raw[76:], "little"), int(hash_hex, 16)
        easier = [number + (1 << shift) for shift in range(0, 255, 16)]
        for target in (*easier, (1 << 224) - 1, 1 << 224, 1 << 255, (1 << 256) - 1):
            hit = number <= target  # mainnet's are tiny; regtest's may not be
            limit = target.to_bytes(32, "little")
            result = kernel.scan([raw[:64]], raw[64:76], limit, nonce, 1, StopFlag())
            assert result.hits == (((0, nonce),) if hit else ())

    @pytest.mark.parametrize("place", range(6))
    def test_hit_names_the_head_it_belongs_to(self, kernel, place):
        header, hash_hex = REAL_HEADERS["mainnet-1"]
        raw = bytes.fromhex(header)
        nonce = int.from_bytes(raw[76:], "little")
        heads = [HEAD] * 6
        heads[place] = raw[:64]
        target = bytes.fromhex(hash_hex)[::-1]
        result = kernel.scan(heads, raw[64:76], target, nonce - 100, 200, StopFlag())
        assert result == ScanResult(((place, nonce),), nonce + 100)

    def test_any_number_of_heads_is_searched(self, kernel):
        heads = [bytes([index]) + HEAD[1:] for index in range(16)]
        target = ((1 << 252) - 1).to_bytes(32, "little")
        known = expected_hits(heads, TAIL, target, NONCES - 101, 101)
        for count in range(1, 17):
            wanted = [(index, nonce) for index, nonce in known if index < count]
            assert all_hits(kernel, heads[:count], TAIL, target, NONCES - 101, 101) == wanted, count

    @pytest.mark.parametrize("nonce", [0, 1, 2, 1000, NONCES - 2, NONCES - 1])
    def test_target_is_compared_in_full_for_every_head(self, kernel, nonce):
        heads = [bytes([index]) + HEAD[1:] for index in range(5)]
        first = max(nonce - 40, 0)
        for head, bytes64 in enumerate(heads):
            number = proof(bytes64, TAIL, nonce)
            for target, there in ((number, True), (number - 1, False)):
                limit = target.to_bytes(32, "little")
                hits = all_hits(kernel, heads, TAIL, limit, first, min(NONCES - first, 80))
                assert ((head, nonce) in hits) is there, (head, target)

    @pytest.mark.parametrize("heads", [2, 3, 4, 8, 16])
    def test_all_heads_may_hit_at_one_nonce(self, kernel, heads):
        raw, hash_hex = bytes.fromhex(REAL_HEADERS["mainnet-1"][0]), REAL_HEADERS["mainnet-1"][1]
        nonce = int.from_bytes(raw[76:], "little")
        target = bytes.fromhex(hash_hex)[::-1]
        for first in range(nonce, nonce - 40, -3):
            result = kernel.scan([raw[:64]] * heads, raw[64:76], target, first, 60, StopFlag())
            assert result == ScanResult(tuple((head, nonce) for head in range(heads)), first + 60)

    @pytest.mark.parametrize("first", [0, 5, NONCES])
    def test_empty_range_is_done_at_once(self, kernel, first):
        assert kernel.scan([HEAD], TAIL, REGTEST, first, 0, StopFlag()) == ScanResult((), first)

    def test_flag_set_before_the_scan_stops_it_at_the_first_nonce(self, kernel):
        stop = StopFlag()
        stop.set()
        assert kernel.scan([HEAD], TAIL, REGTEST, 9, 1000, stop) == ScanResult((), 9)
        stop.clear()
        assert kernel.scan([HEAD], TAIL, IMPOSSIBLE, 9, 1000, stop) == ScanResult((), 1009)

    def test_flag_set_during_a_scan_ends_it(self, kernel):
        stop, begun, results = StopFlag(), threading.Event(), []

        def hash_on():
            begun.set()
            results.append(kernel.scan([HEAD], TAIL, IMPOSSIBLE, 0, NONCES, stop))

        thread = threading.Thread(target=hash_on)
        thread.start()
        begun.wait(timeout=10)
        stop.set()
        thread.join(timeout=20)
        assert not thread.is_alive()
        assert results[0].hits == ()
        assert results[0].next < NONCES

    def test_threads_share_a_kernel_without_disturbing_each_other(self, kernel):
        found: dict[int, list[tuple[int, int]]] = {}

        def search(number):
            head = bytes([number]) + HEAD[1:]
            found[number] = all_hits(kernel, [head], TAIL, REGTEST, 0, 2000)

        threads = [threading.Thread(target=search, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
        for number in range(4):
            head = bytes([number]) + HEAD[1:]
            assert found[number] == expected_hits([head], TAIL, REGTEST, 0, 2000)

    @pytest.mark.parametrize(
        ("changed", "complaint"),
        [
            ({"heads": []}, "1 to 16 heads, not 0"),
            ({"heads": [HEAD] * 17}, "1 to 16 heads, not 17"),
            ({"heads": [HEAD[:-1]]}, "64 bytes, not 63"),
            ({"heads": [HEAD, HEAD + b"x"]}, "64 bytes, not 65"),
            ({"tail12": TAIL + b"x"}, "12 bytes, not 13"),
            ({"target": b"\xff" * 31}, "32 bytes, not 31"),
            ({"first": -1}, "do not lie in 0 to 2\\^32"),
            ({"count": -1}, "do not lie in 0 to 2\\^32"),
            ({"first": NONCES, "count": 1}, "do not lie in 0 to 2\\^32"),
            ({"first": 1, "count": NONCES}, "do not lie in 0 to 2\\^32"),
            ({"first": 1 << 70, "count": 1 << 70}, "do not lie in 0 to 2\\^32"),
        ],
    )
    def test_request_that_makes_no_sense_is_refused(self, kernel, changed, complaint):
        request = {"heads": [HEAD], "tail12": TAIL, "target": REGTEST, "first": 0, "count": 1}
        with pytest.raises(ValueError, match=complaint):
            kernel.scan(**request | changed, stop=StopFlag())

    def test_it_says_what_it_is(self, kernel):
        assert kernel.name.isidentifier()
        assert kernel.lanes >= 1
        assert kernel.versions >= 1
