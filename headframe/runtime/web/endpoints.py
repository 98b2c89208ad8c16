"""`Endpoint`: a row of the table of what a program answers over HTTP.

The same row serves a path, checks what was asked, and describes it (`web.openapi`): so the
description cannot tell other than what is. Parameters and bodies are structs; what is not
in them is refused, and so is what does not fit their types.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeVar

import msgspec

from headframe.runtime.http import web
from headframe.runtime.web.problems import SEE_API, Problem, respond

__all__ = [
    "API",
    "JSON",
    "Endpoint",
    "Handler",
    "Reply",
    "Served",
    "add_routes",
    "given",
    "telling",
]

T = TypeVar("T")

API: Final = "/api/v1/"
JSON: Final = "application/json"

Handler = Callable[[web.Request, Any], Awaitable[web.StreamResponse]]
"""Answers a request, given the struct of its parameters or of its body, or `None`."""
Guard = Callable[[web.Request], None]
"""Lets a request pass that may change something, or raises a `Problem`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One way that an endpoint may answer.

    Attributes:
        what: it means this.
        kind: what its JSON is; `None` where it is none, or of no fixed form.
        media: its content types.
    """

    what: str
    kind: Any = None
    media: tuple[str, ...] = (JSON,)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Endpoint:
    """Something that may be asked for.

    A parameter without a default is `UNSET`, and never `None`: a query has no null.

    Attributes:
        path: below the server's address; `{name}` is a part that varies.
        method: how it is asked for.
        summary: what it is, in a few words.
        details: what else is to be known; Markdown.
        places: the values of each part of the path that varies.
        query: its parameters; `None` when it has none.
        lenient: other parameters are passed over instead of refused.
        body: the JSON object that goes with it; `None` when there is none.
        replies: by status, those of success.
        faults: by status, problems that are its own; the usual ones are known.
        token: it needs the operator's.
        endless: it answers until one of both hangs up.
        example: what follows the path in an example, or its body.
    """

    path: str
    method: Literal["GET", "POST"] = "GET"
    summary: str
    details: str = ""
    places: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    query: type[msgspec.Struct] | None = None
    lenient: bool = False
    body: type[msgspec.Struct] | None = None
    replies: Mapping[int, Reply]
    faults: Mapping[int, str] = field(default_factory=dict)
    token: bool = False
    endless: bool = False
    example: str = ""

    @property
    def name(self) -> str:
        """The path below `/api/v1/`: what an action is called."""
        return self.path.removeprefix(API)


@dataclass(frozen=True, slots=True)
class Served:
    """An endpoint, and what answers."""

    endpoint: Endpoint
    handler: Handler


def telling(endpoint: Endpoint, tell: Callable[[], object]) -> Served:
    """Make a row that is asked nothing, and tells what `tell` returns, as JSON."""

    async def handle(_request: web.Request, _asked: None) -> web.Response:
        return respond(tell())

    return Served(endpoint, handle)


def add_routes(app: web.Application, rows: Iterable[Served], guard: Guard) -> None:
    """Serve endpoints.

    Args:
        app: the server.
        rows: what it is to serve.
        guard: asked before anything else where an endpoint needs the operator's token.
    """
    for row in rows:
        endpoint, handler = row.endpoint, _answering(row, guard)
        if endpoint.method == "GET":
            app.router.add_get(endpoint.path, handler, allow_head=not endpoint.endless)
        else:
            app.router.add_post(endpoint.path, handler)


def given(value: T | msgspec.UnsetType) -> T | None:
    """Return a parameter; `None` when it was not given."""
    return None if value is msgspec.UNSET else value


def _answering(row: Served, guard: Guard) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    endpoint = row.endpoint

    async def answer(request: web.Request) -> web.StreamResponse:
        if endpoint.token:
            guard(request)
        asked = _query_of(request, endpoint)
        if endpoint.body is not None:
            asked = _body_of(await request.read(), endpoint.body)
        return await row.handler(request, asked)

    return answer


def _query_of(request: web.Request, endpoint: Endpoint) -> msgspec.Struct | None:
    kind, given = endpoint.query, dict[str, str]()
    known = [] if kind is None else [each.encode_name for each in msgspec.structs.fields(kind)]
    for name, value in request.query.items():
        if name in known:
            if name in given:
                raise Problem(422, f"{name} is given twice", "give each parameter once")
            given[name] = value
        elif not endpoint.lenient:
            told = f"known: {', '.join(known)}" if known else "there are none here"
            raise Problem(422, f"there is no parameter {name[:50]!r}", told)
    return None if kind is None else _convert(given, kind, strict=False)


def _body_of(body: bytes, kind: type[msgspec.Struct]) -> msgspec.Struct:
    try:
        given = msgspec.json.decode(body or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        given = None
    if not isinstance(given, dict):
        raise Problem(400, "the body must be a JSON object, or empty", SEE_API)
    known = [each.encode_name for each in msgspec.structs.fields(kind)]
    for name in given:
        if name not in known:
            told = f"known: {', '.join(known)}" if known else "there are none here"
            raise Problem(422, f"there is no field {name[:50]!r}", told)
    return _convert(given, kind, strict=True)


def _convert(
    given: Mapping[str, object], kind: type[msgspec.Struct], *, strict: bool
) -> msgspec.Struct:
    try:
        return msgspec.convert(given, kind, strict=strict)
    except msgspec.ValidationError as error:
        told, _, where = str(error).partition(" - at `$")
        name = where.strip(".`")
        lead = f"{name}: " if name else ""
        raise Problem(422, lead + told[:1].lower() + told[1:], _expected(kind, name)) from None


def _expected(kind: type[msgspec.Struct], name: str) -> str:
    """Say what may stand in a field."""
    [_, defined] = msgspec.json.schema_components([kind])
    told = defined[kind.__name__]["properties"].get(name, {})
    if "enum" in told:
        return f"expected one of {', '.join(str(each) for each in told['enum'] if each != '')}"
    if "minimum" in told and "maximum" in told:
        return f"expected {told['minimum']} to {told['maximum']}"
    return SEE_API
