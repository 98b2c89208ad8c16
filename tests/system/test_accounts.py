"""The proxy's books over a kill -9, and its share log before an auditor. All programs are real."""

import csv
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from headframe.chain.target import MAX_TARGET, Target
from tests.fakes.pool import FakePool
from tests.fakes.ports import free_port
from tests.fakes.programs import Program, headframe, headframe_argv, until
from tests.fakes.scrapes import Scrapes

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

POOLS = Target(MAX_TARGET >> 20)
"""A million hashes; rigs are given less than half of that, so that some shares stay here."""
LASTING = ("shares_offered", "shares_accepted", "shares_kept", "shares_acknowledged")


async def history(proxy: Program) -> list[dict[str, Any]]:
    """What the proxy says that it has written, by route."""
    code, body = await proxy.get("/api/v1/history?by=route&step=hour&from=1d")
    assert code == 200
    rows: list[dict[str, Any]] = json.loads(body)["rows"]
    return rows


async def counters(proxy: Program, scrapes: Scrapes) -> dict[str, float]:
    scrapes.add((await proxy.get("/metrics"))[1])
    return {name: scrapes.get(f"headframe_proxy_{name}_total") for name in LASTING}


def run(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(headframe_argv(*args), capture_output=True, text=True, check=False)


async def mined_until_killed(
    folder: Path, args: list[str], rig: Program, pool: FakePool, log: Path
) -> dict[str, float]:
    """Run a proxy until it has written much, and kill it; what it had counted by then."""
    scrapes = Scrapes()
    async with headframe("proxy", *args, folder=folder) as proxy:

        async def much_is_written() -> bool:
            rows = await history(proxy)
            return bool(sum(row["shares_offered"] for row in rows) >= 30)

        await until(much_is_written, "thirty shares in the history", proxy, rig)
        written = sum(row["shares_offered"] for row in await history(proxy))
        counted = await counters(proxy, scrapes)
        assert counted["shares_offered"] >= written
        in_the_file = log.read_text().count('"kind":"sent"')
        proxy.child.process.kill()
        await proxy.child.process.wait()
        unwritten = len(pool.heard.get()) - in_the_file
    return {**counted, "written": written, "unwritten": unwritten}


async def gone_on(folder: Path, args: list[str], rig: Program, before: dict[str, float]) -> None:
    """Run it again, and see that counters go on."""
    scrapes = Scrapes()
    async with headframe("proxy", *args, folder=folder) as proxy:
        first = await counters(proxy, scrapes)
        assert first["shares_offered"] >= before["written"], "what was written is counted on"
        assert scrapes.get("headframe_proxy_history_ends_cut_short_total") == 1
        assert "history_cut_short" in proxy.log()
        goal = first["shares_acknowledged"] + 5

        async def more() -> bool:
            enough = (await counters(proxy, scrapes))["shares_acknowledged"] >= goal
            return enough and scrapes.get("headframe_proxy_share_log_lines_total") > 10

        await until(more, "five more shares at the pool, and their lines", proxy, rig)
        assert scrapes.get("headframe_proxy_ledger_faults_total") == 0
        assert scrapes.falls == []


def exported(folder: Path) -> list[dict[str, str]]:
    state = str(folder / "proxy-state")
    done = run("export", "--from", "1d", "--step", "hour", "--state-dir", state)
    assert done.returncode == 0, done.stderr
    return list(csv.DictReader(done.stdout.splitlines()))


async def test_books_and_share_log_over_a_kill(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "shares.jsonl"
    here = ["--url", f"stratum+tcp://127.0.0.1:{port}", "--user", "site.rig", "--threads", "1"]
    async with FakePool() as pool, headframe("mine", *here, folder=tmp_path) as rig:
        pool.new_block(target=POOLS)
        args = ["--url", f"stratum+tcp://127.0.0.1:{pool.port}", "--user", "house"]
        args += ["--listen", f"127.0.0.1:{port}", "--start-difficulty", "0.0001"]
        args += ["--set", "history.flush_seconds=1", "--set", f"share_log.path={log}"]
        before = await mined_until_killed(tmp_path, args, rig, pool, log)
        await gone_on(tmp_path, args, rig, before)
        heard = len(pool.heard.get())
    rows = exported(tmp_path)
    assert {row["worker"] for row in rows} == {"site.rig"}
    offered = sum(int(row["shares_offered"]) for row in rows)
    assert offered > before["written"]
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.endswith("}")]
    assert lines[-1]["kind"] == "run"
    assert lines[-1]["ends"] is True
    sent = sum(line["kind"] == "sent" for line in lines)
    # What the pool heard just before the proxy was killed may not be in the file yet.
    assert heard - before["unwritten"] <= sent <= heard + 3
    done = run("audit", str(log))
    assert done.returncode == 0, done.stdout
    assert "all agrees" in done.stdout
    assert "without a goodbye" in done.stdout or "cut short" in done.stdout
    tampered_with(log)


def tampered_with(log: Path) -> None:
    """Change one share of a copy in one field after the other: each is found."""
    copy = log.with_name("copy.jsonl")
    for field, value in (("work", "1"), ("nonce", 1), ("worker", "thief"), ("verdict", "stale")):
        shutil.copy(log, copy)
        lines = copy.read_text().splitlines()
        place = [at for at, line in enumerate(lines) if '"verdict":"accepted","block"' in line][-1]
        lines[place] = json.dumps(json.loads(lines[place]) | {field: value})
        copy.write_text("\n".join(lines) + "\n")
        done = run("audit", str(copy))
        assert done.returncode == 1, (field, done.stdout)
        assert "differences" in done.stdout
