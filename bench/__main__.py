"""Run the benchmarks: all of them, or one by its name with options of its own.

python -m bench
python -m bench latency --switches 1000
"""

import importlib
import sys
from collections.abc import Sequence

__all__ = ["MODULES"]

MODULES = ("kernels", "cycles", "latency", "submit", "newblock", "scrape", "miner", "proxy")
"""Each has `main(argv)`, which prints what it measured and returns an exit code."""


def main(argv: Sequence[str]) -> int:
    """Run what is asked for; 1 if a figure is worse than it must be, 2 for an unknown name."""
    if argv and argv[0] not in MODULES:
        print(f"error: no benchmark {argv[0]!r}; there are: {', '.join(MODULES)}", file=sys.stderr)
        return 2
    wanted = [(argv[0], argv[1:])] if argv else [(name, ()) for name in MODULES]
    codes: list[int] = [
        importlib.import_module(f"bench.{name}").main(rest) for name, rest in wanted
    ]
    return max(codes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
