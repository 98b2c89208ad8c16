"""The HTTP side of the RPC: where it listens, and who may call (the cookie, as bitcoind has it)."""

import asyncio
import base64
import hmac
import os
import secrets
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from headframe.node.errors import NodeError
from headframe.node.rpc import answer_request
from headframe.node.service import NodeService
from headframe.runtime.http import web
from headframe.runtime.wire import format_peer, listen_error

__all__ = ["COOKIE_USER", "RpcServer"]

COOKIE_USER: Final = "__cookie__"
_MAX_REQUEST_BYTES: Final = 32 << 20  # bitcoind's limit
_MOST_IN_FLIGHT: Final = 512  # far above what one miner or proxy has; a leak shows itself
_REFUSED_SECONDS: Final = 0.25  # bitcoind's pause, against guessing
_END_SECONDS: Final = 2.0


class RpcServer:
    """The node's JSON-RPC over HTTP, as an asynchronous context manager.

    Attributes:
        url: where it is, once the context was entered.
    """

    def __init__(
        self,
        node: NodeService,
        *,
        host: str,
        port: int,
        cookie: Path,
        most_in_flight: int = _MOST_IN_FLIGHT,
    ) -> None:
        """Say where to listen.

        Args:
            node: what answers.
            host: an address of this machine.
            port: 0 for a free one.
            cookie: file for the login; written anew, and removed at the end.
            most_in_flight: calls that may be under way at once; more get a status 503.
        """
        self._node = node
        self._host = host
        self._port = port
        self._cookie = cookie
        self._token = ""
        self._most_in_flight = most_in_flight
        self._in_flight = 0
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def __aenter__(self) -> Self:
        """Listen, then write the cookie.

        Raises:
            ListenError: the address cannot be listened on.
            NodeError: the cookie cannot be written.
        """
        app = web.Application(client_max_size=_MAX_REQUEST_BYTES)
        app.router.add_route("*", "/", self._handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=_END_SECONDS)
        await runner.setup()
        try:
            site = web.TCPSite(runner, self._host, self._port)
            await site.start()
            host, port = runner.addresses[0][:2]
            self.url = f"http://{format_peer((host, port))}"
            self._write_cookie()
        except OSError as error:
            await runner.cleanup()
            raise listen_error(self._host, self._port, error) from error
        except BaseException:
            await runner.cleanup()
            raise
        self._runner = runner
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Stop listening; calls that wait are told so, others may end."""
        self._cookie.unlink(missing_ok=True)
        self._node.release_waiters()
        if self._runner is not None:
            await self._runner.cleanup()

    def _write_cookie(self) -> None:
        secret = f"{COOKIE_USER}:{secrets.token_hex(32)}"
        part = self._cookie.with_name(self._cookie.name + ".tmp")
        try:
            part.unlink(missing_ok=True)
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secret)
            part.replace(self._cookie)
        except OSError as error:
            raise NodeError(
                f"the cookie {self._cookie} cannot be written: {error.strerror}"
            ) from error
        self._token = "Basic " + base64.b64encode(secret.encode()).decode()

    async def _handle(self, request: web.Request) -> web.Response:
        if request.method != "POST":
            return web.Response(status=405, text="JSONRPC server handles only POST requests")
        refused = web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="jsonrpc"'})
        given = request.headers.get("Authorization")
        if given is None:
            return refused
        if not hmac.compare_digest(given.encode(), self._token.encode()):
            await asyncio.sleep(_REFUSED_SECONDS)
            return refused
        if self._in_flight >= self._most_in_flight:
            return web.Response(status=503, text="Work queue depth exceeded")
        self._in_flight += 1
        try:
            answer = await answer_request(self._node, await request.read())
        finally:
            self._in_flight -= 1
        return web.Response(status=answer.status, body=answer.body, content_type="application/json")
