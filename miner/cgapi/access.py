"""Who may ask, and who may change things: by the networks that clients come from. Pure."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from headframe.runtime.errors import ConfigError

__all__ = ["Access", "Right"]

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Right(IntEnum):
    """What a client may do; each right includes the smaller ones."""

    NOTHING = 0
    READ = 1
    WRITE = 2


@dataclass(frozen=True, slots=True)
class Access:
    """The networks that may read, and those that may also change things.

    Attributes:
        read: may ask what the miner does.
        write: may do that, and use the privileged commands.
    """

    read: tuple[Network, ...] = ()
    write: tuple[Network, ...] = ()

    @classmethod
    def of(cls, read: Iterable[str], write: Iterable[str]) -> "Access":
        """Make it of addresses and networks such as 192.168.0.7, 10.0.0.0/8, ::1.

        Raises:
            ConfigError: one is neither; names its setting.
        """
        return cls(
            tuple(_network(each, "api.read") for each in read),
            tuple(_network(each, "api.write") for each in write),
        )

    def right_of(self, host: str) -> Right:
        """Say what a client may do.

        Args:
            host: its address as the socket tells it, without a port.
        """
        try:
            address = ipaddress.ip_address(host.partition("%")[0])  # without an interface
        except ValueError:
            return Right.NOTHING
        # A socket for both families tells of IPv4 clients so.
        mapped = getattr(address, "ipv4_mapped", None) or address
        if any(mapped in network for network in self.write):
            return Right.WRITE
        if any(mapped in network for network in self.read):
            return Right.READ
        return Right.NOTHING


def _network(text: str, key: str) -> Network:
    try:
        return ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        raise ConfigError(
            f"{key}: {text!r} is no address or network: write 192.168.0.7, 10.0.0.0/8 or ::1"
        ) from None
