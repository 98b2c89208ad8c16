"""An OpenCL device for tests: the first there is, a GPU or the CPU through PoCL.

Without pyopencl or a driver, tests that ask for one are skipped with one line that says how
to get them; under `CI=true` they fail instead.
"""

import os
import tempfile
from functools import cache
from pathlib import Path
from typing import Any, Final, NoReturn

import pytest

from miner.devices.opencl_kernel import OpenClKernel
from miner.devices.opencl_launch import Program
from miner.devices.opencl_platform import ClDevice, DeviceError, list_devices, load_pyopencl
from miner.devices.opencl_program import CAPACITY, Shape, build, options

__all__ = ["device_or_skip", "make_kernel", "make_program", "pyopencl_or_skip"]

_HOW: Final = (
    "apt-get install pocl-opencl-icd ocl-icd-libopencl1 gcc libc6-dev, and "
    "pip install -r requirements-gpu.lock"
)


def pyopencl_or_skip() -> Any:
    """Return the module pyopencl."""
    try:
        return load_pyopencl()
    except DeviceError as error:
        _lacking(str(error))


def device_or_skip() -> ClDevice:
    """Return the first OpenCL device of this machine."""
    try:
        found = list_devices(pyopencl_or_skip())
    except DeviceError as error:
        _lacking(str(error))
    if not found:
        _lacking("no OpenCL driver")
    return found[0]


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
    cl, device = pyopencl_or_skip(), device_or_skip()
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


def _lacking(what: str) -> NoReturn:
    message = f"{what}: {_HOW}"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)
