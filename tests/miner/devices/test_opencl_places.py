"""Addresses as three vendors' drivers tell them, and which of two drivers is taken."""

from types import SimpleNamespace
from typing import Any

import pytest

from miner.devices.opencl_places import Place, ask_khronos, place_of, without_twins
from tests.fakes.opencl import needs_device, the_device

CL = SimpleNamespace(
    device_info=SimpleNamespace(
        PCI_BUS_ID_NV=1, PCI_SLOT_ID_NV=2, PCI_DOMAIN_ID_NV=3, TOPOLOGY_AMD=4
    )
)
CUDA, ROCM, POCL, MESA = (
    "NVIDIA CUDA OpenCL 3.0",
    "AMD Accelerated Parallel Processing",
    "Portable Computing Language OpenCL 3.0 PoCL 5.0",
    "rusticl OpenCL 3.0",
)
HERE = Place(bus=0x65, slot=0, domain=0)


def device(answers: dict[int, Any], extensions: str = "") -> Any:
    return SimpleNamespace(get_info=answers.__getitem__, extensions=extensions)


@pytest.mark.parametrize(
    ("answers", "place"),
    [
        ({1: 0x65, 2: 0x08, 3: 2}, Place(bus=0x65, slot=1, domain=2)),
        ({1: 0x65, 2: 0}, Place(bus=0x65, slot=0)),
        ({4: SimpleNamespace(bus=-125, device=3)}, Place(bus=0x83, slot=3)),  # a signed byte
        ({}, None),
    ],
)
def test_each_vendors_driver_is_asked_its_own_way(answers: Any, place: Place | None) -> None:
    assert place_of(CL, device(answers)) == place


def test_the_standard_way_goes_first() -> None:
    assert place_of(CL, device({1: 1, 2: 1, 3: 1}), lambda _: HERE) == HERE


def test_a_driver_that_fails_tells_no_place() -> None:
    def fail(_: Any) -> Place:
        raise OSError("no loader")

    assert place_of(CL, device({}), fail) is None


def test_a_device_without_the_extension_is_not_asked() -> None:
    assert ask_khronos(device({}, "cl_khr_fp64 cl_khr_pci_bus_info_2")) is None


@pytest.mark.parametrize(("code", "place"), [(0, Place(bus=2, slot=3, domain=1)), (-30, None)])
def test_the_loader_is_asked_for_four_numbers(code: int, place: Place | None) -> None:
    def get_device_info(pointer: int, question: int, size: int, answer: Any, told: Any) -> int:
        assert (pointer, question, size, told) == (7, 0x410F, 16, None)  # cl_ext.h
        answer[:] = [1, 2, 3, 0]
        return code

    card = device({}, "cl_khr_pci_bus_info")
    card.int_ptr = 7
    assert ask_khronos(card, SimpleNamespace(clGetDeviceInfo=get_device_info)) == place


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (Place(bus=0x65, slot=0, domain=0), True),
        (Place(bus=0x65, slot=0), True),  # as far as it tells
        (Place(bus=0x65, slot=0, domain=1), False),
        (Place(bus=0x65, slot=1, domain=0), False),
        (Place(bus=0x66, slot=0, domain=0), False),
    ],
)
def test_a_domain_that_is_not_told_may_be_any(other: Place, same: bool) -> None:
    assert HERE.matches(other) is same
    assert other.matches(HERE) is same


@pytest.mark.parametrize(
    ("rows", "kept"),
    [
        ([(CUDA, HERE), (POCL, HERE)], [0]),
        ([(POCL, HERE), (CUDA, HERE)], [1]),
        ([(MESA, HERE), (POCL, HERE)], [0]),
        ([(ROCM, HERE), (CUDA, Place(bus=1, slot=0, domain=0)), (MESA, HERE)], [0, 1]),
        ([(CUDA, None), (POCL, None)], [0, 1]),  # nobody knows, so neither is left out
        ([(CUDA, HERE), (POCL, None)], [0, 1]),
        ([(CUDA, HERE), (CUDA, HERE)], [0, 1]),  # parts of one card are one driver's business
        ([], []),
    ],
)
def test_a_gpu_under_two_drivers_is_there_once(
    rows: list[tuple[str, Place | None]], kept: list[int]
) -> None:
    assert without_twins(rows) == kept


@needs_device
def test_a_cpu_has_no_place_on_the_bus_and_a_gpu_may_have() -> None:
    cl, found = the_device()
    place = place_of(cl, found.handle)
    assert place is None or found.kind != "cpu"
