"""JSON-RPC in both dialects, byte by byte; a table of methods of the test's own."""

import json
from pathlib import Path
from typing import Any

import pytest

from headframe.node.describe import amount
from headframe.node.errors import Code, KernelError, RpcError
from headframe.node.methods.params import Kind, Method, Param
from headframe.node.rpc import answer_request
from headframe.node.service import NodeService


async def echo(_node: NodeService, value: object) -> object:
    return value


async def refuse(_node: NodeService) -> object:
    raise RpcError(Code.INVALID_PARAMETER, "no")


async def broken(_node: NodeService) -> object:
    raise RuntimeError("a bug")


async def worn(_node: NodeService) -> object:
    raise KernelError("disk full")


async def price(_node: NodeService) -> object:
    return amount(5_000_000_000)


METHODS = {
    method.name: method
    for method in (
        Method(name="echo", about=".", handler=echo, params=(Param("value", Kind.ANY),)),
        Method(name="refuse", about=".", handler=refuse),
        Method(name="broken", about=".", handler=broken),
        Method(name="worn", about=".", handler=worn),
        Method(name="price", about=".", handler=price),
    )
}


async def ask(body: object) -> tuple[int, Any]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = await answer_request(NodeService(Path("/nowhere")), raw, METHODS)
    return answer.status, json.loads(answer.body) if answer.body else None


async def test_a_result_in_the_old_dialect_has_a_null_error() -> None:
    status, body = await ask({"method": "echo", "params": ["hi"], "id": 7})
    assert (status, body) == (200, {"result": "hi", "error": None, "id": 7})


async def test_an_error_in_the_old_dialect_is_a_status_500() -> None:
    status, body = await ask({"method": "refuse", "id": "x"})
    assert status == 500
    assert body == {"result": None, "error": {"code": -8, "message": "no"}, "id": "x"}


async def test_an_unknown_method_is_a_status_404() -> None:
    status, body = await ask({"method": "nope", "id": 1})
    assert (status, body["error"]) == (404, {"code": -32601, "message": "Method not found"})


async def test_the_new_dialect_has_one_of_result_and_error_and_status_200() -> None:
    good = await ask({"jsonrpc": "2.0", "method": "echo", "params": {"value": 1}, "id": 1})
    assert good == (200, {"jsonrpc": "2.0", "result": 1, "id": 1})
    error = {"code": -8, "message": "no"}
    assert await ask({"jsonrpc": "2.0", "method": "refuse", "id": 2}) == (
        200,
        {"jsonrpc": "2.0", "error": error, "id": 2},
    )


@pytest.mark.parametrize("method", ["echo", "refuse", "nope"])
async def test_a_notification_of_the_new_dialect_gets_no_answer(method: str) -> None:
    assert await ask({"jsonrpc": "2.0", "method": method, "params": [1]}) == (204, None)


async def test_a_list_of_calls_gets_a_list_of_answers() -> None:
    status, body = await ask(
        [
            {"method": "echo", "params": [1], "id": 1},
            {"jsonrpc": "2.0", "method": "refuse", "id": 2},
            {"jsonrpc": "2.0", "method": "refuse"},
            5,
        ]
    )
    assert status == 200
    assert [each.get("id") for each in body] == [1, 2, None]
    assert body[2]["error"]["code"] == -32600
    assert await ask([]) == (200, [])
    assert await ask([{"jsonrpc": "2.0", "method": "refuse"}]) == (204, None)


@pytest.mark.parametrize(
    ("body", "status", "code", "message"),
    [
        (b"{", 500, -32700, "Parse error"),
        (b"\xff\xfe", 500, -32700, "Parse error"),
        (b'"text"', 500, -32700, "Top-level object parse error"),
        (b"{}", 400, -32600, "Missing method"),
        (b'{"method": 1}', 400, -32600, "Method must be a string"),
        (b'{"method": "a", "params": 1}', 400, -32600, "Params must be an array or object"),
        (b'{"method": "a", "jsonrpc": 2}', 400, -32600, "jsonrpc field must be a string"),
        (b'{"method": "a", "jsonrpc": "3.0"}', 400, -32600, "JSON-RPC version not supported"),
    ],
)
async def test_a_malformed_request_is_told_why(
    body: bytes, status: int, code: int, message: str
) -> None:
    answer = await ask(body)
    assert answer == (
        status,
        {"result": None, "error": {"code": code, "message": message}, "id": None},
    )


async def test_a_bug_of_ours_is_an_answer_and_a_line_in_the_log() -> None:
    status, body = await ask({"method": "broken", "id": 3})
    assert (status, body["error"]["code"], body["id"]) == (500, -32603, 3)
    assert "a bug" not in body["error"]["message"]


async def test_a_worn_out_kernel_says_so() -> None:
    _, body = await ask({"method": "worn", "id": 3})
    assert body["error"] == {"code": -1, "message": "disk full"}


async def test_amounts_are_numbers_with_eight_decimals() -> None:
    answer = await answer_request(NodeService(Path("/x")), b'{"method":"price"}', METHODS)
    assert b'"result":50.00000000,' in answer.body
