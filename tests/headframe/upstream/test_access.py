"""How a node is reached."""

from pathlib import Path

from headframe.upstream.access import NodeAccess
from tests.fakes.rpcnode import RpcNode


async def test_a_password_goes_before_a_cookie(tmp_path: Path) -> None:
    cookie = tmp_path / ".cookie"
    cookie.write_text("__cookie__:x")
    async with RpcNode({"getblockcount": 7}) as node:
        for credentials, access in (
            ("u:p", NodeAccess(url=node.url, user="u", password="p", cookie=cookie)),
            ("__cookie__:x", NodeAccess(url=node.url, user="u", cookie=cookie)),
        ):
            node.credentials = credentials
            async with access.connect() as rpc:
                assert await rpc.call("getblockcount") == 7


def test_its_password_is_not_shown() -> None:
    access = NodeAccess(url="http://h:1", user="u", password="hunter2")
    assert "hunter2" not in repr(access)
    assert access == NodeAccess(url="http://h:1", user="u", password="hunter2")
