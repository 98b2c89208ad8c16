"""`NodeAccess`: where a node is, and how it lets us in."""

from dataclasses import dataclass, field
from pathlib import Path

from headframe.upstream.node import NodeRpc

__all__ = ["NodeAccess"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeAccess:
    """What it takes to talk to a node; two that are equal reach the same one.

    Attributes:
        url: `http://host:port`, without credentials.
        user: for basic authentication.
        password: likewise; with it, the cookie is not used.
        cookie: the node's cookie file, or `None`.
    """

    url: str
    user: str = ""
    password: str = field(default="", repr=False)
    cookie: Path | None = None

    def connect(self) -> NodeRpc:
        """Make a client; it connects when it is used."""
        cookie = None if self.password else self.cookie
        return NodeRpc(self.url, user=self.user, password=self.password, cookie=cookie)
