"""The API of real programs against its own description, by schemathesis, and what changes by it."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.fakes.apistack import TOKEN, running_stack
from tests.fakes.ports import free_port
from tests.fakes.programs import Program, until
from tests.fakes.rig import Rig, connected

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
OPERATOR = {"Authorization": f"Bearer {TOKEN}"}
SHAPE = {"error", "what_to_do"}

RULES = """
[checks.negative_data_rejection]
expected-statuses = ["400", "401", "403", "404", "405", "413", "422"]

# What a schema cannot tell: addresses, times, names of pools, and what fits together.
[[operations]]
include-path-regex = "/(ban|unban|kick|pools/switch|history|reload|routes/try)$"
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", "401", "403", "422"]

# There is no node, and that is what it says.
[[operations]]
include-path = "/api/v1/blocknotify"
[operations.checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", "503"]
"""


async def schemathesis(program: Program, folder: Path, *args: str) -> None:
    """Try all that the description tells, but the stream, which does not end."""
    rules = folder / "schemathesis.toml"
    rules.write_text(RULES)
    command = [str(Path(sys.executable).with_name("schemathesis"))]
    command += ["--config-file", str(rules), "run"]
    command += [f"http://127.0.0.1:{program.web}/api/v1/openapi.json"]
    command += ["--exclude-path", "/api/v1/events", "--checks", "all", "--max-examples", "8"]
    command += ["--seed", "1", "--generation-deterministic", "--workers", "1"]
    command += ["--suppress-health-check", "all"]
    command += ["--request-timeout", "60", "--no-color", *args]
    done = await asyncio.to_thread(
        subprocess.run, command, cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert "No issues found" in done.stdout or "passed" in done.stdout, done.stdout[-4000:]


def ensure_sound(program: Program) -> None:
    """It goes on, met no mistake of its own, and told no secret."""
    assert program.child.process.returncode is None
    log = program.log()
    for bad in ("page_failed", "Traceback", "hunter2", TOKEN):
        assert bad not in log, bad


async def described(program: Program) -> dict[str, Any]:
    code, body = await program.get("/api/v1/openapi.json")
    assert code == 200
    told: dict[str, Any] = json.loads(body)
    return told


def operations(told: dict[str, Any]) -> set[tuple[str, str]]:
    return {(method, path) for path, each in told["paths"].items() for method in each}


async def call(
    program: Program, name: str, headers: dict[str, str] | None = None, **body: object
) -> tuple[int, Any]:
    url = f"http://127.0.0.1:{program.web}/api/v1/{name}"
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, headers=OPERATOR if headers is None else headers, json=body) as answer,
    ):
        assert answer.content_type == "application/json"
        return answer.status, await answer.json()


async def read(program: Program, path: str) -> Any:
    code, body = await program.get(f"/api/v1/{path}")
    assert code == 200, body
    return json.loads(body)


async def test_programs_hold_what_they_describe(tmp_path: Path) -> None:
    async with running_stack(tmp_path) as stack:
        for name, program in (("proxy", stack.proxy), ("miner", stack.miner)):
            told = await described(program)
            written = json.loads((ROOT / f"docs/schema/{name}-openapi.json").read_text())
            assert operations(told) == operations(written), "docs/schema is what is served"
            phases = ("--phases", "examples,coverage,fuzzing")
            await schemathesis(program, tmp_path, *phases, "-H", f"Authorization: Bearer {TOKEN}")
            ensure_sound(program)


async def test_without_a_token_all_may_be_read_and_nothing_changed(tmp_path: Path) -> None:
    async with running_stack(tmp_path, token="") as stack:
        for program in (stack.proxy, stack.miner):
            told = await described(program)
            changing = [
                path.removeprefix("/api/v1/")
                for path, each in told["paths"].items()
                if "security" in each.get("post", {})
            ]
            assert {"pools/switch", "reload"} <= set(changing)
            for name in changing:
                for headers in ({}, OPERATOR):
                    status, answer = await call(program, name, headers)
                    assert (status, set(answer)) == (403, SHAPE), name
                    assert "web.token_file" in answer["what_to_do"]
            assert not (await read(program, "actions"))["usable"]
            # Not that check: it is 403 here, where there is no token that could be right.
            without = ("--exclude-checks", "missing_required_header")
            await schemathesis(program, tmp_path, "--phases", "fuzzing", *without)
            ensure_sound(program)


class Stream:
    """A reader of the event stream."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._content = answer.content
        self.events: list[dict[str, Any]] = []

    async def until(self, name: str) -> dict[str, Any]:
        """Read on until an event has come."""
        async with asyncio.timeout(90):
            while True:
                line = (await self._content.readline()).decode()
                if line.startswith("data: "):
                    self.events.append(json.loads(line.removeprefix("data: ")))
                    if self.events[-1]["event"] == name:
                        return self.events[-1]


@asynccontextmanager
async def streaming(program: Program, last: int | None = None) -> AsyncIterator[Stream]:
    url = f"http://127.0.0.1:{program.web}/api/v1/events?after=0&status=false"
    headers = {} if last is None else {"Last-Event-ID": str(last)}
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
        yield Stream(answer)


async def test_the_operator_changes_things_and_events_tell_of_it(tmp_path: Path) -> None:
    async with running_stack(tmp_path) as stack:
        proxy = stack.proxy
        for name in ("kick", "ban", "unban", "reload", "pools/switch", "routes/try"):
            for headers in ({}, {"Authorization": "Bearer 0123456789abcdeF"}):
                status, answer = await call(proxy, name, headers)
                assert (status, set(answer)) == (401, SHAPE), name
        stratum = int((await proxy.status())["stratum_url"].rsplit(":", 1)[1])
        async with connected(stratum, "guest") as [rig], streaming(proxy) as stream:
            assert (await stream.until("action_refused"))["level"] == "warning"
            await stream.until("rig_joined")
            await ensure_rigs_go(proxy, rig, stream)
            last = await ensure_pools_switch(proxy, stream)
            assert (await call(proxy, "reload"))[0] == 200
        async with streaming(proxy, last) as stream:
            assert (await stream.until("config_reloaded"))["serial"] > last
            assert "pool_preferred" not in [each["event"] for each in stream.events]
        told = await read(proxy, "log?limit=1000")
        assert "hunter2" not in json.dumps(told)
        serials = [each["serial"] for each in told["events"]]
        assert serials == sorted(set(serials))
        assert (await read(proxy, "pools"))["routes"][0]["preferred"] == "first", "as in the file"
        ensure_sound(proxy)


async def ensure_rigs_go(proxy: Program, rig: Rig, stream: Stream) -> None:
    assert await call(proxy, "kick", user="guest") == (200, {"closed": 1})
    async with asyncio.timeout(60):
        await rig.closed()
    assert (await stream.until("rigs_kicked"))["fields"]["user"] == "guest"
    status, told = await call(proxy, "ban", address="192.0.2.0/24", seconds=60, why="test")
    assert (status, told["closed"]) == (200, 0)
    assert (await stream.until("address_banned"))["fields"]["why"] == "test"
    [ban] = (await read(proxy, "bans"))["bans"]
    assert (ban["address"], ban["why"], ban["in_settings"]) == ("192.0.2.0/24", "test", False)
    assert await call(proxy, "unban", address="192.0.2.0/24") == (200, {})
    await stream.until("ban_lifted")
    assert await read(proxy, "bans") == {"bans": []}
    status, told = await call(proxy, "unban", address="192.0.2.0/24")
    assert (status, set(told)) == (422, SHAPE)


async def ensure_pools_switch(proxy: Program, stream: Stream) -> int:
    """Prefer another pool; return the serial of the event."""
    status, told = await call(proxy, "pools/switch", pool="spare")
    assert (status, told["order"], told["route"]) == (200, ["spare", "first"], "main")

    async def is_taken() -> bool:
        [row, _] = (await read(proxy, "pools"))["routes"]
        return bool(row["in_use"] == "spare")

    await until(is_taken, "the other pool", proxy)
    preferred = await stream.until("pool_preferred")
    chosen = await stream.until("source_chosen")
    assert chosen["fields"]["source"] == "spare"
    serial: int = preferred["serial"]
    return serial


async def test_the_miner_prefers_another_pool_and_tells_its_minutes(tmp_path: Path) -> None:
    async with running_stack(tmp_path) as stack:
        miner = stack.miner
        assert (await call(miner, "pools/switch", {}, pool="pool"))[0] == 401
        status, told = await call(miner, "pools/switch", pool="pool")
        assert (status, told["order"]) == (200, ["pool", "proxy"])

        async def is_taken() -> bool:
            return bool((await read(miner, "pools"))["routes"][0]["in_use"] == "pool")

        await until(is_taken, "the other pool", miner)

        async def has_worked() -> bool:
            rows = (await read(miner, "history"))["rows"]
            return all(
                sum(int(row[name]) for row in rows) > 0
                for name in ("hashes", "shares_accepted", "work_accepted")
            )

        await until(has_worked, "work in the history", miner)
        names = [each["event"] for each in (await read(miner, "log?limit=1000"))["events"]]
        assert "miner_started" in names
        ensure_sound(miner)


async def test_a_port_that_nobody_serves_is_not_taken_for_an_api(tmp_path: Path) -> None:
    nobody = free_port()
    done = await asyncio.to_thread(
        subprocess.run,
        [str(Path(sys.executable).with_name("schemathesis")), "run", f"http://127.0.0.1:{nobody}/"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert done.returncode != 0, "the tester tells when it has tested nothing"
