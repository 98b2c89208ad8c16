from collections.abc import Sequence

import pytest
from structlog.testing import capture_logs

from headframe.runtime.errors import ConfigError
from miner.devices.base import Wishes
from miner.devices.cpu import CpuDevice, find, rank, ranking, tell_missing
from miner.devices.manners import Manners, usable_cores
from native import ScanResult, StopFlag, kernels
from tests.contracts.device import DeviceContract
from tests.fakes.device import LyingKernel, RollingKernel

REFERENCE = kernels()[-1]


class TestCpuDevice(DeviceContract):
    @pytest.fixture(params=[1, 3])
    def device(self, request: pytest.FixtureRequest) -> CpuDevice:
        return CpuDevice("cpu:0", request.param, kernels(), clock=lambda: 1_700_000_000)


class TestRollingCpuDevice(DeviceContract):
    """Four versions at once, by a kernel on top of the reference and of the fastest."""

    @pytest.fixture(params=[kernels()[0], kernels()[-1]], ids=lambda kernel: kernel.name)
    def device(self, request: pytest.FixtureRequest) -> CpuDevice:
        ranked = [RollingKernel(request.param), *kernels()]
        return CpuDevice("cpu:0", 2, ranked, clock=lambda: 1_700_000_000)


def test_it_takes_the_fastest_kernel_and_keeps_the_reference_for_the_end() -> None:
    (device,) = find(Wishes(threads=1))
    assert device.stats.kernel in {kernel.name for kernel in kernels()}
    if len(kernels()) > 1:
        assert device.stats.kernel != kernels()[-1].name


def test_a_kernel_can_be_named() -> None:
    for kernel in kernels()[-2:]:
        (device,) = find(Wishes(threads=1, kernel=kernel.name))
        assert device.stats.kernel == kernel.name


def test_an_unknown_kernel_is_a_configuration_error_that_names_those_there_are() -> None:
    with pytest.raises(ConfigError, match=f"no kernel 'shiny'.*{kernels()[-1].name}"):
        find(Wishes(kernel="shiny"))


def test_there_is_a_thread_for_each_core_that_it_is_pinned_to() -> None:
    core = usable_cores()[0]
    (device,) = find(Wishes(manners=Manners(cores=(core,)), kernel=kernels()[-1].name))
    assert isinstance(device, CpuDevice)
    assert device._size == 1


def test_a_kernel_that_was_named_comes_first_and_every_job_is_served() -> None:
    for kernel in kernels()[-2:-1]:  # without the extension there is none but the reference
        ranked = rank(kernel.name)
        assert ranked[0].name == kernel.name
        assert ranked[-1].name == REFERENCE.name
        assert sorted(each.name for each in ranked) == sorted(each.name for each in kernels())
    assert [kernel.name for kernel in rank(REFERENCE.name)] == [REFERENCE.name]


class PacedKernel:
    """The reference, with so much more to do for each scan."""

    lanes = 1

    def __init__(self, name: str, versions: int, turns: int) -> None:
        self.name = name
        self.versions = versions
        self._turns = turns

    def scan(
        self,
        heads: Sequence[bytes],
        tail12: bytes,
        target: bytes,
        first: int,
        count: int,
        stop: StopFlag,
    ) -> ScanResult:
        for _ in range(self._turns):
            REFERENCE.scan(heads, tail12, target, first, count, stop)
        return REFERENCE.scan(heads, tail12, target, first, count, stop)


def test_kernels_are_ranked_by_their_speed_and_the_reference_stays_last() -> None:
    slow, slower, fast = (
        PacedKernel("slow", 4, 3),
        PacedKernel("slower", 1, 12),
        PacedKernel("fast", 1, 0),
    )
    ranked = rank(known=[slower, slow, fast, REFERENCE])
    assert [kernel.name for kernel in ranked] == ["fast", "slow", "slower", REFERENCE.name]
    named = rank("slower", known=[slower, slow, fast, REFERENCE])
    assert [kernel.name for kernel in named] == ["slower", "fast", "slow", REFERENCE.name]


def test_a_kernel_that_fails_its_self_test_is_told_and_not_used() -> None:
    liar = LyingKernel("liar")
    with capture_logs() as lines:
        assert rank(known=[liar, REFERENCE]) == (REFERENCE,)
    assert [(line["log_level"], line["event"], line["kernel"]) for line in lines] == [
        ("error", "kernel_not_used", "liar")
    ]
    with capture_logs():
        assert ranking(known=[liar, REFERENCE])[1] == ("liar",)
    with pytest.raises(ConfigError, match="liar fails its self-test"):
        rank("liar", known=[liar, REFERENCE])


def test_a_device_tells_which_kernels_passed_their_self_test() -> None:
    (device,) = find(Wishes())
    names = {kernel.name for kernel in kernels()[:-1]}
    assert device.stats.self_tests == dict.fromkeys(names, True)
    liars = CpuDevice("cpu:0", 1, (REFERENCE,), unsound=("liar",))
    assert liars.stats.self_tests == {"liar": False}


def test_a_miner_without_compiled_kernels_says_why_it_is_slow() -> None:
    with capture_logs() as lines:
        tell_missing("no compiler was found")
        tell_missing("")
    assert [(line["log_level"], line["why"]) for line in lines] == [
        ("warning", "no compiler was found")
    ]
