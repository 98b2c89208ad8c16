"""`CpuDevice`: all cores, with the fastest kernel that this CPU runs."""

from collections.abc import Callable, Collection, Sequence
from functools import cache

from headframe.runtime.clock import wall_seconds
from headframe.runtime.errors import ConfigError
from headframe.runtime.logs import get_logger
from miner.devices.base import Device, Wishes
from miner.devices.choice import KernelChoice
from miner.devices.manners import Manners, usable_cores
from miner.devices.threads import ThreadedDevice
from native import Kernel, KernelError, extension_missing, kernels, measure, self_test
from native.choose import choose

__all__ = ["CpuDevice", "find", "rank", "ranking", "tell_missing"]

log = get_logger(__name__)

Ranking = tuple[tuple[Kernel, ...], tuple[str, ...]]
"""Kernels, the favourite first and the reference last; names of those that failed."""


class CpuDevice(ThreadedDevice):
    """Threads that hash with compiled kernels, outside the interpreter's lock.

    Args:
        name: unique in the process.
        threads: how many.
        ranked: kernels, the favourite first and the reference last; see `KernelChoice`.
        manners: what the threads may take of the machine.
        clock: seconds since 1970, for `ntime`.
        unsound: names of kernels that failed their self-test, and so are not among those.
    """

    def __init__(  # all that a device needs
        self,
        name: str,
        threads: int,
        ranked: Sequence[Kernel],
        manners: Manners = Manners(),  # noqa: B008 # frozen
        clock: Callable[[], int] = wall_seconds,
        *,
        unsound: Collection[str] = (),
    ) -> None:
        super().__init__(name, threads, KernelChoice(ranked, self_test), manners, clock)
        passed = {kernel.name: True for kernel in ranked[:-1]}  # the last is what they are held to
        self.stats.self_tests = {**dict.fromkeys(unsound, False), **passed}


def find(wishes: Wishes) -> Sequence[Device]:
    """Make the one device that is this machine's CPU.

    Raises:
        ConfigError: no kernel of the name wished for works here.
    """
    tell_missing(extension_missing)
    manners = wishes.manners
    threads = wishes.threads or len(manners.cores or usable_cores())
    ranked, unsound = _rank_once(wishes.kernel)
    return (CpuDevice("cpu:0", threads, ranked, manners, unsound=unsound),)


def tell_missing(why: str) -> None:
    """Say why there are no compiled kernels, if there are none: the miner is slow then."""
    if why:
        log.warning("kernels_not_compiled", why=why)


def rank(name: str = "", known: Sequence[Kernel] | None = None) -> tuple[Kernel, ...]:
    """Order this machine's kernels as a device uses them; see `ranking`."""
    return ranking(name, known)[0]


def ranking(name: str = "", known: Sequence[Kernel] | None = None) -> Ranking:
    """Order this machine's kernels as a device uses them: by a short measurement of each.

    A kernel for several versions is measured with as many, and so stands before those for
    one only where it is faster. One that fails its self-test is told and left out.

    Args:
        name: the kernel to prefer, whatever it measures.
        known: the kernels there are, the reference last; by default this machine's.

    Returns:
        The kernels in order, and the names of those that failed.

    Raises:
        ConfigError: no kernel of that name works here.
    """
    *compiled, reference = kernels() if known is None else known
    if name:
        favourite = _named(name, (*compiled, reference))
        if favourite is reference:
            return (reference,), ()
        compiled = [kernel for kernel in compiled if kernel is not favourite]
    sound = [kernel for kernel in compiled if _is_sound(kernel)]
    unsound = tuple(kernel.name for kernel in compiled if kernel not in sound)
    sound.sort(key=lambda kernel: measure(kernel, kernel.versions), reverse=True)
    return (*([favourite] if name else []), *sound, reference), unsound


@cache
def _rank_once(name: str) -> Ranking:
    """Rank the kernels once in the process's life: later the miner itself is in the way."""
    return ranking(name)


def _named(name: str, known: Sequence[Kernel]) -> Kernel:
    try:
        return choose(known, name)
    except KernelError as error:
        raise ConfigError(str(error)) from error


def _is_sound(kernel: Kernel) -> bool:
    try:
        self_test(kernel)
    except KernelError as error:
        why = str(error)
    else:
        return True
    log.error("kernel_not_used", kernel=kernel.name, why=why)
    return False
