"""`OpenClDevice`: one device of an OpenCL driver, kept going or given up by itself.

It hashes with two threads, so that two launches are always in flight: while one thread
looks at what its launch found, the other's keeps the device busy.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from headframe.chain.job import Job
from headframe.runtime.clock import monotonic, wall_seconds
from headframe.runtime.errors import ConfigError
from headframe.runtime.latest import Latest
from headframe.runtime.logs import get_logger
from headframe.runtime.retry import Backoff
from miner.devices.base import Device, DeviceStats, Found, SliceOf, Solution, Wishes
from miner.devices.choice import KernelChoice
from miner.devices.manners import Manners
from miner.devices.opencl_kernel import OpenClKernel
from miner.devices.opencl_launch import Program
from miner.devices.opencl_platform import (
    ClDevice,
    DeviceError,
    HungError,
    list_devices,
    load_pyopencl,
)
from miner.devices.opencl_program import CAPACITY, ROLLED, Shape, build, cache_dir, options
from miner.devices.opencl_sensors import Sensors, find_sensors, nothing
from miner.devices.opencl_tune import choose_shape, measure_program
from miner.devices.threads import ThreadedDevice
from native import Kernel, KernelError, self_test

__all__ = ["IN_FLIGHT", "TRIES", "OpenClDevice", "find_any", "find_gpus", "open_kernels"]

TRIES: Final = 5
"""Failures in a row after which a device is retired."""
_SOUND_SECONDS: Final = 600.0
"""After so long without a failure, earlier ones are forgotten."""
IN_FLIGHT: Final = 2
"""Launches at once, each in a thread."""
_READ_SECONDS: Final = 5.0
"""How often sensors are read."""

log = get_logger(__name__)


class OpenClDevice:
    """Meets `Device`. A failure is told and tried again, with longer and longer pauses.

    Args:
        name: unique in the process.
        open_: makes the kernels anew, for several versions first and for one last; may take
            long, and is called in a thread. Raises `KernelError`.
        latency_seconds: how long a launch should take.
        sensors: what the device tells of itself.
        clock: seconds since 1970, for `ntime`.
        sleep: waits for so many seconds before the next try.
    """

    def __init__(
        self,
        name: str,
        open_: Callable[[], Sequence[Kernel]],
        *,
        latency_seconds: float = 0.05,
        sensors: Sensors = nothing,
        clock: Callable[[], int] = wall_seconds,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.name = name
        self.stats = DeviceStats(kernel="opencl")
        self.open_kernels = open_
        self._sensors = sensors
        self._clock = clock
        self._sleep = sleep
        # Each scan waits for the other thread's launch, then for its own.
        self._manners = Manners(priority="normal", scan_seconds=IN_FLIGHT * latency_seconds)
        self._threads: ThreadedDevice | None = None
        self._faults = 0
        self._hung: list[Sequence[Kernel]] = []

    async def run(self, jobs: Latest[Job | None], slice_of: SliceOf, found: Found) -> None:
        """Hash until cancelled, or until the device is retired; see `Device.run`."""
        backoff, failures = Backoff(1.0, 300.0), 0
        while True:
            began = monotonic()
            error = await self._until_failure(jobs, slice_of, found)
            self.stats.state = "failed"
            if monotonic() - began > _SOUND_SECONDS:
                failures = 0
                backoff.reset()
            failures += 1
            if failures >= TRIES:
                log.error("device_retired", device=self.name, failures=failures, why=str(error))
                return
            pause = backoff.next()
            log.error("device_failed", device=self.name, why=str(error), retry_seconds=round(pause))
            await self._sleep(pause)

    def wrong(self, solution: Solution) -> None:
        """Count a wrong nonce; the kernel for several versions gives way after a few."""
        if self._threads is not None:
            self._threads.wrong(solution)

    async def _until_failure(
        self, jobs: Latest[Job | None], slice_of: SliceOf, found: Found
    ) -> KernelError:
        kernels: Sequence[Kernel] = ()
        errors: list[KernelError] = []
        try:
            kernels = await asyncio.to_thread(self.open_kernels)
            await self._hash(kernels, jobs, slice_of, found)
        except* KernelError as group:
            errors += _leaves(group)
        if any(isinstance(error, HungError) for error in errors):
            self._hung.append(kernels)  # to free them would be to wait for them
        return errors[0]

    async def _hash(
        self, kernels: Sequence[Kernel], jobs: Latest[Job | None], slice_of: SliceOf, found: Found
    ) -> None:
        choice = KernelChoice(kernels, self_test)
        threads = ThreadedDevice(self.name, IN_FLIGHT, choice, self._manners, self._clock)
        threads.stats, self._threads = self.stats, threads
        self.stats.kernel = kernels[0].name
        self.stats.self_tests = {kernel.name: True for kernel in kernels}  # or it were not open
        self._faults = 0
        async with asyncio.TaskGroup() as tasks:
            watch = tasks.create_task(self._watch(kernels))
            try:
                await threads.run(jobs, slice_of, found)
            finally:
                watch.cancel()
                self._count_faults(kernels)

    async def _watch(self, kernels: Sequence[Kernel]) -> None:
        while True:
            self.stats.sensors = dict(await asyncio.to_thread(self._sensors))
            self._count_faults(kernels)
            await asyncio.sleep(_READ_SECONDS)

    def _count_faults(self, kernels: Sequence[Kernel]) -> None:
        """Count candidates that the kernels themselves found to be wrong."""
        faults = sum(getattr(kernel, "faults", 0) for kernel in kernels)
        self.stats.wrong += faults - self._faults
        self._faults = faults


def find_gpus(wishes: Wishes) -> Sequence[Device]:
    """Make a device of each GPU: gpu:0, gpu:1 and so on.

    Raises:
        ConfigError: there is none, or no way to ask.
    """
    return _find("gpu", wishes, kinds={"gpu", "accelerator"})


def find_any(wishes: Wishes) -> Sequence[Device]:
    """Make a device of whatever OpenCL finds, CPUs included: opencl:0, opencl:1 and so on.

    Raises:
        ConfigError: there is none, or no way to ask.
    """
    return _find("opencl", wishes, kinds={"gpu", "accelerator", "cpu"})


def open_kernels(
    cl: Any, device: ClDevice, latency_seconds: float, cache: Path
) -> Sequence[OpenClKernel]:
    """Build, tune and test a device's kernels: the one for several versions where it is faster.

    Args:
        cl: the module pyopencl.
        device: which one.
        latency_seconds: how long a launch should take.
        cache: folder for built programs and what was measured.

    Raises:
        KernelError: the device cannot be used.
    """
    try:
        context = cl.Context([device.handle])
    except cl.Error as error:
        raise DeviceError(f"{device.name}: cannot be opened: {error}") from error

    make = partial(_make_program, cl, context, device, cache)
    programs = []
    for versions in (ROLLED, 1):
        shape = choose_shape(device, versions, partial(_measure, make, versions), cache)
        programs.append(make(versions, shape))
    if measure_program(programs[0]) < measure_program(programs[1]):
        del programs[0]
    opened = [OpenClKernel(program, latency_seconds) for program in programs]
    for kernel in opened:
        self_test(kernel)
    return opened


def _make_program(
    cl: Any, context: Any, device: ClDevice, cache: Path, versions: int, shape: Shape
) -> Program:
    return Program(
        cl=cl,
        context=context,
        device=device,
        built=build(cl, context, device, options(versions, shape), cache),
        versions=versions,
        group=shape.group,
        capacity=CAPACITY,
    )


def _measure(make: Callable[[int, Shape], Program], versions: int, shape: Shape) -> float:
    return measure_program(make(versions, shape))


def _find(type_: str, wishes: Wishes, *, kinds: set[str]) -> Sequence[Device]:
    try:
        cl = load_pyopencl()
        known = list_devices(cl)
    except DeviceError as error:
        raise ConfigError(f"devices = {type_}: {error}") from error
    chosen = [device for device in known if device.kind in kinds]
    if not chosen:
        others = ", ".join(f"{device.name} ({device.kind})" for device in known) or "no device"
        raise ConfigError(
            f"devices = {type_}: no such device; OpenCL finds {others}: install the driver's "
            "OpenCL part, and see that `clinfo` lists it"
        )
    cache = cache_dir()
    return [
        OpenClDevice(
            f"{type_}:{number}",
            partial(open_kernels, cl, device, wishes.latency_seconds, cache),
            latency_seconds=wishes.latency_seconds,
            sensors=find_sensors(cl, device),
        )
        for number, device in enumerate(chosen)
    ]


def _leaves(group: BaseExceptionGroup[KernelError]) -> Iterator[KernelError]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
