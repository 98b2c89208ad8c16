"""Child processes: started in order, watched, and ended together.

Each child has a log file. A child ends with the block that started it, kindly first and
by force after `END_SECONDS`; on Linux also when its parent is killed outright.
"""

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from headframe.runtime.errors import HeadframeError

__all__ = ["END_SECONDS", "Child", "ChildError", "Children", "child", "free_port"]

END_SECONDS: Final = 10
"""How long a process may take to end before it is killed."""


class ChildError(HeadframeError):
    """A process could not be started, or ended by itself; one line for people."""


def free_port(host: str, wanted: int) -> int:
    """Return the port if it can be listened on, else a free one."""
    for port in (wanted, 0):
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise ChildError(f"no port can be opened on {host}; is it an address of this machine?")


@dataclass(slots=True, kw_only=True)
class Child:
    """A process of ours, and where its log is."""

    name: str
    log: Path
    process: asyncio.subprocess.Process

    def last_words(self) -> str:
        """Return the last line of its log, for the message that says that it ended.

        Of a line of JSON, as our programs log, the event and what went wrong are enough.
        """
        lines = self.log.read_text(errors="replace").strip().splitlines()
        if not lines:
            return "it said nothing"
        try:
            entry = msgspec.json.decode(lines[-1], type=dict[str, object])
        except msgspec.DecodeError:
            return lines[-1]
        told = [entry[key] for key in ("event", "error", "detail") if entry.get(key)]
        return ": ".join(str(each) for each in told) or lines[-1]

    def end(self) -> str:
        """Say how it ended, in words."""
        code = self.process.returncode
        if code is not None and code < 0:
            return f"was ended by {signal.Signals(-code).name}"
        return f"ended with status {code}"


def _die_with_parent() -> None:
    """Ask Linux to end this process when its parent is killed without a chance to clean up."""
    if sys.platform == "linux":
        import ctypes

        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)


@asynccontextmanager
async def child(
    name: str, argv: Sequence[str], logs: Path, *, end_seconds: float = END_SECONDS
) -> AsyncIterator[Child]:
    """Run a process for as long as the block lasts.

    Args:
        name: what people call it; names its log.
        argv: the program and its arguments.
        logs: the folder for its log, which is written anew.
        end_seconds: how long it may take to end before it is killed.
    """
    log = logs / f"{name}.log"
    with log.open("wb") as out:
        running = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,  # a Ctrl-C at the terminal is ours to pass on, in order
            preexec_fn=_die_with_parent,
        )
    try:
        yield Child(name=name, log=log, process=running)
    finally:
        if running.returncode is None:
            running.terminate()
            try:
                async with asyncio.timeout(end_seconds):
                    await running.wait()
            except TimeoutError:
                running.kill()
                await running.wait()


class Children:
    """The processes, in the order in which they were started."""

    def __init__(self, logs: Path, exits: AsyncExitStack) -> None:
        """Keep logs in a folder that exists; `exits` ends the children, the last one first."""
        self.logs = logs
        self.children: list[Child] = []
        self._exits = exits

    async def start(self, name: str, argv: Sequence[str]) -> Child:
        """Start one more; it ends after those that were started later."""
        running = await self._exits.enter_async_context(child(name, argv, self.logs))
        self.children.append(running)
        return running

    def check(self) -> None:
        """Raise if a process ended by itself.

        Raises:
            ChildError: says which, with its last words and where its log is.
        """
        for running in self.children:
            if running.process.returncode is not None:
                raise ChildError(
                    f"the {running.name} {running.end()}; last it said: {running.last_words()} "
                    f"(its log: {running.log})"
                )
