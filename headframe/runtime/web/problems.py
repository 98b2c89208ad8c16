"""What is answered when something cannot be: one shape, whatever it was and whoever asks."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Final

import msgspec

from headframe.runtime.http import web
from headframe.runtime.text import printable

__all__ = ["Problem", "ProblemAnswer", "answer_http_error", "respond"]

SEE_API: Final = "GET /api/v1/openapi.json tells what may be asked, and how"
_LONGEST_SHOWN: Final = 100
"""Characters of what a stranger sent that are told back."""


class ProblemAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Why there is no other answer. Some calls tell more, under further names."""

    error: Annotated[str, msgspec.Meta(description="What happened, in one line.")]
    what_to_do: Annotated[str, msgspec.Meta(description='What to do about it, or "".')]


class Problem(Exception):  # noqa: N818 # it is the asker's, and no error of ours
    """Something asked for cannot be; the server answers with it.

    Args:
        status: of the answer, 400 or above.
        error: what happened, in one line.
        what_to_do: likewise.
        headers: of the answer.
    """

    def __init__(
        self,
        status: int,
        error: str,
        what_to_do: str = "",
        *,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(error)
        self.status = status
        self.error = error
        self.what_to_do = what_to_do
        self.headers = dict(headers or {})

    def answer(self) -> web.Response:
        """Make the answer."""
        plain = ProblemAnswer(error=self.error, what_to_do=self.what_to_do)
        return respond(plain, status=self.status, headers=self.headers)


def respond(
    plain: object, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Answer with JSON; what JSON does not know is written as text."""
    body = msgspec.json.encode(plain, enc_hook=str)
    return web.Response(status=status, body=body, content_type="application/json", headers=headers)


def answer_http_error(request: web.Request, error: web.HTTPException) -> web.Response:
    """Say in our words what the library found wrong with a request."""
    path, headers = _shown(request.path), {}
    match error:
        case web.HTTPNotFound():
            said = f"there is nothing at {path}", SEE_API
        case web.HTTPMethodNotAllowed():
            allowed = ", ".join(sorted(error.allowed_methods))
            said = f"{path} does not take {_shown(error.method)}", f"use {allowed}"
            headers = {"Allow": allowed}
        case web.HTTPRequestEntityTooLarge():
            said = "the body is too large", "send 1 MiB at most"
        case _:
            phrase = HTTPStatus(error.status).phrase.lower()
            said = f"the request cannot be served: {phrase}", SEE_API
    return Problem(error.status, *said, headers=headers).answer()


def _shown(text: str) -> str:
    shown = printable(text)
    return shown if len(shown) <= _LONGEST_SHOWN else f"{shown[:_LONGEST_SHOWN]}…"
