"""The alerts that we ship: each is tested, explained, and asks for metrics that there are."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fakes.prometheus import DEPLOY, scaled
from tests.fakes.promtool import promtool

FOLDER = DEPLOY / "prometheus"
DOCS = DEPLOY.parent / "docs"
ALERTS: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
NAMES = [rule["alert"] for rule in ALERTS]
TESTS: dict[str, dict[str, Any]] = {
    each["name"]: each for each in yaml.safe_load((FOLDER / "alerts_test.yml").read_text())["tests"]
}
OF_PROMETHEUS = {"up", "process_open_fds", "process_max_fds"}
"""Series that Prometheus makes itself, or that its client library exports."""


def documented() -> dict[str, str]:
    """Kind of each metric that we export, by its name."""
    page = (DOCS / "metrics.md").read_text()
    return dict(re.findall(r"^\| `(headframe_\w+)` \| (\w+) \|", page, re.M))


def named_in(expression: str) -> set[str]:
    """Metrics that an expression asks for; a histogram's without their ending."""
    bare = re.sub(r'"[^"]*"|\{[^}]*\}|\[[^\]]*\]', "", expression)
    bare = re.sub(r"\b(on|ignoring|by|without|group_left|group_right)\s*\([^)]*\)", "", bare)
    names = re.findall(r"\b(headframe_\w+|up|process_\w+)\b(?!\s*\()", bare)
    return {re.sub(r"_(bucket|count|sum)$", "", name) for name in names}


@pytest.mark.promtool
@pytest.mark.parametrize("name", ["prometheus.yml", "prometheus.compose.yml"])
def test_prometheus_understands_our_configuration(name: str) -> None:
    done = promtool("check", "config", str(FOLDER / name))
    assert done.returncode == 0, (done.stdout + done.stderr).decode()


@pytest.mark.promtool
@pytest.mark.timeout(300)  # days of samples, a minute of work on a busy machine
def test_every_alert_fires_when_it_shall_and_not_before() -> None:
    done = promtool("test", "rules", str(FOLDER / "alerts_test.yml"))
    assert done.returncode == 0, (done.stdout + done.stderr).decode()


@pytest.mark.promtool
def test_a_test_that_expects_another_alert_fails(tmp_path: Path) -> None:
    hot = copy.deepcopy(TESTS["HeadframeDeviceHot"])
    hot["promql_expr_test"][-1]["exp_samples"][0]["value"] = 2
    wrong = tmp_path / "wrong.yml"
    rules = {"rule_files": [str(FOLDER / "alerts.yml")], "evaluation_interval": "1m"}
    wrong.write_text(json.dumps({**rules, "tests": [hot]}))
    done = promtool("test", "rules", str(wrong))
    assert done.returncode != 0
    assert b"HeadframeDeviceHot" in done.stdout + done.stderr


@pytest.mark.parametrize("rule", ALERTS, ids=NAMES)
def test_each_alert_is_tested_both_firing_and_not(rule: dict[str, Any]) -> None:
    whose = f'ALERTS{{alertname="{rule["alert"]}",alertstate="firing"}}'
    looks = [look for look in TESTS[rule["alert"]]["promql_expr_test"] if look["expr"] == whose]
    assert any("exp_samples" not in look for look in looks), "a moment at which it does not fire"
    fired = [sample["labels"] for look in looks for sample in look.get("exp_samples", ())]
    assert fired
    assert all('instance="bad"' in labels for labels in fired)
    others = {re.search(r'instance="(\w+)"', series["series"]) for series in _series(rule)}
    assert any(found is not None and found[1] != "bad" for found in others), "one that is well"


def _series(rule: dict[str, Any]) -> list[dict[str, str]]:
    series: list[dict[str, str]] = TESTS[rule["alert"]]["input_series"]
    return series


def test_there_is_no_test_without_its_alert() -> None:
    assert set(TESTS) == set(NAMES)
    assert len(NAMES) == len(set(NAMES)) >= 24


@pytest.mark.parametrize("rule", ALERTS, ids=NAMES)
def test_each_alert_says_what_it_means_and_where_to_read_on(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    told = rule["annotations"]
    assert told.keys() == {"summary", "description", "runbook"}
    assert told["description"].endswith(".")
    name = rule["alert"]
    assert told["runbook"] == f"docs/runbook.md#{name.lower()}"
    section = re.search(rf"^### {name}\n(.*?)(?=^##|\Z)", _runbook(), re.M | re.S)
    assert section is not None
    assert section[1].startswith(f"*{rule['labels']['severity']}.*\n")
    assert len(section[1].split()) > 15, "what it means, what to look at, what to do"


def test_the_runbook_has_no_section_without_its_alert() -> None:
    assert re.findall(r"^### (\w+)$", _runbook(), re.M) == NAMES


def _runbook() -> str:
    return (DOCS / "runbook.md").read_text()


@pytest.mark.parametrize("rule", ALERTS, ids=NAMES)
def test_each_alert_asks_for_metrics_that_there_are(rule: dict[str, Any]) -> None:
    names = named_in(rule["expr"])
    assert names, rule["expr"]
    assert names <= documented().keys() | OF_PROMETHEUS


@pytest.mark.parametrize("rule", ALERTS, ids=NAMES)
def test_each_alert_names_only_labels_that_it_has(rule: dict[str, Any]) -> None:
    used = set(re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())))
    for look in TESTS[rule["alert"]]["promql_expr_test"]:
        for sample in look.get("exp_samples", ()):
            assert used <= set(re.findall(r'(\w+)="', sample["labels"]))


def test_rates_are_taken_of_counters_alone() -> None:
    kinds = documented()
    for rule in ALERTS:
        for name in re.findall(r"\b(?:rate|increase)\((headframe_\w+)", rule["expr"]):
            kind = kinds[re.sub(r"_bucket$", "", name)]
            assert kind in {"counter", "histogram"}, f"{rule['alert']}: {name}"


def test_scaled_rules_differ_in_their_times_alone() -> None:
    rules = (
        'expr: rate(a_total{b="5m"}[30m] offset 1h) > 0.02 unless c[1d] == 5\nfor: 10m\n'
        "description: In 30m.\n"
    )
    assert scaled(rules, 60) == (
        'expr: rate(a_total{b="5m"}[30000ms] offset 60000ms) > 0.02 unless c[1440000ms] == 5\n'
        "for: 10000ms\ndescription: In 30m.\n"
    )


@pytest.mark.promtool
def test_scaled_rules_are_rules(tmp_path: Path) -> None:
    short = tmp_path / "alerts.yml"
    short.write_text(scaled((FOLDER / "alerts.yml").read_text(), 60))
    done = promtool("check", "rules", str(short))
    assert done.returncode == 0, (done.stdout + done.stderr).decode()
