from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256

import pytest

from native.choose import KNOWN_BLOCKS, choose, kernels, measure, pick, self_test
from native.kernel import KernelError, ScanResult, StopFlag
from native.reference import ReferenceKernel
from tests.contracts.kernel import REAL_HEADERS


@dataclass
class OddKernel:
    """The reference under another name, with a fault and a price of one's choice."""

    name: str = "odd"
    lanes: int = 1
    versions: int = 1
    drops: int = 0
    """Every hit number that this divides is left out; 0: none."""
    invents: bool = False
    ticks: "ManualClock | None" = None
    seconds_per_nonce: float = 0.0
    scans: list[int] = field(default_factory=list)

    def scan(
        self,
        heads: Sequence[bytes],
        tail12: bytes,
        target: bytes,
        first: int,
        count: int,
        stop: StopFlag,
    ) -> ScanResult:
        self.scans.append(len(heads))
        if self.ticks is not None and target == bytes(32):
            self.ticks.now += self.seconds_per_nonce * count
            return ScanResult((), first + count)
        found = ReferenceKernel().scan(heads, tail12, target, first, count, stop)
        hits = found.hits
        if self.drops:
            hits = tuple(hit for hit in hits if hit[1] % self.drops)
        if self.invents:
            hits = (*hits, (0, first + count - 1))
        return ScanResult(hits, found.next)


class ManualClock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def racer(
    clock: ManualClock, name: str, speed_hps: float, *, versions: int = 1, drops: int = 0
) -> OddKernel:
    return OddKernel(
        name=name,
        versions=versions,
        drops=drops,
        ticks=clock,
        seconds_per_nonce=1 / speed_hps,
    )


class TestKernels:
    def test_reference_is_the_last(self):
        assert isinstance(kernels()[-1], ReferenceKernel)

    @pytest.mark.parametrize("kernel", kernels(), ids=lambda kernel: kernel.name)
    def test_every_kernel_of_this_machine_passes_its_self_test(self, kernel):
        self_test(kernel)


class TestSelfTest:
    def test_known_blocks_are_real(self):
        real = {header for header, _ in REAL_HEADERS.values()}
        for block in KNOWN_BLOCKS:
            raw = bytes.fromhex(block)
            assert len(raw) == 80
            assert sha256(sha256(raw).digest()).digest()[-4:] == bytes(4)
        assert real & set(KNOWN_BLOCKS)

    def test_missed_nonce_of_a_block_is_noticed(self):
        with pytest.raises(KernelError, match=r"kernel odd fails its self-test: nonce 7c2bac1d"):
            self_test(OddKernel(drops=1))

    @pytest.mark.parametrize("drops", [2, 3, 7])
    def test_lane_that_drops_its_hits_is_noticed(self, drops):
        with pytest.raises(KernelError, match="kernel odd fails its self-test"):
            self_test(OddKernel(drops=drops))

    def test_invented_hit_is_noticed(self):
        with pytest.raises(KernelError, match="kernel odd fails its self-test"):
            self_test(OddKernel(invents=True))

    def test_difference_on_made_up_headers_is_noticed(self):
        nonces = {int.from_bytes(bytes.fromhex(block)[-4:], "little") for block in KNOWN_BLOCKS}
        divisor = next(n for n in range(2, 99) if all(nonce % n for nonce in nonces))
        with pytest.raises(KernelError, match="differs from the reference"):
            self_test(OddKernel(drops=divisor))

    def test_kernel_for_several_heads_is_given_as_many(self):
        kernel = OddKernel(versions=4)
        self_test(kernel)
        assert set(kernel.scans) == {4}


class TestChoose:
    def test_fastest_is_taken(self):
        clock = ManualClock()
        slow, fast = racer(clock, "slow", 1e6), racer(clock, "fast", 2e6)
        assert choose([slow, fast, ReferenceKernel()], clock=clock) is fast

    def test_name_is_taken_even_if_slower(self):
        clock = ManualClock()
        slow, fast = racer(clock, "slow", 1e6), racer(clock, "fast", 2e6)
        assert choose([slow, fast], "slow", clock=clock) is slow

    def test_kernel_with_a_fault_is_passed_over(self):
        clock = ManualClock()
        wrong = racer(clock, "wrong", 9e6, drops=2)
        right = racer(clock, "right", 1e6)
        assert choose([wrong, right], clock=clock) is right

    def test_kernel_with_a_fault_is_refused_by_name(self):
        with pytest.raises(KernelError, match="kernel odd fails its self-test"):
            choose([OddKernel(drops=2)], "odd")

    def test_kernel_for_more_versions_than_there_are_is_not_taken(self):
        clock = ManualClock()
        wide, narrow = racer(clock, "wide", 9e6, versions=4), racer(clock, "narrow", 1e6)
        assert choose([wide, narrow], versions=1, clock=clock) is narrow
        assert choose([wide, narrow], versions=4, clock=clock) is wide

    def test_excluded_kernel_is_not_taken(self):
        clock = ManualClock()
        slow, fast = racer(clock, "slow", 1e6), racer(clock, "fast", 2e6)
        assert choose([slow, fast], exclude={"fast"}, clock=clock) is slow
        with pytest.raises(KernelError, match="there are: slow"):
            choose([slow, fast], "fast", exclude={"fast"}, clock=clock)

    def test_reference_is_taken_when_nothing_else_is_left(self):
        reference = ReferenceKernel()
        assert choose([OddKernel(drops=2), reference]) is reference

    def test_unknown_name_is_answered_with_the_names_there_are(self):
        with pytest.raises(KernelError, match=r"no kernel 'avx9' .* there are: odd, python"):
            choose([OddKernel(), ReferenceKernel()], "avx9")

    def test_no_kernel_at_all_is_said(self):
        with pytest.raises(KernelError, match="no kernel can be used: none is left"):
            choose([OddKernel()], exclude={"odd"})

    def test_only_faulty_kernels_are_said_with_their_faults(self):
        with pytest.raises(KernelError, match="no kernel can be used: kernel odd fails"):
            choose([OddKernel(drops=2)])


class TestPick:
    def test_it_chooses_among_this_machines_kernels(self):
        assert pick().name in {kernel.name for kernel in kernels()}

    def test_python_can_be_asked_for(self):
        assert pick("python").name == "python"

    def test_excluded_names_are_passed_over(self):
        compiled = {kernel.name for kernel in kernels()} - {"python"}
        assert pick(exclude=compiled).name == "python"


class TestMeasure:
    @pytest.mark.parametrize("versions", [1, 4])
    def test_rate_counts_every_version(self, versions):
        clock = ManualClock()
        kernel = racer(clock, "even", 1e6, versions=versions)
        rate = measure(kernel, versions, clock=clock)
        assert rate == pytest.approx(1e6 * versions)

    def test_it_runs_as_long_as_asked(self):
        clock = ManualClock()
        measure(racer(clock, "even", 1e6), seconds=3, clock=clock)
        assert clock.now - 100 >= 3
