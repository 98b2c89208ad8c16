"""`Reason` to error code and text, and back.

Codes 20 to 25 are those of the first Stratum documentation, -3 is "method not found".
Outgoing, `CODES` is total: one row per reason. Incoming, pools use few codes and many
texts, so the text is looked at first, by fragments, then the code.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from headframe.chain.share import Reason, Verdict
from headframe.stratum.sv1.dialect import printable

__all__ = [
    "CODES",
    "METHOD_NOT_FOUND",
    "TRUE",
    "deny",
    "encode_error",
    "encode_verdict",
    "reason_of",
]

CODES: Final[Mapping[Reason, tuple[int, str] | None]] = {
    Reason.ACCEPTED: None,
    Reason.STALE: (21, "Stale share"),
    Reason.UNKNOWN_JOB: (21, "Job not found"),
    Reason.DUPLICATE: (22, "Duplicate share"),
    Reason.LOW_DIFFICULTY: (23, "Low difficulty share"),
    Reason.BAD_EXTRANONCE: (20, "Incorrect size of extranonce2"),
    Reason.BAD_NTIME: (20, "Ntime out of range"),
    Reason.BAD_VERSION: (20, "Invalid version bits"),
    Reason.UNAUTHORIZED: (24, "Unauthorized worker"),
    Reason.NOT_SUBSCRIBED: (25, "Not subscribed"),
    Reason.MALFORMED: (20, "Malformed request"),
    Reason.LOST: (20, "Upstream connection lost"),
    Reason.PENDING: (20, "Verdict pending"),
    Reason.OTHER: (20, "Other/Unknown"),
}
"""What a server says for each reason; `None` is result true."""

_FRAGMENTS: Final = (
    # ckpool's and NSP's words for parts that are missing or have the wrong size
    ("nonce2 length", Reason.BAD_EXTRANONCE),
    ("size of extranonce2", Reason.BAD_EXTRANONCE),
    ("size of n", Reason.MALFORMED),
    ("no nonce", Reason.MALFORMED),
    ("no ntime", Reason.MALFORMED),
    ("no job_id", Reason.MALFORMED),
    ("no username", Reason.MALFORMED),
    ("array", Reason.MALFORMED),
    ("malformed", Reason.MALFORMED),
    ("unknown-work", Reason.MALFORMED),  # DATUM, for anything it cannot read
    ("duplicate", Reason.DUPLICATE),
    ("stale", Reason.STALE),  # before "job not found": btcpool has both in one text
    ("jobid", Reason.UNKNOWN_JOB),
    ("job not found", Reason.UNKNOWN_JOB),
    ("ntime", Reason.BAD_NTIME),
    ("time-too", Reason.BAD_NTIME),  # DATUM
    ("time too", Reason.BAD_NTIME),  # btcpool
    ("version", Reason.BAD_VERSION),  # DATUM sends it with code 23
    ("low difficulty", Reason.LOW_DIFFICULTY),
    ("too low", Reason.LOW_DIFFICULTY),  # public-pool
    ("above target", Reason.LOW_DIFFICULTY),  # ckpool, older
    ("below minimum difficulty", Reason.LOW_DIFFICULTY),  # ckpool, newer
    ("high-hash", Reason.LOW_DIFFICULTY),  # DATUM
    ("h-not-zero", Reason.LOW_DIFFICULTY),  # DATUM
    ("unauthorized", Reason.UNAUTHORIZED),
    ("worker mismatch", Reason.UNAUTHORIZED),  # ckpool
    ("not subscribed", Reason.NOT_SUBSCRIBED),
    ("connection lost", Reason.LOST),
    ("pending", Reason.PENDING),
)
"""What the texts of refusals contain, in lower case; the first that fits counts."""

_BY_CODE: Final[Mapping[int, Reason]] = {
    21: Reason.UNKNOWN_JOB,
    22: Reason.DUPLICATE,
    23: Reason.LOW_DIFFICULTY,
    24: Reason.UNAUTHORIZED,
    25: Reason.NOT_SUBSCRIBED,
    # btcpool goes on from here
    27: Reason.MALFORMED,
    29: Reason.UNAUTHORIZED,
    31: Reason.BAD_NTIME,
    32: Reason.BAD_NTIME,
    33: Reason.BAD_VERSION,
    36: Reason.UNKNOWN_JOB,
    37: Reason.STALE,
}

TRUE: Final = b'"result":true,"error":null'
"""The rest of an answer, after its id, that says yes."""


def encode_error(code: int, text: str) -> bytes:
    """Write the rest of an answer, after its id, that says no.

    The array of three is the one shape that every miner understands.
    """
    return b'"result":null,"error":%b' % msgspec.json.encode((code, text, None))


METHOD_NOT_FOUND: Final = encode_error(-3, "Method not found")
_BODIES: Final[Mapping[Reason, bytes]] = {
    reason: TRUE if error is None else encode_error(*error) for reason, error in CODES.items()
}


def encode_verdict(verdict: Verdict) -> bytes:
    """Write the rest of an answer to a share, after its id.

    The words of an upstream travel on only where our list has none for the reason.
    """
    if verdict.reason is Reason.OTHER and verdict.detail:
        return encode_error(20, printable(verdict.detail))
    return _BODIES[verdict.reason]


def deny(why: str) -> bytes:
    """Write the rest of the answer to a worker that is not let in.

    Args:
        why: for people; "" to say no more than that.
    """
    if not why:
        return _BODIES[Reason.UNAUTHORIZED]
    return encode_error(24, f"Unauthorized worker: {why}")


def reason_of(code: int | None, text: str) -> Reason:
    """Understand a refusal.

    Args:
        code: the number that came with it, if one did.
        text: the pool's words, or "".
    """
    words = text.casefold()
    for fragment, reason in _FRAGMENTS:
        if fragment in words:
            return reason
    return Reason.OTHER if code is None else _BY_CODE.get(code, Reason.OTHER)
