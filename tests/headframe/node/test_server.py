"""The RPC over HTTP: who may call, and how long polls end."""

import asyncio
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from headframe.node.errors import NodeError
from headframe.node.server import RpcServer
from headframe.node.service import NodeService
from headframe.runtime.errors import ListenError, PortInUseError
from tests.fakes.nodeparts import Key, need_kernel

pytestmark = pytest.mark.kernel

ADDRESS = Key().address


class Client:
    """A bare HTTP client of one server."""

    def __init__(self, url: str, cookie: Path, session: aiohttp.ClientSession) -> None:
        self.url, self.cookie, self.session = url, cookie, session

    def login(self) -> dict[str, str]:
        user, _, password = self.cookie.read_text().partition(":")
        return {"Authorization": aiohttp.encode_basic_auth(user, password)}

    async def post(
        self, body: bytes, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes, str]:
        headers = self.login() if headers is None else headers
        async with self.session.post(self.url, data=body, headers=headers) as answer:
            return answer.status, await answer.read(), answer.headers.get("WWW-Authenticate", "")

    async def call(self, method: str, *params: object) -> Any:
        body = {"method": method, "params": list(params), "id": 1}
        async with self.session.post(self.url, json=body, headers=self.login()) as answer:
            return (await answer.json())["result"]


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Client]:
    need_kernel()
    cookie = folder / ".cookie"
    async with (
        NodeService(folder) as node,
        RpcServer(node, host="127.0.0.1", port=0, cookie=cookie) as server,
        aiohttp.ClientSession() as session,
    ):
        yield Client(server.url, cookie, session)


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    async with serving(tmp_path / "regtest") as opened:
        yield opened


async def test_the_cookie_is_as_bitcoind_has_it(tmp_path: Path) -> None:
    async with serving(tmp_path / "regtest") as client:
        text = client.cookie.read_text()
        assert len(text) == 75
        assert text.startswith("__cookie__:")
        assert bytes.fromhex(text[11:])
        assert stat.S_IMODE(client.cookie.stat().st_mode) == 0o600
        path = client.cookie
    assert not path.exists()
    async with serving(tmp_path / "regtest") as client:
        assert client.cookie.read_text() != text


async def test_a_call_is_answered(client: Client) -> None:
    status, body, _ = await client.post(b'{"method": "getblockcount", "id": 1}')
    assert (status, body) == (200, b'{"result":0,"error":null,"id":1}\n')


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Basic eDp5"},
        {"Authorization": "nonsense"},
        {"Authorization": "Basic \xff"},
    ],
    ids=["none", "wrong", "nonsense", "no ascii"],
)
async def test_without_the_cookie_there_is_an_empty_401(
    client: Client, headers: dict[str, str]
) -> None:
    status, body, challenge = await client.post(b'{"method": "stop"}', headers)
    assert (status, body, challenge) == (401, b"", 'Basic realm="jsonrpc"')
    assert await client.call("getblockcount") == 0


async def test_only_post_to_the_root_is_served(client: Client) -> None:
    async with client.session.get(client.url, headers=client.login()) as answer:
        assert answer.status == 405
    async with client.session.post(client.url + "/x", headers=client.login()) as answer:
        assert answer.status == 404


async def test_a_long_poll_is_woken_by_a_new_block(client: Client) -> None:
    request = {"rules": ["segwit"]}
    first = await client.call("getblocktemplate", request)
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        poll = group.create_task(
            client.call("getblocktemplate", {**request, "longpollid": first["longpollid"]})
        )
        assert await client.call("getblockcount") == 0
        assert not poll.done()
        (block_hash,) = await client.call("generatetoaddress", 1, ADDRESS)
    assert poll.result()["previousblockhash"] == block_hash
    assert poll.result()["height"] == 2


async def test_a_long_poll_on_another_tip_is_answered_at_once(client: Client) -> None:
    request = {"rules": ["segwit"], "longpollid": "ab" * 32 + "1"}
    async with asyncio.timeout(20):
        assert (await client.call("getblocktemplate", request))["height"] == 1


async def test_waiting_calls_do_not_hold_up_others(client: Client) -> None:
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        waits = [group.create_task(client.call("waitforblockheight", 1, 60_000)) for _ in range(50)]
        assert await client.call("getblockcount") == 0
        (block_hash,) = await client.call("generatetoaddress", 1, ADDRESS)
    assert [wait.result() for wait in waits] == [{"hash": block_hash, "height": 1}] * 50


async def test_too_many_calls_at_once_get_a_503(tmp_path: Path) -> None:
    need_kernel()
    cookie = tmp_path / ".cookie"
    async with (
        asyncio.timeout(20),
        aiohttp.ClientSession() as session,
        NodeService(tmp_path) as node,
        RpcServer(node, host="127.0.0.1", port=0, cookie=cookie, most_in_flight=0) as server,
    ):
        status, body, _ = await Client(server.url, cookie, session).post(b"{}")
    assert (status, body) == (503, b"Work queue depth exceeded")


async def test_waiting_calls_are_told_of_the_end(tmp_path: Path) -> None:
    need_kernel()
    cookie = tmp_path / ".cookie"
    async with (
        asyncio.timeout(20),
        aiohttp.ClientSession() as session,
        asyncio.TaskGroup() as group,
        NodeService(tmp_path) as node,
        RpcServer(node, host="127.0.0.1", port=0, cookie=cookie) as server,
    ):
        client = Client(server.url, cookie, session)
        headers = client.login()
        body = b'{"method": "waitfornewblock", "params": [60000], "id": 1}'
        poll = group.create_task(client.post(body, headers))
        assert await client.call("getblockcount") == 0
    status, text, _ = poll.result()
    assert status == 500
    assert b'"code":-9' in text
    assert b"Shutting down" in text


async def test_a_port_in_use_is_told_in_one_line(client: Client, tmp_path: Path) -> None:
    port = int(client.url.rpartition(":")[2])
    async with NodeService(tmp_path / "other") as node:
        server = RpcServer(node, host="127.0.0.1", port=port, cookie=tmp_path / "c")
        with pytest.raises(PortInUseError, match=f"127.0.0.1:{port} is in use"):
            async with server:
                pass
        assert not (tmp_path / "c").exists()


async def test_an_address_that_is_not_ours_is_told_in_one_line(tmp_path: Path) -> None:
    need_kernel()
    async with NodeService(tmp_path) as node:
        server = RpcServer(node, host="192.0.2.1", port=0, cookie=tmp_path / "c")
        with pytest.raises(ListenError, match=r"192\.0\.2\.1"):
            async with server:
                pass


async def test_a_cookie_that_cannot_be_written_is_told_in_one_line(tmp_path: Path) -> None:
    need_kernel()
    async with NodeService(tmp_path) as node:
        server = RpcServer(node, host="127.0.0.1", port=0, cookie=tmp_path / "no" / ".cookie")
        with pytest.raises(NodeError, match=r"cookie .* cannot be written"):
            async with server:
                pass
