import json
from contextlib import closing
from pathlib import Path

import pytest

from proxy.history import Batch, Rollup
from proxy.history_api import history_served
from proxy.history_figures import Figures
from proxy.history_file import HistoryFile
from tests.fakes.webapi import serving_rows

NOW = 100_000


@pytest.fixture
async def client(tmp_path: Path):
    path = tmp_path / "proxy.sqlite"
    with closing(HistoryFile.open(path)) as file:
        rollups = [Rollup(name, Figures(offered=1, work_offered=2**70)) for name in "ab"]
        for at in (NOW - 7200, NOW - 120, NOW - 60):
            file.write([Batch(route="default", at=at, rollups=rollups)])
    async with serving_rows([history_served(path, lambda: NOW)]) as opened:
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
        ("?form=csv", "there is no parameter 'form'; known: from, to, step"),
        ("?from=tomorrow", "is no time"),
        ("?limit=many", "limit: expected `int`, got `str`; expected 1 to 100000"),
        ("?limit=0", "expected 1 to 100000"),
        ("?step=day", "step: invalid enum value 'day'; expected one of hour, minute"),
        ("?by=rig", "by: invalid enum value 'rig'; expected one of route, worker"),
        ("?format=xml", "format: invalid enum value 'xml'"),
        ("?limit=5&limit=6", "limit is given twice"),
    ],
)
async def test_what_cannot_be_asked_for_is_told(client, query, words):
    told = json.loads(await ask(client, query, 422))
    assert words in f"{told['error']}; {told['what_to_do']}"


async def test_without_a_history_the_answer_says_so(tmp_path):
    async with serving_rows([history_served(tmp_path / "none.sqlite")]) as client:
        assert "there is no history" in await ask(client, "", 422)
