"""The share log: a line for each share, from which `headframe audit` recomputes everything.

The event loop only hands over what it has in hand. A thread of its own makes lines of it
and writes them, four times a second; a disk that is full or too slow costs lines, which are
counted and told in the next `totals` line, and never a share.
"""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from headframe import __version__
from headframe.chain.share import Reason, Verdict
from headframe.runtime.clock import wall_milliseconds
from headframe.runtime.errors import ConfigError
from headframe.runtime.logs import get_logger
from headframe.runtime.metrics import by_label, counter
from proxy.jobbook import Entry
from proxy.ledger import Ledger, Row
from proxy.sharelog_files import LogFiles, Rotation
from proxy.sharelog_lines import (
    Judged,
    LeftOutLine,
    Line,
    RunLine,
    ShareLine,
    TotalsLine,
    WorkerLine,
    books_of,
    job_line,
    sent_line,
    share_line,
    verdict_line,
)
from proxy.uplink import Parcel

__all__ = ["ShareLog", "ShareLogStats", "Tap"]

log = get_logger(__name__)

_MOST_WAITING: Final = 100_000
"""Lines that may wait for the disk: some 20 s of 5,000 shares a second, and 100 MB."""
_WRITE_SECONDS: Final = 0.25
_AT_ONCE: Final = 1000
_END_SECONDS: Final = 10.0
_KINDS: Final = ("share", "sent", "verdict")


@dataclass(slots=True, kw_only=True)
class ShareLogStats:
    """How the share log is doing."""

    share_log_lines: int = counter("Lines written to the share log.")
    share_log_left_out: dict[str, int] = by_label(
        "Lines that the share log had no room for, because the disk was full or too slow.",
        "line",
        _KINDS,
    )


class Tap:
    """A route's way into the log. Cheap: what is handed over is made a line later.

    Args:
        log: where the lines go.
        route: its name.
    """

    def __init__(self, log: "ShareLog", route: str) -> None:
        self._log = log
        self._route = route
        self._waiting = log.waiting
        self.left_out = dict.fromkeys(_KINDS, 0)
        """Lines of this route that there was no room for."""
        self._gap = False

    def share(self, row: Row, entry: Entry | None, judged: Judged) -> None:
        """Note a share that was judged and booked."""
        now = self._log.wall_ms()
        self._add("share", partial(share_line, now, self._route, row.name, judged), entry)

    def refused(self, row: Row, rig: str, reason: Reason) -> None:
        """Note a share that was refused unweighed: it could not be read, or was nobody's."""
        now = self._log.wall_ms()
        line = partial(_unweighed, now, self._route, row.name, rig, reason)
        self._add("share", line)

    def sent(self, parcel: Parcel, *, rescued: bool = False, block: bool = False) -> None:
        """Note that a share goes up; before its `share`."""
        now = self._log.wall_ms()
        self._add(
            "sent", partial(sent_line, now, self._route, parcel, rescued=rescued, block=block)
        )

    def answered(self, parcel: Parcel, verdict: Verdict, *, rescued: bool) -> None:
        """Note the answer to it; one that is `PENDING` is none."""
        if verdict.reason is not Reason.PENDING:
            now = self._log.wall_ms()
            self._add(
                "verdict", partial(verdict_line, now, self._route, parcel, verdict, rescued=rescued)
            )

    def totals(self, ledger: Ledger, why: str) -> None:
        """Note the books of the route; they hold what was noted before, and nothing else."""
        line = TotalsLine(
            time_ms=self._log.wall_ms(),
            route=self._route,
            why=why,
            books=books_of(ledger.total),
            blocks_found=ledger.blocks_found,
            left_out=dict(self.left_out),
        )
        self._waiting.append((None, lambda: line))

    def worker(self, row: Row, why: str) -> None:
        """Note the books of a worker."""
        line = WorkerLine(
            time_ms=self._log.wall_ms(),
            route=self._route,
            worker=row.name,
            why=why,
            books=books_of(row),
            left_out=sum(self.left_out.values()),
        )
        self._waiting.append((None, lambda: line))

    def _add(self, kind: str, line: Callable[[], Line], entry: Entry | None = None) -> None:
        if len(self._waiting) >= self._log.most_waiting:
            self.left_out[kind] += 1
            self._log.stats.share_log_left_out[kind] += 1
            self._gap = True
            return
        if self._gap:
            self._gap = False
            gap = LeftOutLine(
                time_ms=self._log.wall_ms(), route=self._route, lines=dict(self.left_out)
            )
            self._waiting.append((None, lambda: gap))
        self._waiting.append((entry, line))


