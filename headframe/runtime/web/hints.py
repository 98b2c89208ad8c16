"""`/api/v1/blocknotify`: another program on this machine hints that there is news.

bitcoind runs a command for each new block (`-blocknotify`), and the simplest command calls
this. A hint makes us look, and is not believed: so it needs no token, only to come from
this machine, and a flood of them costs no more than a few looks.
"""

from collections.abc import Callable
from ipaddress import ip_address

from headframe.runtime.http import web
from headframe.runtime.web.endpoints import Handler
from headframe.runtime.web.problems import Problem

__all__ = ["hinted"]


def hinted(nudge: Callable[[], int]) -> Handler:
    """Make what takes hints; what else is in the request is not read.

    Args:
        nudge: looks for news soon, however often it is called; tells how many do so.
    """

    async def handle(request: web.Request, _asked: None) -> web.Response:
        if not _is_local(request.remote):
            raise Problem(
                403,
                "blocknotify is for programs on this machine",
                "call it on a loopback address, or let the node publish hashblock by ZMQ",
            )
        if not nudge():
            raise Problem(503, "no node is in use that could be asked", "see /api/v1/status")
        return web.Response(text="ok\n")

    return handle


def _is_local(remote: str | None) -> bool:
    try:
        address = ip_address(remote or "")
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
