"""Where a GPU sits on the PCI bus, so that one under two drivers is not taken for two.

Three ways to ask, since each driver knows its own: Khronos' `cl_khr_pci_bus_info` (Mesa,
Intel, newer others), NVIDIA's `cl_nv_device_attribute_query` (PoCL's CUDA, too), AMD's
`cl_amd_device_topology`. pyopencl does not know the first, so it is asked of the loader.
"""

import ctypes
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

__all__ = ["Place", "ask_khronos", "place_of", "without_twins"]

_PCI_BUS_INFO_KHR: Final = 0x410F
"""Of `cl_ext.h`; answered with four `cl_uint`: domain, bus, device, function."""
_GENERIC: Final = ("portable computing language", "rusticl", "clover")
"""Drivers for GPUs of several makers; the maker's own is preferred."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An address on the PCI bus.

    Attributes:
        bus: its number in the domain.
        slot: the device's number on the bus.
        domain: `None` where the driver does not tell.
    """

    bus: int
    slot: int
    domain: int | None = None

    def matches(self, other: "Place") -> bool:
        """Tell whether both are one place, as far as the drivers tell."""
        domains = {self.domain, other.domain} - {None}
        return (self.bus, self.slot) == (other.bus, other.slot) and len(domains) < 2


def place_of(
    cl: Any, handle: Any, khronos: Callable[[Any], Place | None] | None = None
) -> Place | None:
    """Find out where a device sits.

    Args:
        cl: the module pyopencl.
        handle: pyopencl's object of the device.
        khronos: asks by Khronos' extension; see `ask_khronos`.

    Returns:
        The address; `None` where no way to ask works, as with CPUs.
    """
    for ask in (
        khronos or ask_khronos,
        lambda it: _ask_nvidia(cl, it),
        lambda it: _ask_amd(cl, it),
    ):
        try:
            place = ask(handle)
        except Exception:  # noqa: BLE001, S112 # a driver that does not know the question
            continue
        if place is not None:
            return place
    return None


def ask_khronos(handle: Any, loader: Any = None) -> Place | None:
    """Ask a device for its address by `cl_khr_pci_bus_info`; `None` where it has none.

    Args:
        handle: pyopencl's object of the device.
        loader: the library `libOpenCL`; by default this machine's.
    """
    if "cl_khr_pci_bus_info" not in handle.extensions.split():
        return None
    get_device_info = (loader or _loader()).clGetDeviceInfo
    get_device_info.argtypes = [
        *(ctypes.c_void_p, ctypes.c_uint32, ctypes.c_size_t),
        *(ctypes.c_void_p, ctypes.c_void_p),
    ]
    answer = (ctypes.c_uint32 * 4)()
    size = ctypes.sizeof(answer)
    if get_device_info(handle.int_ptr, _PCI_BUS_INFO_KHR, size, answer, None) != 0:
        return None
    domain, bus, slot, _function = answer
    return Place(bus=bus, slot=slot, domain=domain)


def without_twins(places: Iterable[tuple[str, Place | None]]) -> list[int]:
    """Choose devices so that each GPU is there once.

    Args:
        places: each device's platform and place, in the drivers' order.

    Returns:
        The places in that list of those to keep, in its order.
    """
    rows = list(places)
    kept: list[int] = []
    for index in sorted(range(len(rows)), key=lambda each: _is_generic(rows[each][0])):
        platform, place = rows[index]
        others = (rows[each] for each in kept)
        if place is None or not any(
            there is not None and name != platform and place.matches(there)
            for name, there in others
        ):
            kept.append(index)
    return sorted(kept)


def _is_generic(platform: str) -> bool:
    return any(name in platform.lower() for name in _GENERIC)


@cache
def _loader() -> ctypes.CDLL:
    return ctypes.CDLL("libOpenCL.so.1")


def _ask_nvidia(cl: Any, handle: Any) -> Place:
    info = cl.device_info
    bus, slot = handle.get_info(info.PCI_BUS_ID_NV), handle.get_info(info.PCI_SLOT_ID_NV)
    try:
        domain = handle.get_info(info.PCI_DOMAIN_ID_NV)
    except Exception:  # noqa: BLE001 # older drivers, and PoCL
        domain = None
    return Place(bus=bus, slot=slot >> 3, domain=domain)


def _ask_amd(cl: Any, handle: Any) -> Place:
    topology = handle.get_info(cl.device_info.TOPOLOGY_AMD)
    return Place(bus=topology.bus & 0xFF, slot=topology.device)
