"""The measurements: each returns figures of some rows, floor and proxy in the same run."""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from bench.proxy.programs import EASIEST, Fleet, Floor, Load, Proxy, Server, pool_upstream
from bench.proxy.rows import Figure

__all__ = ["Plan", "blocks", "connecting", "farm", "forwarding", "shares"]

BRANCHES: Final = (0, 12)
KEPT: Final = 1e9
"""A pool's difficulty that no share here meets."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured.

    Attributes:
        folder: for programs, settings and logs.
        rounds: repetitions.
        seconds: length of a phase.
        rolling: rigs roll the version.
    """

    folder: Path
    rounds: int
    seconds: float
    rolling: bool = False


@dataclass(frozen=True, slots=True)
class _Bench:
    """Floor and proxy side by side, each with its rigs; a pool that feeds the proxy."""

    pool: Floor
    proxy: Proxy
    floor: Floor
    at_proxy: Fleet
    at_floor: Fleet

    @property
    def sides(self) -> tuple[tuple[Server, Fleet], ...]:
        return (self.floor, self.at_floor), (self.proxy, self.at_proxy)

    def job(self, branches: int) -> int:
        """Show a block to the proxy's rigs; returns when the pool did."""
        self.at_proxy.say("watch 10")
        began = self.pool.job(branches)
        self.at_proxy.wait()
        return began


@contextmanager
def _side_by_side(
    plan: Plan, name: str, *overrides: str, difficulty: float = KEPT
) -> Iterator[_Bench]:
    with ExitStack() as stack:
        pool = stack.enter_context(Floor(plan.folder, difficulty))
        proxy = stack.enter_context(Proxy(plan.folder / name, pool_upstream(pool), *overrides))
        floor = stack.enter_context(Floor(plan.folder, EASIEST))
        at_proxy = stack.enter_context(Fleet(plan.folder, proxy.port, rolling=plan.rolling))
        at_floor = stack.enter_context(Fleet(plan.folder, floor.port, rolling=plan.rolling))
        yield _Bench(pool, proxy, floor, at_proxy, at_floor)


def _figure(
    row: str,
    proxy: Sequence[float],
    floor: Sequence[float] = (),
    *,
    branches: int | None = None,
    note: str = "",
) -> Figure:
    return Figure(
        row=row,
        proxy=statistics.median(proxy),
        low=min(proxy),
        high=max(proxy),
        floor=statistics.median(floor) if floor else None,
        branches=branches,
        note=note,
    )


def _sound(load: Load) -> Load:
    """Return it, if everything was answered with true.

    Raises:
        ValueError: something was not.
    """
    if load.refused or load.lost or load.held or load.accepted < load.offered:
        raise ValueError(
            f"of {load.offered} shares {load.accepted} were accepted and {load.refused} refused "
            f"({load.refusal or 'the rest had no answer'}); {load.lost} rigs were lost, "
            f"{load.held} shares were not sent for want of answers"
        )
    return load


def _cost(server: Server, phase: Callable[[], Load]) -> tuple[float, Load]:
    """Return the microseconds of CPU for a share, and what the rigs saw."""
    before = server.cpu_ns()
    load = _sound(phase())
    return (server.cpu_ns() - before) / 1000 / load.accepted, load


def shares(plan: Plan) -> list[Figure]:
    """200 rigs: shares at two rates, and as fast as they are answered."""
    figures = []
    with _side_by_side(plan, "shares") as bench:
        for _, fleet in bench.sides:
            _sound(fleet.connect(200))
            _sound(fleet.rate(1000, 1))
        for branches in BRANCHES:
            bench.job(branches)
            figures += _shares(plan, bench, branches)
    return figures


def _shares(plan: Plan, bench: _Bench, branches: int) -> list[Figure]:
    seen: dict[tuple[str, bool], list[float]] = {}
    for _ in range(plan.rounds):
        for server, fleet in bench.sides:
            ours = server is bench.proxy
            for name, phase in (
                ("cpu_1000", partial(fleet.rate, 1000, plan.seconds)),
                ("cpu_5000", partial(fleet.rate, 5000, plan.seconds)),
                ("cpu_closed", partial(fleet.closed, 8, plan.seconds / 2)),
            ):
                cost, load = _cost(server, phase)
                seen.setdefault((name, ours), []).append(cost)
                if name == "cpu_5000":
                    seen.setdefault(("p99_rate", ours), []).append(load.latency_ms["p99"])
                if name == "cpu_closed":
                    bench.job(branches)  # another table of duplicates
    return [
        _figure(name, seen[name, True], seen[name, False], branches=branches)
        for name in ("cpu_1000", "cpu_5000", "cpu_closed", "p99_rate")
    ]


