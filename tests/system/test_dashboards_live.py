"""Every query of every dashboard has an answer from a real Prometheus that watches a live stack.

A miner and a rig work on a proxy, which works for a pool with a node behind it. What the panels
tell of is made to happen: a share that is refused on each leg, one that is lost, a switch to the
node and back, blocks, and a rig that hangs up. One thing cannot be had on every machine, a device
with sensors: the real page of a miner whose device is made up stands in for it.
"""

import asyncio
import math
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
from aiohttp import web

from headframe.chain.share import Reason, Verdict
from headframe.chain.target import MAX_TARGET, Target
from headframe.runtime.metrics import CONTENT_TYPE
from miner.monitor import Monitor
from miner.stats import MinerStats
from tests.fakes.dashboards import BOARDS, expressions
from tests.fakes.device import FakeDevice
from tests.fakes.mining import ManualSource
from tests.fakes.nodeparts import EmbeddedNode, running_node
from tests.fakes.pool import FakePool
from tests.fakes.ports import free_port
from tests.fakes.programs import Program, headframe, until
from tests.fakes.prometheus import Prometheus, prometheus
from tests.fakes.rig import Rig, connected
from tests.fakes.scrapes import Scrapes
from tests.fakes.wallet import Wallet

pytestmark = [
    pytest.mark.system,
    pytest.mark.slow,
    pytest.mark.promtool,
    pytest.mark.kernel,
    pytest.mark.timeout(300),
]

EASY = Target(MAX_TARGET >> 16)
SENSORS = {"temperature_celsius": 61.5, "power_watts": 140.0, "clock_hertz": 1.7e9}


@dataclass
class Stack:
    """What runs, and what was scraped of the proxy by the test itself."""

    pool: FakePool
    proxy: Program
    miner: Program
    port: int

    async def until_proxy(self, what: str, **totals: float) -> None:
        """Wait until counters of the proxy have come to these values."""

        async def there() -> bool:
            scrapes = Scrapes()
            scrapes.add((await self.proxy.get("/metrics"))[1])
            return all(
                scrapes.get(f"headframe_proxy_{name}_total") >= value
                for name, value in totals.items()
            )

        await until(there, what, self.proxy, self.miner)


@asynccontextmanager
async def stack(
    folder: Path, authority: trustme.CA, pool: FakePool, node: EmbeddedNode
) -> AsyncIterator[Stack]:
    port, over_tls = free_port(), free_port()
    path, trusted = folder / "proxy.toml", folder / "authority.pem"
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    authority.cert_pem.write_to_path(str(trusted))
    shown = authority.issue_cert("127.0.0.1")
    shown.cert_chain_pems[0].write_to_path(str(certificate))
    shown.private_key_pem.write_to_path(str(key))
    path.write_text(f"""
[pools]
stable_seconds = 0.1

[vardiff]
start = 1e-6

[[listeners]]
port = {port}

[[listeners]]
port = {over_tls}
certificate = "{certificate}"
certificate_key = "{key}"

[[upstreams]]
name = "pool"
url = "stratum+ssl://127.0.0.1:{pool.port}"
ca_file = "{trusted}"
user = "house"

[[upstreams]]
name = "node"
url = "bitcoind+http://127.0.0.1:{node.port}"
cookie = "{node.cookie}"
address = "{Wallet.numbered(3).address}"
pace_seconds = 0.5
""")
    rig = folder / "miner.toml"
    rig.write_text(f"""
threads = 1

[[upstreams]]
url = "stratum+ssl://127.0.0.1:{over_tls}"
user = "alice"
ca_file = "{trusted}"

[[upstreams]]
name = "spare"
url = "stratum+tcp://127.0.0.1:{pool.port}"
user = "alice"
""")
    async with (
        headframe("proxy", "--config", str(path), folder=folder) as proxy,
        headframe("mine", "--config", str(rig), folder=folder) as miner,
    ):
        yield Stack(pool, proxy, miner, port)


@asynccontextmanager
async def page_with_sensors() -> AsyncIterator[int]:
    """Serve the metrics of a miner whose device has sensors; yields the port."""
    device = FakeDevice()
    device.stats.sensors.update(SENSORS)
    monitor = Monitor(ManualSource(), [device], MinerStats())

    async def metrics(request: web.Request) -> web.Response:
        del request
        return web.Response(body=monitor.metrics(), headers={"Content-Type": CONTENT_TYPE})

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    runner, port = web.AppRunner(app), free_port()
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield port
    finally:
        await runner.cleanup()


