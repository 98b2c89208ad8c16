"""Who is paid for the blocks found on a node: from settings to output scripts."""

import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from typing import Final, Protocol, runtime_checkable

from headframe.chain.address import script_from_address
from headframe.chain.coinbase import Output
from headframe.chain.errors import AddressError
from headframe.chain.job import Job
from headframe.chain.network import Network
from headframe.chain.payout import WHOLE, Payout, share_out
from headframe.runtime.errors import ConfigError
from headframe.upstream.base import BadUpstreamError

__all__ = [
    "MOST_SHARES",
    "PayTo",
    "Payee",
    "PayeeShare",
    "Payees",
    "Payer",
    "find_payees",
    "parse_shares",
    "payee_of",
]

MOST_SHARES: Final = 50
"""The outputs must fit in the room that nodes leave for a coinbase, and rigs must take it."""
_LONGEST: Final = 90
"""Characters of an address (BIP 173)."""
_WORKER: Final = re.compile("[._]")
"""What stands between an address and a worker's name: neither is in any address."""


class PayTo(StrEnum):
    """Who gets what the configured shares leave; the values are those of the setting."""

    ADDRESS = "address"
    LOGIN = "login"
    LOGIN_OR_ADDRESS = "login-or-address"


@dataclass(frozen=True, slots=True, kw_only=True)
class Payee:
    """Who is paid by an address of its own.

    Attributes:
        address: as it was given.
        script: the output script; the same script is the same payee.
        networks: where that is an address: the testnets share theirs.
    """

    address: str
    script: bytes
    networks: frozenset[Network]


@runtime_checkable
class Payer(Protocol):
    """A source whose jobs may pay whomever one likes."""

    def paying(self, job: Job, payee: Payee) -> Job | None:
        """Make a job that is like one of ours, but pays somebody else.

        Args:
            job: one that the source told of, and not made by this.
            payee: who gets what the job's own payee would get.

        Returns:
            The job, with an id of its own, or the same if it pays them already; `None` when
            the source does not know the one given (any more), or pays nobody.

        Raises:
            AddressError: that is no address of the source's network.
            CoinbaseError: there is no room for it in the block.
        """


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

    def paying(self, payee: Payee) -> "Payees":
        """Pay somebody else what the shares leave."""
        return replace(self, main=payee.script)


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


def payee_of(login: str, network: Network | None = None) -> Payee:
    """Read the address in a rig's user name: `ADDRESS`, or `ADDRESS.worker`.

    Args:
        login: the user name; before a worker, `_` will do as well as `.`.
        network: where the address must belong; `None`: anywhere.

    Raises:
        AddressError: it is none, or not of that network; says why.
    """
    address = _WORKER.split(login.strip(), maxsplit=1)[0]
    wanted = Network.REGTEST if network is None else network
    payee = _payee(address) if len(address) <= _LONGEST else None
    if payee is None or (network is not None and network not in payee.networks):
        script_from_address(address, wanted)  # says what is wrong
    assert payee is not None  # noqa: S101 - or that would have raised
    return payee


@lru_cache(maxsize=1024)
def _payee(address: str) -> Payee | None:
    scripts = {}
    for network in Network:
        with contextlib.suppress(AddressError):
            scripts[network] = script_from_address(address, network)
    if not scripts:
        return None
    return Payee(address=address, script=next(iter(scripts.values())), networks=frozenset(scripts))
