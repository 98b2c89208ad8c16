"""`Payouts`: whom the rigs of a route are paid to, where that is for their logins to say.

One coinbase pays one rig, so each payee has a job of its own. All rigs with the same output
script share it, and a job of a payee without any rig is never made. How many payees there
may be at once is bounded: each costs a job to make, to encode and to remember.
"""

from collections.abc import Callable
from typing import Final

from headframe.chain.errors import AddressError
from headframe.chain.network import Network
from headframe.upstream.payees import Payee, PayTo, payee_of

__all__ = ["MOST_PAYEES", "PayoutError", "Payouts", "objection_to"]

MOST_PAYEES: Final = 256
"""A new block's jobs for so many take 10 ms to make and encode, beside the first."""


class PayoutError(Exception):
    """A rig cannot be paid as it asks; one line for people."""


class Payouts:
    """The payees of a route, and how many connections each has.

    Args:
        pay_to: says who is paid now.
        network: says which network the upstream is on, as bitcoind calls it; "" while that
            is not known. Then any address will do, and the source refuses it when it must.
        most: payees at once.
    """

    def __init__(
        self,
        pay_to: Callable[[], PayTo],
        network: Callable[[], str],
        *,
        most: int = MOST_PAYEES,
    ) -> None:
        self._pay_to = pay_to
        self._network = network
        self._most = most
        self._connections: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self._connections)

    @property
    def pay_to(self) -> PayTo:
        """Who is paid now."""
        return self._pay_to()

    def claim(self, login: str, before: Payee | None = None) -> Payee | None:
        """Take note that a connection is to be paid to the address that it logs in with.

        Args:
            login: its first user name.
            before: what this returned for the same connection the last time, if anything.

        Returns:
            Its payee, to be released in the end; `None` where the upstream's settings say
            who is paid.

        Raises:
            PayoutError: it cannot be paid; then nothing has changed.
        """
        if before is None and self._pay_to() is PayTo.ADDRESS:
            return None  # as nearly always
        payee = self._read(login)
        if payee is not None and (before is None or payee.script != before.script):
            self._hold(payee)
        elif payee is not None:
            return before
        self.release(before)
        return payee

    def release(self, payee: Payee | None) -> None:
        """Take note that a connection is not there any more, or is to be paid to nobody."""
        if payee is None:
            return
        left = self._connections.get(payee.script, 1) - 1
        if left:
            self._connections[payee.script] = left
        else:
            self._connections.pop(payee.script, None)

    def ensure_same(self, login: str, payee: Payee | None) -> None:
        """Refuse a further worker who would be paid to another address.

        Args:
            login: its user name.
            payee: of its connection.

        Raises:
            PayoutError: all workers of a connection have one job, and that pays another.
        """
        wanted = self._read(login)
        if (None if wanted is None else wanted.script) == (None if payee is None else payee.script):
            return
        paid = "the operator's address" if payee is None else payee.address
        raise PayoutError(
            f"this connection pays {paid}: each further address needs a connection of its own"
        )

    def _read(self, login: str) -> Payee | None:
        network = self._network()
        return _payee(login, self._pay_to(), Network(network) if network else None)

    def _hold(self, payee: Payee) -> None:
        count = self._connections.get(payee.script, 0)
        if not count and len(self._connections) >= self._most:
            raise PayoutError(
                f"rigs here are paid to {self._most} addresses already, which is as many as may be"
            )
        self._connections[payee.script] = count + 1


def objection_to(login: str, pay_to: PayTo) -> str:
    """Say why a rig with this user name could not be paid on any network; "" if it could."""
    try:
        _payee(login, pay_to, None)
    except PayoutError as error:
        return str(error)
    return ""


def _payee(login: str, pay_to: PayTo, network: Network | None) -> Payee | None:
    if pay_to is PayTo.ADDRESS:
        return None
    try:
        return payee_of(login, network)
    except AddressError as error:
        if pay_to is PayTo.LOGIN_OR_ADDRESS:
            return None
        raise PayoutError(
            f"the user name must be the address to be paid to, and a worker after a dot: {error}"
        ) from None
