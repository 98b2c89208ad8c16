"""`Audit`: recomputes a share log, line by line: every hash, every verdict, every sum.

Independent of what wrote it: hashes by hashlib, from the job's own bytes; rules and sums
spelt out here once more. Streams: what it remembers is bounded, however long the log is.

What cannot be judged from the log alone is counted as *taken on trust*: refusals of shares
that could not be read, stale ones whose successor no line tells of, duplicates of shares
from before the log began. What cannot be compared, such as shares after the last `totals`
line, is counted as *not covered*. Neither is a difference.
"""

from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from typing import Final

import msgspec

from headframe.chain.share import Reason
from proxy.audit_rules import fault_in, hash_of, meets, work_of
from proxy.audit_sums import Sums
from proxy.sharelog_lines import (
    FORMAT,
    JobLine,
    LeftOutLine,
    RunLine,
    SentLine,
    ShareLine,
    TotalsLine,
    VerdictLine,
    WorkerLine,
)

__all__ = ["Audit", "Findings"]

_MOST_JOBS: Final = 65_536
"""The proxy remembers half as many."""
_MOST_PROOFS: Final = 500_000
"""Hashes remembered to find duplicates: some 60 MB."""
_MOST_OPEN: Final = 200_000
"""Shares sent up whose answer is awaited."""
_MOST_SHOWN: Final = 100
_TOLD: Final = frozenset(
    {Reason.UNAUTHORIZED, Reason.NOT_SUBSCRIBED, Reason.MALFORMED, Reason.OTHER}
)
_AnyLine = (
    JobLine | ShareLine | SentLine | VerdictLine | TotalsLine | WorkerLine | RunLine | LeftOutLine
)
_DECODER: Final = msgspec.json.Decoder[_AnyLine](_AnyLine)


@dataclass(slots=True)
class Findings:
    """What an audit found.

    Attributes:
        lines: how many were read, by kind.
        verdicts: shares by verdict.
        differences: how many there are.
        shown: the first of them, for people.
        notes: what an auditor should know, and is no difference.
        on_trust: verdicts that the log alone cannot show to be right.
        not_covered: shares that no `totals` line compares.
    """

    lines: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)
    differences: int = 0
    shown: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    on_trust: int = 0
    not_covered: int = 0

    def differ(self, where: str, what: str) -> None:
        """Take note of a difference."""
        self.differences += 1
        if len(self.shown) < _MOST_SHOWN:
            self.shown.append(f"{where}: {what}")

    def note(self, where: str, what: str) -> None:
        """Take note of something that is none."""
        if len(self.notes) < _MOST_SHOWN:
            self.notes.append(f"{where}: {what}")


@dataclass(slots=True)
class _Proofs:
    """Hashes that counted for the same work; `whole`: none was forgotten or missed."""

    seen: set[str] = field(default_factory=set)
    whole: bool = True


Key = tuple[str, str, int, str, int, int, int]


