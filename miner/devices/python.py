"""`PythonDevice`: the reference kernel in one thread.

A thousandth of a compiled kernel's speed, and enough to mine on regtest where there is no
extension, and in tests.
"""

from collections.abc import Callable, Sequence

from headframe.runtime.clock import wall_seconds
from miner.devices.base import Device, Wishes
from miner.devices.choice import KernelChoice
from miner.devices.manners import Manners
from miner.devices.threads import ThreadedDevice
from native import kernels, self_test

__all__ = ["PythonDevice", "find"]


class PythonDevice(ThreadedDevice):
    """One thread that hashes with hashlib.

    Args:
        name: unique in the process.
        manners: what the thread may take of the machine.
        clock: seconds since 1970, for `ntime`.
    """

    def __init__(
        self,
        name: str = "python:0",
        manners: Manners = Manners(),  # noqa: B008 # frozen
        clock: Callable[[], int] = wall_seconds,
    ) -> None:
        super().__init__(name, 1, KernelChoice([kernels()[-1]], self_test), manners, clock)


def find(wishes: Wishes) -> Sequence[Device]:
    """Make the one Python device; it has one thread and one kernel, whatever is wished."""
    return (PythonDevice(manners=wishes.manners),)
