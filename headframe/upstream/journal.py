"""The journal of found blocks: what was found is on disk before a node hears of it.

One JSON object a line, appended and never changed; `journal_lines` has their fields. A
block without a verdict is submitted again at the next start; by hand it goes with
`bitcoin-cli submitblock <hex>`. One that is valid is followed, over restarts too, until it
is deep in the chain.

Several processes may append to one file: a line is written at once, under a lock. A file
that has become large is begun anew when it is opened, with the blocks that have no verdict
yet and those that are followed; the last such file is kept beside it, as `NAME.old`.
"""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import msgspec

from headframe.chain.hashes import hash_from_hex, hash_to_hex
from headframe.chain.job import SourceId
from headframe.chain.share import Verdict
from headframe.runtime.logs import get_logger
from headframe.upstream.bodies import Bodies
from headframe.upstream.journal_file import LineFile
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
        body: name under which the end of it is on disk already, or "" if it is not.
        body_bytes: the size of that end.
    """

    source: SourceId
    height: int
    hash: bytes
    raw: bytes
    body: str = ""
    body_bytes: int = 0


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
        self._file = LineFile(path)
        self._lock = threading.Lock()
        self.bodies = Bodies(path.with_name(f"{path.name}.bodies"), wall=wall)
        """Ends of blocks that may be found."""
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
        line = self._line_of(block, self._wall(), whole=False)
        self._open[block.hash] = block
        self._take(line)
        written = self._append(line, "it is submitted all the same, but a crash now would lose it")
        if written:
            self._in_file.add(block.hash)
        return written

    def complete(self, block: FoundBlock) -> None:
        """Write down the whole of a block whose end is in a file of its own so far.

        Nothing is written of one that has its verdict by now.
        """
        record = self._records.get(block.hash)
        found_at = self._wall() if record is None else record.found_at
        line = self._line_of(block, found_at)
        consequence = "a crash now could lose the block, unless its other file remains"
        if self._append(line, consequence, unless=lambda: block.hash not in self._open):
            self.sync()

    def sync(self) -> bool:
        """Wait for the disk: what was noted survives a power cut when this returns true."""
        try:
            self._file.sync()
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

    def _append(
        self, line: JournalLine, consequence: str, *, unless: Callable[[], bool] = lambda: False
    ) -> bool:
        try:
            with self._lock:
                if unless():
                    return False
                self._file.append(msgspec.json.encode(line) + b"\n")
        except OSError as error:
            _log.error(
                "block_journal_not_written",
                path=str(self._path),
                error=str(error),
                block=line.hash,
                consequence=consequence,
            )
            return False
        return True

    def _read(self, large_bytes: int) -> None:
        try:
            with self._path.open("rb") as file:
                joined = self._replay(file)
                size = file.tell()
            if size >= large_bytes:
                self._begin_anew()
            else:
                for block in joined:
                    self.complete(block)
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
        with self._file.begun_anew() as lines:
            self._open.clear()
            self._records.clear()
            self._in_file.clear()
            with self._path.open("rb") as file:  # others may have written since
                self._replay(file)
            lines += [msgspec.json.encode(line) + b"\n" for line in self._essence()]

    def _essence(self) -> list[JournalLine]:
        """Return the lines that a file begun anew needs: of what is not over."""
        lines: list[JournalLine] = []
        for record in self.followed():
            lines.append(_verdict_line(record, self._wall()))
            if record.orphaned:
                lines.append(OrphanedLine(hash=hash_to_hex(record.hash), time=self._wall()))
        found = ((block, self._records[block.hash].found_at) for block in self._open.values())
        return lines + [self._line_of(block, at) for block, at in found]

    def _line_of(self, block: FoundBlock, found_at: int, *, whole: bool = True) -> FoundLine:
        apart = 0 if whole or not block.body else block.body_bytes
        return FoundLine(
            hash=hash_to_hex(block.hash),
            height=block.height,
            source=block.source,
            time=found_at,
            block=block.raw[: len(block.raw) - apart].hex(),
            body=block.body if apart else "",
        )

    def _replay(self, lines: Iterable[bytes]) -> list[FoundBlock]:
        """Read lines; return the blocks that are in two files."""
        for number, text in enumerate(lines, 1):
            self._file.broken_end = not text.endswith(b"\n")
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
        parted = [block for block in self._open.values() if block.body]
        return [whole for block in parted if (whole := self._join(block)) is not None]

    def _join(self, block: FoundBlock) -> FoundBlock | None:
        """Put a block together of which only the beginning is in the file."""
        try:
            raw = block.raw + self.bodies.read(block.body)
        except (OSError, ValueError) as error:
            del self._open[block.hash]
            _log.error(
                "block_body_missing",
                hash=hash_to_hex(block.hash),
                height=block.height,
                error=str(error),
                consequence="the block found before the last end of this program is lost",
            )
            return None
        self._open[block.hash] = whole = replace(block, raw=raw, body="")
        return whole

    def _note_open(self, line: JournalLine) -> None:
        block_hash = hash_from_hex(line.hash)
        if isinstance(line, VerdictLine):
            self._open.pop(block_hash, None)
            self._in_file.discard(block_hash)
        elif isinstance(line, FoundLine):
            raw = bytes.fromhex(line.block)
            self._in_file.add(block_hash)
            self._open[block_hash] = FoundBlock(
                source=SourceId(line.source),
                height=line.height,
                hash=block_hash,
                raw=raw,
                body=line.body,
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
