"""`Reloader`: what changes, what waits for a restart, and what is refused."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from headframe.runtime.errors import ConfigError
from headframe.runtime.reload import Commit, Outcome, Reloader, changes

FILE = "/etc/program.toml"


class Web(msgspec.Struct, frozen=True, kw_only=True):
    port: int = 1
    token: str = ""


class Pool(msgspec.Struct, frozen=True, kw_only=True):
    url: str


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    threads: int = 1
    names: tuple[str, ...] = ()
    password: str = ""
    pools: tuple[Pool, ...] = ()
    web: Web = Web()


class Program:
    """Settings on disk, and a program that takes them."""

    def __init__(self, live: Sequence[str] = ("threads", "names", "password", "pools")) -> None:
        self.file: Settings | Exception = Settings()
        self.taken: list[Settings] = []
        self.trouble: Exception | None = None
        self.words: list[str] = []
        self.outcomes: list[Outcome] = []
        self.reloader = Reloader(
            Settings(),
            read=self.read,
            prepare=self.prepare,
            live=live,
            note=self.outcomes.append,
            file=FILE,
        )

    def read(self) -> Settings:
        if isinstance(self.file, Exception):
            raise self.file
        return self.file

    async def prepare(self, settings: Settings) -> Commit:
        await asyncio.sleep(0)
        if self.trouble is not None:
            raise self.trouble

        def commit() -> Sequence[str]:
            self.taken.append(settings)
            return self.words

        return commit


@pytest.fixture
def program() -> Program:
    return Program()


def told(logs: Sequence[Any]) -> list[tuple[str, str]]:
    return [(log["log_level"], log["event"]) for log in logs]


async def test_what_changed_is_put_into_force_and_told(program: Program) -> None:
    program.file = Settings(threads=2, names=("a",), pools=(Pool(url="x"),))
    program.words = ["x added"]
    with capture_logs() as logs:
        outcome = await program.reloader.reload()
    assert outcome == Outcome(
        changed=("threads: 1 -> 2", 'names: [] -> ["a"]', "x added"), file=FILE
    )
    assert program.taken == [program.file]
    assert program.outcomes == [outcome]
    (line,) = logs
    assert line["event"] == "config_reloaded"
    assert line["changed"] == 'threads: 1 -> 2; names: [] -> ["a"]; x added'
    assert "needs_a_restart" not in line


async def test_a_reload_without_a_change_says_so(program: Program) -> None:
    with capture_logs() as logs:
        assert await program.reloader.reload() == Outcome(file=FILE)
    assert (logs[0]["changed"], logs[0]["file"]) == ("nothing", FILE)


async def test_a_change_is_told_once_but_what_needs_a_restart_each_time(program: Program) -> None:
    program.file = Settings(threads=2, web=Web(port=9))
    with capture_logs() as logs:
        first, second = await program.reloader.reload(), await program.reloader.reload()
    assert first == Outcome(changed=("threads: 1 -> 2",), needs_restart=("web.port",), file=FILE)
    assert second == Outcome(needs_restart=("web.port",), file=FILE)
    assert [log["needs_a_restart"] for log in logs] == ["web.port", "web.port"]
    program.file = Settings(threads=2)
    assert await program.reloader.reload() == Outcome(file=FILE)


async def test_a_table_may_be_live_as_a_whole() -> None:
    program = Program(live=["web"])
    program.file = Settings(web=Web(port=5), threads=7)
    assert await program.reloader.reload() == Outcome(
        changed=("web.port: 1 -> 5",), needs_restart=("threads",), file=FILE
    )


async def test_secrets_are_not_told(program: Program) -> None:
    program.file = Settings(password="hunter2", names=("tcp://u:hunter2@h",))
    with capture_logs() as logs:
        outcome = await program.reloader.reload()
    assert "hunter2" not in str(outcome)
    assert "hunter2" not in str(logs)
    assert outcome.changed[-1] == "password: ***"


@pytest.mark.parametrize("where", ["file", "trouble"])
async def test_what_cannot_be_used_changes_nothing(program: Program, where: str) -> None:
    setattr(program, where, ConfigError("miner.toml:3: threads = -1: expected 0 or more"))
    with capture_logs() as logs:
        outcome = await program.reloader.reload()
    assert outcome.error == "miner.toml:3: threads = -1: expected 0 or more"
    assert not program.taken
    assert told(logs) == [("error", "config_not_reloaded")]
    assert logs[0]["error"] == outcome.error
    assert program.outcomes == [outcome]
    setattr(program, where, Settings(threads=3) if where == "file" else None)
    assert not (await program.reloader.reload()).error


async def test_reloads_do_not_overlap(program: Program) -> None:
    program.file = Settings(threads=2)
    async with asyncio.TaskGroup() as tasks:
        both = [tasks.create_task(program.reloader.reload()) for _ in range(2)]
    assert [len(task.result().changed) for task in both] == [1, 0]


@asynccontextmanager
async def listening(program: Program, **parts: Any) -> AsyncIterator[None]:
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        task = tasks.create_task(program.reloader.run(**parts))
        await asyncio.sleep(0)
        yield
        task.cancel()


async def until_taken(program: Program, count: int) -> None:
    while len(program.taken) < count:
        await asyncio.sleep(0.001)


async def test_each_hangup_signal_reloads(program: Program) -> None:
    before = signal.getsignal(signal.SIGHUP)
    async with listening(program, files=[]):
        for count in (1, 2):
            signal.raise_signal(signal.SIGHUP)
            await until_taken(program, count)
    assert signal.getsignal(signal.SIGHUP) == before


async def test_a_bug_while_reloading_does_not_end_the_program(program: Program) -> None:
    program.file = ZeroDivisionError("a bug")
    with capture_logs() as logs:
        async with listening(program, files=[]):
            signal.raise_signal(signal.SIGHUP)
            while not logs:
                await asyncio.sleep(0.001)
            program.file = Settings()
            signal.raise_signal(signal.SIGHUP)
            await until_taken(program, 1)
    assert told(logs)[0] == ("error", "config_not_reloaded")


class Terminal:
    """A terminal that may be closed."""

    def __init__(self) -> None:
        self._ours, self.file = os.openpty()

    def close(self) -> None:
        os.close(self._ours)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    opened = Terminal()
    yield opened
    os.close(opened.file)


async def test_when_its_terminal_is_closed_the_program_ends(
    program: Program, terminal: Terminal
) -> None:
    stopped = asyncio.Event()
    async with listening(program, files=[terminal.file], stop=stopped.set):
        signal.raise_signal(signal.SIGHUP)
        await until_taken(program, 1)
        assert not stopped.is_set()
        terminal.close()
        signal.raise_signal(signal.SIGHUP)
        await stopped.wait()
    assert len(program.taken) == 1


async def test_it_ends_as_if_it_were_terminated(program: Program, terminal: Terminal) -> None:
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    try:
        async with listening(program, files=[terminal.file]):
            terminal.close()
            signal.raise_signal(signal.SIGHUP)
            await stopped.wait()
    finally:
        asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)


async def test_a_program_that_was_left_behind_by_its_terminal_reloads(
    program: Program, terminal: Terminal
) -> None:
    looked, stopped = asyncio.Event(), asyncio.Event()

    def look(file: int) -> bool:
        looked.set()
        return os.isatty(file)

    parts = {"files": [terminal.file], "is_terminal": look, "look_seconds": 0.001}
    async with listening(program, stop=stopped.set, **parts):
        terminal.close()
        looked.clear()
        await looked.wait()
        signal.raise_signal(signal.SIGHUP)
        await until_taken(program, 1)
    assert not stopped.is_set()


def test_changes_are_named_by_dotted_keys() -> None:
    old, new = Settings(), Settings(web=Web(token="t"), pools=(Pool(url="x"),))
    found = list(changes(old, new))
    assert [(each.key, each.old, each.new) for each in found] == [
        ("pools", (), ({"url": "x"},)),
        ("web.token", "", "t"),
    ]
    assert [each.words for each in found] == ["", "web.token: ***"]
