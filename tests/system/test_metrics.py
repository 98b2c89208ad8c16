"""What the running programs tell to Prometheus, and at `/api/v1/status`.

Prometheus's own linter and an independent reader of JSON Schema judge it. Along a run in which
everything happens that may happen to a miner, no counter falls.
"""

import json
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from headframe.chain.share import Reason, Verdict
from headframe.chain.target import MAX_TARGET, Target
from tests.fakes.nodeparts import running_node
from tests.fakes.pool import FakePool
from tests.fakes.ports import free_port
from tests.fakes.programs import Program, headframe, until
from tests.fakes.promtool import lint_metrics
from tests.fakes.scrapes import Scrapes
from tests.fakes.wallet import Wallet

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

EASY = Target(MAX_TARGET >> 20)
"""A million hashes: some shares a second even for the reference kernel's elders."""
SCHEMAS = Path(__file__).parents[2] / "docs/schema"
STAGES = {
    "miner": ("job_to_hash", "found_to_sent", "sent_to_verdict"),
    "proxy": ("job_to_rigs", "share_to_sent", "sent_to_verdict"),
}


@asynccontextmanager
async def stack(folder: Path) -> AsyncIterator[tuple[Program, Program]]:
    """A miner on a proxy on a pool, at work."""
    port = free_port()
    async with FakePool() as pool:
        pool.new_block(target=EASY)
        up = ["--url", f"stratum+tcp://127.0.0.1:{pool.port}", "--user", "house"]
        here = ["--url", f"stratum+tcp://127.0.0.1:{port}", "--user", "rig", "--threads", "1"]
        async with (
            headframe("proxy", *up, "--listen", f"127.0.0.1:{port}", folder=folder) as proxy,
            headframe("mine", *here, folder=folder) as miner,
        ):
            scrapes = Scrapes()

            async def every_stage_was_measured() -> bool:
                for each, program in ((miner, "miner"), (proxy, "proxy")):
                    scrapes.add((await each.get("/metrics"))[1])
                    name = f"headframe_{program}_share_latency_seconds_count"
                    if not all(scrapes.get(name, stage=stage) for stage in STAGES[program]):
                        return False
                return True

            await until(every_stage_was_measured, "a share of each stage", miner, proxy)
            yield miner, proxy


@pytest.mark.promtool
async def test_prometheus_own_linter_finds_nothing_wrong(tmp_path: Path) -> None:
    async with stack(tmp_path) as programs:
        for each in programs:
            code, page = await each.get("/metrics")
            assert code == 200
            assert lint_metrics(page) == ""
    assert "counter metrics should have" in lint_metrics(b"# HELP a A.\n# TYPE a counter\na 1\n")


@pytest.mark.promtool
@pytest.mark.kernel
async def test_prometheus_own_linter_finds_nothing_wrong_with_solo_mining(tmp_path: Path) -> None:
    """A node, with blocks found on it: every series of a block is there."""
    port = free_port()
    with running_node(tmp_path / "node") as node:
        up = ["--url", f"bitcoind+http://127.0.0.1:{node.port}", "--cookie", str(node.cookie)]
        up += ["--address", Wallet.numbered(3).address, "--pace", "0.3"]
        here = ["--url", f"stratum+tcp://127.0.0.1:{port}", "--user", "rig", "--threads", "1"]
        async with (
            headframe("proxy", *up, "--listen", f"127.0.0.1:{port}", folder=tmp_path) as proxy,
            headframe("mine", *here, folder=tmp_path) as miner,
        ):
            scrapes = Scrapes()

            async def a_block_was_accepted() -> bool:
                scrapes.add((await proxy.get("/metrics"))[1])
                name = "headframe_proxy_blocks_judged_total"
                return scrapes.get(name, reason="accepted") > 0

            await until(a_block_was_accepted, "a block", miner, proxy)
            assert scrapes.get("headframe_proxy_blocks_followed") > 0
            assert lint_metrics((await proxy.get("/metrics"))[1]) == ""


