"""`Actions`: what may be asked of a program over HTTP that changes something.

One row for each: `POST` to its path, with a JSON object or nothing as its body. Every one
needs the operator's token in the header `Authorization: Bearer TOKEN`, which no page of a
stranger can send: a browser asks us for leave before it sends that header elsewhere, and
gets none.
"""

import hmac
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from headframe.runtime.errors import ConfigError
from headframe.runtime.http import web
from headframe.runtime.logs import get_logger
from headframe.runtime.reload import Reloader
from headframe.runtime.settings import read_secret
from headframe.runtime.web.common import ACTIONS, ActionsTold, Nothing, ReloadTold
from headframe.runtime.web.endpoints import Endpoint, Handler, Served
from headframe.runtime.web.problems import Problem, respond

__all__ = ["Action", "Actions", "Answer", "read_token", "reloading"]

log = get_logger(__name__)

SHORTEST_TOKEN: Final = 16
"""Characters; a shorter one could be guessed at the rate that a server answers."""
_SCHEME: Final = "bearer"
_HOW_TO_SET: Final = (
    "put 16 characters or more into a file, and name it in the setting web.token_file"
)
_NO_TOKEN: Final = "the header `Authorization: Bearer TOKEN` has no valid token"  # noqa: S105
_HOW_TO_GIVE: Final = "send the one that is in the file that web.token_file names"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of an action.

    Attributes:
        error: why it was not done, in one line; "" when it was.
        what_to_do: about that, in one line.
        details: what else is to be told, as plain data.
    """

    error: str = ""
    what_to_do: str = ""
    details: Mapping[str, object] = field(default_factory=dict)


Action = Callable[[Any], Awaitable[Answer]]
"""Takes the JSON object that came with the call, as the struct of its endpoint."""


class Actions:
    """The table of actions, and who may use them.

    Args:
        rows: what does it, by what is asked for.
        token: the operator's; "" refuses every call.
    """

    def __init__(self, rows: Mapping[Endpoint, Action], token: str) -> None:
        self._rows = dict(rows)
        self._token = token.encode()

    def rows(self) -> Iterator[Served]:
        """Yield each action, and the list of them."""
        yield Served(ACTIONS, self._list)
        for endpoint, action in self._rows.items():
            yield Served(endpoint, _acting(action))

    def guard(self, request: web.Request) -> None:
        """Let the operator pass.

        Raises:
            Problem: it is somebody else, or nobody may.
        """
        if not self._token:
            raise Problem(403, "changing calls need a token, and none is set", _HOW_TO_SET)
        if not self._is_operator(request):
            log.warning("action_refused", path=request.path, peer=request.remote)
            headers = {"WWW-Authenticate": "Bearer"}
            raise Problem(401, _NO_TOKEN, _HOW_TO_GIVE, headers=headers)

    async def _list(self, _request: web.Request, _asked: None) -> web.Response:
        names = sorted(endpoint.name for endpoint in self._rows)
        return respond(ActionsTold(actions=tuple(names), usable=bool(self._token)))

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

    async def reload(_asked: Nothing) -> Answer:
        outcome = await reloader.reload()
        if outcome.error:
            return Answer(error=outcome.error, what_to_do="mend the settings; nothing changed")
        told = ReloadTold(
            file=outcome.file,
            changed=outcome.changed,
            needs_a_restart=outcome.needs_restart,
        )
        return Answer(details=msgspec.structs.asdict(told))

    return reload


def _acting(action: Action) -> Handler:
    async def handle(_request: web.Request, asked: object) -> web.Response:
        answer = await action(asked)
        if answer.error:
            told = {"error": answer.error, "what_to_do": answer.what_to_do, **answer.details}
            return respond(told, status=422)
        return respond(dict(answer.details))

    return handle
