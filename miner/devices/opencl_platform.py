"""The OpenCL devices of this machine, and why there are none.

pyopencl is imported here, and only when somebody asks for an OpenCL device: it is an extra,
and its import costs more than all else that the miner imports.
"""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from miner.devices.opencl_places import place_of, without_twins
from native import KernelError

__all__ = ["INSTALL", "ClDevice", "DeviceError", "HungError", "list_devices", "load_pyopencl"]

INSTALL: Final = "pip install 'headframe[gpu]'"

_NO_PLATFORM: Final = -1001
"""What the loader says when no driver is registered with it."""


class DeviceError(KernelError):
    """An OpenCL device that cannot be used, or not any longer; in one line for people."""


class HungError(DeviceError):
    """A launch that does not end. What belongs to it must not be freed: that would wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClDevice:
    """One device of one OpenCL driver.

    Attributes:
        kind: "gpu", "cpu" or "accelerator".
        name: as the driver tells it.
        vendor: likewise.
        platform: the driver's name and version.
        driver: version of the device's part of it.
        units: what OpenCL calls compute units: multiprocessors, cores.
        most_group: the most work items in a group.
        handle: pyopencl's own object.
    """

    kind: str
    name: str
    vendor: str
    platform: str
    driver: str
    units: int
    most_group: int
    handle: Any

    @property
    def key(self) -> str:
        """Tell devices and drivers apart, for what is cached: 16 hexadecimal digits."""
        parts = (self.platform, self.vendor, self.name, self.driver, str(self.units))
        return sha256("\0".join(parts).encode()).hexdigest()[:16]


def load_pyopencl() -> Any:
    """Import pyopencl.

    Raises:
        DeviceError: it is not installed, or cannot be loaded; says what to do.
    """
    try:
        return importlib.import_module("pyopencl")
    except ImportError as error:
        raise DeviceError(f"OpenCL needs pyopencl ({error}): {INSTALL}") from error


def list_devices(cl: Any) -> Sequence[ClDevice]:
    """List what every OpenCL driver of this machine offers, GPUs first.

    A GPU that two drivers offer is there once, with its maker's own, where both tell at
    which place on the bus it is.

    Args:
        cl: the module pyopencl.

    Raises:
        DeviceError: there is no driver, or it fails.
    """
    try:
        platforms = cl.get_platforms()
        found = [
            _describe(cl, platform, handle)
            for platform in platforms
            for handle in _devices_of(cl, platform)
        ]
    except cl.Error as error:
        if getattr(error, "code", None) == _NO_PLATFORM:
            return []
        raise DeviceError(f"OpenCL cannot be asked for devices: {error}") from error
    places = [(each.platform, place_of(cl, each.handle)) for each in found]
    found = [found[index] for index in without_twins(places)]
    return sorted(found, key=lambda device: ("gpu", "accelerator", "cpu").index(device.kind))


def _devices_of(cl: Any, platform: Any) -> Sequence[Any]:
    try:
        return list(platform.get_devices())
    except cl.RuntimeError:  # a driver without a device of its own
        return []


def _describe(cl: Any, platform: Any, handle: Any) -> ClDevice:
    types = cl.device_type
    kind = "gpu" if handle.type & types.GPU else "cpu" if handle.type & types.CPU else "accelerator"
    return ClDevice(
        kind=kind,
        name=handle.name.strip(),
        vendor=handle.vendor.strip(),
        platform=f"{platform.name.strip()} {platform.version.strip()}",
        driver=handle.driver_version.strip(),
        units=handle.max_compute_units,
        most_group=handle.max_work_group_size,
        handle=handle,
    )