async def test_the_status_is_what_the_published_schema_says(tmp_path: Path) -> None:
    async with stack(tmp_path) as programs:
        for each, name in zip(programs, ("miner-status", "proxy-status"), strict=True):
            schema = json.loads((await each.get("/api/v1/schema"))[1])
            assert schema == json.loads((SCHEMAS / f"{name}.json").read_text())
            jsonschema.Draft202012Validator.check_schema(schema)
            validator = jsonschema.Draft202012Validator(schema)
            status = await each.status()
            assert [error.message for error in validator.iter_errors(status)] == []
            kind = schema["$defs"][schema["title"]]
            assert status.keys() == kind["properties"].keys(), "nothing is told but what it names"
            broken = {**status, "hashrate_hps": "fast"}
            assert not validator.is_valid(broken)


def settings(*pools: FakePool, threads: int = 1) -> str:
    """The text of a miner's settings; pools are called a, b, ... in their order."""
    upstreams = "".join(
        f'[[upstreams]]\nurl = "stratum+tcp://127.0.0.1:{pool.port}"\nuser = "rig"\n'
        f'name = "{name}"\n'
        for name, pool in zip("ab", pools, strict=False)
    )
    return f"threads = {threads}\n\n[pools]\nstable_seconds = 0.1\n\n{upstreams}"


class Watched:
    """A miner whose metrics are read all the time, and the file of its settings."""

    def __init__(self, program: Program, scrapes: Scrapes, path: Path) -> None:
        self.program = program
        self.scrapes = scrapes
        self.path = path

    async def scrape(self) -> None:
        code, page = await self.program.get("/metrics")
        assert code == 200
        self.scrapes.add(page)

    async def until(self, holds: Callable[[Scrapes], Any], what: str) -> None:
        async def look() -> bool:
            await self.scrape()
            return bool(holds(self.scrapes))

        await until(look, what, self.program)

    def get(self, name: str, **labels: str) -> float:
        return self.scrapes.get(f"headframe_miner_{name}", **labels)

    async def shares(self, pool: str, more: int = 3) -> None:
        """Wait for that many more accepted shares of a pool."""
        before = self.get("pool_shares_accepted_total", pool=pool)
        await self.until(
            lambda _: self.get("pool_shares_accepted_total", pool=pool) >= before + more,
            f"shares of {pool}",
        )

    async def connected(self, pool: str, times: int) -> None:
        await self.until(
            lambda _: self.get("pool_connects_total", pool=pool) >= times, f"connection {times}"
        )

    async def reload(self, text: str, result: str) -> None:
        name = "headframe_config_reloads_total"
        before = self.scrapes.get(name, result=result)
        self.path.write_text(text)
        self.program.child.process.send_signal(signal.SIGHUP)
        await self.until(
            lambda scrapes: scrapes.get(name, result=result) > before, f"a reload: {result}"
        )


@asynccontextmanager
async def watched(text: str, folder: Path) -> AsyncIterator[Watched]:
    path = folder / "miner.toml"
    path.write_text(text)
    async with headframe("mine", "--config", str(path), folder=folder) as program:
        desk = Watched(program, Scrapes(), path)
        await desk.scrape()
        yield desk


async def trouble_the_connection(desk: Watched, pool: FakePool) -> None:
    """Everything that one pool can do to us."""
    await desk.shares("a")
    for _ in range(20):
        pool.new_block(target=EASY)
        await desk.scrape()
    pool.judge = lambda verdict: Verdict(reason=Reason.STALE)
    await desk.until(lambda _: desk.get("shares_rejected_total", reason="stale") >= 3, "rejects")
    pool.judge = lambda verdict: verdict
    for connects in (2, 3, 4):
        await pool.drop()
        await desk.connected("a", connects)
    await desk.shares("a")
    pool.say(b'{"id":null,"method":"client.reconnect","params":[]}\n')
    await desk.until(lambda _: desk.get("upstream_redirects_total") >= 1, "a redirect")
    await desk.shares("a")


async def test_no_counter_falls_whatever_happens(tmp_path: Path) -> None:
    async with FakePool() as first, FakePool() as second:
        for pool in (first, second):
            pool.new_block(target=EASY)
        async with watched(settings(first, second), tmp_path) as desk:
            await trouble_the_connection(desk, first)
            await first.go_away()
            await desk.shares("b")
            assert desk.get("pool_in_use", pool="b") == 1
            assert desk.get("pool_state", pool="a", state="active") == 0
            await first.come_back()
            await desk.shares("a")
            assert desk.get("upstream_switches_total") >= 2
            assert desk.scrapes.falls == []
            assert desk.scrapes.count > 40
            assert desk.get("hashes_total") > 0


