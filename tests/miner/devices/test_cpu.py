import pytest
from structlog.testing import capture_logs

from headframe.runtime.errors import ConfigError
from miner.devices.cpu import CpuDevice, find, tell_missing, usable_cores
from native import kernels
from tests.contracts.device import DeviceContract


class TestCpuDevice(DeviceContract):
    @pytest.fixture(params=[1, 3])
    def device(self, request: pytest.FixtureRequest) -> CpuDevice:
        return CpuDevice("cpu:0", request.param, kernels(), clock=lambda: 1_700_000_000)


def test_it_takes_the_fastest_kernel_and_keeps_the_reference_for_the_end() -> None:
    (device,) = find(1, "")
    assert device.stats.kernel in {kernel.name for kernel in kernels()}
    if len(kernels()) > 1:
        assert device.stats.kernel != kernels()[-1].name


def test_a_kernel_can_be_named() -> None:
    for kernel in kernels():
        (device,) = find(1, kernel.name)
        assert device.stats.kernel == kernel.name


def test_an_unknown_kernel_is_a_configuration_error_that_names_those_there_are() -> None:
    with pytest.raises(ConfigError, match=f"no kernel 'shiny'.*{kernels()[-1].name}"):
        find(1, "shiny")


def test_a_miner_without_compiled_kernels_says_why_it_is_slow() -> None:
    with capture_logs() as lines:
        tell_missing("no compiler was found")
        tell_missing("")
    assert [(line["log_level"], line["why"]) for line in lines] == [
        ("warning", "no compiler was found")
    ]


def test_at_least_one_core_may_be_used() -> None:
    assert usable_cores() >= 1
