"""A miner whose file is edited while it mines: the installed program, and two pools."""

import asyncio
import json
import re
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from headframe.chain.share import Reason
from headframe.chain.target import MAX_TARGET, Target
from tests.fakes.pool import FakePool, Heard
from tests.fakes.programs import Program, headframe, until

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

TINY = Target(MAX_TARGET >> 16)
TOKEN = "0123456789abcdef"
PATIENCE_SECONDS = 60


@pytest.fixture
async def pools() -> AsyncIterator[tuple[FakePool, FakePool]]:
    async with FakePool() as one, FakePool(extranonce1=b"\x01\x02") as two:
        one.new_block(target=TINY)
        two.new_block(target=TINY)
        yield one, two


class Desk:
    """A miner, its file, and what it said of reloads."""

    def __init__(self, program: Program, file: Path) -> None:
        self.program = program
        self.file = file

    def events(self, *names: str) -> list[dict[str, Any]]:
        lines = [json.loads(each) for each in self.program.log().splitlines() if each[:1] == "{"]
        return [line for line in lines if line["event"] in names]

    def reloads(self) -> list[dict[str, Any]]:
        return self.events("config_reloaded", "config_not_reloaded")

    async def hang_up(self, text: str) -> dict[str, Any]:
        """Write the file, send SIGHUP, and return what the log says of it."""
        count = len(self.reloads())
        self.file.write_text(text)
        self.program.child.process.send_signal(signal.SIGHUP)
        await until(lambda: len(self.reloads()) > count, "a word on the reload", self.program)
        return self.reloads()[-1]

    async def call(self, token: str = "") -> tuple[int, dict[str, Any]]:
        """Ask over HTTP for a reload."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        url = f"http://127.0.0.1:{self.program.web}/api/v1/reload"
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, headers=headers) as answer,
        ):
            return answer.status, await answer.json()

    def threads(self) -> int:
        """How many threads hash, as the system counts them."""
        tasks = Path(f"/proc/{self.program.child.process.pid}/task")
        names = []
        for each in tasks.iterdir():
            with suppress(OSError):  # it has ended
                names.append((each / "comm").read_text())
        return len([name for name in names if name.startswith("cpu:0/")])


@asynccontextmanager
async def mining(folder: Path, text: str, *args: str) -> AsyncIterator[Desk]:
    file = folder / "miner.toml"
    file.write_text(text)
    async with headframe("mine", "--config", str(file), *args, folder=folder) as program:
        yield Desk(program, file)


def settings(*pools: FakePool, threads: int = 1, more: str = "") -> str:
    tables = [
        f'[[upstreams]]\nurl = "stratum+tcp://127.0.0.1:{pool.port}"\nuser = "me.rig"\n'
        for pool in pools
    ]
    web = f'[web]\ntoken = "{TOKEN}"\n'
    return f'threads = {threads}\nkernel = "portable"\n{more}\n{web}{"".join(tables)}'


async def more_shares(pool: FakePool, count: int = 3) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        await pool.wait_heard(len(pool.heard.get()) + count)


def ensure_flawless(heard: Sequence[Heard]) -> None:
    assert {each.truth for each in heard} == {Reason.ACCEPTED}
    assert len({each.share for each in heard}) == len(heard), "no share twice"


async def test_pools_and_threads_change_and_nothing_else_is_disturbed(
    pools: tuple[FakePool, FakePool], tmp_path: Path
) -> None:
    one, two = pools
    async with mining(tmp_path, settings(one)) as desk:
        await more_shares(one)
        told = await desk.hang_up(settings(one, two, threads=2))
        assert told["changed"] == f"threads: 1 -> 2; 127.0.0.1:{two.port} added"
        await until(lambda: desk.threads() == 2, "two threads", desk.program)
        await more_shares(one)
        assert not two.connections.get(), "it stands by"

        told = await desk.hang_up(settings(two, one, threads=2))
        assert told["changed"] == f"order: 127.0.0.1:{two.port}, 127.0.0.1:{one.port}"
        await more_shares(two)
        assert desk.threads() == 2

        told = await desk.hang_up(settings(one, two, threads=1))
        await until(lambda: desk.threads() == 1, "one thread", desk.program)
        await more_shares(one)
        assert (one.connections.get(), two.connections.get()) == (1, 1), "they were kept"

        told = await desk.hang_up(settings(two))
        assert told["changed"] == f"127.0.0.1:{one.port} removed"
        await more_shares(two)
        assert (one.connections.get(), two.connections.get()) == (1, 1)
        status = await desk.program.status()
        shares = status["shares"]
        assert shares["lost"] == shares["rejected"] == 0
        assert not any(shares["dropped"].values())
    ensure_flawless(one.heard.get())
    ensure_flawless(two.heard.get())


async def test_devices_come_and_go_and_their_counters_do_not_fall(
    pools: tuple[FakePool, FakePool], tmp_path: Path
) -> None:
    one, _ = pools
    async with mining(tmp_path, settings(one)) as desk:

        async def devices() -> dict[str, Any]:
            rows = (await desk.program.status())["devices"]
            return {row["name"]: row for row in rows if row["hashrate_hps"] > 0}

        async def hash_with(*names: str) -> None:
            await desk.hang_up(settings(one, more=f"devices = {[*names]}"))

            async def ready() -> bool:
                return {*await devices()} == {*names}

            await until(ready, f"{names} to hash", desk.program)

        def has_threads(count: int) -> bool:
            return desk.threads() == count

        await more_shares(one)
        counted = 0
        for names in (("cpu", "python"), ("python",), ("cpu",)):
            await hash_with(*(f"{name}:0" for name in names))
            await until(partial(has_threads, int("cpu" in names)), "its threads", desk.program)
            _, metrics = await desk.program.get("/metrics")
            found = re.search(rb"^headframe_miner_hashes_total (\S+)", metrics, re.M)
            assert found is not None
            assert float(found[1]) >= counted
            counted = int(float(found[1]))
        await more_shares(one)
        assert one.connections.get() == 1
    ensure_flawless(one.heard.get())


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ("thraeds = 2\n", ["miner.toml:1", "thraeds", "threads"]),
        ("threads = -1\n", ["miner.toml:1", "threads = -1"]),
        ("threads = \n", ["miner.toml", "not valid TOML"]),
        ("upstreams = [{url = 'startum+tcp://h:1'}]\n", ["startum", "stratum+tcp"]),
        ("", ["no upstream"]),
    ],
)
async def test_a_bad_file_keeps_what_was_before(
    pools: tuple[FakePool, FakePool], tmp_path: Path, bad: str, words: list[str]
) -> None:
    one, _ = pools
    async with mining(tmp_path, settings(one)) as desk:
        await more_shares(one)
        told = await desk.hang_up(bad)
        assert (told["event"], told["level"]) == ("config_not_reloaded", "error")
        assert all(word in told["error"] for word in words), told
        code, answer = await desk.call(TOKEN)
        assert (code, answer["error"]) == (422, told["error"])
        await more_shares(one)
        assert one.connections.get() == 1
        _, metrics = await desk.program.get("/metrics")
        assert b"config_last_reload_successful 0.0" in metrics
        told = await desk.hang_up(settings(one))
        assert (told["event"], told["changed"]) == ("config_reloaded", "nothing")
        assert "Traceback" not in desk.program.log()


async def test_the_operator_reloads_over_http_and_is_told_what_waits_for_a_restart(
    pools: tuple[FakePool, FakePool], tmp_path: Path
) -> None:
    one, two = pools
    async with mining(tmp_path, settings(one)) as desk:
        await more_shares(one)
        desk.file.write_text(settings(two, one, more="log.every_seconds = 5"))
        for token in ("", "0123456789abcdeF"):
            assert (await desk.call(token))[0] == 401
        assert not desk.reloads()
        code, answer = await desk.call(TOKEN)
        assert code == 200
        assert answer["changed"][0] == f"127.0.0.1:{two.port} added"
        assert answer["needs_a_restart"] == ["log.every_seconds"]
        assert answer["file"] == str(desk.file)
        await more_shares(two)
        (told,) = desk.reloads()
        assert (told["needs_a_restart"], told["file"]) == ("log.every_seconds", str(desk.file))


async def test_without_a_token_the_caller_is_told_how_to_set_one(
    pools: tuple[FakePool, FakePool], tmp_path: Path
) -> None:
    text = settings(pools[0]).replace(TOKEN, "")
    async with mining(tmp_path, text) as desk:
        code, answer = await desk.call(TOKEN)
        assert code == 403
        assert "web.token_file" in answer["what_to_do"]
        assert not desk.reloads()


async def test_flags_keep_their_rank_over_the_file(
    pools: tuple[FakePool, FakePool], tmp_path: Path
) -> None:
    one, _ = pools
    async with mining(tmp_path, settings(one), "--threads", "2", "--set", "duty=50") as desk:
        await until(lambda: desk.threads() == 2, "two threads", desk.program)
        told = await desk.hang_up(settings(one, threads=3, more="duty = 90"))
        assert told["changed"] == "nothing"
        assert desk.threads() == 2
