"""`WebServer`: page, status, events, metrics and health of one program."""

import asyncio
import html
import importlib.resources
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Self

import msgspec
from aiohttp import web

from headframe.runtime.logs import get_logger, redact
from headframe.runtime.metrics import CONTENT_TYPE
from headframe.runtime.web.actions import Actions
from headframe.runtime.web.hints import add_hints
from headframe.runtime.web.hosts import HostGuard
from headframe.runtime.web.schema import encode_schema
from headframe.runtime.wire import format_peer, listen_error

__all__ = ["WebServer"]

log = get_logger(__name__)

MOST_EVENT_STREAMS = 64
"""Each open page holds one; a browser opens at most six to one server."""

SLOWEST_WRITE_SECONDS = 10.0
"""A reader of events that takes nothing for so long is let go."""

SHUTDOWN_SECONDS = 2.0

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Server": "headframe",
}

STATIC_TYPES = {
    "app.js": "text/javascript",
    "format.js": "text/javascript",
    "chart.js": "text/javascript",
    "history.js": "text/javascript",
    "operator.js": "text/javascript",
    "rig.js": "text/javascript",
    "rigs.js": "text/javascript",
    "spans.js": "text/javascript",
    "table.js": "text/javascript",
    "uplot.min.js": "text/javascript",
    "uplot.min.css": "text/css",
    "NOTICE": "text/plain",
    "style.css": "text/css",
    "icon.svg": "image/svg+xml",
}
"""Every file that is served besides the page itself; there is no listing and no other path."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class WebServer:
    """Serves a program's page while its `async with` block runs.

    `/` is the page, `/api/v1/status` what it shows as JSON, `/api/v1/schema` the JSON Schema of
    that, `/api/v1/events` the same once a second as server-sent events, `/metrics` for
    Prometheus, `/healthz` for supervisors (200 or 503). All that is read only; `actions` are
    what changes something.

    Args:
        host: where to listen; a loopback address unless the operator decided otherwise.
        port: 0 for a free one; see `port`.
        status: plain data for the page; secrets that slipped in are taken out.
        metrics: the text of `runtime.metrics.render`.
        healthy: whether the program does its work.
        title: the page's title.
        allowed_hosts: names this server is reached by, besides addresses, names without a
            dot, and `host`; see `hosts`.
        actions: what may be changed over HTTP, and by whom; nothing by default.
        hints: called when another program of this machine says that there is news; tells
            how many look for it now. `None`: such hints are not taken.
        schema: the type that the status is made of, or `None`.
        views: more plain data to be read, by the name under `/api/v1/`.
        handlers: what else answers to GET there, and reads parameters.
        interval_seconds: time between two events.
        most_streams: how many readers of events there may be at a time.
    """

    def __init__(  # noqa: PLR0913  # the parts of a page, by keyword
        self,
        host: str,
        port: int,
        *,
        status: Callable[[], dict[str, object]],
        metrics: Callable[[], bytes],
        healthy: Callable[[], bool],
        title: str,
        allowed_hosts: Iterable[str] = (),
        actions: Actions | None = None,
        hints: Callable[[], int] | None = None,
        schema: type[msgspec.Struct] | None = None,
        views: Mapping[str, Callable[[], dict[str, object]]] | None = None,
        handlers: Mapping[str, Handler] | None = None,
        interval_seconds: float = 1.0,
        most_streams: int = MOST_EVENT_STREAMS,
    ) -> None:
        self._host = host
        self._asked_port = port
        self._status = status
        self._metrics = metrics
        self._healthy = healthy
        self._title = title
        self._guard = HostGuard(host, allowed_hosts)
        self._actions = actions
        self._hints = hints
        self._schema = schema
        self._views = dict(views or {})
        self._handlers = dict(handlers or {})
        self._interval = interval_seconds
        self._most_streams = most_streams
        self._streams = 0
        self._event = b""
        self._event_made = float("-inf")
        self._stopping = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """The page's address, for a person on this machine."""
        host = self._host
        if host in {"", "0.0.0.0", "::"}:  # noqa: S104  # compared with, not bound to
            host = "127.0.0.1"
        return f"http://{format_peer((host, self.port))}/"

    async def __aenter__(self) -> Self:
        """Start to serve.

        Raises:
            PortInUseError: another program listens there.
            ListenError: this machine cannot listen there.
        """
        self._runner = web.AppRunner(
            self._app(),
            access_log=None,
            handle_signals=False,
            shutdown_timeout=SHUTDOWN_SECONDS,
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host or None, self._asked_port)
        try:
            await site.start()
        except (OSError, OverflowError, UnicodeError) as error:
            await self._runner.cleanup()
            raise listen_error(self._host, self._asked_port, error) from error
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End all event streams, and stop."""
        self._stopping.set()
        if self._runner is not None:
            await self._runner.cleanup()

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[self._check_host, self._catch])
        app.on_response_prepare.append(_add_security_headers)
        files = importlib.resources.files(__package__) / "static"
        page = (files / "index.html").read_text(encoding="utf-8")
        page = page.replace("{{title}}", html.escape(self._title))
        app.router.add_get("/", _serve(page.encode(), "text/html"))
        for name, content_type in STATIC_TYPES.items():
            handler = _serve((files / name).read_bytes(), content_type)
            app.router.add_get(f"/static/{name}", handler)
        app.router.add_get("/metrics", self._get_metrics)
        app.router.add_get("/healthz", self._get_health)
        app.router.add_get("/api/v1/status", self._get_status)
        app.router.add_get("/api/v1/events", self._get_events, allow_head=False)
        if self._schema is not None:
            handler = _serve(encode_schema(self._schema), "application/schema+json")
            app.router.add_get("/api/v1/schema", handler)
        for name, view in self._views.items():
            app.router.add_get(f"/api/v1/{name}", _serve_view(view))
        for name, handler in self._handlers.items():
            app.router.add_get(f"/api/v1/{name}", handler)
        if self._actions is not None:
            self._actions.add_to(app)
        if self._hints is not None:
            add_hints(app, self._hints)
        return app

    @web.middleware
    async def _check_host(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        name = request.headers.get("Host", "")
        if not self._guard.allows(name):
            return web.Response(
                status=403,
                text=f"this server does not answer to the name {name!r}: use its address, "
                "or add the name to allowed_hosts in the settings of the page\n",
            )
        return await handler(request)

    @web.middleware
    async def _catch(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """A bug in what the program brings is logged, and not shown to strangers."""
        try:
            return await handler(request)
        except (web.HTTPException, ConnectionError):
            raise
        except Exception:
            log.exception("page_failed", path=request.path)
            return web.Response(status=500, text="internal error: the log has the reason\n")

    async def _get_metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=self._metrics(), headers={"Content-Type": CONTENT_TYPE})

    async def _get_health(self, _request: web.Request) -> web.Response:
        if self._healthy():
            return web.Response(text="ok\n")
        return web.Response(status=503, text="not healthy: the page and the log have the reason\n")

    async def _get_status(self, _request: web.Request) -> web.Response:
        return web.Response(body=self._snapshot(), content_type="application/json")

    async def _get_events(self, request: web.Request) -> web.StreamResponse:
        if self._streams >= self._most_streams:
            return web.Response(status=503, text="too many open pages\n")
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        self._streams += 1
        try:
            await response.prepare(request)
            with suppress(ConnectionError, TimeoutError):  # the reader has gone, or is too slow
                await self._send_events(response)
        finally:
            self._streams -= 1
        return response

    async def _send_events(self, response: web.StreamResponse) -> None:
        while not self._stopping.is_set():
            async with asyncio.timeout(SLOWEST_WRITE_SECONDS):
                await response.write(self._newest_event())
            with suppress(TimeoutError):
                async with asyncio.timeout(self._interval):
                    await self._stopping.wait()

    def _newest_event(self) -> bytes:
        """One event for all open pages, made anew at most twice per interval."""
        now = asyncio.get_running_loop().time()
        if now - self._event_made > self._interval / 2:
            self._event_made = now
            self._event = b"data: " + self._snapshot() + b"\n\n"
        return self._event

    def _snapshot(self) -> bytes:
        return msgspec.json.encode(redact(self._status()), enc_hook=str)


def _serve(body: bytes, content_type: str) -> Handler:
    async def handler(_request: web.Request) -> web.Response:
        return web.Response(body=body, content_type=content_type, charset="utf-8")

    return handler


def _serve_view(view: Callable[[], dict[str, object]]) -> Handler:
    async def handler(_request: web.Request) -> web.Response:
        body = msgspec.json.encode(redact(view()), enc_hook=str)
        return web.Response(body=body, content_type="application/json")

    return handler


async def _add_security_headers(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(SECURITY_HEADERS)
    # A page of an older release must not talk to a newer API.
    response.headers["Cache-Control"] = "no-store"
