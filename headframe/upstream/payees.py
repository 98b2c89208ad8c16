"""Who is paid for the blocks found on a node: from settings to output scripts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from headframe.chain.address import script_from_address
from headframe.chain.coinbase import Output
from headframe.chain.errors import AddressError
from headframe.chain.network import Network
from headframe.chain.payout import WHOLE, Payout, share_out
from headframe.runtime.errors import ConfigError
from headframe.upstream.base import BadUpstreamError

__all__ = ["MOST_SHARES", "PayeeShare", "Payees", "find_payees", "parse_shares"]

MOST_SHARES: Final = 50
"""The outputs must fit in the room that nodes leave for a coinbase, and rigs must take it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PayeeShare:
    """A share of each block, as it is configured.

    Attributes:
        address: who gets it.
        basis_points: of the block's value.
    """

    address: str
    basis_points: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Payees:
    """Who is paid, on a network that is known.

    Attributes:
        main: output script of who gets what the others do not.
        shares: the others.
    """

    main: bytes
    shares: tuple[Payout, ...] = ()

    def outputs(self, value: int) -> tuple[Output, ...]:
        """Share out a block's value, in satoshi."""
        return share_out(value, self.main, self.shares)


def parse_shares(texts: Sequence[str]) -> tuple[PayeeShare, ...]:
    """Read shares that are written as `address=basis points`.

    Raises:
        ConfigError: one of them makes no sense, or they are too many or too much.
    """
    shares = tuple(_parse_share(text) for text in texts)
    total = sum(share.basis_points for share in shares)
    if total > WHOLE:
        raise ConfigError(
            f"the payouts add up to {total} basis points, and a block has {WHOLE}: make them less"
        )
    if len(shares) > MOST_SHARES:
        raise ConfigError(f"there are {len(shares)} payouts: {MOST_SHARES} at most fit in a block")
    return shares


def _parse_share(text: str) -> PayeeShare:
    address, _, number = text.partition("=")
    points = int(number) if number.strip().isascii() and number.strip().isdigit() else 0
    if not address.strip() or not 1 <= points <= WHOLE:
        raise ConfigError(
            f"payout {text!r} should be an address and its share in basis points, 1 to {WHOLE}, as "
            "in bcrt1...=150 for 1.5 percent"
        )
    return PayeeShare(address=address.strip(), basis_points=points)


def find_payees(
    address: str, shares: Sequence[PayeeShare], network: Network, *, source: str
) -> Payees:
    """Turn addresses into scripts, on the node's network.

    Raises:
        BadUpstreamError: one of them is no address there.
    """
    try:
        return Payees(
            main=script_from_address(address, network),
            shares=tuple(
                Payout(
                    script=script_from_address(share.address, network),
                    basis_points=share.basis_points,
                )
                for share in shares
            ),
        )
    except AddressError as error:
        raise BadUpstreamError(f"{source}: the payout address cannot be used: {error}") from error
