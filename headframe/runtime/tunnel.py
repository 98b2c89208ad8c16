"""`Tunnel`: connections through a SOCKS5 or an HTTP (CONNECT) proxy.

Names are always resolved by the proxy, so that none is looked up outside of it.
"""

import socket
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote, urlsplit

from headframe.runtime.errors import ConfigError, DialError
from headframe.runtime.logs import redact_url

__all__ = ["Tunnel", "open_through", "parse_tunnel"]

_PORTS: Final = {"socks5": 1080, "http": 8080}
_OTHER_NAMES: Final = {"socks5h": "socks5", "socks": "socks5"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tunnel:
    """A proxy to connect through.

    Attributes:
        scheme: "socks5" or "http".
        host: a name or an address, without brackets.
        port: 1 to 65535.
        user: "" for none.
        password: likewise.
    """

    scheme: str
    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)

    @property
    def place(self) -> str:
        """The host and port, with brackets around an IPv6 address."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_tunnel(url: str) -> Tunnel:
    """Read `socks5://[user:password@]host[:port]`, or the same with http.

    Raises:
        ConfigError: it is none of these.
    """
    shown = redact_url(url)
    scheme, _, rest = url.strip().partition("://")
    scheme = _OTHER_NAMES.get(scheme.lower(), scheme.lower())
    if scheme not in _PORTS:
        raise ConfigError(
            f"proxy {shown!r} is of no kind known here: write socks5://host:port or http://host:port"
        )
    try:
        parts = urlsplit(f"//{rest}")
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise ConfigError(
            f"proxy {shown!r} cannot be read ({error}): write {scheme}://host:port"
        ) from None
    if not host or parts.path not in {"", "/"} or parts.query or port == 0:
        raise ConfigError(f"proxy {shown!r} is no place: write {scheme}://host:port")
    return Tunnel(
        scheme=scheme,
        host=host,
        port=port or _PORTS[scheme],
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )


async def open_through(tunnel: Tunnel, host: str, port: int) -> socket.socket:
    """Connect to a peer through a proxy; takes no longer than its caller lets it.

    Returns:
        A connected socket that does not block; the caller's to close.

    Raises:
        DialError: the proxy cannot be reached, refuses us, or cannot reach the peer.
    """
    from python_socks import ProxyConnectionError, ProxyError, ProxyTimeoutError, ProxyType
    from python_socks.async_.asyncio import Proxy

    proxy = Proxy.create(
        proxy_type=ProxyType.SOCKS5 if tunnel.scheme == "socks5" else ProxyType.HTTP,
        host=tunnel.host,
        port=tunnel.port,
        username=tunnel.user or None,
        password=tunnel.password or None,
        rdns=True,
    )
    try:
        return await proxy.connect(host, port)
    except (ProxyConnectionError, ProxyTimeoutError):
        raise DialError(
            f"the proxy {tunnel.place} cannot be reached: check its address, and that it runs"
        ) from None
    except (ProxyError, OSError, EOFError) as error:
        peer = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        raise DialError(
            f"the proxy {tunnel.place} does not connect us to {peer}: {_one_line(error)}"
        ) from None


def _one_line(error: Exception) -> str:
    """Make what a proxy said fit for a log."""
    text = "".join(each if each.isprintable() else " " for each in str(error))
    return text.strip()[:200] or type(error).__name__
