"""A server with some rows of an API, and a client of it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import aiohttp

from headframe.runtime.web import Actions, Served, WebServer

__all__ = ["TOKEN", "operator", "serving_rows"]

TOKEN = "a token of the test"
operator = {"Authorization": f"Bearer {TOKEN}"}


@asynccontextmanager
async def serving_rows(
    rows: Sequence[Served] = (), actions: Actions | None = None
) -> AsyncIterator[aiohttp.ClientSession]:
    """Serve them, the way a program does."""
    server = WebServer(
        "127.0.0.1",
        0,
        status=dict,
        metrics=bytes,
        healthy=lambda: True,
        title="Test",
        endpoints=rows,
        actions=actions,
    )
    async with server, aiohttp.ClientSession(server.url) as session:
        yield session
