"""A hub whose shares are logged, worked by hand, and the log's lines."""

import gzip
import itertools
import json
from pathlib import Path
from typing import Any

from headframe.chain.share import Reason, Verdict
from headframe.chain.target import MAX_TARGET, Target
from headframe.stratum.core import Seat
from headframe.stratum.events import ShareSubmitted, Ticket
from proxy.audit import Audit, Findings
from proxy.hub import Hub, HubSettings
from proxy.jobbook import Entry
from proxy.sharelog import ShareLog
from proxy.sharelog_files import Rotation
from tests.fakes.mining import JobMaker, ManualSource, PythonHasher
from tests.fakes.proxying import ManualClock

__all__ = ["LoggedHub", "audit_of", "lines_of"]

EASY = Target(MAX_TARGET // 4)
HARD = Target(MAX_TARGET // 16)


class LoggedHub:
    """A hub on hashlib, with a share log.

    Attributes:
        hub: it, with one job.
        log: the share log, started.
    """

    def __init__(self, path: Path, rotation: Rotation | None = None, **options: Any) -> None:
        self.time = ManualClock()
        self.source = ManualSource()
        self.source.verdict = None
        self.maker = JobMaker()
        self.hub = Hub(
            self.source,
            HubSettings(),
            ids=itertools.count(1),
            hasher=PythonHasher(),
            clock=self.time.clock,
        )
        self.log = ShareLog(path, rotation, wall_ms=self.wall_ms, **options)
        self.tap = self.log.tap("north")
        self.hub.note_shares(self.tap)
        self.log.start()
        self.tap.totals(self.hub.ledger, "start")
        self._nonces = itertools.count(1)
        self._answered = set[int]()

    def wall_ms(self) -> int:
        return self.time.wall() * 1000

    def job(self, **changes: Any) -> Entry:
        """Take a new job."""
        entry = self.hub.take(self.maker.make(**({"target": HARD} | changes)))
        assert entry is not None
        return entry

    def share(self, entry: Entry, worker: str = "w", number: int = 1, **changes: Any) -> Reason:
        """Judge a share of a rig; without a nonce among `changes`, a new one."""
        layout = self.hub.layout
        assert layout is not None
        seat = Seat(
            channel=0,
            lane=layout.lane,
            slice=number.to_bytes(layout.slice_size, "big"),
            size=layout.rollable,
            mask=0x1FFFE000,
            address="192.0.2.7",
        )
        fields: dict[str, Any] = {
            "channel": 0,
            "ticket": Ticket(1),
            "worker": worker,
            "job_id": entry.job.id,
            "extranonce": bytes(layout.rollable),
            "ntime": entry.job.ntime,
            "nonce": next(self._nonces),
            "version": entry.job.version,
            "target": EASY,
        }
        share = ShareSubmitted(**(fields | changes))
        checked, _ = self.hub.judge(seat, share, self.hub.ledger.worker(worker))
        return checked.reason

    def answer_last(self, verdict: Verdict) -> None:
        """Let the pool answer what went up last."""
        self._answered.add(len(self.source.sent) - 1)
        self.source.sent[-1][2](verdict)

    def answer(self, verdict: Verdict | None = None) -> None:
        """Let the pool answer all that went up and is open; `None`: never."""
        for number, (_, _, done) in enumerate(self.source.sent):
            if number not in self._answered:
                self._answered.add(number)
                if verdict is not None:
                    done(verdict)

    def totals(self, why: str = "minute") -> None:
        """Note all books."""
        self.tap.totals(self.hub.ledger, why)
        for row in self.hub.ledger.workers.values():
            self.tap.worker(row, why)

    def end(self) -> None:
        """Note all books, and close the log."""
        self.totals("end")
        self.log.close()


def lines_of(path: Path) -> list[dict[str, Any]]:
    """Read a log, compressed or not."""
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [json.loads(line) for line in data.splitlines()]


def audit_of(*lines: dict[str, Any] | bytes) -> Findings:
    """Audit lines."""
    audit = Audit()
    for number, line in enumerate(lines, start=1):
        audit.feed(f"line {number}", line if isinstance(line, bytes) else json.dumps(line).encode())
    return audit.finish()
