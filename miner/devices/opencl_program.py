"""The OpenCL program: its source, the ways to build it, and where built ones are kept."""

import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from miner.devices.opencl_platform import ClDevice, DeviceError

__all__ = [
    "CAPACITY",
    "ROLLED",
    "SOURCE",
    "VARIANTS",
    "Shape",
    "build",
    "cache_dir",
    "options",
    "source_key",
]

SOURCE: Final = Path(__file__).parents[2] / "native" / "opencl" / "sha256d.cl"
CAPACITY: Final = 256
"""Candidates that one launch can hand back."""
ROLLED: Final = 4
"""Versions that the kernel with a shared schedule hashes at once."""

VARIANTS: Final[Mapping[str, Mapping[str, int]]] = {
    "plain": {"HF_SPREAD": 0, "HF_SELECT": 0},
    "select": {"HF_SPREAD": 0, "HF_SELECT": 1},
    "adds": {"HF_SPREAD": 1, "HF_SELECT": 0},
    "shifts": {"HF_SPREAD": 2, "HF_SELECT": 0},
    "rotations": {"HF_SPREAD": 3, "HF_SELECT": 0},
}
"""Ways to compute the same: name, and the defines of `sha256d.cl` that make it."""

_BUILD_LOG_LINES: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How a kernel is built.

    Attributes:
        variant: a key of `VARIANTS`.
        group: work items in a group.
        roll: whether the second hashes of several versions are a loop.
    """

    variant: str = "plain"
    group: int = 64
    roll: bool = True


def cache_dir(env: Mapping[str, str] = os.environ) -> Path:
    """Say where built programs and measured shapes are kept."""
    base = env.get("XDG_CACHE_HOME", "")
    return (Path(base) if base else Path.home() / ".cache") / "headframe" / "opencl"


def source_key() -> str:
    """Tell versions of the source apart: 16 hexadecimal digits."""
    return sha256(SOURCE.read_bytes()).hexdigest()[:16]


def options(versions: int, shape: Shape, capacity: int = CAPACITY) -> list[str]:
    """List the compiler's options.

    Args:
        versions: heads hashed at once, 1 or 4.
        shape: how to build it.
        capacity: candidates that one launch can hand back.
    """
    defines = {
        "HF_VERSIONS": versions,
        "HF_GROUP": shape.group,
        "HF_CAPACITY": capacity,
        "HF_ROLL": int(shape.roll),
        **VARIANTS[shape.variant],
    }
    return ["-cl-std=CL1.2", *(f"-D{name}={value}" for name, value in defines.items())]


def build(
    cl: Any, context: Any, device: ClDevice, built_options: list[str], cache: Path | None
) -> Any:
    """Build the program for a device, or take the built one from the cache.

    Drivers that keep built programs themselves are left to it.

    Args:
        cl: the module pyopencl.
        context: pyopencl's context of the device.
        device: the device.
        built_options: see `options`.
        cache: folder for built programs; `None` for pyopencl's own.

    Raises:
        DeviceError: the driver's compiler refuses it; with the first lines of what it says.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # compilers chatter, and pyopencl makes warnings of it
            program = cl.Program(context, SOURCE.read_text())
            return program.build(built_options, [device.handle], cache and str(cache))
    except (cl.Error, OSError) as error:
        said = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise DeviceError(
            f"{device.name}: the kernel cannot be built: {' / '.join(said[:_BUILD_LOG_LINES])}"
        ) from error
