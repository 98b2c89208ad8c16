"""`Candidates`: shares for a pool that are blocks, and that could not be sent to it.

Only the pool has the rest of the block, so all we can do is to keep the share, and to send
it as soon as the pool offers the very same work again, as it does when it resumes our
session. Once the chain has moved on that is over. What is needed to build the block from a
node's copy of the transactions is in the log and in the journal at once, for people.

On chains that are easier than the pool's shares every share would be a block. There the
pool alone knows which one counts, and lost shares are lost shares.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from headframe.chain.hashes import hash_to_hex
from headframe.chain.job import Job, JobId, SourceId, SplitCoinbase
from headframe.chain.share import Reason, Share, Verdict, header_of, proof_of
from headframe.runtime.logs import get_logger
from headframe.upstream.blocks import BlockEventKind, BlockFeed
from headframe.upstream.journal import Journal
from headframe.upstream.journal_lines import BlockRecord, CandidateLine

__all__ = ["KEPT", "Candidate", "Candidates"]

_log = get_logger(__name__)

_JOBS: Final = 256
"""Jobs of the pool that are remembered: hours of them."""
_MOST: Final = 64

KEPT: Final = Verdict(
    reason=Reason.PENDING,
    detail="the share is a block: it is kept, and sent if the pool offers its job again",
    block=True,
)
"""What whoever sent such a share is told."""


@dataclass(slots=True, eq=False)
class Candidate:
    """A share that waits for its pool.

    Attributes:
        share: as an answer to `job`.
        worker: the name it counts for; `None` for ours.
        job: the work it is for.
        record: what is told of it.
        sent: it is with the pool, and an answer may come.
    """

    share: Share
    worker: str | None
    job: Job
    record: BlockRecord
    sent: bool = False


class Candidates:
    """Those of one pool, the oldest given up first where there are too many.

    Args:
        source: the pool.
        journal: where their data is written down.
        feed: told what becomes of them.
        wall: the present, in seconds since 1970.
    """

    def __init__(
        self, source: SourceId, journal: Journal, *, feed: BlockFeed, wall: Callable[[], int]
    ) -> None:
        self._source = source
        self._journal = journal
        self._feed = feed
        self._wall = wall
        self._jobs: dict[JobId, Job] = {}
        self._kept: dict[bytes, Candidate] = {}

    def remember(self, job: Job) -> None:
        """Take note of a job: its shares may have to be kept."""
        self._jobs[job.id] = job
        if len(self._jobs) > _JOBS:
            del self._jobs[next(iter(self._jobs))]

    def generation_of(self, job_id: JobId) -> int | None:
        """Look up a job's generation; `None` for one that is not remembered."""
        job = self._jobs.get(job_id)
        return None if job is None else job.generation

    def keep(self, share: Share, worker: str | None) -> bool:
        """Keep a share that could not be sent, if it is a block; tell whether it is."""
        job = self._jobs.get(share.job_id)
        if job is None or len(share.extranonce) != job.extranonce_size:
            return False
        proof = proof_of(job, share)
        if proof > job.block_target or job.block_target == job.target:
            return False
        block_hash = proof.to_bytes(32, "little")
        if block_hash in self._kept:
            return True
        record = BlockRecord(
            hash=block_hash,
            height=job.height or 0,
            source=self._source,
            found_at=self._wall(),
        )
        self._kept[block_hash] = candidate = Candidate(share, worker, job, record)
        self._write_down(candidate)
        self._feed.stats.block_candidates_kept += 1
        self._feed.tell(BlockEventKind.FOUND, record)
        if len(self._kept) > _MOST:
            self._give_up(next(iter(self._kept.values())), "too many wait")
        return True

    def due(self, job: Job) -> Iterator[Candidate]:
        """Take out what can be sent now that the pool offers this job, as answers to it.

        What is for another block than the pool works on now is given up.
        """
        for candidate in [*self._kept.values()]:
            if candidate.sent:
                continue
            if _is_same_work(candidate, job):
                candidate.sent = True
                candidate.share = replace(candidate.share, job_id=job.id)
                yield candidate
            elif candidate.job.prev_hash != job.prev_hash:
                self._give_up(candidate, "the pool works on another block by now")

    def answered(self, candidate: Candidate, verdict: Verdict) -> None:
        """Take the pool's answer to a candidate that was sent after all."""
        if verdict.reason is Reason.LOST:  # once more; it waits on
            candidate.sent = False
            return
        if verdict.reason is Reason.DUPLICATE:  # only the answer had been lost
            verdict = Verdict(reason=Reason.ACCEPTED, detail=verdict.detail)
        self._kept.pop(candidate.record.hash, None)
        self._feed.stats.block_candidates_resent += 1
        record = candidate.record.judged(verdict, self._source)
        accepted = verdict.reason is Reason.ACCEPTED
        say = _log.info if accepted else _log.error
        say(
            "block_candidate_sent_late",
            reason=verdict.reason.value,
            pool_says=verdict.detail,
            **_facts(candidate),
        )
        self._feed.tell(BlockEventKind.ACCEPTED if accepted else BlockEventKind.REFUSED, record)

    def _write_down(self, candidate: Candidate) -> None:
        job, share = candidate.job, candidate.share
        commitment = job.commitment
        line = CandidateLine(
            hash=hash_to_hex(candidate.record.hash),
            source=self._source,
            time=self._wall(),
            header=header_of(job, share).hex(),
            coinbase="",
            path=[],
        )
        if isinstance(commitment, SplitCoinbase):
            coinbase = commitment.prefix + share.extranonce + commitment.suffix
            line.coinbase = coinbase.hex()
            line.path = [each.hex() for each in commitment.path]
        self._journal.candidate(line)
        _log.error(
            "block_candidate_not_sent",
            worker=candidate.worker,
            header=line.header,
            coinbase=line.coinbase,
            path=line.path,
            what_to_do="it is sent if the pool offers the same job again; else give this data to "
            "the pool's operator, soon",
            **_facts(candidate),
        )

    def _give_up(self, candidate: Candidate, why: str) -> None:
        del self._kept[candidate.record.hash]
        _log.error(
            "block_candidate_lost",
            why=why,
            what_to_do="its data is in the journal; the pool's operator may still use it",
            path=str(self._journal.path),
            **_facts(candidate),
        )
        verdict = Verdict(reason=Reason.LOST, detail=why)
        self._feed.tell(BlockEventKind.LOST, candidate.record.judged(verdict, ""))


def _is_same_work(candidate: Candidate, job: Job) -> bool:
    """Tell whether a candidate, answered to this job, is the same header."""
    known = candidate.job
    return (
        job.prev_hash == known.prev_hash
        and job.nbits == known.nbits
        and job.commitment == known.commitment
        and not (candidate.share.version ^ job.version) & ~job.version_mask
    )


def _facts(candidate: Candidate) -> dict[str, object]:
    record = candidate.record
    return {
        "source": record.source,
        "height": record.height,
        "hash": hash_to_hex(record.hash),
    }
