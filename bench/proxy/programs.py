"""The programs of a measurement: rigs, floor, proxy; and what each costs."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

__all__ = ["Fleet", "Floor", "Job", "Load", "Proxy", "Server", "compile_programs", "cpu_ns"]

HERE: Final = Path(__file__).parent
FILES: Final = 20_000
"""Files that the rigs, and each server, may want open."""
START_SECONDS: Final = 30.0
PATIENCE_SECONDS: Final = 5.0
EASIEST: Final = 1e-10
"""A difficulty that every hash meets."""


def compile_programs(folder: Path) -> None:
    """Compile the rigs and the floor into a folder.

    Raises:
        OSError: there is no compiler, or it refuses.
    """
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise OSError("no C compiler: cc, gcc or clang")
    for name in ("rigs", "floor"):
        done = subprocess.run(
            [compiler, "-O2", "-o", str(folder / name), str(HERE / f"{name}.c")],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise OSError(f"{compiler} cannot compile {name}.c: {done.stderr.strip()}")


def processes_of(pid: int) -> list[int]:
    """Return a process and all that it started."""
    found = [pid]
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text(encoding="ascii").split():
                found += processes_of(int(child))
    return found


def cpu_ns(pid: int) -> int:
    """CPU time of all threads of a process and of those it started, the kernel's part included."""
    total = 0
    for process in processes_of(pid):
        for task in Path(f"/proc/{process}/task").iterdir():
            with contextlib.suppress(OSError):
                total += int((task / "schedstat").read_text(encoding="ascii").split()[0])
    return total


def rss_bytes(pid: int) -> int:
    """Resident memory of a process and of those it started."""
    pages = 0
    for process in processes_of(pid):
        pages += int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Job:
    """How one job reached the rigs; times are monotonic nanoseconds.

    Attributes:
        first: when the first rig had it.
        last: when the last one had it.
        rigs: how many got it.
    """

    first: int
    last: int
    rigs: int


@dataclass(frozen=True, slots=True)
class Load:
    """What the rigs saw in a phase.

    Attributes:
        seconds: its length.
        ready: rigs that are connected, authorised and have a job.
        lost: rigs whose connection ended, or was never made.
        offered: shares sent.
        accepted: shares answered with true.
        refused: shares answered otherwise.
        refusal: the first such answer.
        held: shares not sent since the rig waited for too many answers.
        latency_ms: of shares, by `p50`, `p99`, `p999` and `max`.
        during_jobs: the same, of shares under way while a job was shown.
        jobs: that came.
    """

    seconds: float
    ready: int
    lost: int
    offered: int
    accepted: int
    refused: int
    refusal: str
    held: int
    latency_ms: dict[str, float]
    during_jobs: dict[str, float]
    jobs: tuple[Job, ...]

    @classmethod
    def parse(cls, line: str) -> Self:
        """Read what the rigs print."""
        told: dict[str, Any] = json.loads(line)
        told.pop("rigs")
        jobs = tuple(Job(each["first_ns"], each["last_ns"], each["rigs"]) for each in told["jobs"])
        return cls(**(told | {"jobs": jobs}))


class _Talker:
    """A program that takes commands on its input and answers each with a line."""

    def __init__(self, argv: Sequence[str]) -> None:
        self.process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self.pid = self.process.pid

    def say(self, command: str) -> None:
        """Give a command."""
        assert self.process.stdin is not None  # noqa: S101 - a pipe was asked for
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def hear(self) -> str:
        """Wait for its next line.

        Raises:
            OSError: it has ended.
        """
        assert self.process.stdout is not None  # noqa: S101 - a pipe was asked for
        line = self.process.stdout.readline()
        if not line:
            raise OSError(f"{self.process.args!r} ended with {self.process.wait()}")
        return line

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        with contextlib.suppress(OSError):  # its end of the input is its end
            self.process.communicate(timeout=START_SECONDS)


