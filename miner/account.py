"""`Account`: what became of each share, counted, and told where it is worth a line."""

from collections.abc import Callable
from typing import Final

from headframe.chain.hashes import hash_to_hex
from headframe.chain.job import Job
from headframe.chain.share import Checked, Reason, Verdict
from headframe.chain.target import work_of
from headframe.runtime.logs import get_logger
from miner.sparing import Sparing
from miner.stats import MinerStats

__all__ = ["Account"]

log = get_logger(__name__)

_ADVICE: Final = {
    Reason.LOW_DIFFICULTY: "the pool wants harder shares than it told us of",
    Reason.UNAUTHORIZED: "check user and password",
    Reason.BAD_VERSION: "the pool does not take rolled versions: try version_mask = 0",
}
"""What to do about a refusal, where there is something."""


class Account:
    """Keeps `MinerStats` about shares.

    Args:
        stats: where it is counted.
        clock: seconds that never go back.
    """

    def __init__(self, stats: MinerStats, clock: Callable[[], float]) -> None:
        self._stats = stats
        self._clock = clock
        self._sparing = Sparing()

    def wrong(self) -> None:
        """Count a nonce that hashlib refuses."""
        self._stats.nonces_wrong += 1

    def dropped(self, cause: str, reason: Reason) -> None:
        """Count a share that is not sent; see `miner.stats.DROPPED`."""
        self._stats.shares_dropped[cause] += 1
        say = log.error if cause == "invalid" else log.debug
        say("share_dropped", cause=cause, reason=str(reason))

    def sent(self, checked: Checked) -> None:
        """Count a share that goes out."""
        self._stats.shares_submitted += 1
        if checked.block:
            self._stats.blocks_found += 1

    def answered(self, job: Job, checked: Checked, verdict: Verdict, seconds: float) -> None:
        """Count a verdict, which took so long."""
        self._stats.share_round_trip.observe(seconds)
        match verdict.reason:
            case Reason.ACCEPTED:
                self._accepted(job, checked)
            case Reason.LOST:
                self._stats.shares_lost += 1
            case Reason.PENDING:
                self._stats.shares_pending += 1
            case _:
                self._rejected(job, checked, verdict)

    def _accepted(self, job: Job, checked: Checked) -> None:
        self._stats.shares_accepted += 1
        self._stats.work_accepted += work_of(job.target)
        if checked.block:
            self._stats.blocks_accepted += 1
            log.info("block_accepted", hash=_hex(checked), pool=job.source)
        else:
            log.debug("share_accepted", pool=job.source)

    def _rejected(self, job: Job, checked: Checked, verdict: Verdict) -> None:
        self._stats.shares_rejected[verdict.reason] += 1
        about = {"pool": job.source, "reason": str(verdict.reason), "words": verdict.detail}
        if checked.block:
            log.error("block_rejected", hash=_hex(checked), **about)
            return
        count = self._sparing.say(verdict.reason, self._clock())
        if count is not None:
            advice = _ADVICE.get(verdict.reason)
            log.warning("share_rejected", count=count, **about, **_given(advice=advice))


def _given(**keys: str | None) -> dict[str, str]:
    return {key: value for key, value in keys.items() if value is not None}


def _hex(checked: Checked) -> str:
    return hash_to_hex(checked.proof.to_bytes(32, "little"))
