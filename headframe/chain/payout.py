"""How the value of a block is shared out among several who are paid for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from headframe.chain.coinbase import Output
from headframe.chain.errors import CoinbaseError

__all__ = ["WHOLE", "Payout", "share_out"]

WHOLE: Final = 10_000
"""Basis points of the whole: 100 for each percent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Payout:
    """Somebody's share of a block.

    Attributes:
        script: the output script.
        basis_points: of the block's value.

    Raises:
        CoinbaseError: the share is not in 1 .. 10,000.
    """

    script: bytes
    basis_points: int

    def __post_init__(self) -> None:
        if not 1 <= self.basis_points <= WHOLE:
            raise CoinbaseError(
                f"a share of {self.basis_points} basis points is not in 1 .. {WHOLE}"
            )


def share_out(value: int, main: bytes, payouts: Sequence[Payout] = ()) -> tuple[Output, ...]:
    """Make the outputs of a block's value.

    Each share is rounded down; what is left, the satoshi of rounding included, goes to the
    main script, so that nothing of the value is lost. Outputs of nothing are left out, but
    for the main one where there is no other.

    Args:
        value: satoshi of subsidy and fees.
        main: script of who gets the rest; its output comes first.
        payouts: the shares of others.

    Raises:
        CoinbaseError: the shares are more than the whole.
    """
    shared = sum(payout.basis_points for payout in payouts)
    if shared > WHOLE:
        raise CoinbaseError(f"the shares of a block add up to {shared} of {WHOLE} basis points")
    shares = [
        Output(value=value * payout.basis_points // WHOLE, script=payout.script)
        for payout in payouts
    ]
    rest = Output(value=value - sum(share.value for share in shares), script=main)
    paid = tuple(output for output in (rest, *shares) if output.value)
    return paid or (rest,)
