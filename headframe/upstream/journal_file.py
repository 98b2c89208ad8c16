"""`LineFile`: lines that are only ever appended, by several processes at a time.

A line is written at once, under a lock. A file that has become large is begun anew: at each
moment a file of its name has all that counts, and the last such file is kept as `NAME.old`.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

__all__ = ["LineFile", "sync_folder"]

_MODE: Final = 0o600
"""A block not yet published is worth money to whoever reads it."""


class LineFile:
    """The file, which need not be there yet; not for several threads.

    Args:
        path: made when the first line is written, its folder as well.

    Attributes:
        broken_end: its last line has no end: a write was cut short.
    """

    def __init__(self, path: Path) -> None:
        self.broken_end = False
        self._path = path
        self._created = False

    def append(self, line: bytes) -> None:
        """Write a line, which ends in a newline; it survives the end of the process.

        Raises:
            OSError: the disk is in trouble; part of the line may be there.
        """
        self._created = self._created or not self._path.exists()
        begun, self.broken_end = self.broken_end, True
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._locked() as descriptor:
            _write_all(descriptor, b"\n" + line if begun else line)
        self.broken_end = False

    def sync(self) -> None:
        """Wait for the disk: what was appended survives a power cut.

        Raises:
            OSError: the disk is in trouble.
        """
        _sync(self._path, os.O_WRONLY)
        if self._created:
            sync_folder(self._path.parent)  # the file's name itself
            self._created = False

    @contextmanager
    def begun_anew(self) -> Iterator[list[bytes]]:
        """Replace the file by the lines that the body of a `with` statement collects.

        Nobody else writes meanwhile.

        Raises:
            OSError: the disk is in trouble.
        """
        with self._locked():
            lines: list[bytes] = []
            yield lines
            fresh = self._path.with_name(f"{self._path.name}.new")
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _MODE)
            try:
                _write_all(descriptor, b"".join(lines))
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            old = self._path.with_name(f"{self._path.name}.old")
            old.unlink(missing_ok=True)
            os.link(self._path, old)
            fresh.replace(self._path)
            self.broken_end = False
            sync_folder(self._path.parent)

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """Open the file and lock it, again if another process began it anew meanwhile."""
        while True:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, _MODE)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                if _is_at(descriptor, self._path):
                    yield descriptor
                    return
            finally:
                os.close(descriptor)  # releases the lock


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on disk.

    Raises:
        OSError: the disk is in trouble.
    """
    _sync(folder, os.O_RDONLY | os.O_DIRECTORY)


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
