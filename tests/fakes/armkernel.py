"""Kernels for ARM as `Kernel`s, on a machine of any kind: cross-compiled and emulated.

The C side is tests/native/arm/serve.c. Without the tools, tests are skipped with one line that
says how to get them; under `CI=true` they fail instead.
"""

import mmap
import os
import select
import shutil
import struct
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

import pytest

from native.build import C_FOLDER, SOURCES
from native.kernel import ScanResult, StopFlag, ensure_request

__all__ = [
    "COMPILERS",
    "ArmKernel",
    "ArmProgram",
    "compile_for_arm",
    "find_emulator",
    "installed_compilers",
    "skip_module_without_tools",
]

ROOT: Final = Path(__file__).parents[2]
COMPILERS: Final = {
    "gcc": ("aarch64-linux-gnu-gcc",),
    "clang": ("clang", "--target=aarch64-linux-gnu"),
}
"""How each compiler is started for 64-bit ARM."""
WARNINGS: Final = ("-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror")

_PACKAGES: Final = "gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static"
_EMULATORS: Final = ("qemu-aarch64-static", "qemu-aarch64")
_SIZE: Final = struct.Struct("=I")
_SCAN: Final = struct.Struct("=IIIQQ")
_SCANNED: Final = struct.Struct("=IIQ")
_HIT: Final = struct.Struct("=II")
_HASH: Final = struct.Struct("=IIIIII")
_STOP_LOOK_SECONDS: Final = 0.002


def installed_compilers() -> tuple[str, ...]:
    """List the keys of `COMPILERS` that can be started."""
    return tuple(name for name, command in COMPILERS.items() if shutil.which(command[0]))


def skip_module_without_tools() -> None:
    """Skip the test module that is being imported, in one line, if it could run nothing."""
    if os.environ.get("CI") == "true":
        return
    lacks = [] if shutil.which("aarch64-linux-gnu-gcc") else ["cross compiler"]
    if not _emulators():
        lacks.append("emulator")
    if lacks:
        message = f"no {' and no '.join(lacks)} for ARM; on Debian: apt-get install {_PACKAGES}"
        pytest.skip(message, allow_module_level=True)


def find_emulator() -> tuple[str, ...]:
    """Return the start of the command line that runs a program for ARM, or skip."""
    found = _emulators()
    if not found:
        _lacking("no emulator for ARM")
    return (found[0], "-cpu", "max")


