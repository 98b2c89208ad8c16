"""Every kernel against a baseline kernel in the same run, by CPU seconds for fixed work.

Rates by the wall clock say more about what else a machine does than about a kernel. So each
round times every kernel for the same number of hashes in CPU seconds, one right after the
other and in turned order, takes the ratios to the baseline of the same round, and reports
the median ratio over all rounds; with it, how far the middle half of the ratios spreads.

A kernel for several versions is given as many headers. The last column is threads: what all
cores do together over what one does, again by CPU seconds, paired, the median; it shows what
the cores take from each other, which is nothing for cores of their own and half the speed
for two threads of one core.

    python -m bench kernels [--baseline NAME] [--kernel NAME ...] [--rounds N] [--hashes N]
                            [--json]
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from hashlib import sha256

from miner.devices.manners import usable_cores
from native import Kernel, KernelError, StopFlag, kernels, self_test

__all__ = ["Figure", "choose_racers", "main", "measure", "ratios", "work_of"]

HEADS = tuple(sha256(b"%d" % i).digest() * 2 for i in range(4))
TAIL = sha256(b"tail").digest()[:12]
NEVER = bytes(32)


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured of a kernel.

    Attributes:
        kernel: its name.
        lanes: nonces at once.
        versions: heads at once.
        mhash_per_cpu_second: millions of hashes, the median of all rounds.
        ratio: speed over the baseline's, the median of all rounds; 1.0 for the baseline.
        spread: from the first to the third quartile of that ratio.
        threads_ratio: hashes per CPU second of all threads together over those of one.
    """

    kernel: str
    lanes: int
    versions: int
    mhash_per_cpu_second: float
    ratio: float
    spread: float
    threads_ratio: float


def work_of(kernel: Kernel, hashes: int) -> float:
    """Let a kernel hash about that much; its CPU seconds for each hash."""
    heads = HEADS[: kernel.versions]
    count = hashes // len(heads)
    started = time.thread_time()
    kernel.scan(heads, TAIL, NEVER, 0, count, StopFlag())
    return (time.thread_time() - started) / (count * len(heads))


def ratios(costs: Sequence[Sequence[float]], baseline: int) -> list[tuple[float, float]]:
    """Compare the costs of kernels, round by round.

    Args:
        costs: for each kernel its cost in each round, at least two; lower is better.
        baseline: which of them is the measure.

    Returns:
        For each the median of (cost of the baseline / its cost), and the distance between
        the quartiles.
    """
    result = []
    for mine in costs:
        each = [base / cost for base, cost in zip(costs[baseline], mine, strict=True)]
        low, middle, high = statistics.quantiles(each, n=4)
        result.append((middle, high - low))
    return result


def _rounds(racers: Sequence[Kernel], rounds: int, hashes: int) -> list[list[float]]:
    """Time each kernel in each round, every second round in reverse."""
    costs: list[list[float]] = [[] for _ in racers]
    for kernel in racers:
        work_of(kernel, hashes // 8)  # wakes up the clock and the caches
    for number in range(rounds):
        order = range(len(racers))
        for index in order if number % 2 == 0 else reversed(order):
            costs[index].append(work_of(racers[index], hashes))
            _progress(f"round {number + 1} of {rounds}: {racers[index].name}")
    _progress("")
    return costs


def _threads_ratio(kernel: Kernel, threads: int, hashes: int, pairs: int = 5) -> float:
    each = []
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(pairs):
            alone = work_of(kernel, hashes)
            together = list(pool.map(lambda _: work_of(kernel, hashes), range(threads)))
            each.append(sum(alone / cost for cost in together))
    return statistics.median(each)


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def measure(racers: Sequence[Kernel], baseline: int, rounds: int, hashes: int) -> list[Figure]:
    """Race kernels; one figure for each, in their order.

    Args:
        racers: the kernels.
        baseline: which of them the others are compared with.
        rounds: how often each is timed.
        hashes: the work of each timing, about.
    """
    costs = _rounds(racers, rounds, hashes)
    threads = len(usable_cores())
    figures = []
    for kernel, cost, (ratio, spread) in zip(racers, costs, ratios(costs, baseline), strict=True):
        _progress(f"{threads} threads: {kernel.name}")
        figures.append(
            Figure(
                kernel=kernel.name,
                lanes=kernel.lanes,
                versions=kernel.versions,
                mhash_per_cpu_second=1e-6 / statistics.median(cost),
                ratio=ratio,
                spread=spread,
                threads_ratio=_threads_ratio(kernel, threads, hashes),
            )
        )
    _progress("")
    return figures


def choose_racers(names: Sequence[str], baseline: str) -> tuple[list[Kernel], int]:
    """Take the kernels of these names, all compiled ones if there are none, and the baseline.

    Returns:
        The kernels, tested, and the place of the baseline among them.

    Raises:
        KernelError: there is none of a name, or one fails its self-test.
    """
    there = {kernel.name: kernel for kernel in kernels()}
    wanted = list(names) or [name for name in there if name != "python"]
    for name in (*wanted, baseline):
        if name not in there:
            raise KernelError(f"no kernel {name!r} on this machine; there are: {', '.join(there)}")
    if baseline not in wanted:
        wanted.append(baseline)
    racers = [there[name] for name in wanted]
    for kernel in racers:
        self_test(kernel)
    return racers, wanted.index(baseline)


def _show(figures: Sequence[Figure], baseline: str) -> None:
    print(f"kernels, CPU seconds for the same work, against {baseline}:")
    print(f"{'kernel':<18}{'MH/CPU s':>10}{'ratio':>9}{'spread':>9}{'threads':>9}")
    for figure in figures:
        print(
            f"{figure.kernel:<18}{figure.mhash_per_cpu_second:>10.2f}{figure.ratio:>8.3f}x"
            f"{figure.spread:>9.3f}{figure.threads_ratio:>8.2f}x"
        )


def main(argv: Sequence[str]) -> int:
    """Measure and print; 2 for a kernel that is not there. No figure is a failure."""
    parser = argparse.ArgumentParser(prog="bench.kernels")
    parser.add_argument("--baseline", default="portable", help="default: portable")
    parser.add_argument("--kernel", action="append", default=[], help="default: all of them")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--hashes", type=int, default=1 << 20, help="for each timing")
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args(argv)
    try:
        racers, baseline = choose_racers(wanted.kernel, wanted.baseline)
    except KernelError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    figures = measure(racers, baseline, max(wanted.rounds, 2), max(wanted.hashes, 1 << 12))
    if wanted.json:
        print(json.dumps([asdict(figure) for figure in figures]))
    else:
        _show(figures, wanted.baseline)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