class Fleet(_Talker):
    """Simulated rigs at one server."""

    def __init__(self, folder: Path, port: int, *, rolling: bool = False) -> None:
        argv = [str(folder / "rigs"), "127.0.0.1", str(port)]
        super().__init__([*argv, "rolling"] if rolling else argv)

    def connect(self, rigs: int, rate: int = 1000) -> Load:
        """Connect so many rigs, `rate` in a second, until each has a job."""
        return self._do(f"connect {rigs} {rate}")

    def rate(self, shares: int, seconds: float) -> Load:
        """Send so many shares a second, spread over the rigs."""
        return self._do(f"rate {shares} {seconds}")

    def closed(self, depth: int, seconds: float) -> Load:
        """Let each rig keep so many shares unanswered."""
        return self._do(f"closed {depth} {seconds}")

    def wait(self) -> Load:
        """Wait for the report on a command given with `say`."""
        return Load.parse(self.hear())

    def _do(self, command: str) -> Load:
        self.say(command)
        return self.wait()


class Server:
    """Something that rigs connect to.

    Attributes:
        pid: of its process.
        port: where it listens.
    """

    pid: int
    port: int

    def cpu_ns(self) -> int:
        """CPU time so far."""
        return cpu_ns(self.pid)

    def rss_bytes(self) -> int:
        """Resident memory."""
        return rss_bytes(self.pid)


class Floor(_Talker, Server):
    """The server that checks nothing; also the pool in front of which a proxy stands.

    Args:
        folder: where it was compiled.
        difficulty: that it asks for.
        branches: merkle branches of its first job.
    """

    def __init__(self, folder: Path, difficulty: float = 1e9, branches: int = 0) -> None:
        super().__init__([str(folder / "floor"), repr(difficulty), str(branches)])
        self.port = int(self.hear())

    def job(self, branches: int) -> int:
        """Show a new block to all; returns when that began, in monotonic nanoseconds."""
        self.say(f"job {branches}")
        return int(json.loads(self.hear())["ns"])

    def shares(self, at_least: int = 0) -> int:
        """Shares that came so far; waits a little until there are so many."""
        ends = time.monotonic() + PATIENCE_SECONDS
        while True:
            self.say("shares")
            count = int(json.loads(self.hear())["shares"])
            if count >= at_least or time.monotonic() > ends:
                return count
            time.sleep(0.01)


class Proxy(Server):
    """The proxy as users run it, with a page and a history, as a process of its own.

    Args:
        folder: for its state and its log.
        upstream: settings of its upstream, as lines of TOML.
        overrides: settings as for `--set`.
    """

    def __init__(self, folder: Path, upstream: str, *overrides: str) -> None:
        folder.mkdir(parents=True)
        self._log = folder / "log"
        config = folder / "proxy.toml"
        config.write_text(
            f'state_dir = "{folder}"\nlog_format = "json"\n'
            f"[[upstreams]]\n{upstream}\n"
            "[[listeners]]\nport = 0\n[web]\nport = 0\n"
            f"[vardiff]\nshares_per_minute = 300\nstart = {EASIEST}\nleast = {EASIEST}\n"
            f"largest = {EASIEST}\n",
            encoding="utf-8",
        )
        argv = [sys.executable, "-m", "proxy", "--config", str(config)]
        for each in overrides:
            argv += ["--set", each]
        with self._log.open("wb") as out:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=HERE.parents[1],
                env=_environment(),
            )
        self.pid = self._process.pid
        self.port = self._wait_ready()

    def _wait_ready(self) -> int:
        ends = time.monotonic() + START_SECONDS
        while time.monotonic() < ends and self._process.poll() is None:
            for entry in self.log():
                if entry.get("event") == "proxy_ready":
                    return int(entry["stratum"].rpartition(":")[2])
            time.sleep(0.05)
        self.stop()
        raise OSError(f"the proxy did not start: {self._log.read_text(errors='replace')[-2000:]}")

    def log(self) -> Iterator[dict[str, Any]]:
        """Read what it has logged so far."""
        for line in self._log.read_text(errors="replace").splitlines():
            if line.startswith("{") and line.endswith("}"):
                yield json.loads(line)

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(timeout=START_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()


def _environment() -> dict[str, str]:
    """Ours, but with compiled modules kept, as where programs are installed.

    To compile them at each start takes some megabytes that are never given back.
    """
    return {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}


def pool_upstream(pool: Floor) -> str:
    """Return the settings of a proxy in front of a pool."""
    return f'url = "stratum+tcp://127.0.0.1:{pool.port}"\nuser = "farm"'
