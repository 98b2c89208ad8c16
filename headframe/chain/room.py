"""`Room`: what the transactions of a template leave for its coinbase.

Sources: BIP 141 (weight, and the cost of signature checks), BIP 22 and 23 (the limits).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from headframe.chain.coinbase import Output, weight_of
from headframe.chain.errors import CoinbaseError

__all__ = ["Room"]

_SIGOP_COST: Final = 4  # of a check that is in no witness (BIP 141)
_P2PKH_END: Final = b"\x88\xac"


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What is taken of a block before it has a coinbase, and how much there may be.

    Attributes:
        weight: units of header and transactions.
        weight_limit: units of the whole block.
        sigops: cost of the transactions' signature checks.
        sigop_limit: the same of the whole block.
        has_witness: the coinbase has a witness.
    """

    weight: int
    weight_limit: int
    sigops: int
    sigop_limit: int
    has_witness: bool

    def ensure(self, coinbase_size: int, outputs: Sequence[Output]) -> None:
        """Refuse a coinbase that there is no room for.

        Args:
            coinbase_size: bytes of its stripped serialisation.
            outputs: all of them.

        Raises:
            CoinbaseError: it is too large, or has too many checks.
        """
        weight = self.weight + weight_of(coinbase_size, has_witness=self.has_witness)
        if weight > self.weight_limit:
            raise CoinbaseError(
                f"the block would weigh {weight} units, the node allows {self.weight_limit}: pay "
                "fewer outputs, or raise the node's blockreservedweight"
            )
        # Of the scripts that an address stands for, only P2PKH has a check outside a witness.
        own = sum(_SIGOP_COST for output in outputs if output.script.endswith(_P2PKH_END))
        if own + self.sigops > self.sigop_limit:
            raise CoinbaseError(
                f"the block's signature checks would cost {own + self.sigops}, the node allows "
                f"{self.sigop_limit}: pay fewer outputs"
            )
