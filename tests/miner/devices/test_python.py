import pytest

from miner.devices.base import Wishes
from miner.devices.python import PythonDevice, find
from native import kernels
from tests.contracts.device import DeviceContract


class TestPythonDevice(DeviceContract):
    @pytest.fixture
    def device(self) -> PythonDevice:
        return PythonDevice(clock=lambda: 1_700_000_000)


def test_it_is_one_thread_on_the_reference_kernel_whatever_is_wished() -> None:
    (device,) = find(Wishes(threads=16, kernel="shani"))
    assert device.name == "python:0"
    assert device.stats.kernel == kernels()[-1].name
