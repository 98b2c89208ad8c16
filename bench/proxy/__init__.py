"""The proxy under the load of a fleet, against a bare loop in the same run.

Simulated rigs (`rigs.c`, one thread) work at the proxy, which is run as users run it: a
process of its own, with page, history and vardiff, in front of a pool on loopback. The
*floor* (`floor.c`) is an epoll loop in C that answers each line without checking anything:
what the kernel takes, and the least that any server does. Costs are CPU time of all threads
of the server, the kernel's part included, so other programs on the machine change them
little; latencies are wall time, and other programs show in them. Every share is hashed and
judged: rigs need no luck since their target is the easiest there is. Jobs have a coinbase of
195 bytes, and 0 or 12 merkle branches.

    python -m bench proxy [--quick] [--rolling] [--only NAME ...] [--rounds N] [--json]

Linux and a C compiler only; elsewhere it says so. It takes a minute and a half, or with
`--rounds 3` twice that. Columns `must`, `aim`, `ref` (the floor) and `peers` are those of the
machine that the peers were measured on; the ratio to the floor is what carries over.
"""

import argparse
import json
import resource
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from bench.proxy.measure import Plan, blocks, connecting, farm, forwarding, shares
from bench.proxy.programs import FILES, compile_programs
from bench.proxy.rows import Figure, show

__all__ = ["PARTS", "main"]

PARTS: Final[Mapping[str, Callable[[Plan], list[Figure]]]] = {
    "shares": shares,
    "farm": farm,
    "forwarding": forwarding,
    "connecting": connecting,
    "blocks": blocks,
}
"""What can be measured by itself."""


def main(argv: Sequence[str]) -> int:
    """Measure and print; 1 if a figure is worse than it must be, 2 if nothing can be measured."""
    parser = argparse.ArgumentParser(prog="bench.proxy")
    parser.add_argument("--quick", action="store_true", help="half as long")
    parser.add_argument("--rounds", type=int, default=1, help="of each, the median counts")
    parser.add_argument("--rolling", action="store_true", help="rigs roll the version")
    parser.add_argument("--only", action="append", choices=tuple(PARTS), help="default: all")
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args(argv)
    if not sys.platform.startswith("linux"):
        print("proxy: not measured, this needs Linux")
        return 0
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, FILES), most))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            compile_programs(folder)
        except OSError as error:
            print(f"proxy: not measured: {error}")
            return 0
        plan = Plan(folder, wanted.rounds, 1.0 if wanted.quick else 2.0, rolling=wanted.rolling)
        figures, failed = _measure(plan, wanted.only or tuple(PARTS))
    if wanted.json:
        print(json.dumps([asdict(figure) for figure in figures]))
    else:
        show(figures)
    return 2 if failed else int(not all(figure.good for figure in figures))


def _measure(plan: Plan, parts: Sequence[str]) -> tuple[list[Figure], bool]:
    """Measure some parts; whether one of them could not be."""
    figures: list[Figure] = []
    failed = False
    for part in parts:
        try:
            figures += PARTS[part](plan)
        except (OSError, ValueError) as error:
            failed = True
            print(f"{part}: not measured: {error}", file=sys.stderr)
    return figures, failed
