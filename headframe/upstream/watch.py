"""`Watch`: when a pool that still holds its connection is no pool any more.

Pure: told what happens and when, in monotonic seconds. It judges four things: the
handshake and the first job, bytes of any kind, jobs, and answers to shares.
"""

from dataclasses import dataclass

from headframe.chain.share import Reason, Verdict
from headframe.stratum.events import Ticket

__all__ = ["Limits", "Watch"]

_NO_VERDICT = frozenset({Reason.LOST, Reason.PENDING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long to wait for a pool.

    Attributes:
        dial_seconds: for look-up, connection and TLS together.
        handshake_seconds: for subscribe and authorize, and the first job.
        silence_seconds: a connection without a byte for so long is dead; pools send a job
            every minute at least.
        job_seconds: a pool without a job for so long, be it a repeated one, is mute.
        answer_seconds: a pool that owes the answer to a share for so long is mute.
        rejects: shares refused in a row, without one accepted, that make a pool useless.
        rejects_seconds: for how long it must have refused everything, too; a new block can
            make many shares stale at once.
    """

    dial_seconds: float = 10.0
    handshake_seconds: float = 30.0
    silence_seconds: float = 180.0
    job_seconds: float = 300.0
    answer_seconds: float = 60.0
    rejects: int = 20
    rejects_seconds: float = 30.0


class Watch:
    """Watches one connection.

    Args:
        limits: how long to wait for what.
        now: when the connection was begun.

    Attributes:
        answer_seconds: how long the answer took that came last; `None` before one.
    """

    def __init__(self, limits: Limits, now: float) -> None:
        self._limits = limits
        self._made_at = self._heard_at = now
        self._job_at: float | None = None
        self._ready = False
        self.answer_seconds: float | None = None
        self._sent: dict[Ticket, float] = {}  # oldest first
        self._refused = 0  # in a row
        self._refused_since = now

    @property
    def shortest_seconds(self) -> float:
        """How far off a deadline is at least that begins now."""
        limits = self._limits
        return min(limits.silence_seconds, limits.job_seconds, limits.answer_seconds)

    def on_bytes(self, now: float) -> None:
        """Take note of bytes, whatever they are."""
        self._heard_at = now

    def on_ready(self) -> None:
        """Take note that the pool let us in."""
        self._ready = True

    def on_job(self, now: float) -> None:
        """Take note of a job, new or repeated."""
        self._job_at = now

    def on_sent(self, ticket: Ticket, now: float) -> None:
        """Take note of a share."""
        self._sent[ticket] = now

    def on_answer(self, ticket: Ticket, verdict: Verdict, *, counts: bool, now: float) -> str:
        """Take note of the answer to a share.

        Args:
            ticket: of the share.
            verdict: what the pool said.
            counts: a refusal may be the pool's fault, not that of a name.
            now: the present.

        Returns:
            Why the pool is to be given up, or "".
        """
        sent_at = self._sent.pop(ticket, None)
        if sent_at is not None:
            self.answer_seconds = now - sent_at
        if verdict.reason is Reason.ACCEPTED:
            self._refused = 0
        elif counts and verdict.reason not in _NO_VERDICT:
            if not self._refused:
                self._refused_since = now
            self._refused += 1
            limits = self._limits
            if self._refused >= limits.rejects:
                lasted = now - self._refused_since
                if lasted >= limits.rejects_seconds:
                    return (
                        f"refused {limits.rejects} shares in a row, and none was accepted (the "
                        f"last: {verdict.reason.value}): check the user and the pool's chain"
                    )
        return ""

    def due(self) -> tuple[float, str]:
        """Tell when the pool is to be given up if nothing else happens, and why.

        Ask again after everything that happens, or `shortest_seconds` later.
        """
        limits = self._limits
        found = [
            (
                self._heard_at + limits.silence_seconds,
                f"has sent nothing for {limits.silence_seconds:g} s: the connection is dead",
            )
        ]
        if not self._ready:
            found.append(
                (
                    self._made_at + limits.handshake_seconds,
                    f"did not let us in within {limits.handshake_seconds:g} s: is it a "
                    "Stratum V1 pool?",
                )
            )
        elif self._job_at is None:
            found.append(
                (
                    self._made_at + limits.handshake_seconds,
                    f"let us in, but gave no job within {limits.handshake_seconds:g} s",
                )
            )
        else:
            found.append(
                (
                    self._job_at + limits.job_seconds,
                    f"has sent no job for {limits.job_seconds:g} s: it is mute",
                )
            )
        if self._sent:
            found.append(
                (
                    next(iter(self._sent.values())) + limits.answer_seconds,
                    f"has not answered a share for {limits.answer_seconds:g} s: it is mute",
                )
            )
        return min(found)
