"""What OpenCL finds on this machine, for `headframe devices`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from miner.devices.opencl_platform import ClDevice, DeviceError, list_devices, load_pyopencl
from miner.devices.opencl_program import ROLLED, cache_dir
from miner.devices.opencl_tune import known_shape

__all__ = ["Survey", "survey"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """The devices, or why there are none.

    Attributes:
        rows: for each device its names for `--device`, and what the driver tells.
        missing: why there is none, in one line for people; "" where there is one.
    """

    rows: Sequence[dict[str, Any]]
    missing: str


def survey(load: Callable[[], Any] = load_pyopencl) -> Survey:
    """List the OpenCL devices of this machine.

    Args:
        load: imports pyopencl.
    """
    try:
        found = list_devices(load())
    except DeviceError as error:
        return Survey(rows=(), missing=str(error))
    if not found:
        return Survey(rows=(), missing="OpenCL has no driver here that offers a device")
    rows = [_row(number, device) for number, device in enumerate(found)]
    return Survey(rows=rows, missing="")


def _row(number: int, device: ClDevice) -> dict[str, Any]:
    # GPUs come first, so that both numbers are the same.
    names = ([] if device.kind == "cpu" else [f"gpu:{number}"]) + [f"opencl:{number}"]
    shapes = {n: known_shape(device, n, cache_dir()) for n in (1, ROLLED)}
    return {
        "names": names,
        "kind": device.kind,
        "device": device.name,
        "vendor": device.vendor,
        "platform": device.platform,
        "driver": device.driver,
        "units": device.units,
        "shapes": {
            str(n): None if shape is None else f"{shape.variant}, groups of {shape.group}"
            for n, shape in shapes.items()
        },
    }
