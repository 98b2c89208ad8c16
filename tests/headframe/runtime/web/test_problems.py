import json

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from headframe.runtime.web.problems import Problem, answer_http_error, respond


def told(answer: web.Response) -> dict[str, str]:
    assert answer.content_type == "application/json"
    assert isinstance(answer.body, bytes)
    plain: dict[str, str] = json.loads(answer.body)
    return plain


def test_a_problem_says_what_happened_and_what_to_do() -> None:
    answer = Problem(401, "no token", "send one", headers={"WWW-Authenticate": "Bearer"}).answer()
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert told(answer) == {"error": "no token", "what_to_do": "send one"}


@pytest.mark.parametrize(
    ("error", "words", "what_to_do"),
    [
        (web.HTTPNotFound(), "there is nothing at /a\\x1b", "openapi.json"),
        (web.HTTPMethodNotAllowed("PUT", ["POST", "GET"]), "does not take PUT", "use GET, POST"),
        (web.HTTPRequestEntityTooLarge(1, 2), "too large", "1 MiB"),
        (web.HTTPExpectationFailed(), "cannot be served: expectation failed", "openapi.json"),
    ],
)
def test_what_the_library_finds_is_told_in_the_same_shape(
    error: web.HTTPException, words: str, what_to_do: str
) -> None:
    answer = answer_http_error(make_mocked_request("PUT", "/a%1B"), error)
    assert answer.status == error.status
    assert words in told(answer)["error"]
    assert what_to_do in told(answer)["what_to_do"]


def test_a_method_that_is_not_allowed_comes_with_those_that_are() -> None:
    error = web.HTTPMethodNotAllowed("PUT", ["POST", "GET"])
    answer = answer_http_error(make_mocked_request("PUT", "/"), error)
    assert answer.headers["Allow"] == "GET, POST"


def test_a_long_path_is_cut() -> None:
    answer = answer_http_error(make_mocked_request("GET", "/" + "a" * 5000), web.HTTPNotFound())
    assert len(told(answer)["error"]) < 200


def test_what_json_does_not_know_is_written_as_text() -> None:
    assert told(respond({"a": ValueError("no")})) == {"a": "no"}
