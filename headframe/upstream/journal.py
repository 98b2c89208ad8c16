"""The journal of found blocks: what was found is on disk before a node hears of it.

One JSON object a line, appended and never changed; `journal_lines` has their fields. A
block without a verdict is submitted again at the next start; by hand it goes with
`bitcoin-cli submitblock <hex>`. One that is valid is followed, over restarts too, until it
is deep in the chain.

Several processes may append to one file: a line is written at once, under a lock. A file
that has become large is begun anew when it is opened, with the blocks that have no verdict
yet and those that are followed; the last such file is kept beside it, as `NAME.old`.
"""

import fcntl
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import msgspec

from headframe.chain.hashes import hash_from_hex, hash_to_hex
from headframe.chain.job import SourceId
from headframe.chain.share import Verdict
from headframe.runtime.logs import get_logger
from headframe.upstream.journal_lines import (
    BlockRecord,
    CandidateLine,
    ConfirmedLine,
    FoundLine,
    JournalLine,
    OrphanedLine,
    SettledLine,
    VerdictLine,
    apply,
    decode_line,
)

__all__ = ["FoundBlock", "Journal"]

_log = get_logger(__name__)
_MODE: Final = 0o600
"""A block not yet published is worth money to whoever reads it."""
_LARGE_BYTES: Final = 64 << 20
"""Two months of blocks on regtest; read in a second."""
_REMEMBERED: Final = 1024
"""Blocks with a verdict that are known at a time; the oldest are forgotten first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundBlock:
    """A block that was found.

    Attributes:
        source: whose job it answers; it is submitted there.
        height: its height.
        hash: 32 bytes, header order.
        raw: the block, serialised.
    """

    source: SourceId
    height: int
    hash: bytes
    raw: bytes


class Journal:
    """An append-only file of found blocks and of what became of them.

    May be used from several threads. Trouble with the disk never raises: it is logged as
    an error, and mining goes on.

    Args:
        path: the file; it and its folder are made when the first block is found.
        wall: the present, in seconds since 1970.
        large_bytes: from this size on the file is begun anew.
    """

    def __init__(
        self, path: Path, *, wall: Callable[[], int], large_bytes: int = _LARGE_BYTES
    ) -> None:
        self._path = path
        self._wall = wall
        self._open: dict[bytes, FoundBlock] = {}
        self._records: dict[bytes, BlockRecord] = {}
        self._in_file: set[bytes] = set()
        self._broken_end = False
        self._created = False
        self._lock = threading.Lock()
        self._read(large_bytes)

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self._path

    def unresolved(self, source: SourceId | None = None) -> tuple[FoundBlock, ...]:
        """Return the blocks (of a source) that no verdict is known for, oldest first."""
        blocks = [*self._open.values()]
        return tuple(block for block in blocks if source is None or block.source == source)

    def record(self, block_hash: bytes) -> BlockRecord | None:
        """Return what is known of a block, unless it is long ago."""
        return self._records.get(block_hash)

    def records(self) -> tuple[BlockRecord, ...]:
        """Return what is known of all blocks that are remembered, oldest first."""
        return (*self._records.values(),)  # a copy: other threads may write

    def followed(self) -> tuple[BlockRecord, ...]:
        """Return the blocks that may still come to the best chain, or go from it."""
        return tuple(record for record in self.records() if record.followed)

    def sources(self) -> frozenset[SourceId]:
        """Name the sources that have unresolved blocks."""
        return frozenset(block.source for block in [*self._open.values()])

    @property
    def busy(self) -> bool:
        """Something is being written."""
        return self._lock.locked()

    def holds(self, block_hash: bytes) -> bool:
        """Tell whether a block without a verdict is in the file, not only in memory."""
        return block_hash in self._in_file

    def found(self, block: FoundBlock) -> bool:
        """Write a block down; when this returns true it survives a power cut.

        Returns:
            It is on disk. If not, an error was logged, and the block is only in memory.
        """
        return self.note(block) and self.sync()

    def note(self, block: FoundBlock) -> bool:
        """Write a block down without waiting for the disk: it survives the end of the process.

        Only `sync` makes it survive a power cut.

        Returns:
            It is in the file. If not, an error was logged, and the block is only in memory.
        """
        line = self._line_of(block, self._wall())
        self._open[block.hash] = block
        self._take(line)
        written = self._append(line, "it is submitted all the same, but a crash now would lose it")
        if written:
            self._in_file.add(block.hash)
        return written

    def sync(self) -> bool:
        """Wait for the disk: what was noted survives a power cut when this returns true."""
        try:
            _sync(self._path, os.O_WRONLY)
            if self._created:
                _sync(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)  # the file's name itself
                self._created = False
        except OSError as error:
            _log.error(
                "block_journal_not_synced",
                path=str(self._path),
                error=str(error),
                consequence="a power cut now could lose a block; the end of this process could not",
            )
            return False
        return True

    def resolved(self, block_hash: bytes, verdict: Verdict, *, node: str = "") -> None:
        """Write down what became of a block: it is not submitted again.

        Does not wait for the disk: a verdict that a power cut takes away costs one more
        submission, which nodes answer with "duplicate".

        Args:
            block_hash: 32 bytes, header order.
            verdict: the nodes'.
            node: whose words these are.
        """
        self._in_file.discard(block_hash)
        if self._open.pop(block_hash, None) is not None:
            self.amended(block_hash, verdict, node=node)

    def amended(self, block_hash: bytes, verdict: Verdict, *, node: str) -> None:
        """Write down another verdict on a block, which counts from now on; as `resolved`."""
        record = self._records.get(block_hash)
        if record is None:
            return
        line = _verdict_line(record.judged(verdict, node), self._wall())
        self._take(line)
        self._append(line, "the block is submitted once more at the next start, which is harmless")

    def moved(self, block_hash: bytes, *, confirmations: int) -> None:
        """Write down that a block came to the best chain, or went from it.

        Args:
            block_hash: 32 bytes, header order.
            confirmations: blocks on it and itself; 0: it is not on the best chain.
        """
        shown, now = hash_to_hex(block_hash), self._wall()
        line: JournalLine = OrphanedLine(hash=shown, time=now)
        if confirmations:
            line = ConfirmedLine(hash=shown, time=now, confirmations=confirmations)
        self._take(line)
        self._append(line, "where it stands is looked up again at the next start")

    def deepened(self, block_hash: bytes, confirmations: int) -> None:
        """Remember how deep a block is by now; that is not worth a line."""
        record = self._records.get(block_hash)
        if record is not None:
            self._records[block_hash] = replace(record, confirmations=confirmations)

    def settled(self, block_hash: bytes, *, confirmations: int) -> None:
        """Write down that a block is followed no further; arguments as for `moved`."""
        line = SettledLine(
            hash=hash_to_hex(block_hash), time=self._wall(), confirmations=confirmations
        )
        self._take(line)
        self._append(line, "the block is followed a while longer after the next start")

    def candidate(self, line: CandidateLine) -> bool:
        """Write down a pool's block that could not be sent to it, for people."""
        return self._append(line, "its data is in the log alone")

    def _append(self, line: JournalLine, consequence: str) -> bool:
        try:
            with self._lock:
                self._write(msgspec.json.encode(line) + b"\n")
        except OSError as error:
            self._broken_end = True  # part of the line may be there
            _log.error(
                "block_journal_not_written",
                path=str(self._path),
                error=str(error),
                block=line.hash,
                consequence=consequence,
            )
            return False
        return True

    def _write(self, line: bytes) -> None:
        self._created = self._created or not self._path.exists()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._locked() as descriptor:
            _write_all(descriptor, b"\n" + line if self._broken_end else line)
            self._broken_end = False

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

    def _read(self, large_bytes: int) -> None:
        try:
            with self._path.open("rb") as file:
                self._replay(file)
                size = file.tell()
            if size >= large_bytes:
                self._begin_anew()
        except FileNotFoundError:
            return
        except OSError as error:
            _log.error(
                "block_journal_not_read",
                path=str(self._path),
                error=str(error),
                consequence="blocks found earlier may not be submitted again",
            )

    def _begin_anew(self) -> None:
        """Keep what has no verdict yet; at each moment a file of our name has all of it."""
        with self._locked():
            self._open.clear()
            self._records.clear()
            self._in_file.clear()
            with self._path.open("rb") as file:  # others may have written since
                self._replay(file)
            lines = self._essence()
            fresh = self._path.with_name(f"{self._path.name}.new")
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _MODE)
            try:
                _write_all(
                    descriptor, b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
                )
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            old = self._path.with_name(f"{self._path.name}.old")
            old.unlink(missing_ok=True)
            os.link(self._path, old)
            fresh.replace(self._path)
            self._broken_end = False
            _sync(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)

    def _essence(self) -> list[JournalLine]:
        """Return the lines that a file begun anew needs: of what is not over."""
        lines: list[JournalLine] = []
        for record in self.followed():
            lines.append(_verdict_line(record, self._wall()))
            if record.orphaned:
                lines.append(OrphanedLine(hash=hash_to_hex(record.hash), time=self._wall()))
        found = ((block, self._records[block.hash].found_at) for block in self._open.values())
        return lines + [self._line_of(block, at) for block, at in found]

    def _line_of(self, block: FoundBlock, found_at: int) -> FoundLine:
        return FoundLine(
            hash=hash_to_hex(block.hash),
            height=block.height,
            source=block.source,
            time=found_at,
            block=block.raw.hex(),
        )

    def _replay(self, lines: Iterable[bytes]) -> None:
        for number, text in enumerate(lines, 1):
            self._broken_end = not text.endswith(b"\n")
            if not text.strip():
                continue
            try:
                line = decode_line(text)
                self._note_open(line)
                self._take(line)
            except ValueError as error:  # msgspec's errors are of this kind
                _log.warning(
                    "block_journal_line_ignored",
                    path=str(self._path),
                    line=number,
                    error=str(error),
                    consequence="a write was cut short here; the other lines are whole",
                )

    def _note_open(self, line: JournalLine) -> None:
        block_hash = hash_from_hex(line.hash)
        if isinstance(line, VerdictLine):
            self._open.pop(block_hash, None)
            self._in_file.discard(block_hash)
        elif isinstance(line, FoundLine):
            raw = bytes.fromhex(line.block)
            self._in_file.add(block_hash)
            self._open[block_hash] = FoundBlock(
                source=SourceId(line.source), height=line.height, hash=block_hash, raw=raw
            )

    def _take(self, line: JournalLine) -> None:
        """Let a line count; what is known of a block is what its lines add up to."""
        if isinstance(line, CandidateLine):
            return
        block_hash = hash_from_hex(line.hash)
        record = apply(self._records.get(block_hash), line)
        if record is None:
            return
        self._records[block_hash] = record
        spare = len(self._records) - _REMEMBERED
        if spare > 0 and isinstance(line, FoundLine):
            over = [each for each in self._records if each not in self._open]
            for each in over[:spare]:
                del self._records[each]


def _verdict_line(record: BlockRecord, now: int) -> VerdictLine:
    return VerdictLine(
        hash=hash_to_hex(record.hash),
        time=now,
        reason=record.reason.value,
        detail=record.detail,
        node=record.node,
        height=record.height,
        source=record.source,
        found=record.found_at,
    )


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
