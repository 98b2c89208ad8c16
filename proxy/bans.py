"""Who is not let in: addresses and ranges, for a time or for good. Pure: `now` is an argument."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final

__all__ = ["MAX_BANS", "Ban", "Bans"]

MAX_BANS: Final = 10_000
"""Bans for a time that are kept; then the one that ends first gives way."""

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Ban:
    """One row.

    Attributes:
        network: who is banned.
        until: monotonic seconds; infinite: for good.
        why: for people.
        fixed: it stands in the settings, and is lifted there.
    """

    network: Network
    until: float
    why: str
    fixed: bool = False

    @property
    def address(self) -> str:
        """The network as people write it: one address without a width."""
        net = self.network
        return str(net if net.num_addresses > 1 else net.network_address)


class Bans:
    """The list.

    Args:
        fixed: addresses and ranges that are never let in.

    Raises:
        ValueError: one of them is no address or range.
    """

    def __init__(self, fixed: Iterable[str] = ()) -> None:
        self._fixed: tuple[Ban, ...] = ()
        self._single: dict[str, Ban] = {}
        self._ranges: dict[Network, Ban] = {}
        self.fix(fixed)

    def fix(self, fixed: Iterable[str]) -> None:
        """Replace those that are never let in.

        Raises:
            ValueError: one of them is no address or range; nothing has changed then.
        """
        self._fixed = tuple(
            Ban(network=ip_network(text, strict=False), until=math.inf, why="settings", fixed=True)
            for text in fixed
        )

    def add(self, who: str, *, now: float, seconds: float = math.inf, why: str) -> Ban:
        """Ban an address or a range; a ban that it has already is replaced.

        Args:
            who: as people write it.
            now: monotonic seconds.
            seconds: for how long.
            why: for people.

        Raises:
            ValueError: it is no address or range.
        """
        ban = Ban(network=ip_network(who, strict=False), until=now + seconds, why=why)
        if ban.network.num_addresses == 1:
            self._single[ban.address] = ban
        else:
            self._ranges[ban.network] = ban
        self._make_room(now)
        return ban

    def lift(self, who: str) -> bool:
        """Lift a ban that is not of the settings; say whether there was one.

        Raises:
            ValueError: it is no address or range.
        """
        network = ip_network(who, strict=False)
        gone = self._ranges.pop(network, None) or self._single.pop(
            str(network.network_address) if network.num_addresses == 1 else "", None
        )
        return gone is not None

    def find(self, address: str, now: float) -> Ban | None:
        """Look an address up; `None` when it is not banned.

        Args:
            address: without the port; brackets around IPv6 are taken.
            now: monotonic seconds.
        """
        if not (self._single or self._ranges or self._fixed):
            return None  # as nearly always
        try:
            ip = ip_address(address.strip("[]").partition("%")[0])
        except ValueError:
            return None
        single = self._single.get(str(ip))
        if single is not None and single.until > now:
            return single
        for ban in (*self._fixed, *self._ranges.values()):
            if ip in ban.network and ban.until > now:
                return ban
        return None

    def rows(self, now: float) -> Iterator[Ban]:
        """List those that count now: the settings', then the newest last."""
        for ban in (*self._fixed, *self._ranges.values(), *self._single.values()):
            if ban.until > now:
                yield ban

    def _make_room(self, now: float) -> None:
        if len(self._single) + len(self._ranges) <= MAX_BANS:
            return
        self._single = {key: ban for key, ban in self._single.items() if ban.until > now}
        self._ranges = {key: ban for key, ban in self._ranges.items() if ban.until > now}
        if len(self._single) + len(self._ranges) > MAX_BANS and self._single:
            first = min(self._single, key=lambda key: self._single[key].until)
            del self._single[first]