async def make_it_happen(here: Stack) -> None:
    """Have everything happen that the panels tell of."""
    await here.until_proxy("credited shares", shares_acknowledged=3)
    async with connected(here.port, "bob") as [rig]:
        await send_twice(rig)
    here.pool.judge = lambda verdict: Verdict(reason=Reason.STALE)
    await here.until_proxy("a share refused upstream", shares_refused_upstream=1)
    here.pool.judge = lambda verdict: None
    await here.pool.wait_heard(len(here.pool.heard.get()) + 1)
    await here.pool.drop()
    here.pool.judge = lambda verdict: verdict
    await here.until_proxy("a lost share", shares_lost=1, upstream_connects=2)
    await here.pool.go_away()
    await here.until_proxy("blocks", blocks_judged=2, upstream_switches=1)
    await here.pool.come_back()
    await here.until_proxy("the way back", upstream_switches=2)


async def send_twice(rig: Rig) -> None:
    job = await rig.job()
    share = rig.find(job)
    assert (await rig.say(share)).reason is Reason.ACCEPTED
    assert (await rig.say(share)).reason is Reason.DUPLICATE


def queries() -> Iterator[tuple[str, str]]:
    for name in BOARDS:
        for title, expression in expressions(name):
            yield f"{name}: {title}", expression


async def has_data(server: Prometheus, expression: str) -> bool:
    return any(not math.isnan(value) for _, value in await server.query(expression))


async def unanswered(server: Prometheus) -> list[str]:
    return [
        f"{title}: {expression}"
        for title, expression in queries()
        if not await has_data(server, expression)
    ]


async def value_of(server: Prometheus, panel: str) -> float:
    """Return the one number that a panel of the waterfall shows."""
    [expression] = [query for title, query in expressions("waterfall") if title == panel]
    [(_, value)] = await server.query(expression)
    return value


async def test_every_panel_has_data(tmp_path: Path) -> None:
    authority = trustme.CA()
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server_side)
    with running_node(tmp_path / "node") as node:
        async with FakePool(tls=server_side) as pool, page_with_sensors() as sensors:
            pool.new_block(target=EASY)
            async with stack(tmp_path, authority, pool, node) as here:
                targets = {
                    "headframe-proxy": [here.proxy.web],
                    "headframe-miner": [here.miner.web, sensors],
                }
                async with prometheus(tmp_path, targets) as server:
                    await make_it_happen(here)
                    await until_answered(server, here)
                    await check_waterfall(server)
                    await check_rules(server)


async def until_answered(server: Prometheus, here: Stack) -> None:
    missing = [""]
    try:
        async with asyncio.timeout(60):
            while missing:
                missing = await unanswered(server)
    except TimeoutError:
        logs = here.proxy.log()[-3000:]
        raise AssertionError("no data for\n" + "\n".join(missing) + "\n" + logs) from None


async def check_waterfall(server: Prometheus) -> None:
    """The hashes offered, minus each cause of loss, are the hashes credited: to the hash."""
    offered, credited = await value_of(server, "Offered"), await value_of(server, "Credited")
    assert offered > 0
    assert credited > 0
    assert await value_of(server, "Unexplained") == 0
    [(_, now)] = await server.query("vector(time())")
    bars = [
        await server.query(expression, now)
        for title, expression in expressions("waterfall")
        if title == "From offered to credited"
    ]
    assert {"duplicate", "stale"} <= {labels.get("reason") for bar in bars for labels, _ in bar}
    *steps, [(_, credited)] = bars
    assert credited > 0
    assert sum(value for bar in steps for _, value in bar) == pytest.approx(credited, rel=1e-9)


async def check_rules(server: Prometheus) -> None:
    """Every alert's expression could be evaluated on what the programs really export."""
    rules = [rule for group in (await server.ask("rules"))["groups"] for rule in group["rules"]]
    assert len(rules) >= 24
    assert [(rule["name"], rule.get("lastError")) for rule in rules if rule["health"] != "ok"] == []
