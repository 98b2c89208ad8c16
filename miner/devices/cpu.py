"""`CpuDevice`: all cores, with the fastest kernel that this CPU runs."""

from collections.abc import Callable, Sequence

from headframe.runtime.clock import wall_seconds
from headframe.runtime.errors import ConfigError
from headframe.runtime.logs import get_logger
from miner.devices.base import Device, Wishes
from miner.devices.choice import KernelChoice
from miner.devices.manners import Manners, usable_cores
from miner.devices.threads import ThreadedDevice
from native import Kernel, KernelError, extension_missing, kernels, pick, self_test

__all__ = ["ROLLED_VERSIONS", "CpuDevice", "find", "rank", "tell_missing"]

ROLLED_VERSIONS = 4
"""Versions hashed together where a job lets two bits be rolled."""

log = get_logger(__name__)


class CpuDevice(ThreadedDevice):
    """Threads that hash with compiled kernels, outside the interpreter's lock.

    Args:
        name: unique in the process.
        threads: how many.
        ranked: kernels, the favourite first and the reference last; see `KernelChoice`.
        manners: what the threads may take of the machine.
        clock: seconds since 1970, for `ntime`.
    """

    def __init__(
        self,
        name: str,
        threads: int,
        ranked: Sequence[Kernel],
        manners: Manners = Manners(),  # noqa: B008 # frozen
        clock: Callable[[], int] = wall_seconds,
    ) -> None:
        super().__init__(name, threads, KernelChoice(ranked, self_test), manners, clock)


def find(wishes: Wishes) -> Sequence[Device]:
    """Make the one device that is this machine's CPU.

    Raises:
        ConfigError: no kernel of the name wished for works here.
    """
    tell_missing(extension_missing)
    manners = wishes.manners
    threads = wishes.threads or len(manners.cores or usable_cores())
    return (CpuDevice("cpu:0", threads, rank(wishes.kernel), manners),)


def tell_missing(why: str) -> None:
    """Say why there are no compiled kernels, if there are none: the miner is slow then."""
    if why:
        log.warning("kernels_not_compiled", why=why)


def rank(name: str = "") -> tuple[Kernel, ...]:
    """Order this machine's kernels as a device uses them.

    Args:
        name: the kernel to prefer; "" for the fastest in a short measurement.

    Returns:
        The favourite, then what serves jobs without version bits, then the rest.

    Raises:
        ConfigError: no kernel of that name works here.
    """
    try:
        favourite = pick(name or None, versions=ROLLED_VERSIONS)
        first = [favourite] if favourite.versions == 1 else [favourite, pick(versions=1)]
    except KernelError as error:
        raise ConfigError(str(error)) from error
    chosen = {kernel.name for kernel in first}
    return (*first, *(kernel for kernel in kernels() if kernel.name not in chosen))
