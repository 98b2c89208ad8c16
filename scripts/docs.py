#!/usr/bin/env python3
"""Write the generated pages and examples: settings and metrics, read from the code.

python scripts/docs.py          write them (make docs)
python scripts/docs.py --check  say which are stale, and fail
"""

import sys
from pathlib import Path

from headframe.node.config import NodeConfig
from headframe.runtime.metrics import describe
from headframe.runtime.settings import example, reference
from miner.config import MinerConfig
from miner.stats import MinerStats
from proxy.config import ProxyConfig
from proxy.stats import Books, Stats

ROOT = Path(__file__).resolve().parents[1]
NOTE = "<!-- Written by `make docs` from the code; edit the code, not this page. -->\n"
HOW = """A value is taken from, each overriding the one before: its default, the TOML file
(`--config`), the environment (`HEADFRAME_WEB__PORT=9000`), `--set web.port=9000`, and the
command's own flags.
An unknown key is an error that names the nearest known one.
"""

__all__ = ["pages"]


def pages() -> dict[str, str]:
    """Make every generated file: path from the root, and its text."""
    config = [f"# Settings\n{NOTE}\n{HOW}"]
    for title, struct in (
        ("headframe mine", MinerConfig),
        ("headframe proxy", ProxyConfig),
        ("headframe node", NodeConfig),
    ):
        page = reference(struct).replace("\n## ", "\n### ")
        config.append(f"## {title}\n{page}")
    metrics = [f"# Metrics\n{NOTE}\nServed at `/metrics` by the miner and the proxy.\n"]
    for title, prefix, kinds in (
        ("headframe mine", "headframe_miner_", (MinerStats,)),
        ("headframe proxy", "headframe_proxy_", (Books, Stats)),
    ):
        rows = "\n".join(describe(kind, prefix=prefix) for kind in kinds)
        metrics.append(f"## {title}\n{rows}")
    return {
        "docs/config.md": "\n".join(config).rstrip() + "\n",
        "docs/metrics.md": "\n".join(metrics).rstrip() + "\n",
        "examples/miner.toml": example(MinerConfig),
        "examples/proxy.toml": example(ProxyConfig),
    }


def main(argv: list[str]) -> int:
    """Write the pages, or compare them with what is there."""
    stale = []
    for name, text in pages().items():
        path = ROOT / name
        if not path.exists() or path.read_text() != text:
            stale.append(name)
            if "--check" not in argv:
                path.parent.mkdir(exist_ok=True)
                path.write_text(text)
                print(f"wrote {name}")
    if stale and "--check" in argv:
        print(f"stale: {', '.join(stale)}; run `make docs`")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
