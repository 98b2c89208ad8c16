"""Readings of a made-up management library."""

from types import SimpleNamespace
from typing import Any

from miner.devices.opencl_platform import ClDevice
from miner.devices.opencl_sensors import find_sensors, nothing

CL = SimpleNamespace(
    device_info=SimpleNamespace(PCI_BUS_ID_NV=1, PCI_SLOT_ID_NV=2, PCI_DOMAIN_ID_NV=3)
)


def make_device(answers: dict[int, int]) -> ClDevice:
    return ClDevice(
        kind="gpu",
        name="Card",
        vendor="Maker",
        platform="Platform",
        driver="1",
        units=8,
        most_group=256,
        handle=SimpleNamespace(get_info=answers.__getitem__),
    )


CARD = make_device({1: 0x65, 2: 0x08, 3: 0})


class FakeNvml:
    def __init__(self) -> None:
        self.asked = b""

    def nvmlInit(self) -> None:  # noqa: N802 # its name
        pass

    def nvmlDeviceGetHandleByPciBusId(self, address: bytes) -> str:  # noqa: N802
        self.asked = address
        return "handle"

    def nvmlDeviceGetTemperature(self, handle: str, sensor: int) -> int:  # noqa: N802
        return 61

    def nvmlDeviceGetPowerUsage(self, handle: str) -> int:  # noqa: N802
        return 345_600

    def nvmlDeviceGetClockInfo(self, handle: str, clock: int) -> int:  # noqa: N802
        raise OSError("not supported")


def test_readings_are_in_base_units_and_what_is_not_told_is_absent() -> None:
    nvml = FakeNvml()
    read = find_sensors(CL, CARD, lambda: nvml)
    assert nvml.asked == b"00000000:65:01.0"
    assert read() == {"temperature_celsius": 61.0, "power_watts": 345.6}


def test_a_machine_without_the_library_reads_nothing() -> None:
    def missing() -> Any:
        raise ImportError("no pynvml")

    assert find_sensors(CL, CARD, missing) is nothing
    assert nothing() == {}


def test_a_device_of_another_vendor_reads_nothing() -> None:
    assert find_sensors(CL, make_device({}), FakeNvml) is nothing
