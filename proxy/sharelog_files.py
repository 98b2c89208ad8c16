"""The share log's files: written at the end of one, put aside when it is large or old.

`shares.jsonl` is put aside as `shares-20261122T213000Z.jsonl`, by the time (UTC), so that
names sort by age, and compressed if that is wanted.
"""

import datetime
import gzip
import os
import re
import shutil
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from headframe.runtime.logs import get_logger

__all__ = ["LogFiles", "Rotation"]

log = get_logger(__name__)

_TIME: Final = re.compile(rb'"time_ms":(\d{1,15})')
"""In the first line: when the file was begun."""
_PART: Final = ".part"
_END_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """When a file is put aside, and how many are kept.

    Attributes:
        largest_bytes: when it has so many bytes.
        longest_seconds: when it is so old.
        keep: files put aside that are kept; the oldest go first.
        compress: with gzip.
    """

    largest_bytes: int = 256 << 20
    longest_seconds: float = 24 * 3600.0
    keep: int = 60
    compress: bool = True


class LogFiles:
    """Bytes to the end of a file, and files put aside.

    Args:
        path: the file; it is added to. Only its owner may read it.
        rotation: when it is put aside.
    """

    def __init__(self, path: Path, rotation: Rotation) -> None:
        self._path = path
        self._rotation = rotation
        self._aside_at = 0  # in seconds since 1970; of the newest file put aside
        self._file = -1
        self._size = 0
        self._began = 0.0
        self._packing: list[threading.Thread] = []

    def follow(self, rotation: Rotation) -> None:
        """Put files aside by other rules from now on."""
        self._rotation = rotation

    def open(self, now: float) -> None:
        """Open the file, unless it is; a line cut short by a crash is ended.

        Args:
            now: seconds since 1970.

        Raises:
            OSError: it cannot be written.
        """
        if self._file >= 0:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        self._size = os.fstat(self._file).st_size
        first = _TIME.search(os.pread(self._file, 200, 0))
        self._began = int(first[1]) / 1000 if first is not None else now
        if self._size and os.pread(self._file, 1, self._size - 1) != b"\n":
            self._size += os.write(self._file, b"\n")

    def write(self, data: bytes) -> int:
        """Write as much as there is room for; return how many bytes that was.

        Raises:
            OSError: nothing could be written.
        """
        written = os.write(self._file, data)
        self._size += written
        return written

    def is_due(self, now: float) -> bool:
        """Say whether the file should be put aside; an empty one never."""
        if not self._size:
            return False
        known = self._rotation
        return self._size >= known.largest_bytes or now - self._began >= known.longest_seconds

    def put_aside(self, now: float) -> None:
        """Give the file another name, and begin a new one.

        Raises:
            OSError: that failed; the old file is written on.
        """
        aside = self._name_aside(now)
        self._path.rename(aside)
        self.close_file()
        self.open(now)
        if self._rotation.compress:
            self._packing = [thread for thread in self._packing if thread.is_alive()]
            thread = threading.Thread(target=_pack, args=(aside,), name="pack", daemon=True)
            self._packing.append(thread)
            thread.start()
        self._prune()

    def close_file(self) -> None:
        """Close the file alone."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def close(self) -> None:
        """Put everything on the disk, and end; waits a few seconds for what is compressed."""
        if self._file >= 0:
            with suppress(OSError):
                os.fsync(self._file)
        self.close_file()
        for thread in self._packing:
            thread.join(_END_SECONDS)

    def _name_aside(self, now: float) -> Path:
        """Name a file by the time, a second later where that is taken: so names sort by age."""
        while True:
            self._aside_at = at = max(int(now), self._aside_at + 1)
            when = datetime.datetime.fromtimestamp(at, datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
            name = f"{self._path.stem}-{when}{self._path.suffix}"
            aside = self._path.with_name(name)
            if not aside.exists() and not aside.with_name(f"{name}.gz").exists():
                return aside

    def _prune(self) -> None:
        found = self._path.parent.glob(f"{self._path.stem}-*Z*{self._path.suffix}*")
        aside = sorted(path for path in found if not path.name.endswith(_PART))
        for path in aside[: max(len(aside) - self._rotation.keep, 0)]:
            with suppress(OSError):
                path.unlink()


def _pack(path: Path) -> None:
    """Compress a file, and remove the plain one once that is on the disk."""
    packed = path.with_name(f"{path.name}.gz")
    part = packed.with_name(packed.name + _PART)
    try:
        with path.open("rb") as plain, part.open("wb") as raw:
            os.fchmod(raw.fileno(), 0o600)
            with gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=6) as out:
                shutil.copyfileobj(plain, out, 1 << 20)
            raw.flush()
            os.fsync(raw.fileno())
        part.rename(packed)
        path.unlink()
    except OSError as error:
        log.warning("share_log_not_compressed", path=str(path), error=str(error))
        with suppress(OSError):
            part.unlink()
