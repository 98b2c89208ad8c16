"""The miner's figures as the answers need them. Pure."""

from dataclasses import dataclass

__all__ = ["DeviceFigures", "Figures", "PoolFigures"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolFigures:
    """One pool or node.

    Attributes:
        url: where it is, without credentials.
        user: the account that shares count for; "" for a node.
        condition: "Alive", "Dead" or "Disabled", cgminer's words.
        in_use: its job is the one that is worked on.
        stratum: it speaks Stratum; else it is a node.
        accepted: shares.
        rejected: shares.
        difficulty: of its newest job's shares.
        height: of the block it has work for; 0 where that is not known.
        connects: connections made to it.
    """

    url: str
    user: str
    condition: str
    in_use: bool
    stratum: bool
    accepted: int
    rejected: int
    difficulty: float
    height: int
    connects: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFigures:
    """One device; rates in hashes a second.

    Attributes:
        kind: such as "CPU".
        number: among those of its kind.
        kernel: what it hashes with.
        state: "idle", "hashing" or "failed".
        celsius: its temperature; 0 where it does not tell.
        hashes: done so far.
        solutions: nonces it claimed.
        wrong: of these, refused by hashlib.
    """

    kind: str
    number: int
    kernel: str
    state: str
    celsius: float
    hashes: int
    solutions: int
    wrong: int
    average_hps: float
    rate_5s_hps: float
    rate_1m_hps: float
    rate_15m_hps: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The whole miner; rates in hashes a second.

    Attributes:
        now: seconds since 1970.
        elapsed_seconds: since it started.
        strategy: how pools are used, in cgminer's words.
        hashes: done so far.
        accepted: shares.
        rejected: shares.
        stale: shares found too late, and so not sent.
        discarded: shares not sent for other reasons.
        lost: shares whose connection went before a verdict came.
        wrong: nonces that hashlib refused.
        solutions: nonces that devices claimed.
        difficulty_accepted: of all accepted shares together.
        best_difficulty: of the best share.
        blocks: found.
        jobs: that the upstream told of.
        network_difficulty: what a block needs now; 0 without a job.
        previous_hash: of the newest block, in display order; "" without a job.
    """

    now: int
    elapsed_seconds: float
    strategy: str
    hashes: int
    accepted: int
    rejected: int
    stale: int
    discarded: int
    lost: int
    wrong: int
    solutions: int
    difficulty_accepted: float
    best_difficulty: float
    blocks: int
    jobs: int
    network_difficulty: float
    previous_hash: str
    average_hps: float
    rate_5s_hps: float
    rate_1m_hps: float
    rate_15m_hps: float
    pools: tuple[PoolFigures, ...]
    devices: tuple[DeviceFigures, ...]
