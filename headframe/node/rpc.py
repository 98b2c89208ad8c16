"""JSON-RPC as bitcoind speaks it: bytes of a request to a status and the bytes of an answer.

Two dialects, told apart by the request: with `"jsonrpc": "2.0"` errors come with status 200
and only one of `result` and `error`; without, with 500 (404 for an unknown method, 400 for a
malformed request) and both.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from headframe.node.errors import Code, KernelError, RpcError
from headframe.node.methods import METHODS
from headframe.node.methods.params import Method, bind
from headframe.node.service import NodeService
from headframe.runtime.logs import get_logger

__all__ = ["Answer", "answer_request"]

_STATUS: Final[Mapping[int, int]] = {Code.INVALID_REQUEST: 400, Code.METHOD_NOT_FOUND: 404}
_log = get_logger(__name__)


class Answer(NamedTuple):
    """What goes back: the HTTP status, and the body, empty where there is nothing to say."""

    status: int
    body: bytes


class _Request(NamedTuple):
    id: object
    method: str
    params: object
    modern: bool
    notification: bool


async def answer_request(
    node: NodeService, body: bytes, methods: Mapping[str, Method] = METHODS
) -> Answer:
    """Answer one HTTP request: a call, or a list of calls.

    Args:
        node: whom the methods work on.
        body: the request's JSON.
        methods: the table of methods.
    """
    try:
        asked = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _refusal(RpcError(Code.PARSE_ERROR, "Parse error"))
    if isinstance(asked, list):
        parts = [await _answer_one(node, each, methods) for each in asked]
        bodies = [part.body.strip() for part in parts if part.body]
        if parts and not bodies:
            return Answer(204, b"")
        return Answer(200, b"[" + b",".join(bodies) + b"]\n")
    if not isinstance(asked, dict):
        return _refusal(RpcError(Code.PARSE_ERROR, "Top-level object parse error"))
    return await _answer_one(node, asked, methods)


async def _answer_one(node: NodeService, asked: Any, methods: Mapping[str, Method]) -> Answer:
    try:
        request = _parse(asked)
    except RpcError as error:
        return _refusal(error, asked.get("id") if isinstance(asked, dict) else None)
    outcome = await _outcome(node, request, methods)
    if request.notification:
        return Answer(204, b"")
    if isinstance(outcome, RpcError):
        if not request.modern:
            return _refusal(outcome, request.id)
        return _body(200, {"jsonrpc": "2.0", "error": _error(outcome), "id": request.id})
    if request.modern:
        return _body(200, {"jsonrpc": "2.0", "result": outcome, "id": request.id})
    return _body(200, {"result": outcome, "error": None, "id": request.id})


async def _outcome(node: NodeService, request: _Request, methods: Mapping[str, Method]) -> object:
    """Return the call's result, or the `RpcError` that it ends with."""
    method = methods.get(request.method)
    if method is None:
        return RpcError(Code.METHOD_NOT_FOUND, "Method not found")
    try:
        return await method.handler(node, *bind(method, request.params))
    except RpcError as error:
        return error
    except KernelError as error:
        _log.warning("kernel_failed", method=request.method, reason=str(error))
        return RpcError(Code.MISC, str(error))
    except Exception:  # noqa: BLE001 - the root of a request: the others must go on
        _log.exception("request_failed", method=request.method)
        return RpcError(Code.INTERNAL, "Internal error, see the node's log")


def _parse(asked: Any) -> _Request:
    """Read one call; raises `RpcError` with bitcoind's words for what is wrong."""
    if not isinstance(asked, dict):
        raise RpcError(Code.INVALID_REQUEST, "Invalid Request object")
    version = asked.get("jsonrpc")
    if version is not None and not isinstance(version, str):
        raise RpcError(Code.INVALID_REQUEST, "jsonrpc field must be a string")
    if version not in (None, "1.0", "1.1", "2.0"):
        raise RpcError(Code.INVALID_REQUEST, "JSON-RPC version not supported")
    method = asked.get("method")
    if method is None:
        raise RpcError(Code.INVALID_REQUEST, "Missing method")
    if not isinstance(method, str):
        raise RpcError(Code.INVALID_REQUEST, "Method must be a string")
    params = asked.get("params")
    if params is not None and not isinstance(params, list | dict):
        raise RpcError(Code.INVALID_REQUEST, "Params must be an array or object")
    modern = version == "2.0"
    return _Request(asked.get("id"), method, params, modern, modern and "id" not in asked)


def _refusal(error: RpcError, request_id: object = None) -> Answer:
    body = {"result": None, "error": _error(error), "id": request_id}
    return _body(_STATUS.get(error.code, 500), body)


def _error(error: RpcError) -> dict[str, object]:
    return {"code": int(error.code), "message": error.message}


def _body(status: int, content: dict[str, object]) -> Answer:
    return Answer(status, msgspec.json.encode(content) + b"\n")
