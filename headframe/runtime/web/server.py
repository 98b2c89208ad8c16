"""`WebServer`: page, status, events, metrics and health of one program, and its own API."""

import asyncio
import html
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from headframe import __version__
from headframe.runtime.events import RECENT, EventRing
from headframe.runtime.http import web
from headframe.runtime.logs import get_logger, redact
from headframe.runtime.metrics import CONTENT_TYPE
from headframe.runtime.web import common
from headframe.runtime.web.actions import Actions
from headframe.runtime.web.endpoints import Endpoint, Served, add_routes, given
from headframe.runtime.web.hints import hinted
from headframe.runtime.web.hosts import HostGuard
from headframe.runtime.web.noise import server_log
from headframe.runtime.web.openapi import describe
from headframe.runtime.web.problems import Problem, answer_http_error, respond
from headframe.runtime.web.schema import schema_of
from headframe.runtime.web.stream import EventStream
from headframe.runtime.wire import format_peer, listen_error

__all__ = ["STATIC_TYPES", "WebServer"]

log = get_logger(__name__)

MOST_EVENT_STREAMS = 64
"""Each open page holds one; a browser opens at most six to one server."""

SHUTDOWN_SECONDS = 2.0

_FILES: Final = Path(__file__).with_name("static")

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
    "NOTICE": "text/plain",
    "app.js": "text/javascript",
    "bans.js": "text/javascript",
    "chart.js": "text/javascript",
    "dialogs.js": "text/javascript",
    "events.js": "text/javascript",
    "format.js": "text/javascript",
    "history.js": "text/javascript",
    "icon.svg": "image/svg+xml",
    "keys.js": "text/javascript",
    "operator.js": "text/javascript",
    "overview.js": "text/javascript",
    "pools.js": "text/javascript",
    "rig.js": "text/javascript",
    "rigs.js": "text/javascript",
    "shares.js": "text/javascript",
    "spans.js": "text/javascript",
    "stack.js": "text/javascript",
    "stream.js": "text/javascript",
    "style.css": "text/css",
    "table.js": "text/javascript",
    "tables.css": "text/css",
    "tables.js": "text/javascript",
    "theme.js": "text/javascript",
    "uplot.min.css": "text/css",
    "uplot.min.js": "text/javascript",
}
"""Every file that is served besides the page itself; there is no listing and no other path."""

_Next = Callable[[web.Request], Awaitable[web.StreamResponse]]


