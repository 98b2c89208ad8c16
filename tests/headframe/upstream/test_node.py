"""`NodeRpc` against a scripted server, and a real bitcoind."""

import asyncio
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest

from headframe.upstream.base import (
    BadUpstreamError,
    RefusedError,
    UnreachableError,
    UpstreamError,
)
from headframe.upstream.node import METHOD_NOT_FOUND, NodeRpc, RpcError, Shape
from tests.fakes.bitcoind import running_bitcoind
from tests.fakes.ports import free_port
from tests.fakes.rpcnode import DROP, Fault, Hold, Raw, RpcNode, Script


async def error_of(answer: object, **options: object) -> UpstreamError:
    """Call a node that gives this answer; return what is raised."""
    async with RpcNode({"getblockcount": answer}) as node, NodeRpc(node.url, user="u") as rpc:
        with pytest.raises(UpstreamError) as caught:
            await rpc.call("getblockcount", **options)  # type: ignore[arg-type]
    return caught.value


async def test_result_and_params_pass_through() -> None:
    async with (
        RpcNode({"echo": lambda params: params}) as node,
        NodeRpc(node.url, user="u", password="p") as rpc,
    ):
        node.credentials = "u:p"
        assert await rpc.call("echo", 1, "two", {"rules": ["segwit"]}) == [
            1,
            "two",
            {"rules": ["segwit"]},
        ]


async def test_amounts_are_never_floats() -> None:
    body = b'{"result":{"fee":0.00001234,"value":5000000000,"big":1e-8},"error":null,"id":1}'
    async with RpcNode({"x": Raw(200, body)}) as node, NodeRpc(node.url, user="u") as rpc:
        result = await rpc.call("x")
    assert result == {"fee": Decimal("0.00001234"), "value": 5_000_000_000, "big": Decimal("1e-8")}
    assert not any(isinstance(value, float) for value in result.values())


@dataclass
class Coin:
    value: int
    script: str = ""


async def test_a_result_comes_in_the_shape_that_it_should_have() -> None:
    shape = Shape(list[Coin])
    coins = [{"value": 5, "depends": [1, 2]}, {"value": 6, "script": "51"}]
    odd = [{"value": "5"}]
    script = Script(coins, odd, None, Raw(500, b'{"error":{"code":-8,"message":"no"}}'))
    async with RpcNode({"x": script}) as node, NodeRpc(node.url, user="u") as rpc:
        assert await rpc.call("x", shape=shape) == [Coin(5), Coin(6, "51")]
        assert await rpc.call("x", shape=shape) == odd  # for who asked to say what is wrong
        assert await rpc.call("x", shape=shape) is None
        with pytest.raises(RpcError, match="the node refused x: no"):
            await rpc.call("x", shape=shape)


async def test_answers_of_every_size_are_read_one_after_the_other_and_at_once() -> None:
    answers = {name: [name * 99] * size for name, size in [("x", 9), ("y", 9_999), ("z", 5_000)]}
    async with RpcNode(answers) as node, NodeRpc(node.url, user="u") as rpc:
        for name in ("x", "y", "x", "z", "y", "x"):
            assert await rpc.call(name) == answers[name]
        async with asyncio.timeout(30), asyncio.TaskGroup() as group:
            asked = [(name, group.create_task(rpc.call(name))) for name in "zyxzyx"]
        assert all(task.result() == answers[name] for name, task in asked)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b'{"result":null,"error":{"code":-8,"message":"Invalid mode"},"id":1}'),
        (200, b'{"jsonrpc":"2.0","error":{"code":-8,"message":"Invalid mode"},"id":1}'),
        (404, b'{"result":null,"error":{"code":-8,"message":"Invalid mode"},"id":1}'),
    ],
)
async def test_an_error_is_told_whatever_the_status(status: int, body: bytes) -> None:
    error = await error_of(Raw(status, body))
    assert isinstance(error, RpcError)
    assert (error.method, error.code, error.message) == ("getblockcount", -8, "Invalid mode")
    assert str(error) == "the node refused getblockcount: Invalid mode (code -8)"


async def test_an_error_that_is_only_text() -> None:
    error = await error_of(Raw(200, b'{"result":null,"error":"-3:method not found","id":1}'))
    assert isinstance(error, RpcError)
    assert error.message == "-3:method not found"


async def test_a_method_the_node_does_not_know() -> None:
    async with RpcNode() as node, NodeRpc(node.url, user="u") as rpc:
        with pytest.raises(RpcError) as caught:
            await rpc.call("nonsense")
    assert caught.value.code == METHOD_NOT_FOUND