@dataclass(slots=True)
class _Written:
    """What the thread knows of the file that it writes."""

    jobs: set[tuple[str, int]] = field(default_factory=set)
    rest: bytes = b""
    problem: str = ""


class ShareLog:
    """The log; `start` it before shares come, `close` it when the last answer was noted.

    Args:
        path: the file; it is added to.
        rotation: when it is put aside.
        most_waiting: lines that may wait to be written.
        stats: where lines are counted; its own by default.
        wall_ms: tells milliseconds since 1970.
    """

    def __init__(
        self,
        path: Path,
        rotation: Rotation | None = None,
        *,
        most_waiting: int = _MOST_WAITING,
        stats: ShareLogStats | None = None,
        wall_ms: Callable[[], int] = wall_milliseconds,
    ) -> None:
        self.path = path
        self.most_waiting = most_waiting
        self.waiting: deque[tuple[Entry | None, Callable[[], Line]]] = deque()
        self.stats = stats or ShareLogStats()
        self.rotations = 0
        """Files begun since the start; with each, all books are to be noted anew."""
        self._files = LogFiles(path, rotation or Rotation())
        self.wall_ms = wall_ms
        self._written = _Written()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="share log", daemon=True)
        self._encoder = msgspec.json.Encoder()

    @property
    def problem(self) -> str:
        """What is wrong with the disk, for people; "" when all is well."""
        return self._written.problem

    def start(self, *, ongoing: bool = False) -> None:
        """Open the file, and begin to write.

        Args:
            ongoing: the proxy has taken shares before.

        Raises:
            ConfigError: it cannot be opened.
        """
        try:
            self._files.open(self.wall_ms() / 1000)
        except OSError as error:
            raise ConfigError(
                f"the share log {self.path} cannot be written: {error.strerror or error}"
            ) from None
        line = RunLine(time_ms=self.wall_ms(), version=__version__, ongoing=ongoing)
        self.waiting.append((None, lambda: line))
        self._thread.start()

    def follow(self, rotation: Rotation) -> None:
        """Put files aside by other rules from now on."""
        self._files.follow(rotation)

    def tap(self, route: str) -> Tap:
        """Make a route's way into the log."""
        return Tap(self, route)

    def close(self) -> None:
        """Write what waits, say that the run ends, and end; waits some seconds at most."""
        line = RunLine(time_ms=self.wall_ms(), version=__version__, ends=True)
        self.waiting.append((None, lambda: line))
        self._closing.set()
        self._thread.join(_END_SECONDS)

    def _run(self) -> None:
        while not self._closing.wait(_WRITE_SECONDS):
            self._write_out()
        self._write_out()
        self._files.close()

    def _write_out(self) -> None:
        """Write all that waits, as far as the disk takes it."""
        written = self._written
        try:
            self._flush()
            while self.waiting:
                if self._files.is_due(self.wall_ms() / 1000):
                    self._rotate()
                written.rest = self._encode()
                self._flush()
        except OSError as error:
            text = f"the share log {self.path} is not written: {error.strerror or error}"
            if text != written.problem:
                log.warning("share_log_failed", detail=text)
            written.problem = text
        else:
            written.problem = ""

    def _flush(self) -> None:
        """Write what is encoded; what a full disk did not take stays for the next time."""
        written = self._written
        self._files.open(self.wall_ms() / 1000)
        while written.rest:
            written.rest = written.rest[self._files.write(written.rest) :]

    def _rotate(self) -> None:
        try:
            self._files.put_aside(self.wall_ms() / 1000)
        finally:
            self._written.jobs.clear()
            self.rotations += 1

    def _encode(self) -> bytes:
        """Make lines of what waits, jobs ahead of their first share."""
        found: list[Line] = []
        while self.waiting and len(found) < _AT_ONCE:
            entry, make = self.waiting.popleft()
            line = make()
            if entry is not None and isinstance(line, ShareLine):
                key = (line.route, line.job)
                if key not in self._written.jobs:
                    self._written.jobs.add(key)
                    job = job_line(line.time_ms, line.route, entry)
                    if job is not None:
                        found.append(job)
            found.append(line)
        self.stats.share_log_lines += len(found)
        return self._encoder.encode_lines(found)


def _unweighed(time_ms: int, route: str, worker: str, rig: str, reason: Reason) -> ShareLine:
    return ShareLine(
        time_ms=time_ms,
        route=route,
        worker=worker,
        rig=rig,
        job=-1,
        extranonce="",
        ntime=0,
        nonce=0,
        version=0,
        mask=0,
        target=None,
        work="0",
        hash="",
        verdict=reason,
    )
