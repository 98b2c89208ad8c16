"""An OpenCL device for tests: the first there is, a GPU or the CPU through PoCL.

Without pyopencl or a driver, tests that need one are skipped with one line that says how
to get it; under `CI=true` they fail instead.
"""

import os
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar

import pytest

from miner.devices.opencl_kernel import OpenClKernel
from miner.devices.opencl_launch import Program
from miner.devices.opencl_platform import ClDevice, DeviceError, list_devices, load_pyopencl
from miner.devices.opencl_program import CAPACITY, Shape, build, options

__all__ = [
    "make_kernel",
    "make_program",
    "needs_device",
    "skip_module_without_device",
    "the_device",
]

_HOW: Final = (
    "apt-get install pocl-opencl-icd ocl-icd-libopencl1 gcc libc6-dev, and "
    "pip install -r requirements-gpu.lock"
)


_Test = TypeVar("_Test", bound=Callable[..., object])


def skip_module_without_device() -> None:
    """Skip the test module that is being imported, in one line, if it could run nothing."""
    why = _missing()
    if why and os.environ.get("CI") != "true":
        pytest.skip(why, allow_module_level=True)


def needs_device(test: _Test) -> _Test:
    """Mark a test, or a class of them, that needs a device; without one it is skipped.

    PoCL compiles a kernel for half a minute when it is first used, hence the time.
    """
    why = _missing()
    if why and os.environ.get("CI") != "true":
        test = pytest.mark.skip(reason=why)(test)
    marked: _Test = pytest.mark.opencl(pytest.mark.timeout(300)(test))
    return marked


def the_device() -> tuple[Any, ClDevice]:
    """Return the module pyopencl, and the first OpenCL device of this machine."""
    if why := _missing():
        pytest.fail(why)
    cl = load_pyopencl()
    return cl, list_devices(cl)[0]


@cache
def _missing() -> str:
    """Say what is missing and how to get it; "" when there is a device."""
    try:
        what = "" if list_devices(load_pyopencl()) else "no OpenCL driver"
    except DeviceError as error:
        what = str(error)
    return what and f"{what}: {_HOW}"


@cache
def make_program(
    versions: int, shape: Shape | None = None, capacity: int = CAPACITY, *, optimised: bool = True
) -> Program:
    """Build a program; each is built once in a process.

    Args:
        versions: heads hashed at once.
        shape: how to build it.
        capacity: candidates that a launch can hand back.
        optimised: without, PoCL compiles in a second instead of half a minute, to code of a
            tenth of the speed.
    """
    cl, device = the_device()
    context, shape = cl.Context([device.handle]), shape or Shape()
    flags = [*options(versions, shape, capacity), *([] if optimised else ["-cl-opt-disable"])]
    return Program(
        cl=cl,
        context=context,
        device=device,
        built=build(cl, context, device, flags, _cache()),
        versions=versions,
        group=shape.group,
        capacity=capacity,
    )


def make_kernel(
    versions: int, shape: Shape | None = None, capacity: int = CAPACITY, *, optimised: bool = True
) -> OpenClKernel:
    """Make a kernel with short launches; see `make_program`."""
    program = make_program(versions, shape, capacity, optimised=optimised)
    return OpenClKernel(program, launch_seconds=0.02)


@cache
def _cache() -> Path:
    return Path(tempfile.mkdtemp(prefix="headframe-opencl-"))
