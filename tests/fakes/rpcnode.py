"""A JSON-RPC server on loopback that says whatever a test wants, for what real nodes rarely say.

What nodes say when all is well is tested against real ones.
"""

import asyncio
import base64
import json
from dataclasses import dataclass
from typing import Any, Final, Self

from aiohttp import web

__all__ = ["DROP", "Fault", "Hold", "Raw", "RpcNode", "Script"]


@dataclass(frozen=True)
class Fault:
    """A JSON-RPC error, as bitcoind says it."""

    code: int
    message: str


@dataclass(frozen=True)
class Raw:
    """Any HTTP answer."""

    status: int
    body: bytes = b""


DROP: Final = object()
"""As an answer: the connection is cut."""


class Hold:
    """An answer that does not come until it is let go."""

    def __init__(self, answer: Any = None) -> None:
        self.answer = answer
        self.free = asyncio.Event()


class Script:
    """Answers one after the other; the last one stays."""

    def __init__(self, *answers: Any) -> None:
        self._answers = list(answers)

    def next(self) -> Any:
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


class RpcNode:
    """The server; an asynchronous context manager.

    Attributes:
        answers: by method: a value, a `Fault`, a `Raw`, a `Hold`, or a function of the
            params that returns one of these, `DROP`, or a `Script` of them. Unknown
            methods get bitcoind's -32601.
        calls: (method, params) of every call that was let in.
        credentials: `user:password` that are let in; `None` for any.
        refused: calls that were not let in.
        port: where it listens, kept over `go_away` and `come_back`.
    """

    def __init__(self, answers: dict[str, Any] | None = None) -> None:
        self.answers: dict[str, Any] = {} if answers is None else answers
        self.calls: list[tuple[str, list[Any]]] = []
        self.credentials: str | None = None
        self.refused = 0
        self.port = 0
        self._called = asyncio.Condition()
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        await self.come_back()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.go_away()

    async def come_back(self) -> None:
        """Listen, on the same port as before."""
        app = web.Application(client_max_size=1 << 26)
        app.router.add_post("/", self._serve)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True).start()
        self.port = self._runner.addresses[0][1]

    async def go_away(self) -> None:
        """Stop listening and end all connections."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def wait_called(self, method: str, count: int = 1) -> list[list[Any]]:
        """Wait until a method was called so often; return the params of its calls."""
        found: list[list[Any]] = []

        def enough() -> bool:
            found[:] = [params for name, params in self.calls if name == method]
            return len(found) >= count

        async with asyncio.timeout(20), self._called:
            await self._called.wait_for(enough)
        return found

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").removeprefix("Basic ")
        if self.credentials is not None and given != _token(self.credentials):
            self.refused += 1
            return web.Response(status=401)
        call = json.loads(await request.read())
        self.calls.append((call["method"], call["params"]))
        async with self._called:
            self._called.notify_all()
        answer = self._answer(call["method"], call["params"])
        if isinstance(answer, Hold):
            await answer.free.wait()
            answer = answer.answer
        if answer is DROP:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        return _respond(answer, call["id"])

    def _answer(self, method: str, params: list[Any]) -> Any:
        answer = self.answers.get(method, Fault(-32601, "Method not found"))
        if isinstance(answer, Script):
            answer = answer.next()
        return answer(params) if callable(answer) else answer


def _respond(answer: Any, call_id: Any) -> web.Response:
    if isinstance(answer, Raw):
        return web.Response(status=answer.status, body=answer.body)
    if isinstance(answer, Fault):
        error = {"code": answer.code, "message": answer.message}
        status = 404 if answer.code == -32601 else 500
        return web.json_response({"result": None, "error": error, "id": call_id}, status=status)
    return web.json_response({"result": answer, "error": None, "id": call_id})


def _token(credentials: str) -> str:
    return base64.b64encode(credentials.encode()).decode()
