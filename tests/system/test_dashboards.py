"""The dashboards that we ship: current, and of the form that Grafana's own types demand."""

import copy
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest
import yaml

from tests.fakes.dashboards import BOARDS, expressions
from tests.fakes.prometheus import DEPLOY
from tests.fakes.vectors import load

ROOT = DEPLOY.parent
SCHEMA = jsonschema.Draft7Validator(load("grafana_dashboard"))
METRICS = (ROOT / "docs/metrics.md").read_text()


def test_the_dashboards_are_current() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/dashboards.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", BOARDS)
def test_each_dashboard_is_of_grafanas_own_types(name: str) -> None:
    SCHEMA.check_schema(SCHEMA.schema)
    faults = [
        f"{list(error.absolute_path)}: {deep.message[:200]}"
        for error in SCHEMA.iter_errors(BOARDS[name])
        for deep in (error, *error.context)
    ]
    assert faults == []


def spoil_key(board: dict[str, Any]) -> None:
    board["panels"][0]["options"]["colourMode"] = "value"


def spoil_word(board: dict[str, Any]) -> None:
    board["panels"][0]["options"]["colorMode"] = "loud"


def spoil_type(board: dict[str, Any]) -> None:
    board["panels"][0]["gridPos"]["w"] = "4"


def spoil_query(board: dict[str, Any]) -> None:
    del board["panels"][0]["targets"][0]["refId"]


def spoil_board(board: dict[str, Any]) -> None:
    board["schemaVersion"] = None


@pytest.mark.parametrize("spoil", [spoil_key, spoil_word, spoil_type, spoil_query, spoil_board])
def test_a_dashboard_of_another_form_is_noticed(spoil: Callable[[dict[str, Any]], None]) -> None:
    board = copy.deepcopy(BOARDS["fleet"])
    assert SCHEMA.is_valid(board)
    spoil(board)
    assert not SCHEMA.is_valid(board)


@pytest.mark.parametrize("name", BOARDS)
def test_each_query_asks_for_metrics_that_there_are(name: str) -> None:
    known = set(re.findall(r"^\| `(headframe_\w+)` \|", METRICS, re.M))
    for title, expression in expressions(name):
        asked = re.findall(r"\b(headframe_\w+|process_\w+)\b", expression)
        assert asked, title
        for metric in asked:
            bare = re.sub(r"_(bucket|count|sum)$", "", metric)
            assert bare in known or metric.startswith("process_"), f"{title}: {metric}"


@pytest.mark.parametrize("name", BOARDS)
def test_each_panel_says_what_it_shows_and_lies_on_none_other(name: str) -> None:
    taken: set[tuple[int, int]] = set()
    ids = set()
    for panel in BOARDS[name]["panels"]:
        assert panel["title"]
        assert panel["description"].endswith(".")
        ids.add(panel["id"])
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & taken
        taken |= cells
    assert len(ids) == len(BOARDS[name]["panels"])


def test_there_is_a_dashboard_for_each_matter() -> None:
    assert set(BOARDS) == {"fleet", "rig", "upstreams", "solo", "devices", "waterfall"}
    assert len({board["uid"] for board in BOARDS.values()}) == len(BOARDS)


def test_a_workers_row_leads_to_its_own_dashboard() -> None:
    urls = {
        link["url"]
        for board in BOARDS.values()
        for panel in board["panels"]
        for override in panel["fieldConfig"]["overrides"]
        for each in override["properties"]
        if each["id"] == "links"
        for link in each["value"]
    }
    assert urls
    for url in urls:
        uid, query = url.removeprefix("/d/").split("?")
        [board] = [each for each in BOARDS.values() if each["uid"] == uid]
        named = {variable["name"] for variable in board["templating"]["list"]}
        assert set(re.findall(r"var-(\w+)=", query)) <= named
        assert set(re.findall(r"\{(\w+):queryparam\}", query)) <= named


def test_they_are_provisioned() -> None:
    folder = DEPLOY / "grafana/provisioning"
    [source] = yaml.safe_load((folder / "datasources/prometheus.yml").read_text())["datasources"]
    assert (source["type"], source["isDefault"]) == ("prometheus", True)
    [provider] = yaml.safe_load((folder / "dashboards/headframe.yml").read_text())["providers"]
    assert provider["type"] == "file"
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    [place] = [
        volume["target"]
        for volume in compose["services"]["grafana"]["volumes"]
        if isinstance(volume, dict) and volume["source"] == "./deploy/grafana/dashboards"
    ]
    assert provider["options"]["path"] == place