class WebServer:
    """Serves a program's page while its `async with` block runs.

    What all programs answer is in `web.common`; `endpoints` are a program's own, and `actions`
    what changes something. `/api/v1/openapi.json` describes exactly what is served.

    Args:
        host: where to listen; a loopback address unless the operator decided otherwise.
        port: 0 for a free one; see `port`.
        status: plain data for the page; secrets that slipped in are taken out.
        metrics: the text of `runtime.metrics.render`, or who makes it.
        healthy: whether the program does its work.
        title: the page's title.
        allowed_hosts: names this server is reached by, besides addresses, names without a
            dot, and `host`; see `hosts`.
        actions: what may be changed over HTTP, and by whom; nothing by default.
        hints: called when another program of this machine says that there is news; tells
            how many look for it now. `None`: such hints are not taken.
        schema: the type that the status is made of, or `None`.
        endpoints: what else may be read.
        ring: the log's events.
        interval_seconds: time between two messages of the event stream.
        most_streams: how many readers of events there may be at a time.
    """

    def __init__(  # noqa: PLR0913  # the parts of a page, by keyword
        self,
        host: str,
        port: int,
        *,
        status: Callable[[], dict[str, object]],
        metrics: Callable[[], bytes | Awaitable[bytes]],
        healthy: Callable[[], bool],
        title: str,
        allowed_hosts: Iterable[str] = (),
        actions: Actions | None = None,
        hints: Callable[[], int] | None = None,
        schema: type[msgspec.Struct] | None = None,
        endpoints: Sequence[Served] = (),
        ring: EventRing = RECENT,
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
        self._actions = actions or Actions({}, "")
        self._hints = hints
        self._schema = schema
        self._endpoints = tuple(endpoints)
        self._ring = ring
        self._stream = EventStream(
            self._snapshot, ring, interval_seconds=interval_seconds, most=most_streams
        )
        self._served: tuple[Endpoint, ...] = ()
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
            logger=server_log(),
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
        self._stream.stop()
        if self._runner is not None:
            await self._runner.cleanup()

    def rows(self) -> tuple[Served, ...]:
        """List all that is served."""
        return (*self._common(), *self._endpoints, *self._actions.rows(), *self._hint_rows())

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[self._catch, self._check_host])
        app.on_response_prepare.append(_add_security_headers)
        rows = self.rows()
        self._served = tuple(each.endpoint for each in rows)
        add_routes(app, rows, self._actions.guard)
        return app

    def _common(self) -> Iterator[Served]:
        page = (_FILES / "index.html").read_text(encoding="utf-8")
        page = page.replace("{{title}}", html.escape(self._title))
        contents = {name: (_FILES / name).read_bytes() for name in STATIC_TYPES}

        async def get_page(_request: web.Request, _asked: None) -> web.Response:
            return _file(page.encode(), "text/html")

        async def get_file(request: web.Request, _asked: None) -> web.Response:
            name = request.match_info["name"]
            if name not in contents:
                raise web.HTTPNotFound
            return _file(contents[name], STATIC_TYPES[name])

        yield Served(common.PAGE, get_page)
        yield Served(common.files_of(STATIC_TYPES), get_file)
        yield Served(common.METRICS, self._get_metrics)
        yield Served(common.HEALTH, self._get_health)
        yield Served(common.status_of(self._schema), self._get_status)
        yield Served(common.EVENTS, self._stream.handle)
        yield Served(common.LOG, self._get_log)
        yield Served(common.OPENAPI, self._get_description)
        if self._schema is not None:
            yield Served(common.SCHEMA, self._get_schema)

    def _hint_rows(self) -> Iterator[Served]:
        if self._hints is not None:
            for endpoint in common.BLOCKNOTIFY:
                yield Served(endpoint, hinted(self._hints))

    @web.middleware
    async def _check_host(self, request: web.Request, handler: _Next) -> web.StreamResponse:
        name = request.headers.get("Host", "")
        if not self._guard.allows(name):
            raise Problem(
                403,
                f"this server does not answer to the name {name!r}",
                "use its address, or add the name to allowed_hosts in the settings of the page",
            )
        return await handler(request)

    @web.middleware
    async def _catch(self, request: web.Request, handler: _Next) -> web.StreamResponse:
        """Answer all problems in one shape; a bug in what the program brings is logged, and
        not shown to strangers.
        """  # noqa: D205 # one sentence
        try:
            return await handler(request)
        except Problem as problem:
            return problem.answer()
        except web.HTTPException as error:
            return answer_http_error(request, error)
        except ConnectionError:
            raise
        except Exception:
            log.exception("page_failed", path=request.path)
            return Problem(500, "internal error", "the log has the reason").answer()

    async def _get_metrics(self, _request: web.Request, _asked: None) -> web.Response:
        made = self._metrics()
        text = made if isinstance(made, bytes) else await made
        return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE})

    async def _get_health(self, _request: web.Request, _asked: None) -> web.Response:
        if not self._healthy():
            raise Problem(503, "not healthy", "the page and the log have the reason")
        return web.Response(text="ok\n")

    async def _get_status(self, _request: web.Request, _asked: None) -> web.Response:
        return web.Response(body=self._snapshot(), content_type="application/json")

    async def _get_log(self, _request: web.Request, asked: common.LogAsked) -> web.Response:
        return respond(self._ring.page(given(asked.after), limit=asked.limit, level=asked.level))

    async def _get_description(self, _request: web.Request, _asked: None) -> web.Response:
        # Some milliseconds and half a megabyte, for what most runs are never asked.
        body = await asyncio.to_thread(self._describe)
        return web.Response(body=body, content_type="application/json")

    async def _get_schema(self, _request: web.Request, _asked: None) -> web.Response:
        assert self._schema is not None  # noqa: S101 # else it is not served
        body = msgspec.json.encode(schema_of(self._schema))
        return web.Response(body=body, content_type="application/schema+json")

    def _describe(self) -> bytes:
        return msgspec.json.encode(describe(self._title, __version__, self._served))

    def _snapshot(self) -> bytes:
        return msgspec.json.encode(redact(self._status()), enc_hook=str)


def _file(body: bytes, content_type: str) -> web.Response:
    return web.Response(body=body, content_type=content_type, charset="utf-8")


async def _add_security_headers(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(SECURITY_HEADERS)
    # A page of an older release must not talk to a newer API.
    response.headers["Cache-Control"] = "no-store"
