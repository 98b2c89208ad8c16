"""Cycles for a hash in slices of time in which the other thread of the core was idle.

Two threads of one core take from each other, and in a virtual machine one cannot see what
the other does; medians over busy and idle times then depend on the neighbours. So each slice
is surrounded by probes (`probe.c`): a chain of multiplications gives the clock, and the rate
of no-operations tells whether the front end was ours alone. A slice counts as quiet if the
clock was the same before and after, or else a probe was interrupted, and if the rates on
both sides are within 3 % of what the best tenth of them reached.

    python -m bench cycles [--kernel NAME ...] [--slices N] [--json]

x86-64 and a C compiler only; elsewhere it says so.
"""

import argparse
import ctypes
import json
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from bench.kernels import HEADS, NEVER, TAIL, choose_racers
from native import Kernel, KernelError, StopFlag

__all__ = ["Cycles", "Probe", "main", "quiet_slices"]

SOURCE: Final = Path(__file__).with_name("probe.c")
TOLERANCE: Final = 0.03
"""By which probes may differ, as a share; by more, and the core was not ours alone."""
SLICE_SECONDS: Final = 0.002
CHAIN_TURNS: Final = 2_000
NOP_TURNS: Final = 300


@dataclass(frozen=True, slots=True)
class Cycles:
    """What was measured of one kernel.

    Attributes:
        kernel: its name.
        quiet: core cycles for one hash, the median of the quiet slices.
        spread: between the quartiles of those.
        every: the median of all slices.
        slices: how many there were.
        quiet_slices: how many of them were quiet.
        gigahertz: the clock, the median of all slices.
    """

    kernel: str
    quiet: float
    spread: float
    every: float
    slices: int
    quiet_slices: int
    gigahertz: float


class Probe:
    """The compiled loops of `probe.c`."""

    def __init__(self, compiler: str, folder: Path) -> None:
        """Compile them.

        Raises:
            OSError: the compiler or the loader refuses.
        """
        library = folder / "probe.so"
        done = subprocess.run(
            [compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(SOURCE)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise OSError(f"{compiler} cannot compile {SOURCE.name}: {done.stderr.strip()}")
        loaded = ctypes.CDLL(str(library))
        self._chain = loaded.probe_chain
        self._nops = loaded.probe_nops
        for loop in (self._chain, self._nops):
            loop.argtypes, loop.restype = (ctypes.c_uint64,), ctypes.c_uint64

    def clock(self) -> float:
        """Cycles in a second, now."""
        return self._rate(self._chain, CHAIN_TURNS)

    def nops(self) -> float:
        """No-operations in a second, now."""
        return self._rate(self._nops, NOP_TURNS)

    def _rate(self, loop: Callable[[int], int], turns: int) -> float:
        started = time.perf_counter_ns()
        done = loop(turns)
        return done * 1e9 / (time.perf_counter_ns() - started)


def quiet_slices(name: str, scan: Callable[[int], int], probe: Probe, *, slices: int) -> Cycles:
    """Measure one scan function in many short slices.

    Args:
        name: of the kernel, for the report.
        scan: hashes about as many nonces as it is given; returns how many.
        probe: the loops.
        slices: how many; a few hundred give a spread of about 1 %.

    Raises:
        ValueError: fewer than four slices were quiet, so there is nothing to report.
    """
    started = time.perf_counter()
    nonces = int(scan(1 << 16) * SLICE_SECONDS / (time.perf_counter() - started))
    seen = [_slice(scan, nonces, probe) for _ in range(slices)]
    whole = [one for one in seen if _alike(one.clock, one.clock_after)] or seen
    best = statistics.quantiles([rate for one in whole for rate in one.nops], n=10)[-1]
    quiet = [one.cost for one in whole if all(_alike(rate, best) for rate in one.nops)]
    if len(quiet) < 4:
        raise ValueError(f"{name}: only {len(quiet)} of {slices} slices were quiet; try again")
    low, middle, high = statistics.quantiles(quiet, n=4)
    return Cycles(
        kernel=name,
        quiet=middle,
        spread=high - low,
        every=statistics.median(one.cost for one in seen),
        slices=slices,
        quiet_slices=len(quiet),
        gigahertz=statistics.median(one.clock for one in seen) / 1e9,
    )


@dataclass(frozen=True, slots=True)
class _Slice:
    cost: float  # cycles for a hash
    clock: float  # cycles in a second, before
    clock_after: float
    nops: tuple[float, float]  # in a cycle, before and after


def _alike(one: float, other: float) -> bool:
    return abs(one / other - 1) < TOLERANCE


def _slice(scan: Callable[[int], int], nonces: int, probe: Probe) -> _Slice:
    clock = probe.clock()
    before = probe.nops()
    started = time.perf_counter_ns()
    hashes = scan(nonces)
    seconds = (time.perf_counter_ns() - started) / 1e9
    after = probe.nops()
    clock_after = probe.clock()
    cost = seconds * (clock + clock_after) / 2 / hashes
    return _Slice(cost, clock, clock_after, (before / clock, after / clock_after))


def _scan_of(kernel: Kernel) -> Callable[[int], int]:
    heads = HEADS[: kernel.versions]

    def scan(hashes: int) -> int:
        count = max(hashes // len(heads), 1)
        kernel.scan(heads, TAIL, NEVER, 0, count, StopFlag())
        return count * len(heads)

    return scan


def _show(figures: Sequence[Cycles]) -> None:
    print(f"cycles for a hash, one thread, clock {figures[0].gigahertz:.2f} GHz:")
    print(f"{'kernel':<18}{'quiet':>8}{'spread':>8}{'all':>8}  quiet slices")
    for figure in figures:
        print(
            f"{figure.kernel:<18}{figure.quiet:>8.1f}{figure.spread:>8.1f}{figure.every:>8.1f}"
            f"  {figure.quiet_slices} of {figure.slices}"
        )


def main(argv: Sequence[str]) -> int:
    """Measure and print; 2 for a kernel or a machine that is not there."""
    parser = argparse.ArgumentParser(prog="bench.cycles")
    parser.add_argument("--kernel", action="append", default=[], help="default: all of them")
    parser.add_argument("--slices", type=int, default=300)
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args(argv)
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None or platform.machine() not in {"x86_64", "AMD64"}:
        print("cycles: not measured, this needs an x86-64 CPU and a C compiler")
        return 0
    try:
        racers, _ = choose_racers(wanted.kernel, "portable")
        with tempfile.TemporaryDirectory() as folder:
            probe = Probe(compiler, Path(folder))
            figures = [
                quiet_slices(kernel.name, _scan_of(kernel), probe, slices=wanted.slices)
                for kernel in racers
            ]
    except (KernelError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if wanted.json:
        print(json.dumps([asdict(figure) for figure in figures]))
    else:
        _show(figures)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
