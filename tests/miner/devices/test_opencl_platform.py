"""What is found, and what is said where nothing is."""

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from miner.devices.opencl_platform import INSTALL, DeviceError, list_devices, load_pyopencl
from tests.fakes.opencl import needs_device, the_device


class FakeError(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(f"code {code}")
        self.code = code


class FakeRuntimeError(FakeError):
    pass


TYPES = SimpleNamespace(GPU=4, CPU=2)


def make_pyopencl(platforms: Any) -> Any:
    return SimpleNamespace(
        Error=FakeError, RuntimeError=FakeRuntimeError, device_type=TYPES, get_platforms=platforms
    )


def make_device(type_: int, name: str) -> Any:
    return SimpleNamespace(
        type=type_,
        name=f" {name} ",
        vendor="Maker",
        driver_version="1.0",
        max_compute_units=8,
        max_work_group_size=256,
    )


def make_platform(*devices: Any) -> Any:
    return SimpleNamespace(name="Platform", version="OpenCL 1.2", get_devices=lambda: devices)


def test_gpus_come_first_whatever_driver_brings_them() -> None:
    cpu, gpu, other = (make_device(type_, str(type_)) for type_ in (2, 4, 8))
    cl = make_pyopencl(lambda: [make_platform(cpu, other), make_platform(gpu)])
    assert [(device.kind, device.name) for device in list_devices(cl)] == [
        ("gpu", "4"),
        ("accelerator", "8"),
        ("cpu", "2"),
    ]


def test_devices_and_drivers_are_told_apart_in_the_cache() -> None:
    one, two = make_device(4, "a"), make_device(4, "b")
    three = SimpleNamespace(**{**vars(one), "driver_version": "1.1"})
    cl = make_pyopencl(lambda: [make_platform(one, two, three)])
    assert len({device.key for device in list_devices(cl)}) == 3


def test_a_gpu_under_two_drivers_is_listed_once() -> None:
    def at(bus: int, name: str) -> Any:
        card = make_device(4, name)
        card.extensions, card.get_info = "", {1: bus, 2: 0, 3: 0}.__getitem__
        return card

    generic = make_platform(at(1, "one by PoCL"), at(3, "three by PoCL"))
    generic.name = "Portable Computing Language"
    cl = make_pyopencl(lambda: [generic, make_platform(at(1, "one"), at(2, "two"))])
    cl.device_info = SimpleNamespace(PCI_BUS_ID_NV=1, PCI_SLOT_ID_NV=2, PCI_DOMAIN_ID_NV=3)
    assert [device.name for device in list_devices(cl)] == ["three by PoCL", "one", "two"]


def test_no_driver_is_no_device() -> None:
    def none() -> Any:
        raise FakeError(-1001)

    assert list_devices(make_pyopencl(none)) == []


def test_a_driver_without_devices_is_passed_over() -> None:
    def none() -> Any:
        raise FakeRuntimeError(-1)

    empty = SimpleNamespace(name="Empty", version="1", get_devices=none)
    cl = make_pyopencl(lambda: [empty, make_platform(make_device(2, "cpu"))])
    assert [device.name for device in list_devices(cl)] == ["cpu"]


def test_a_driver_that_fails_is_told_in_one_line() -> None:
    def fail() -> Any:
        raise FakeError(-6)

    with pytest.raises(DeviceError, match="cannot be asked for devices: code -6"):
        list_devices(make_pyopencl(fail))


def test_lack_of_pyopencl_is_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyopencl", None)
    with pytest.raises(DeviceError) as caught:
        load_pyopencl()
    assert INSTALL in str(caught.value)
    assert "\n" not in str(caught.value)


@needs_device
def test_what_a_real_driver_tells_makes_a_device() -> None:
    _, device = the_device()
    assert device.kind in {"gpu", "cpu", "accelerator"}
    assert device.name == device.name.strip() != ""
    assert device.units >= 1
    assert len(device.key) == 16
