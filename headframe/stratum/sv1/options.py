"""What a client says to a pool, and what it wants from it."""

from dataclasses import dataclass

from headframe import __version__
from headframe.chain.job import BIP320_MASK
from headframe.chain.target import Target

__all__ = ["ClientOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOptions:
    """What a client says and wants.

    Attributes:
        user: the worker's name, as the pool knows it.
        password: whatever the pool wants to see there.
        agent: what we call ourselves.
        version_mask: version bits that we would roll; 0 not to negotiate.
        min_bits: version bits that we would like to have at least.
        session: what `Ready.session` said on an earlier connection, or "".
        extranonce_subscribe: take `mining.set_extranonce`.
        ntime_roll_seconds: how far the pool lets a share's time run ahead of its job's;
            7,000 is ckpool's bound, and below every node's.
        suggest_difficulty: the difficulty that we would like to have.
        suggest_target: the same as a target, for pools that know BFGMiner's method.
    """

    user: str
    password: str = "x"  # noqa: S105 # what pools expect where no password matters
    agent: str = f"headframe/{__version__}"
    version_mask: int = BIP320_MASK
    min_bits: int = 2
    session: str = ""
    extranonce_subscribe: bool = True
    ntime_roll_seconds: int = 7000
    suggest_difficulty: float | None = None
    suggest_target: Target | None = None
