#!/usr/bin/env python3
"""Take the pictures of the README from a real run.

make pictures   (or PYTHONPATH=. python scripts/pictures.py [--minutes 15] [--keep FOLDER])

Two bitcoinds on one regtest chain, a proxy that works for them, thirty rigs of `farm.py` and
a miner, watched by a Prometheus; after a third of the time the preferred node goes away for a
while. At the end Chromium takes pictures of the pages, and of the fleet dashboard's panels. All
of them are real programs: bitcoind, prometheus and chromium must be installed.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import aiohttp
from board import board_page
from farm import FARM, Machine, knock, mill

from native import pick
from tests.fakes.bitcoind import Bitcoind, running_bitcoind
from tests.fakes.browser import browsing
from tests.fakes.ports import free_port
from tests.fakes.programs import Program, headframe
from tests.fakes.prometheus import Prometheus, prometheus

IMAGES: Final = Path(__file__).resolve().parents[1] / "docs/images"
TOKEN: Final = "a token of the pictures"  # noqa: S105 - of a proxy that is gone by then
ADDRESS: Final = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
"""BIP 173's example key, as an address of regtest."""
PACE_SECONDS: Final = 75
AWAY_SECONDS: Final = 90
SETTINGS: Final = """
[[upstreams]]
name = "node-a"
url = "bitcoind+http://127.0.0.1:{first.port}"
cookie = "{first.cookie}"
address = "{address}"
pace_seconds = {pace}

[[upstreams]]
name = "node-b"
url = "bitcoind+http://127.0.0.1:{second.port}"
cookie = "{second.cookie}"
address = "{address}"
pace_seconds = {pace}

[[listeners]]
name = "hall-a"
port = {halls[0]}

[[listeners]]
name = "hall-b"
port = {halls[1]}

[vardiff]
start = 0.0005
least = 0.00002
shares_per_minute = 12

[web]
token_file = "{folder}/token"
"""
SHOTS: Final[tuple[tuple[str, str, int, int, str], ...]] = (
    ("proxy-light", "light", 1280, 1000, ""),
    ("proxy-dark", "dark", 1280, 1000, ""),
    ("rigs", "light", 1280, 900, "document.getElementById('rigs').scrollIntoView()"),
    ("rig-dark", "dark", 1280, 900, "location.hash = '#rig=farm.a-s21-01'"),
    ("phone", "dark", 420, 900, ""),
)


@contextmanager
def chain(folder: Path) -> Iterator[tuple[Bitcoind, Bitcoind]]:
    """Run two nodes that know each other."""
    peer = free_port()
    listen = ("-listen=1", f"-bind=127.0.0.1:{peer}", "-discover=0")
    with (
        running_bitcoind(folder / "a", extra=listen) as first,
        running_bitcoind(folder / "b", extra=[f"-connect=127.0.0.1:{peer}"]) as second,
    ):
        first.call("generatetoaddress", 101, ADDRESS)
        while second.call("getblockcount") < 101:
            time.sleep(0.2)
        yield first, second


@asynccontextmanager
async def farm(folder: Path, halls: list[int], *nodes: Bitcoind) -> AsyncIterator[Program]:
    """Run the proxy and its rigs."""
    (folder / "token").write_text(TOKEN)
    first, second = nodes
    settings = SETTINGS.format(
        first=first, second=second, address=ADDRESS, pace=PACE_SECONDS, halls=halls, folder=folder
    )
    (folder / "proxy.toml").write_text(settings)
    machines = [Machine(habit, halls[habit.hall]) for habit in FARM]
    async with (
        headframe("proxy", "--config", str(folder / "proxy.toml"), folder=folder) as proxy,
        asyncio.TaskGroup() as group,
    ):
        tasks = [
            group.create_task(mill(machines, pick())),
            group.create_task(knock(halls[0])),
        ]
        yield proxy
        for task in tasks:
            task.cancel()


async def live(proxy: Program, node: Bitcoind, seconds: float) -> None:
    """Let time pass, with a ban, and a node that goes away and comes back."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    await asyncio.sleep(seconds * 0.2)
    ban = {"address": "192.0.2.66", "seconds": 86_400, "why": "guesses passwords"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"http://127.0.0.1:{proxy.web}/api/v1/ban", json=ban) as answer,
    ):
        answer.raise_for_status()
    await asyncio.sleep(seconds * 0.15)
    port = node.port
    await asyncio.to_thread(node.stop)
    await asyncio.sleep(AWAY_SECONDS)
    await asyncio.to_thread(node.start, port)
    await asyncio.sleep(seconds * 0.65 - AWAY_SECONDS)


async def shoot(folder: Path, proxy: Program, miner: Program, watch: Prometheus) -> None:
    """Take the pictures."""
    board = folder / "board.html"
    board.write_text(await board_page(watch), encoding="utf-8")
    address = f"http://127.0.0.1:{proxy.web}/"
    shots = [(address, each) for each in SHOTS]
    shots.append((f"http://127.0.0.1:{miner.web}/", ("miner", "light", 1280, 1000, "")))
    shots.append((board.as_uri(), ("dashboard", "dark", 1280, 1000, "")))
    IMAGES.mkdir(exist_ok=True)
    async with browsing(folder / "profile", "about:blank") as tab:
        await tab.call("Emulation.setScrollbarsHidden", hidden=True)
        for url, (name, scheme, width, height, action) in shots:
            await tab.prefer(color_scheme=scheme, reduced_motion="reduce")
            await tab.resize(width, height)
            await tab.call("Page.navigate", url=url)
            await asyncio.sleep(6)  # two updates of everything
            if action:
                await tab(action)
                await asyncio.sleep(4)
            (IMAGES / f"{name}.png").write_bytes(await tab.picture())
            print(f"docs/images/{name}.png")


async def run(folder: Path, minutes: float) -> None:
    """Do the whole run."""
    halls = [free_port(), free_port()]
    with chain(folder) as (first, second):
        async with (
            farm(folder, halls, first, second) as proxy,
            headframe(
                "mine",
                *("--url", f"stratum+tcp://127.0.0.1:{halls[0]}", "--user", "farm.office-pc"),
                *("--threads", "1", "--duty", "5", "--set", "api.enabled=false"),
                folder=folder,
            ) as miner,
            prometheus(
                folder, {"headframe-proxy": [proxy.web], "headframe-miner": [miner.web]}
            ) as watch,
        ):
            print(f"proxy http://127.0.0.1:{proxy.web}/ miner {miner.web} prometheus {watch.url}")
            await live(proxy, first, minutes * 60)
            await shoot(folder, proxy, miner, watch)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--keep", type=Path, help="a folder for what the programs write")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as made:
        folder = given.keep or Path(made)
        folder.mkdir(parents=True, exist_ok=True)
        asyncio.run(run(folder, given.minutes))


if __name__ == "__main__":
    main()