def farm(plan: Plan, rigs: int = 5000) -> list[Figure]:
    """5,000 rigs: memory, shares, jobs, and shares while a job goes out."""
    with _side_by_side(plan, "farm") as bench:
        bench.pool.job(0)
        empty = [server.rss_bytes() for server, _ in bench.sides]
        for _, fleet in bench.sides:
            _sound(fleet.connect(rigs))
        full = [server.rss_bytes() for server, _ in bench.sides]
        each = [(b - a) / 1000 / rigs for a, b in zip(empty, full, strict=True)]
        figures = [
            _figure("rss_base", [empty[1] / 1e6], [empty[0] / 1e6], branches=0),
            _figure("rss_rig", each[1:], branches=0),
        ]
        for branches in BRANCHES:
            figures += _broadcasts(plan, bench, branches)
        for branches in BRANCHES:
            bench.job(branches)
            figures += _farm_shares(plan, bench, branches)
        return figures


def _broadcasts(plan: Plan, bench: _Bench, branches: int) -> list[Figure]:
    costs: list[list[float]] = [[], []]
    spreads: list[list[float]] = [[], []]
    for _ in range(plan.rounds + 2):
        for side, (server, fleet) in enumerate(bench.sides):
            before = server.cpu_ns()
            fleet.say("watch 10")
            (bench.pool if side else bench.floor).job(branches)
            (job,) = _sound(fleet.wait()).jobs[-1:]
            costs[side].append((server.cpu_ns() - before) / 1000 / job.rigs)
            spreads[side].append((job.last - job.first) / 1e6)
    return [
        _figure("cpu_job", costs[1], costs[0], branches=branches),
        _figure("spread", spreads[1], spreads[0], branches=branches),
    ]


def _farm_shares(plan: Plan, bench: _Bench, branches: int) -> list[Figure]:
    costs: list[list[float]] = [[], []]
    late = []
    for _ in range(plan.rounds):
        for side, (server, fleet) in enumerate(bench.sides):
            cost, _load = _cost(server, partial(fleet.rate, 1000, plan.seconds))
            costs[side].append(cost)
    for _ in range(plan.rounds):
        bench.at_proxy.say("rate 1000 1.5")
        for _ in range(3):
            bench.pool.job(branches)
            time.sleep(0.4)
        late.append(bench.at_proxy.wait().during_jobs["p99"])  # stale ones are answered too
    return [
        _figure("cpu_fleet", costs[1], costs[0], branches=branches),
        _figure("p99_job", late, branches=branches),
    ]


def forwarding(plan: Plan) -> list[Figure]:
    """200 rigs in front of a pool that wants every share, and whose verdicts they wait for."""
    try:
        return [_forwarding(plan, "pool")]
    except OSError as error:  # this proxy has no such setting
        if "verdict" not in str(error):
            raise
    return [_forwarding(plan, "local")]


def _forwarding(plan: Plan, verdict: str) -> Figure:
    costs = []
    name, setting = f"forwarding-{verdict}", f"verdict={verdict}"
    with _side_by_side(plan, name, setting, difficulty=EASIEST) as bench:
        _sound(bench.at_proxy.connect(200))
        for _ in range(plan.rounds):
            before = bench.pool.shares()
            cost, load = _cost(bench.proxy, partial(bench.at_proxy.rate, 1000, plan.seconds))
            costs.append(cost)
            sent = bench.pool.shares(before + load.accepted) - before
            if sent != load.accepted:
                raise ValueError(f"of {load.accepted} good shares {sent} went up")
    return _figure("cpu_pool", costs, branches=0, note=f"verdict = {verdict}")


def connecting(plan: Plan, rigs: int = 9000) -> list[Figure]:
    """9,000 rigs that come at 1,000 a second."""
    costs = []
    with _side_by_side(plan, "connecting") as bench:
        bench.pool.job(0)
        for server, fleet in bench.sides:
            before = server.cpu_ns()
            load = _sound(fleet.connect(rigs))
            costs.append((server.cpu_ns() - before) / 1000 / load.ready)
    return [_figure("cpu_connect", costs[1:], costs[:1], branches=0)]


def blocks(plan: Plan, rigs: int = 5000) -> list[Figure]:
    """5,000 rigs on a node of regtest that finds blocks.

    Raises:
        OSError: there is no bitcoind.
    """
    from bench.proxy.node import running_node

    first, last = [], []
    with ExitStack() as stack:
        node = stack.enter_context(running_node(plan.folder / "node"))
        proxy = stack.enter_context(Proxy(plan.folder / "blocks", node.upstream()))
        fleet = stack.enter_context(Fleet(plan.folder, proxy.port, rolling=plan.rolling))
        _sound(fleet.connect(rigs))
        for _ in range(plan.rounds + 2):
            fleet.say("watch 10")
            announced = node.announce()
            (job,) = fleet.wait().jobs[-1:]
            first.append((job.first - announced) / 1e6)
            last.append((job.last - announced) / 1e6)
            time.sleep(0.3)
    return [_figure("block_first", first), _figure("block_last", last)]