async def test_no_counter_falls_when_pools_and_threads_come_and_go(tmp_path: Path) -> None:
    async with FakePool() as first, FakePool() as second:
        for pool in (first, second):
            pool.new_block(target=EASY)
        both = settings(first, second)
        async with watched(both, tmp_path) as desk:
            await desk.shares("a")
            await first.go_away()
            await desk.shares("b")
            await first.come_back()
            await desk.shares("a")
            switches = desk.get("upstream_switches_total")
            connects = desk.get("upstream_connects_total")
            await desk.reload(settings(first, threads=2), "done")
            await desk.until(
                lambda scrapes: scrapes.labels("headframe_miner_pool_in_use", "pool") == {"a"},
                "one pool",
            )
            await desk.shares("a")
            await desk.reload("threads = many", "refused")
            assert desk.scrapes.get("headframe_config_last_reload_successful") == 0
            await desk.reload(both, "done")
            await desk.shares("a")
            assert desk.scrapes.get("headframe_config_last_reload_successful") == 1
            assert desk.get("pool_shares_accepted_total", pool="b") >= 3, "b's books were kept"
            await first.go_away()
            await desk.shares("b")
            assert desk.get("upstream_switches_total") > switches
            assert desk.get("upstream_connects_total") > connects
            assert desk.scrapes.falls == []


async def test_no_counter_of_the_proxy_falls_when_rigs_and_the_pool_come_and_go(
    tmp_path: Path,
) -> None:
    port, scrapes = free_port(), Scrapes()
    here = ["--url", f"stratum+tcp://127.0.0.1:{port}", "--user", "rig", "--threads", "1"]
    async with FakePool() as pool:
        pool.new_block(target=EASY)
        up = ["--url", f"stratum+tcp://127.0.0.1:{pool.port}", "--user", "house"]
        up += ["--listen", f"127.0.0.1:{port}"]
        async with headframe("proxy", *up, folder=tmp_path) as proxy:
            for turn in (1, 2):
                async with headframe("mine", *here, folder=tmp_path, name=f"rig{turn}") as rig:
                    await proxy_until(proxy, rig, scrapes, acknowledged=3 * turn, connects=turn)
                    if turn == 1:
                        await pool.drop()
                        await proxy_until(proxy, rig, scrapes, acknowledged=5, connects=2)
    assert scrapes.falls == []
    assert scrapes.get("headframe_proxy_connections_opened_total") == 2


async def test_totals_of_the_proxy_last_over_its_restart(tmp_path: Path) -> None:
    port, scrapes = free_port(), Scrapes()
    here = ["--url", f"stratum+tcp://127.0.0.1:{port}", "--user", "rig", "--threads", "1"]
    async with FakePool() as pool, headframe("mine", *here, folder=tmp_path) as rig:
        pool.new_block(target=EASY)
        up = ["--url", f"stratum+tcp://127.0.0.1:{pool.port}", "--user", "house"]
        up += ["--listen", f"127.0.0.1:{port}"]
        for turn in (1, 2):
            async with headframe("proxy", *up, folder=tmp_path) as proxy:
                await proxy_until(proxy, rig, scrapes, acknowledged=3 * turn, connects=1)
    fallen = [each for each in scrapes.falls if "_shares_" in each or "_work_" in each]
    assert [each for each in fallen if "pool_" not in each] == []


async def proxy_until(
    proxy: Program, rig: Program, scrapes: Scrapes, *, acknowledged: int, connects: int
) -> None:
    """Read the proxy's metrics until the pool has credited so many shares."""

    async def look() -> bool:
        scrapes.add((await proxy.get("/metrics"))[1])
        return (
            scrapes.get("headframe_proxy_shares_acknowledged_total") >= acknowledged
            and scrapes.get("headframe_proxy_upstream_connects_total") >= connects
        )

    await until(look, f"{acknowledged} shares, {connects} connections", proxy, rig)


def test_a_counter_that_falls_is_noticed() -> None:
    scrapes = Scrapes()
    page = '# HELP a_total A.\n# TYPE a_total counter\na_total{{pool="x"}} {}\n'
    for value in (2, 3):
        scrapes.add(page.format(value).encode())
    assert scrapes.falls == []
    scrapes.add(b"")
    scrapes.add(page.format(1).encode())
    assert scrapes.falls == ["a_total{'pool': 'x'} from 3 to 1"]