class Audit:
    """Reads lines and compares.

    `feed` each line in order, over all files of a log, then `finish`.
    """

    def __init__(self) -> None:
        self.findings = Findings()
        self._jobs: OrderedDict[tuple[str, int], JobLine] = OrderedDict()
        self._generations: dict[tuple[str, str], int] = {}
        self._proofs: OrderedDict[tuple[str, ...], _Proofs] = OrderedDict()
        self._proofs_held = 0
        self._sent: dict[str, SentLine] = {}
        self._open: OrderedDict[Key, SentLine] = OrderedDict()
        self._sums: dict[tuple[str, str | None], Sums] = {}
        self._from_start = self._running = False
        self._gaps = False
        """Shares may have counted that are not remembered, or of which there is no line."""
        self._where = ""
        self._broken = ""

    def feed(self, where: str, text: bytes) -> None:
        """Check one line.

        Args:
            where: names the line, for people.
            text: the line.
        """
        self._where = where
        try:
            line = _DECODER.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            self._settle_broken()
            self._broken = f"{where}: not a line of a share log: {error}"
            return
        if self._broken:
            self._settle_broken(before=line)
        self.findings.lines[type(line).__name__.removesuffix("Line").lower()] += 1
        try:
            self._check(line)
        except (ValueError, OverflowError) as error:
            self._differ(f"a number or text of it cannot be: {error}")

    def _check(self, line: _AnyLine) -> None:
        match line:
            case ShareLine():
                self._share(line)
            case JobLine():
                self._job(line)
            case SentLine():
                self._sent_up(line)
            case VerdictLine():
                self._answer(line)
            case TotalsLine():
                self._totals(line)
            case WorkerLine():
                self._worker(line)
            case RunLine():
                self._run(line)
            case LeftOutLine():
                self._forget_proofs()
                self.findings.note(self._where, f"no room was left for lines, so far: {line.lines}")

    def finish(self) -> Findings:
        """Say what was found."""
        self._settle_broken()
        if self._running:
            self.findings.note("at the end", "the run goes on, or was cut short")
        self._uncover()
        return self.findings

    def _settle_broken(self, before: object = None) -> None:
        """Tell of a line that could not be read; one cut short by a crash is no difference."""
        if not self._broken:
            return
        cut = isinstance(before, RunLine) and not before.ends
        if cut:
            self.findings.note(self._broken, "the run before was cut short here")
        else:
            self.findings.differences += 1
            self.findings.shown.append(self._broken)
        self._broken = ""

    def _differ(self, what: str) -> None:
        self.findings.differ(self._where, what)

    # the run and its books

    def _run(self, line: RunLine) -> None:
        if line.format != FORMAT:
            self._differ(f"format {line.format} is not known here, only {FORMAT}")
        if line.ends:
            self._running = False
            return
        if self._running:
            self.findings.note(self._where, "the run before ended without a goodbye")
        self._uncover()
        self._jobs.clear()
        self._generations.clear()
        self._proofs.clear()
        self._proofs_held = 0
        self._open.clear()
        self._sent.clear()
        self._sums.clear()
        self._from_start, self._running = not line.ongoing, True
        self._gaps = False

    def _uncover(self) -> None:
        """Count what no totals line has compared."""
        self.findings.not_covered += sum(
            sums.uncompared for (_, worker), sums in self._sums.items() if worker is None
        )

    def _sums_of(self, route: str, worker: str | None) -> Sums:
        key = (route, worker)
        sums = self._sums.get(key)
        if sums is None:
            # A worker that is new in this run has no books before its first share.
            known = self._from_start and worker is not None
            sums = self._sums[key] = Sums({} if known else None)
        return sums

    def _both(self, route: str, worker: str) -> tuple[Sums, Sums]:
        return self._sums_of(route, None), self._sums_of(route, worker)

    def _totals(self, line: TotalsLine) -> None:
        sums = self._sums_of(line.route, None)
        for what in sums.compare(line.books, line.left_out, line.blocks_found):
            self._differ(f"route {line.route!r}: {what}")

    def _forget_proofs(self) -> None:
        """Know that shares may have counted of which there is no line."""
        self._gaps = True
        for proofs in self._proofs.values():
            proofs.whole = False

    def _worker(self, line: WorkerLine) -> None:
        sums = self._sums_of(line.route, line.worker)
        begins = line.why == "start" and self._from_start and not sums.uncompared
        if begins:
            sums.begin_at(None)
        for what in sums.compare(line.books, {"any": line.left_out}, None):
            self._differ(f"worker {line.worker!r} of route {line.route!r}: {what}")
        if line.why == "idle":
            del self._sums[line.route, line.worker]

    # jobs and shares

    def _job(self, line: JobLine) -> None:
        self._jobs[line.route, line.job] = line
        if len(self._jobs) > _MOST_JOBS:
            self._jobs.popitem(last=False)
        source = (line.route, line.source)
        self._generations[source] = max(self._generations.get(source, 0), line.generation)

    def _share(self, line: ShareLine) -> None:
        self.findings.verdicts[line.verdict] += 1
        for sums in self._both(line.route, line.worker):
            sums.share(line)
        if int(line.work) != (0 if line.target is None else work_of(line.target)):
            self._differ(f"work {line.work} is not what the target {line.target} stands for")
        job = self._jobs.get((line.route, line.job))
        if job is None or _is_forgotten(line):
            self._share_of_no_job(line)
            return
        proof = hash_of(job, line)
        if proof != line.hash:
            self._differ(f"the hash is {proof or 'none'}, the log says {line.hash or 'none'}")
        if line.block != meets(proof, job.block_target):
            self._differ(f"block is {str(line.block).lower()}, against the block target")
        self._compare_way(job, line, proof)
        self._compare_verdict(job, line, proof)

    def _share_of_no_job(self, line: ShareLine) -> None:
        self._sent.pop(line.route, None)
        if line.verdict in {*_TOLD, Reason.UNKNOWN_JOB, Reason.BAD_EXTRANONCE} and not line.hash:
            self.findings.on_trust += 1
        else:
            self._differ(f"job {line.job} is not in the log, and the verdict is {line.verdict}")

    def _compare_verdict(self, job: JobLine, line: ShareLine, proof: str) -> None:
        if line.verdict in _TOLD:
            self.findings.on_trust += 1
            if meets(proof, line.target) and fault_in(job, line) is None:
                self._proofs_of(job).seen.add(proof)  # a second one is a duplicate all the same
            return
        newest = self._generations[line.route, job.source]
        if line.verdict is Reason.STALE:
            # A newer job that nobody sent a share of yet is in no line.
            self.findings.on_trust += job.generation >= newest
            return
        expected = self._expect(job, line, proof)
        if expected is None:
            self.findings.on_trust += 1
        elif job.generation < newest and expected not in _EARLY:
            self._differ(f"the verdict is {line.verdict}, and the job was dead: stale")
        elif line.verdict is not expected:
            self._differ(f"the verdict is {line.verdict}, and should be {expected}")

    def _expect(self, job: JobLine, line: ShareLine, proof: str) -> Reason | None:
        """Judge a share of a job that lives; `None` when the log does not tell enough."""
        if not proof:
            return Reason.BAD_EXTRANONCE
        if line.target is None:
            return Reason.UNKNOWN_JOB
        return fault_in(job, line) or self._expect_sound(job, line, proof)

    def _expect_sound(self, job: JobLine, line: ShareLine, proof: str) -> Reason | None:
        """Judge a share that keeps to version bits and time."""
        proofs = self._proofs_of(job)
        if proof in proofs.seen:
            return Reason.DUPLICATE
        if line.verdict is Reason.DUPLICATE:
            return Reason.ACCEPTED if proofs.whole else None
        if not meets(proof, line.target):
            return Reason.LOW_DIFFICULTY
        if line.verdict is Reason.BAD_NTIME and line.ntime > job.ntime:
            return None  # no room was left for shares that ran ahead of the time
        if line.verdict is Reason.ACCEPTED:
            proofs.seen.add(proof)
            self._proofs_held += 1
        return Reason.ACCEPTED

    def _proofs_of(self, job: JobLine) -> _Proofs:
        key = (job.route, job.prev_hash, job.prefix, job.suffix, *job.path)
        proofs = self._proofs.get(key)
        if proofs is None:
            proofs = self._proofs[key] = _Proofs(whole=self._from_start and not self._gaps)
        while self._proofs_held > _MOST_PROOFS:
            oldest = next(iter(self._proofs.values()))
            self._proofs_held -= len(oldest.seen)
            if oldest is proofs:
                oldest.seen, oldest.whole = set(), False
            else:
                self._proofs.popitem(last=False)
                self._gaps = True
        return proofs

    # the way up

    def _sent_up(self, line: SentLine) -> None:
        self._sent[line.route] = line
        self._open[_key(line)] = line
        if len(self._open) > _MOST_OPEN:
            self._open.popitem(last=False)
        for sums in self._both(line.route, line.worker):
            sums.sent(line)

    def _compare_way(self, job: JobLine, line: ShareLine, proof: str) -> None:
        """Compare what went up with what should have."""
        sent = self._sent.pop(line.route, None)
        accepted = line.verdict is Reason.ACCEPTED
        goes_up = line.block or (accepted and meets(proof, job.target))
        if sent is None:
            if goes_up and not line.block and not self._gaps:
                self._differ("the share meets the upstream's target, and was not sent up")
            return
        same = (
            sent.job == job.upstream
            and sent.extranonce.endswith(line.extranonce)
            and (sent.ntime, sent.nonce, sent.version) == (line.ntime, line.nonce, line.version)
            and (sent.worker, sent.source) == (line.worker, job.source)
        )
        if not same:
            self._differ("what was sent up before it is another share")
        elif not goes_up:
            self._differ("the share was sent up, and does not meet the upstream's target")
        if sent.rescued is accepted:
            self._differ(f"sent up as rescued = {str(sent.rescued).lower()}")
        if int(sent.work) != work_of(job.target):
            self._differ(f"work {sent.work} is not what the upstream's target stands for")

    def _answer(self, line: VerdictLine) -> None:
        sent = self._open.pop(_key(line), None)
        if sent is None:
            if self._from_start and not self._gaps:
                self._differ("an answer to a share that was not sent up")
        elif (sent.work, sent.rescued, sent.worker) != (line.work, line.rescued, line.worker):
            self._differ("the answer does not fit what was sent up")
        for sums in self._both(line.route, line.worker):
            sums.answer(line)


def _is_forgotten(line: ShareLine) -> bool:
    """Say whether its job may be one that the proxy remembers no more.

    It knows the jobs of few dead tips, and does not hash shares of the others. That a job was
    dead need not show in the lines: a newer one that nobody sent a share of yet is in none.
    """
    return line.verdict is Reason.UNKNOWN_JOB and not line.hash


_EARLY: Final = frozenset({Reason.BAD_EXTRANONCE, Reason.UNKNOWN_JOB})
"""Verdicts that are given before a job is found to be dead."""


def _key(line: SentLine | VerdictLine) -> Key:
    share = (line.job, line.extranonce, line.ntime, line.nonce, line.version)
    return (line.route, line.source, *share)
