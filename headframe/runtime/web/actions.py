"""`Actions`: what may be asked of a program over HTTP that changes something.

One row for each: `POST /api/v1/NAME`, with a JSON object or nothing as its body. Every one
needs the operator's token in the header `Authorization: Bearer TOKEN`, which no page of a
stranger can send: a browser asks us for leave before it sends that header elsewhere, and
gets none.
"""

import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from aiohttp import web

from headframe.runtime.errors import ConfigError
from headframe.runtime.logs import get_logger
from headframe.runtime.reload import Reloader
from headframe.runtime.settings import read_secret

__all__ = ["Action", "Actions", "Answer", "read_token", "reloading"]

log = get_logger(__name__)

SHORTEST_TOKEN: Final = 16
"""Characters; a shorter one could be guessed at the rate that a server answers."""
_SCHEME: Final = "bearer"
_PREFIX: Final = "/api/v1/"
_HOW_TO_SET: Final = (
    "changing calls need a token, and none is set: put 16 characters or more into a file, and "
    "name it in the setting web.token_file"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of an action.

    Attributes:
        error: why it was not done, in one line; "" when it was.
        details: what else is to be told, as plain data.
    """

    error: str = ""
    details: Mapping[str, object] = field(default_factory=dict)


Action = Callable[[Mapping[str, object]], Awaitable[Answer]]
"""Takes the JSON object that came with the call."""


class Actions:
    """The table of actions, and who may use them.

    Args:
        rows: by name, as it stands in the path.
        token: the operator's; "" refuses every call.
    """

    def __init__(self, rows: Mapping[str, Action], token: str) -> None:
        self._rows = dict(rows)
        self._token = token.encode()

    def add_to(self, app: web.Application) -> None:
        """Serve each action at its path, and at `actions` what there is."""
        for name in self._rows:
            app.router.add_post(f"{_PREFIX}{name}", self._handle)
        app.router.add_get(f"{_PREFIX}actions", self._list)

    async def _list(self, _request: web.Request) -> web.Response:
        return _respond(200, {"actions": sorted(self._rows), "usable": bool(self._token)})

    async def _handle(self, request: web.Request) -> web.Response:
        name = request.path.removeprefix(_PREFIX)
        if not self._token:
            return _refusal(403, _HOW_TO_SET)
        if not self._is_operator(request):
            log.warning("action_refused", action=name, peer=request.remote)
            refusal = _refusal(401, "the header `Authorization: Bearer TOKEN` has no valid token")
            refusal.headers["WWW-Authenticate"] = "Bearer"
            return refusal
        given = await _body_of(request)
        if given is None:
            return _refusal(400, "the body must be a JSON object, or empty")
        answer = await self._rows[name](given)
        if answer.error:
            return _respond(422, {"error": answer.error, **answer.details})
        return _respond(200, dict(answer.details))

    def _is_operator(self, request: web.Request) -> bool:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        given = token.strip().encode(errors="surrogateescape")
        return hmac.compare_digest(given, self._token) and scheme.lower() == _SCHEME


def read_token(token: str, token_file: str) -> str:
    """Return the operator's token, given as it is or as a file; "" when there is none.

    Raises:
        ConfigError: both are given, the file cannot be read, or the token is too short.
    """
    secret = read_secret(token, token_file)
    if secret and len(secret) < SHORTEST_TOKEN:
        raise ConfigError(
            f"web.token has {len(secret)} characters: give {SHORTEST_TOKEN} or more, as from "
            "`openssl rand -hex 16`"
        )
    return secret


def reloading(reloader: Reloader[Any]) -> Action:
    """Make the action that reads a program's settings again."""

    async def reload(_given: Mapping[str, object]) -> Answer:
        outcome = await reloader.reload()
        if outcome.error:
            return Answer(error=outcome.error)
        return Answer(
            details={"changed": outcome.changed, "needs_a_restart": outcome.needs_restart}
        )

    return reload


async def _body_of(request: web.Request) -> Mapping[str, object] | None:
    try:
        given = msgspec.json.decode(await request.read() or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return given if isinstance(given, dict) else None


def _refusal(status: int, error: str) -> web.Response:
    return _respond(status, {"error": error})


def _respond(status: int, plain: Mapping[str, object]) -> web.Response:
    body = msgspec.json.encode(plain, enc_hook=str)
    return web.Response(status=status, body=body, content_type="application/json")
