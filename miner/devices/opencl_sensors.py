"""Temperature, power and clock of NVIDIA's GPUs, where nvidia-ml-py is installed.

What cannot be read is absent; nobody is told, since nothing depends on it.
"""

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from miner.devices.opencl_platform import ClDevice

__all__ = ["Sensors", "find_sensors", "nothing"]

Sensors = Callable[[], Mapping[str, float]]
"""Readings by name: "temperature_celsius", "power_watts", "clock_hertz"; takes a millisecond."""


def nothing() -> Mapping[str, float]:
    """Read nothing."""
    return {}


def find_sensors(cl: Any, device: ClDevice, load: Callable[[], Any] | None = None) -> Sensors:
    """Find the sensors of a device.

    Args:
        cl: the module pyopencl.
        device: whose they are.
        load: imports NVIDIA's management library, `pynvml`.
    """
    try:
        nvml = (load or _load)()
        nvml.nvmlInit()
        handle = nvml.nvmlDeviceGetHandleByPciBusId(_pci_address(cl, device))
    except Exception:  # noqa: BLE001 # whatever is amiss in a driver's library, we do without
        return nothing
    return lambda: _read(nvml, handle)


def _load() -> Any:
    return importlib.import_module("pynvml")


def _pci_address(cl: Any, device: ClDevice) -> bytes:
    info, ask = cl.device_info, device.handle.get_info
    bus, slot = ask(info.PCI_BUS_ID_NV), ask(info.PCI_SLOT_ID_NV)
    domain = ask(info.PCI_DOMAIN_ID_NV)
    return f"{domain:08x}:{bus:02x}:{slot >> 3:02x}.0".encode()


def _read(nvml: Any, handle: Any) -> dict[str, float]:
    questions: dict[str, tuple[float, Callable[[], int]]] = {
        "temperature_celsius": (1.0, lambda: nvml.nvmlDeviceGetTemperature(handle, 0)),
        "power_watts": (1e-3, lambda: nvml.nvmlDeviceGetPowerUsage(handle)),
        "clock_hertz": (1e6, lambda: nvml.nvmlDeviceGetClockInfo(handle, 1)),
    }
    readings: dict[str, float] = {}
    for name, (unit, ask) in questions.items():
        try:
            readings[name] = ask() * unit
        except Exception:  # noqa: BLE001, S112 # not every card tells everything
            continue
    return readings
