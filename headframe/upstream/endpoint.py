"""URLs of upstreams: `scheme://[user[:password]@]host[:port]`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

from headframe.runtime.errors import ConfigError
from headframe.runtime.logs import redact_url

__all__ = ["Endpoint", "parse_url"]

_OTHER_NAMES: Final = {
    "stratum": "stratum+tcp",
    "tcp": "stratum+tcp",
    "stratum1+tcp": "stratum+tcp",
    "stratum+tcps": "stratum+ssl",
    "stratum+tls": "stratum+ssl",
    "stratum1+ssl": "stratum+ssl",
    "ssl": "stratum+ssl",
    "tls": "stratum+ssl",
    "http": "bitcoind+http",
    "bitcoind": "bitcoind+http",
    "bitcoin+http": "bitcoind+http",
    "rpc": "bitcoind+http",
}
"""What other programs call them; a guess by spelling alone could lose the TLS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A URL, taken apart.

    Attributes:
        scheme: which kind of upstream.
        host: a name or an address, without brackets.
        port: 1 to 65535.
        user: from the URL, unquoted, or "".
        password: likewise.
    """

    scheme: str
    host: str
    port: int
    user: str = ""
    password: str = ""

    @property
    def place(self) -> str:
        """The host and port, with brackets around an IPv6 address."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """The URL without credentials."""
        return f"{self.scheme}://{self.place}"


def parse_url(url: str, default_ports: Mapping[str, int]) -> Endpoint:
    """Take the URL of an upstream apart.

    Args:
        url: as the user gave it.
        default_ports: the schemes there are, each with the port of a URL that has none;
            0: it must have one.

    Raises:
        ConfigError: no such scheme, no host, no usable port, or something behind the port.
    """
    shown = redact_url(url)
    scheme, mark, rest = url.strip().partition("://")
    if not mark:
        raise ConfigError(
            f"url {shown!r} has no scheme: write one of {_list(default_ports)} in front, as in "
            f"stratum+tcp://{shown or 'host:3333'}"
        )
    scheme = scheme.lower()
    if scheme not in default_ports:
        raise ConfigError(f"url {shown!r}: {_unknown(scheme, default_ports)}")
    try:
        parts = urlsplit(f"//{rest}")
        host, port = parts.hostname or "", parts.port
    except ValueError:  # its text may hold a piece of the password
        raise ConfigError(
            f"url {shown!r} cannot be read: write {scheme}://host:port, with a port up to 65535, "
            "and / : @ in a user or password as %2F %3A %40"
        ) from None
    if not host:
        raise ConfigError(f"url {shown!r} names no host: write {scheme}://host:port")
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise ConfigError(
            f"url {shown!r} has something behind the port: write {scheme}://host:port"
        )
    if port is None:
        port = default_ports[scheme]
    if not port:
        raise ConfigError(f"url {shown!r} has no port: write {scheme}://host:port")
    return Endpoint(
        scheme=scheme,
        host=host,
        port=port,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )


def _unknown(scheme: str, known: Mapping[str, int]) -> str:
    guess = _OTHER_NAMES.get(scheme)
    if guess not in known:
        import difflib  # here alone: few URLs are wrong, and it is large

        near = difflib.get_close_matches(scheme, known, n=1)
        guess = near[0] if near else None
    hint = f"; did you mean {guess}?" if guess else ""
    return f"no scheme {scheme!r}, there are {_list(known)}{hint}"


def _list(names: Mapping[str, int]) -> str:
    return ", ".join(names)
