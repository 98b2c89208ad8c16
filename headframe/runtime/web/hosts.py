"""Which names this server answers to: the guard against DNS rebinding.

A page of a stranger can point a name of its own at 127.0.0.1, and then read what is
served there as if it were its own. The browser still sends that name in `Host`. Such a
name is a public one, so it has a dot in it and is not an address; all others are safe.
"""

import ipaddress
from collections.abc import Iterable

__all__ = ["HostGuard", "host_of"]

ANY = "*"


class HostGuard:
    """Decides by the `Host` header whether a request is meant for this server.

    Args:
        bound: the address or name listened on.
        allowed: further names, such as that of a reverse proxy; `*` for any.
    """

    def __init__(self, bound: str, allowed: Iterable[str] = ()) -> None:
        self._names = frozenset(name.lower().rstrip(".") for name in (bound, *allowed) if name)

    def allows(self, header: str) -> bool:
        """Tell whether a request with this `Host` header is to be answered."""
        host = host_of(header)
        if ANY in self._names or host in self._names:
            return True
        return bool(host) and ("." not in host or host.endswith(".localhost") or _is_address(host))


def host_of(header: str) -> str:
    """Return the host of a `Host` header, in lower case, without port and brackets."""
    text = header.strip().lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0].rstrip(".")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
