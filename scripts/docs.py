#!/usr/bin/env python3
"""Write the generated pages, schemas and examples: settings, metrics and API, read from the code.

python scripts/docs.py          write them (make docs)
python scripts/docs.py --check  say which are stale, and fail
"""

import sys
from pathlib import Path

from docs_api import api_page, api_schemas

from headframe.node.config import NodeConfig
from headframe.runtime.metrics import describe
from headframe.runtime.settings import example, reference
from headframe.runtime.vitals import BUILD_INFO_HELP, BUILD_LABELS, PREFIX, Vitals
from headframe.runtime.web.schema import encode_schema
from headframe.upstream.blocks import BlockStats
from headframe.upstream.report import PoolChanges, PoolFigures, PoolShares
from miner.config import MinerConfig
from miner.stats import DeviceFigures, MinerStats
from miner.status import MinerStatus
from proxy import quirks
from proxy.config import ProxyConfig
from proxy.doors import DoorFigures
from proxy.routetable import RouteFigures
from proxy.sharelog import ShareLogStats
from proxy.stats import Books, Stats
from proxy.status import ProxyStatus
from proxy.store import StoreStats
from proxy.workers import WorkerFigures, WorkerStats

ROOT = Path(__file__).resolve().parents[1]
NOTE = "<!-- Written by `make docs` from the code; edit the code, not this page. -->\n"
HOW = """A value is taken from, each overriding the one before: its default, the TOML file
(`--config`), the environment (`HEADFRAME_WEB__PORT=9000`), `--set web.port=9000`, and the
command's own flags.
An unknown key is an error that names the nearest known one.
"""

METRICS_HOW = """Served at `/metrics` by the miner and the proxy, in Prometheus's text format.
A counter never falls while the program runs, whatever pools, rigs, devices and settings do.
The proxy's counters of shares, work and blocks go on over restarts, where the history can be kept.
What a program does not know, as a sensor that a device does not have, has no sample.
`pool`, `from` and `to` are names of configured upstreams.
`listener` is the name of a listener, `route` that of a route, `device` that of a device.
`worker` is a name that rigs choose: the `web.worker_series` busiest have series of their own.
`(other)` is all other workers together; one that was quiet for an hour gives its place away.
No other label has a value that a stranger can choose.
Besides those below there are `process_*` (start time, CPU, memory, open files) and `python_*`.
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
    return {
        "docs/api.md": api_page(NOTE),
        **api_schemas(),
        "docs/config.md": "\n".join(config).rstrip() + "\n",
        "docs/metrics.md": _metrics(),
        "docs/quirks.md": f"# Quirks of firmware\n{NOTE}\n{quirks.page()}",
        "docs/schema/miner-status.json": encode_schema(MinerStatus).decode(),
        "docs/schema/proxy-status.json": encode_schema(ProxyStatus).decode(),
        "examples/miner.toml": example(MinerConfig),
        "examples/proxy.toml": example(ProxyConfig),
    }


def _metrics() -> str:
    """Describe all metrics, one table for each program and kind of thing."""
    page = [f"# Metrics\n{NOTE}\n{METRICS_HOW}"]
    pools = (
        ("pool_", "pool", PoolFigures),
        ("pool_", "pool", PoolShares),
        ("pool_", "", PoolChanges),
    )
    for title, prefix, kinds in (
        ("All programs", PREFIX, (("", "", Vitals),)),
        ("headframe mine", "headframe_miner_", (("", "", MinerStats), ("", "", BlockStats))),
        (
            "headframe mine: each device and each upstream",
            "headframe_miner_",
            (("device_", "device", DeviceFigures), *pools),
        ),
        (
            "headframe proxy",
            "headframe_proxy_",
            tuple(("", "", each) for each in (Books, Stats, BlockStats, StoreStats, ShareLogStats)),
        ),
        (
            "headframe proxy: each listener, route, upstream and worker",
            "headframe_proxy_",
            (
                ("", "", WorkerStats),
                ("", "listener", DoorFigures),
                ("route_", "route", RouteFigures),
                *pools,
                ("worker_", "worker", WorkerFigures),
            ),
        ),
    ):
        tables = [
            describe(kind, prefix=prefix + more, label=label).splitlines()
            for more, label, kind in kinds
        ]
        rows = [*tables[0][:2], *(row for table in tables for row in table[2:])]
        if kinds[0][2] is Vitals:
            labels = ", ".join(f"`{name}`" for name in BUILD_LABELS)
            rows.append(f"| `{PREFIX}build_info` | gauge | {labels} | {BUILD_INFO_HELP} |")
        page.append(f"## {title}\n" + "\n".join(rows) + "\n")
    return "\n".join(page).rstrip() + "\n"


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