async def test_a_node_that_starts_up_is_to_be_tried_again() -> None:
    error = await error_of(Fault(-28, "Loading block index…"))
    assert isinstance(error, UnreachableError)
    assert "starting up: Loading block index…" in str(error)


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (Raw(503, b"Work queue depth exceeded"), UnreachableError, "rpcworkqueue"),
        (Raw(403), RefusedError, "rpcallowip"),
        (Raw(401), RefusedError, "wrong user or password (user 'u')"),
        (Raw(200, b"<html>hello</html>"), BadUpstreamError, "no bitcoind: HTTP status 200"),
        (Raw(302, b""), BadUpstreamError, "no bitcoind: HTTP status 302"),
        (Raw(500, b'{"result":1}'), BadUpstreamError, "HTTP status 500"),
        (Raw(200, b"[1,2]"), BadUpstreamError, "no bitcoind"),
        (Raw(200, b"\xff\xfe"), BadUpstreamError, "no bitcoind"),
        (DROP, UnreachableError, "broke"),
    ],
)
async def test_what_is_no_answer_is_one_clear_line(
    answer: object, kind: type[UpstreamError], words: str
) -> None:
    error = await error_of(answer)
    assert type(error) is kind
    assert words in str(error)
    assert "\n" not in str(error)


async def test_a_connection_that_was_just_closed_is_tried_once_more() -> None:
    async with (
        RpcNode({"submitblock": Script(DROP, "duplicate")}) as node,
        NodeRpc(node.url, user="u") as rpc,
    ):
        assert await rpc.call("submitblock", "00") == "duplicate"
        assert len(node.calls) == 2


async def test_a_node_that_does_not_answer_in_time() -> None:
    async with RpcNode() as node, NodeRpc(node.url, user="u") as rpc:
        hold = node.answers["getblockcount"] = Hold(1)
        with pytest.raises(UnreachableError, match=r"did not answer getblockcount within 0\.05 s"):
            await rpc.call("getblockcount", timeout_seconds=0.05)
        hold.free.set()


async def test_a_waiting_call_holds_no_other_up() -> None:
    async with RpcNode({"getblockcount": 7}) as node, NodeRpc(node.url, user="u") as rpc:
        hold = node.answers["waitfornewblock"] = Hold({"height": 8})
        async with asyncio.TaskGroup() as group:
            waiting = [group.create_task(rpc.call("waitfornewblock")) for _ in range(5)]
            await node.wait_called("waitfornewblock", 5)
            assert await rpc.call("getblockcount") == 7
            hold.free.set()
    assert waiting[0].result() == {"height": 8}


async def test_nobody_listens() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    async with NodeRpc(url, user="u") as rpc:
        with pytest.raises(UnreachableError, match=r"no node answers at http.*is it running"):
            await rpc.call("getblockcount")


async def test_a_name_that_is_none() -> None:
    async with NodeRpc("http://no..name:1", user="u") as rpc:
        with pytest.raises(UpstreamError, match=r"no\.\.name"):
            await rpc.call("getblockcount")


async def test_a_cookie_is_read_again_when_it_is_refused(tmp_path: Path) -> None:
    cookie = tmp_path / ".cookie"
    cookie.write_text("__cookie__:old\n")
    async with RpcNode({"getblockcount": 3}) as node, NodeRpc(node.url, cookie=cookie) as rpc:
        node.credentials = "__cookie__:old"
        assert await rpc.call("getblockcount") == 3
        node.credentials = "__cookie__:new"
        cookie.write_text("__cookie__:new")
        assert await rpc.call("getblockcount") == 3
        assert node.refused == 1
        node.credentials = "__cookie__:yet another"
        with pytest.raises(RefusedError) as caught:
            await rpc.call("getblockcount")
        assert node.refused == 3  # twice, and no more
        assert str(cookie) in str(caught.value)


async def test_a_missing_cookie_says_where_it_was_looked_for(tmp_path: Path) -> None:
    cookie = tmp_path / "regtest" / ".cookie"
    async with NodeRpc("http://127.0.0.1:1", cookie=cookie) as rpc:
        with pytest.raises(RefusedError) as caught:
            await rpc.call("getblockcount")
    assert str(caught.value).startswith(f"no cookie file at {cookie}")


async def test_a_cookie_that_is_no_file(tmp_path: Path) -> None:
    async with NodeRpc("http://127.0.0.1:1", cookie=tmp_path) as rpc:
        with pytest.raises(RefusedError, match="cannot be read"):
            await rpc.call("getblockcount")


async def test_a_closed_client_may_be_used_again() -> None:
    async with RpcNode({"getblockcount": 1}) as node:
        rpc = NodeRpc(node.url, user="u")
        assert await rpc.call("getblockcount") == 1
        await rpc.close()
        assert await rpc.call("getblockcount") == 1
        await rpc.close()
        await rpc.close()


@pytest.mark.node
async def test_a_real_bitcoind(tmp_path: Path) -> None:
    with running_bitcoind(tmp_path / "node") as node:
        async with NodeRpc(node.url, cookie=node.cookie) as rpc:
            assert await rpc.call("getblockcount") == 0
            assert (await rpc.call("getblockchaininfo"))["chain"] == "regtest"
            assert isinstance((await rpc.call("getnetworkinfo"))["relayfee"], Decimal)
            with pytest.raises(RpcError) as unknown:
                await rpc.call("nonsense")
            with pytest.raises(RpcError) as refused:
                await rpc.call("submitblock", "00")
        async with NodeRpc(node.url, user="me", password="wrong") as rpc:
            with pytest.raises(RefusedError, match="wrong user or password"):
                await rpc.call("getblockcount")
    assert unknown.value.code == METHOD_NOT_FOUND
    assert refused.value.code == -22
