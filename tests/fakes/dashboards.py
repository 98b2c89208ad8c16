"""The dashboards that we ship, and the queries that Grafana would make of them."""

import json
from collections.abc import Iterator
from typing import Any, Final

from tests.fakes.prometheus import DEPLOY

__all__ = ["BOARDS", "expressions"]

BOARDS: Final[dict[str, dict[str, Any]]] = {
    path.stem: json.loads(path.read_text())
    for path in sorted((DEPLOY / "grafana/dashboards").glob("*.json"))
}
RATE_INTERVAL: Final = "2m"


def expressions(name: str) -> Iterator[tuple[str, str]]:
    """Yield each query of a dashboard, with its panel's title: variables are what they may be.

    Those of instances and workers are "all", and one with a list of values is each of them.
    """
    board = BOARDS[name]
    listed = {
        variable["name"]: variable["query"].split(",")
        for variable in board["templating"]["list"]
        if variable["type"] == "custom"
    }
    for panel in board["panels"]:
        for target in panel["targets"]:
            expression = target["expr"].replace("$__rate_interval", RATE_INTERVAL)
            for variable in ("instance", "worker"):
                expression = expression.replace(f"${variable}", ".*")
            found = [each for each in listed if f"${{{each}}}" in expression]
            if not found:
                yield panel["title"], expression
            for variable in found:
                for value in listed[variable]:
                    yield (
                        f"{panel['title']} ({value})",
                        expression.replace(f"${{{variable}}}", value),
                    )
