"""How to mine on a node: what `GbtSource` is told."""

from dataclasses import dataclass
from typing import Final

from headframe.chain.job import BIP320_MASK
from headframe.chain.merkle import PathMaker, first_leaf_path
from headframe.upstream.pace import EASIEST_WORK
from headframe.upstream.payees import PayeeShare

__all__ = ["DEFAULT_PACE_SECONDS", "GbtOptions"]

DEFAULT_PACE_SECONDS: Final = 10.0
"""Time between blocks on chains that nobody else paces."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GbtOptions:
    """How to mine on a node.

    Attributes:
        address: who is paid; checked against the node's network.
        shares: others who are paid, too; `address` gets what they leave.
        tag: text for the coinbase.
        extranonce_size: free bytes for the miners.
        pace_seconds: time between blocks; 0 for none, `None` for the chain's default.
        easiest_work: fewest hashes per block that the pace asks for.
        version_mask: bits that may be rolled.
        allow_mainnet: mine on mainnet, too.
        hold_seconds: how long the last job is worked on while templates are wrong.
        refresh_seconds: time between two jobs on one tip.
        poll_seconds: time between two looks at the tip.
        trouble_seconds: time between two tries while templates cannot be used.
        empty_after_seconds: how long a new tip's template may take before a job without
            transactions goes out; 0 for never.
        fee_gain_percent: by how much of a block's value fees must have risen for a new
            template before its time; 0 for never.
        fee_look_seconds: time between two looks at the fees.
        zmq: where the node publishes `hashblock`; "" to ask it, `NO_ZMQ` for not at all.
        path: how merkle paths are made.
    """

    address: str
    shares: tuple[PayeeShare, ...] = ()
    tag: str = "/headframe/"
    extranonce_size: int = 8
    pace_seconds: float | None = None
    easiest_work: int = EASIEST_WORK
    version_mask: int = BIP320_MASK
    allow_mainnet: bool = False
    hold_seconds: float = 60.0
    refresh_seconds: float = 30.0
    poll_seconds: float = 1.0
    trouble_seconds: float = 5.0
    empty_after_seconds: float = 0.0
    fee_gain_percent: float = 0.0
    fee_look_seconds: float = 6.5
    zmq: str = ""
    path: PathMaker = first_leaf_path
