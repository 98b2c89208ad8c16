import json
from contextlib import closing
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from proxy.history import Batch, Figures, Rollup
from proxy.history_api import history_handler
from proxy.history_file import HistoryFile

NOW = 100_000


@pytest.fixture
async def client(tmp_path: Path):
    path = tmp_path / "proxy.sqlite"
    with closing(HistoryFile.open(path)) as file:
        rollups = [Rollup(name, Figures(offered=1, work_offered=2**70)) for name in "ab"]
        for at in (NOW - 7200, NOW - 120, NOW - 60):
            file.write([Batch(route="default", at=at, rollups=rollups)])
    app = web.Application()
    app.router.add_get("/api/v1/history", history_handler(path, lambda: NOW))
    async with TestClient(TestServer(app)) as opened:
        yield opened


async def ask(client, query: str, status: int = 200) -> str:
    answer = await client.get(f"/api/v1/history{query}")
    assert answer.status == status
    text: str = await answer.text()
    return text


async def test_the_last_hour_is_told_by_worker(client):
    told = json.loads(await ask(client, ""))
    assert (told["from"], told["to"], told["step"], told["more"]) == (96_400, NOW, "minute", False)
    assert [row["worker"] for row in told["rows"]] == ["a", "b", "a", "b"]
    assert told["rows"][0]["work_offered"] == str(2**70)


async def test_what_is_asked_for_is_told(client):
    told = json.loads(await ask(client, "?from=1d&by=route&step=hour"))
    assert [row["shares_offered"] for row in told["rows"]] == [2, 4]
    told = json.loads(await ask(client, "?from=1d&worker=a&route=default&limit=2"))
    assert (len(told["rows"]), told["more"]) == (2, True)
    answer = await client.get("/api/v1/history?format=csv&limit=3")
    assert answer.content_type == "text/csv"
    assert answer.headers["Headframe-More"] == "true"
    assert len((await answer.text()).splitlines()) == 4


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("?form=csv", "unknown: form"),
        ("?from=tomorrow", "is no time"),
        ("?limit=many", "limit"),
        ("?limit=0", "limit is 0: expected 1 to 100000"),
        ("?step=day", "step is 'day': expected one of minute, hour"),
        ("?by=rig", "by is 'rig'"),
        ("?format=xml", "format is 'xml'"),
    ],
)
async def test_what_cannot_be_asked_for_is_told(client, query, words):
    assert words in json.loads(await ask(client, query, 422))["error"]


async def test_without_a_history_the_answer_says_so(tmp_path):
    app = web.Application()
    app.router.add_get("/api/v1/history", history_handler(tmp_path / "none.sqlite"))
    async with TestClient(TestServer(app)) as client:
        assert "there is no history" in await ask(client, "", 422)