def compile_for_arm(compiler: str, program: Path, folder: Path, *, level: str = "-O3") -> Path:
    """Compile a C program and the kernels, warnings being errors, into one static file.

    Args:
        compiler: a key of `COMPILERS`.
        program: its C file.
        folder: where the result goes.
        level: of optimisation.
    """
    command = COMPILERS[compiler]
    if not shutil.which(command[0]):
        _lacking(f"no {command[0]}", package=command[0] if len(command) > 1 else "")
    _ensure_library(command, folder)
    sources = [str(ROOT / C_FOLDER / name) for name in SOURCES]
    target = folder / f"{program.stem}-{compiler}{level}"
    include = f"-I{ROOT / C_FOLDER}"
    done = subprocess.run(
        [*command, *WARNINGS, level, "-static", include, *sources, str(program), "-o", str(target)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode or done.stderr:
        pytest.fail(f"{compiler} for ARM, {level}: {done.stderr}", pytrace=False)
    return target


class ArmProgram:
    """The kernels and hashers of tests/native/arm/serve.c in an emulated CPU.

    Each thread that uses it at one time has a process of its own. End them with `close`.
    """

    def __init__(self, emulator: Sequence[str], program: Path) -> None:
        """Take what `find_emulator` and `compile_for_arm` return."""
        self._command = (*emulator, str(program))
        self._folder = program.parent
        self._idle: list[_Process] = []
        self._all: list[_Process] = []
        self._lock = threading.Lock()
        listed = subprocess.run(self._command, capture_output=True, text=True, check=True)
        rows = [line.split() for line in listed.stdout.splitlines()]
        usable = [row for row in rows if row[3] == "1"]
        self.kernels = {
            name: ArmKernel(name, int(lanes), int(versions), int(number), self)
            for kind, number, name, _, *more in usable
            if kind == "kernel"
            for lanes, versions in [more]
        }
        self.hashers = {row[2]: int(row[1]) for row in usable if row[0] == "hasher"}

    def share_hash(
        self, hasher: int, context: bytes, extranonce: bytes, numbers: tuple[int, int, int]
    ) -> bytes:
        """Hash a share; as `native.share_hash`, the numbers being version, time and nonce.

        Raises:
            ValueError: the context is not one.
        """
        start = _HASH.pack(1, hasher, len(context), *numbers)
        with self._process() as process:
            answer = process.ask(start + context + extranonce, StopFlag())
        if answer[:4] != bytes(4):
            raise ValueError(f"hasher {hasher} refused the share: {answer[:4].hex()}")
        return answer[4:]

    def scan(self, request: bytes, stop: StopFlag) -> bytes:
        """Send a packed scan, return the packed answer."""
        with self._process() as process:
            return process.ask(request, stop)

    def close(self) -> None:
        """End all processes, and wait for them."""
        for process in self._all:
            process.close()

    @contextmanager
    def _process(self) -> Iterator["_Process"]:
        with self._lock:
            if not self._idle:
                word = self._folder / f"stop-{len(self._all)}"
                self._all.append(_Process(self._command, word))
                self._idle.append(self._all[-1])
            process = self._idle.pop()
        yield process  # not taken back after an error: there may be an answer on its way
        with self._lock:
            self._idle.append(process)


@dataclass(frozen=True, slots=True)
class ArmKernel:
    """A `Kernel`; see there."""

    name: str
    lanes: int
    versions: int
    number: int
    program: ArmProgram

    def scan(
        self,
        heads: Sequence[bytes],
        tail12: bytes,
        target: bytes,
        first: int,
        count: int,
        stop: StopFlag,
    ) -> ScanResult:
        """Search for nonces; see `Kernel.scan`."""
        ensure_request(heads, tail12, target, first, count)
        start = _SCAN.pack(0, self.number, len(heads), first, count)
        answer = self.program.scan(b"".join((start, *heads, tail12, target)), stop)
        code, hit_count, after = _SCANNED.unpack_from(answer)
        if code:
            raise ValueError(f"kernel {self.name} refused the scan (code {code})")
        hits = list(_HIT.iter_unpack(answer[_SCANNED.size :]))
        assert len(hits) == hit_count
        hits.sort(key=lambda hit: (hit[1], hit[0]))
        return ScanResult(tuple(hits), after)


class _Process:
    """One emulated process, and the word in memory that stops its scans."""

    def __init__(self, command: Sequence[str], word: Path) -> None:
        word.write_bytes(bytes(mmap.PAGESIZE))
        with word.open("r+b") as file:
            self._word = mmap.mmap(file.fileno(), mmap.PAGESIZE)
        self._child = subprocess.Popen(
            [*command, str(word)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._requests, self._answers = self._child.stdin, self._child.stdout

    def ask(self, request: bytes, stop: StopFlag) -> bytes:
        """Send one request and return the answer to it, passing on the flag meanwhile."""
        self._word[:4] = _SIZE.pack(stop.is_set)
        self._requests.write(_SIZE.pack(len(request)) + request)
        while not select.select([self._answers], [], [], _STOP_LOOK_SECONDS)[0]:
            self._word[:4] = _SIZE.pack(stop.is_set)
        (size,) = _SIZE.unpack(self._read(_SIZE.size))
        return self._read(size)

    def close(self) -> None:
        """End the process by ending its input."""
        self._child.communicate(timeout=20)
        self._word.close()

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self._answers.read(size - len(data))
            assert piece, f"the emulated program ended with code {self._child.wait(timeout=20)}"
            data += piece
        return data


def _emulators() -> list[str]:
    return [name for name in _EMULATORS if shutil.which(name)]


def _ensure_library(command: Sequence[str], folder: Path) -> None:
    """Tell a compiler without a C library from one that finds fault with our code."""
    done = subprocess.run(
        [*command, "-static", "-x", "c", "-", "-o", str(folder / "probe")],
        input=b"#include <stdio.h>\nint main(void) { return 0; }\n",
        capture_output=True,
        check=False,
    )
    if done.returncode:
        _lacking(f"{command[0]} has no C library for ARM")


def _lacking(what: str, *, package: str = "") -> NoReturn:
    message = f"{what}; on Debian: apt-get install {package or _PACKAGES}"
    if os.environ.get("CI") == "true":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)
