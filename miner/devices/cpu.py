"""`CpuDevice`: all cores, with the fastest kernel that this CPU runs."""

import os
from collections.abc import Callable, Sequence

from headframe.runtime.clock import wall_seconds
from headframe.runtime.errors import ConfigError
from headframe.runtime.logs import get_logger
from miner.devices.base import Device
from miner.devices.choice import KernelChoice
from miner.devices.threads import ThreadedDevice
from native import Kernel, KernelError, extension_missing, kernels, pick, self_test

__all__ = ["CpuDevice", "find", "tell_missing", "usable_cores"]

log = get_logger(__name__)


class CpuDevice(ThreadedDevice):
    """Threads that hash with compiled kernels, outside the interpreter's lock.

    Args:
        name: unique in the process.
        threads: how many.
        ranked: kernels, the favourite first and the reference last; see `KernelChoice`.
        clock: seconds since 1970, for `ntime`.
    """

    def __init__(
        self,
        name: str,
        threads: int,
        ranked: Sequence[Kernel],
        clock: Callable[[], int] = wall_seconds,
    ) -> None:
        super().__init__(name, threads, KernelChoice(ranked, self_test), clock)


def find(threads: int, kernel: str) -> Sequence[Device]:
    """Make the one device that is this machine's CPU.

    Args:
        threads: how many; 0 for one on each core that this process may use.
        kernel: a kernel's name; "" for the fastest in a short measurement.

    Raises:
        ConfigError: no kernel of that name works here.
    """
    tell_missing(extension_missing)
    return (CpuDevice("cpu:0", threads or usable_cores(), _rank(kernel)),)


def tell_missing(why: str) -> None:
    """Say why there are no compiled kernels, if there are none: the miner is slow then."""
    if why:
        log.warning("kernels_not_compiled", why=why)


def usable_cores() -> int:
    """Count the cores that this process may run on; containers often allow fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _rank(name: str) -> tuple[Kernel, ...]:
    """Put the favourite first, then what serves jobs without version bits, then the rest."""
    try:
        favourite = pick(name or None, versions=4)
        first = [favourite] if favourite.versions == 1 else [favourite, pick(versions=1)]
    except KernelError as error:
        raise ConfigError(f"kernel {name!r}: {error}") from error
    chosen = {kernel.name for kernel in first}
    return (*first, *(kernel for kernel in kernels() if kernel.name not in chosen))
