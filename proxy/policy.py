"""Choices that a route makes: who answers, what becomes of late shares, what when it is dry."""

from enum import StrEnum

from headframe.chain.job import Job

__all__ = ["Stale", "VerdictBy", "WhenDry", "takes_late"]


class VerdictBy(StrEnum):
    """Who answers a rig's share; the values are those of the setting."""

    LOCAL = "local"
    """The proxy itself, at once."""
    POOL = "pool"
    """The upstream, where the share is one for it; all others the proxy."""


class Stale(StrEnum):
    """What becomes of good shares whose job is dead; the values are those of the setting.

    A block candidate goes up in any case. The policy says whether such a share *counts*:
    whether the rig is told yes, and who finds it is credited.
    """

    REFUSE = "refuse"
    """It is refused; only the block goes up."""
    FORWARD = "forward"
    """It goes up where it meets the upstream's target, and the upstream decides."""
    BLOCK = "block"
    """It goes up, and counts, where it could be a block."""


class WhenDry(StrEnum):
    """What becomes of rigs when no upstream is left; the values are those of the setting."""

    CLOSE = "close"
    """They are cut off, so that they use their own backup."""
    KEEP = "keep"
    """They are shown the last job again and again, and told that their shares are stale."""


def takes_late(policy: Stale, job: Job, proof: int) -> bool:
    """Say whether a share of a dead job counts all the same.

    Args:
        policy: the route's.
        job: the upstream's.
        proof: the share's hash as a number.
    """
    match policy:
        case Stale.REFUSE:
            return False
        case Stale.FORWARD:
            return proof <= job.target
        case Stale.BLOCK:
            return proof <= job.block_target
