"""`/api/v1/blocknotify`: another program on this machine hints that there is news.

bitcoind runs a command for each new block (`-blocknotify`), and the simplest command calls
this. A hint makes us look, and is not believed: so it needs no token, only to come from
this machine, and a flood of them costs no more than a few looks.
"""

from collections.abc import Callable
from ipaddress import ip_address

from aiohttp import web

__all__ = ["add_hints"]

_PATH = "/api/v1/blocknotify"


def add_hints(app: web.Application, nudge: Callable[[], int]) -> None:
    """Take hints by GET and by POST; what else is in the request is not read.

    Args:
        app: the server.
        nudge: looks for news soon, however often it is called; tells how many do so.
    """

    async def handle(request: web.Request) -> web.Response:
        if not _is_local(request.remote):
            return web.Response(
                status=403,
                text="blocknotify is for programs on this machine: call it on a loopback "
                "address, or let the node publish hashblock by ZMQ\n",
            )
        asked = nudge()
        if not asked:
            return web.Response(status=503, text="no node is in use that could be asked\n")
        return web.Response(text="ok\n")

    app.router.add_get(_PATH, handle, allow_head=False)
    app.router.add_post(_PATH, handle)


def _is_local(remote: str | None) -> bool:
    try:
        address = ip_address(remote or "")
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
