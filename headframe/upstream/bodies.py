"""Ends of blocks on disk, before the blocks are found; see `shelf`."""

import os
import threading
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Final

from headframe.upstream.journal_file import sync_folder

__all__ = ["KEPT", "Bodies"]

KEPT: Final = 8
"""Of a process's newest templates: the jobs that blocks are found on, but for odd ones."""
_OLD_SECONDS: Final = 86_400
"""Nobody needs a file of that age: found blocks are written down whole within a second."""
_MODE: Final = 0o600


class Bodies:
    """A folder of files, each named by the SHA-256 of what it holds; for several threads.

    Args:
        folder: made when it is needed first.
        wall: the present, in seconds since 1970.
    """

    def __init__(self, folder: Path, *, wall: Callable[[], int]) -> None:
        self._folder = folder
        self._wall = wall
        self._names: list[str] = []  # ours, oldest first
        self._lock = threading.Lock()

    def keep(self, data: bytes) -> str:
        """Write something down; it survives a power cut when this returns its name.

        Raises:
            OSError: the disk is in trouble.
        """
        with self._lock:
            return self._keep(data)

    def holds(self, name: str) -> bool:
        """Tell whether something that was kept is still there."""
        return name in self._names

    def read(self, name: str) -> bytes:
        """Read what was kept, by this process or an earlier one.

        Raises:
            OSError: it cannot be read.
            ValueError: it is not what was written.
        """
        data = (self._folder / name).read_bytes()
        if sha256(data).hexdigest() != name:
            raise ValueError(f"{self._folder / name} is damaged")
        return data

    def _keep(self, data: bytes) -> str:
        if not self._names:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._clear()
        name = sha256(data).hexdigest()
        fresh = self._folder / f"{name}.new"
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _MODE)
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, for its mode
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        fresh.replace(self._folder / name)
        sync_folder(self._folder)
        self._names = [*(each for each in self._names if each != name), name]
        while len(self._names) > KEPT:
            (self._folder / self._names.pop(0)).unlink(missing_ok=True)
        return name

    def _clear(self) -> None:
        """Remove what processes that are gone have left."""
        for path in self._folder.iterdir():
            if self._wall() - path.stat().st_mtime > _OLD_SECONDS:
                path.unlink(missing_ok=True)
