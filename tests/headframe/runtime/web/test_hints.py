"""Hints from other programs on this machine, as bitcoind's blocknotify gives them."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp.test_utils import make_mocked_request

from headframe.runtime.web import Problem, WebServer
from headframe.runtime.web.hints import hinted
from tests.fakes.bitcoind import running_bitcoind
from tests.fakes.wallet import Wallet

HASH = "00" * 32


class Ears:
    """Counts hints."""

    def __init__(self, listeners: int = 1) -> None:
        self.listeners = listeners
        self.heard = 0
        self.came = asyncio.Event()

    def nudge(self) -> int:
        self.heard += 1
        self.came.set()
        return self.listeners


def server_of(ears: Ears | None) -> WebServer:
    return WebServer(
        "127.0.0.1",
        0,
        status=dict,
        metrics=bytes,
        healthy=lambda: True,
        title="Test",
        hints=None if ears is None else ears.nudge,
    )


@asynccontextmanager
async def serving(ears: Ears | None) -> AsyncIterator[aiohttp.ClientSession]:
    server = server_of(ears)
    async with asyncio.timeout(60), server, aiohttp.ClientSession(server.url) as session:
        yield session


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_hint_is_taken_without_a_token(method: str) -> None:
    ears = Ears()
    async with serving(ears) as session:
        async with session.request(method, f"/api/v1/blocknotify?hash={HASH}") as answer:
            assert (answer.status, await answer.text()) == (200, "ok\n")
        async with session.request(method, "/api/v1/blocknotify", data=None) as answer:
            assert answer.status == 200
    assert ears.heard == 2


async def test_without_a_node_there_is_nobody_to_take_it() -> None:
    async with serving(Ears(0)) as session, session.get("/api/v1/blocknotify") as answer:
        assert answer.status == 503
        assert "no node is in use" in await answer.text()


async def test_a_program_that_mines_on_no_node_has_no_such_path() -> None:
    async with serving(None) as session, session.get("/api/v1/blocknotify") as answer:
        assert answer.status == 404


@pytest.mark.parametrize(
    ("remote", "status"),
    [
        ("127.0.0.1", 200),
        ("127.9.9.9", 200),
        ("::1", 200),
        ("::ffff:127.0.0.1", 200),
        ("192.0.2.1", 403),
        ("::ffff:192.0.2.1", 403),
        ("2001:db8::1", 403),
        ("", 403),
    ],
)
async def test_only_programs_on_this_machine_may_hint(remote: str, status: int) -> None:
    ears = Ears()
    request = make_mocked_request("GET", "/api/v1/blocknotify").clone(remote=remote)
    handle = hinted(ears.nudge)
    if status == 200:
        assert (await handle(request, None)).status == 200
    else:
        with pytest.raises(Problem) as caught:
            await handle(request, None)
        assert caught.value.status == status
    assert ears.heard == (status == 200)


@pytest.mark.node
async def test_a_real_bitcoind_calls_it_for_each_block(tmp_path: Path) -> None:
    ears = Ears()
    async with asyncio.timeout(100), server_of(ears) as server:
        url = f"{server.url}api/v1/blocknotify?hash=%s"
        get = f"import urllib.request as r; r.urlopen('{url}').read()"
        notify = f'-blocknotify="{sys.executable}" -c "{get}"'
        with running_bitcoind(tmp_path / "node", extra=[notify]) as node:
            address = Wallet.numbered(1).address
            # Silent in initial download, which the first block of today ends.
            await node.acall("generatetoaddress", 1, address)
            for count in range(1, 3):
                await node.acall("generatetoaddress", 1, address)
                await ears.came.wait()
                ears.came.clear()
                assert ears.heard >= count
