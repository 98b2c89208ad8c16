"""The web hook, against a web server that answers as it is told."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import web
from structlog.testing import capture_logs

from headframe.chain.share import Reason, Verdict
from headframe.runtime.errors import ConfigError
from headframe.upstream.blocks import BlockEventKind, BlockFeed
from headframe.upstream.hook import WebHook
from headframe.upstream.journal_lines import BlockRecord
from tests.fakes.foundblocks import NODE, quick, until

FOUND = BlockRecord(hash=bytes([255]) + bytes(31), height=7, source=NODE, found_at=5)
BESIDE = FOUND.judged(Verdict(reason=Reason.STALE, detail="inconclusive"), "far")
SECRET = "s3cr3t-in-the-path"


class Listener:
    """The other side: answers with these statuses, the last one for ever."""

    def __init__(self, *statuses: int, tls: ssl.SSLContext | None = None) -> None:
        self._statuses = list(statuses)
        self._tls = tls
        self.heard: list[Any] = []
        self.asked = 0
        self.hold = asyncio.Event()
        self.hold.set()
        self.url = ""

    async def _serve(self, request: web.Request) -> web.Response:
        self.asked += 1
        assert request.content_type == "application/json"
        body = json.loads(await request.read())
        await self.hold.wait()
        status = self._statuses.pop(0) if len(self._statuses) > 1 else self._statuses[0]
        if status == 200:
            self.heard.append(body)
        headers = {"Location": "/elsewhere"} if status == 302 else {}
        return web.Response(status=status, headers=headers)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        app = web.Application()
        app.router.add_post(f"/{SECRET}", self._serve)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=self._tls)
        await site.start()
        self.url = (
            f"http{'' if self._tls is None else 's'}://127.0.0.1:{runner.addresses[0][1]}/{SECRET}"
        )
        try:
            yield
        finally:
            self.hold.set()
            await runner.cleanup()


@asynccontextmanager
async def hooked(url: str, **options: Any) -> AsyncIterator[BlockFeed]:
    feed = BlockFeed()
    hook = WebHook(url, feed=feed, backoff=quick, **options)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(hook.run())
        yield feed
        task.cancel()


async def test_events_are_posted_in_order() -> None:
    listener = Listener(200)
    async with listener.listening(), hooked(listener.url) as feed:
        feed.tell(BlockEventKind.FOUND, FOUND)
        feed.tell(BlockEventKind.REFUSED, BESIDE)
        await until(lambda: feed.stats.block_hook_calls == 2)
    assert listener.heard == [
        {
            "event": "found",
            "hash": "00" * 31 + "ff",
            "height": 7,
            "source": "node",
            "reason": "pending",
            "detail": "",
            "node": "",
            "confirmations": 0,
            "found_at": 5,
        },
        {
            "event": "refused",
            "hash": "00" * 31 + "ff",
            "height": 7,
            "source": "node",
            "reason": "stale",
            "detail": "inconclusive",
            "node": "far",
            "confirmations": 0,
            "found_at": 5,
        },
    ]


@pytest.mark.parametrize("status", [500, 503, 429, 408])
async def test_trouble_that_may_pass_is_tried_again(status: int) -> None:
    listener = Listener(status, status, 200)
    async with listener.listening(), hooked(listener.url) as feed:
        feed.tell(BlockEventKind.FOUND, FOUND)
        await until(lambda: feed.stats.block_hook_calls == 1)
    assert (listener.asked, feed.stats.block_hook_failures) == (3, 0)


@pytest.mark.parametrize(("status", "tries"), [(404, 1), (401, 1), (302, 1), (500, 8)])
async def test_it_is_given_up_in_the_end_without_telling_its_secret(
    status: int, tries: int
) -> None:
    listener = Listener(status)
    with capture_logs() as logs:
        async with listener.listening(), hooked(listener.url) as feed:
            feed.tell(BlockEventKind.FOUND, FOUND)
            await until(lambda: feed.stats.block_hook_failures == 1)
    assert (listener.asked, feed.stats.block_hook_calls) == (tries, 0)
    (warning,) = logs
    assert warning["event"] == "block_hook_failed"
    assert warning["error"] == f"HTTP status {status}"
    assert SECRET not in str(logs)
    assert warning["host"] in listener.url


async def test_one_that_does_not_answer_holds_up_nothing_else() -> None:
    listener = Listener(200)
    listener.hold.clear()
    async with listener.listening(), hooked(listener.url, call_seconds=0.05, tries=2) as feed:
        with capture_logs() as logs:
            feed.tell(BlockEventKind.FOUND, FOUND)  # returns at once
            await until(lambda: feed.stats.block_hook_failures == 1)
    assert "no answer within 0.05 s" in str(logs)


@pytest.mark.parametrize("name", ["127.0.0.1", "elsewhere.example"])
@pytest.mark.parametrize("known", [True, False])
async def test_over_https_the_system_s_authorities_and_the_name_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, known: bool
) -> None:
    authority, other = trustme.CA(), trustme.CA()
    (authority if known else other).cert_pem.write_to_path(tmp_path / "system.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "system.pem"))  # OpenSSL's own switch
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(tls)
    listener = Listener(200, tls=tls)
    with capture_logs() as logs:
        async with listener.listening(), hooked(listener.url, tries=2) as feed:
            feed.tell(BlockEventKind.FOUND, FOUND)
            await until(lambda: feed.stats.block_hook_calls + feed.stats.block_hook_failures == 1)
    good = known and name == "127.0.0.1"
    assert (feed.stats.block_hook_calls, listener.asked) == (int(good), int(good))
    assert [each["error"] for each in logs] == ([] if good else ["ClientConnectorCertificateError"])


async def test_nobody_there() -> None:
    with capture_logs() as logs:
        async with hooked(f"http://127.0.0.1:1/{SECRET}", tries=2) as feed:
            feed.tell(BlockEventKind.FOUND, FOUND)
            await until(lambda: feed.stats.block_hook_failures == 1)
    assert SECRET not in str(logs)
    assert "ClientConnectorError" in str(logs)


async def test_a_hook_may_be_pointed_elsewhere_and_nowhere() -> None:
    listener, other = Listener(200), Listener(200)
    feed = BlockFeed()
    hook = WebHook("", feed=feed, backoff=quick)
    async with listener.listening(), other.listening(), asyncio.TaskGroup() as group:
        task = group.create_task(hook.run())
        feed.tell(BlockEventKind.FOUND, FOUND)  # nobody is told
        hook.point_to(listener.url)
        feed.tell(BlockEventKind.REFUSED, BESIDE)
        await until(lambda: feed.stats.block_hook_calls == 1)
        with pytest.raises(ConfigError):
            hook.point_to("nonsense")
        hook.point_to(other.url)
        feed.tell(BlockEventKind.FOUND, FOUND)
        await until(lambda: feed.stats.block_hook_calls == 2)
        feed.tell(BlockEventKind.FOUND, FOUND)
        hook.point_to("")
        feed.tell(BlockEventKind.FOUND, FOUND)
        task.cancel()
    assert [each["event"] for each in listener.heard] == ["refused"]
    assert [each["event"] for each in other.heard][:1] == ["found"]
    assert feed.stats.block_hook_failures == 0


async def test_too_many_events_are_dropped_and_counted() -> None:
    feed = BlockFeed()
    WebHook("http://127.0.0.1:1/", feed=feed)
    with capture_logs() as logs:
        for _ in range(258):
            feed.tell(BlockEventKind.FOUND, FOUND)
    assert feed.stats.block_hook_failures == len(logs) == 2


@pytest.mark.parametrize(
    "url", ["host/path", "ftp://host/x", "http://", "http://h:x/", f"/{SECRET}", "http://[::1"]
)
def test_what_is_no_url_of_a_web_server(url: str) -> None:
    with pytest.raises(ConfigError, match="hook is no URL of a web server") as caught:
        WebHook(url, feed=BlockFeed())
    assert SECRET not in str(caught.value)
