"""Runs the installed programs as processes, the way a user does, and asks how they are.

Nothing here is a stand-in: real programs, real sockets on loopback, real nodes.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from headframe.runtime.children import Child, child
from tests.fakes.ports import free_port

__all__ = ["Program", "headframe", "headframe_argv", "program", "until", "whole_lines"]

PATIENCE_SECONDS = 90


def headframe_argv(*args: str) -> list[str]:
    """The installed `headframe` command of this environment."""
    return [str(Path(sys.executable).with_name("headframe")), *args]


def whole_lines(text: str) -> str:
    """Leave out the last line of a file if it is being written."""
    return text[: text.rfind("\n") + 1]


class Program:
    """A running program with a web page."""

    def __init__(self, running: Child, web: int) -> None:
        self.child = running
        self.web = web

    async def get(self, path: str) -> tuple[int, bytes]:
        """Ask its page; status 0 when nobody answers."""
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"http://127.0.0.1:{self.web}{path}") as answer,
            ):
                return answer.status, await answer.read()
        except aiohttp.ClientError:
            return 0, b""

    async def status(self) -> dict[str, Any]:
        """Its status, {} while there is none."""
        code, body = await self.get("/api/v1/status")
        answer: dict[str, Any] = json.loads(body) if code == 200 else {}
        return answer

    def log(self) -> str:
        """What it has said so far; of a line that is being written, nothing."""
        return whole_lines(self.child.log.read_text(errors="replace"))


async def until(
    condition: Callable[[], Any], what: str, *programs: Program, seconds: float = PATIENCE_SECONDS
) -> Any:
    """Wait until a condition (plain or async) holds; fail with the programs' logs."""
    try:
        async with asyncio.timeout(seconds):
            while True:
                for each in programs:
                    code = each.child.process.returncode
                    assert code is None, f"{each.child.name} ended with {code}:\n{each.log()}"
                value = condition()
                if asyncio.iscoroutine(value):
                    value = await value
                if value:
                    return value
                await asyncio.sleep(0.05)
    except TimeoutError:
        logs = "\n".join(f"--- {p.child.name}\n{p.log()[-4000:]}" for p in programs)
        raise AssertionError(f"waited {seconds} s for: {what}\n{logs}") from None


@asynccontextmanager
async def program(name: str, argv: Sequence[str], folder: Path) -> AsyncIterator[Child]:
    """Run any command; its log is in the folder."""
    async with child(name, argv, folder) as running:
        yield running


@asynccontextmanager
async def headframe(
    command: str, *args: str, folder: Path, name: str = ""
) -> AsyncIterator[Program]:
    """Run a headframe command that has a page, on a free web port, until its page answers.

    A miner takes a quarter of a core, unless it is told how much, and leaves others the rest.
    """
    web = free_port()
    name = name or command
    argv = headframe_argv(command, *args, "--web-port", str(web), "--log-format", "json")
    argv += ["--state-dir", str(folder / f"{name}-state")]
    if command == "mine" and "duty" not in " ".join(args):
        argv += ["--duty", "25"]
    async with child(name, argv, folder) as running:
        started = Program(running, web)

        async def answers() -> bool:
            return (await started.get("/api/v1/status"))[0] == 200

        await until(answers, f"{name} to answer", started)
        yield started
