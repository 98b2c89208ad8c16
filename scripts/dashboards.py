#!/usr/bin/env python3
"""Write Grafana's dashboards: a table of panels, made into JSON.

python scripts/dashboards.py          write deploy/grafana/dashboards (make docs)
python scripts/dashboards.py --check  say which are stale, and fail

The tables are in `scripts/panels_*.py`. That the JSON is what Grafana reads, a test holds against
Grafana's own published types; that each query has an answer, against a running stack.
"""

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from panels import Board, Panel
from panels_rigs import FLEET, RIG
from panels_upstreams import SOLO, UPSTREAMS
from panels_work import DEVICES, WATERFALL

__all__ = ["FOLDER", "files"]

FOLDER: Final = Path(__file__).resolve().parents[1] / "deploy/grafana/dashboards"
SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
DASHBOARDS: Final = (FLEET, RIG, UPSTREAMS, SOLO, DEVICES, WATERFALL)
WIDTH: Final = 24
"""Columns of Grafana's grid."""


def files() -> dict[str, str]:
    """Make every dashboard: name of its file, and its text."""
    return {
        f"{board.name}.json": json.dumps(_board(board), indent=1) + "\n" for board in DASHBOARDS
    }


def _board(board: Board) -> dict[str, Any]:
    return {
        "uid": f"headframe-{board.name}",
        "title": f"Headframe: {board.title}",
        "description": board.help,
        "tags": ["headframe"],
        "schemaVersion": 41,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "timezone": "browser",
        "time": {"from": "now-6h", "to": "now"},
        "annotations": {"list": []},
        "links": [
            {
                "asDropdown": False,
                "icon": "external link",
                "includeVars": True,
                "keepTime": True,
                "tags": ["headframe"],
                "targetBlank": False,
                "title": "Headframe",
                "tooltip": "",
                "type": "dashboards",
                "url": "",
            }
        ],
        "templating": {"list": list(_variables(board))},
        "panels": list(_placed(board.panels)),
    }


def _variables(board: Board) -> Iterator[dict[str, Any]]:
    yield {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
    for name, (label, query) in board.variables.items():
        common = {"name": name, "label": label, "multi": False, "includeAll": False}
        if "," in query:
            options = [
                {"text": each, "value": each, "selected": not index}
                for index, each in enumerate(query.split(","))
            ]
            first = {"text": options[0]["text"], "value": options[0]["value"]}
            yield {**common, "type": "custom", "query": query, "current": first, "options": options}
        else:
            yield {
                **common,
                "type": "query",
                "datasource": SOURCE,
                "query": f"label_values({query}, {name})",
                "includeAll": True,
                "multi": True,
                "allValue": ".*",
                "current": {"text": "All", "value": "$__all"},
                "refresh": 2,
                "sort": 1,
            }


def _placed(panels: Iterable[Panel]) -> Iterator[dict[str, Any]]:
    """Put panels side by side, and into a new row where there is no room."""
    x = y = tallest = 0
    for number, panel in enumerate(panels, 1):
        if x + panel.width > WIDTH:
            x, y, tallest = 0, y + tallest, 0
        place = {"x": x, "y": y, "w": panel.width, "h": panel.height}
        yield {"id": number, "gridPos": place, **_panel(panel)}
        x, tallest = x + panel.width, max(tallest, panel.height)


def _panel(panel: Panel) -> dict[str, Any]:
    instant = panel.kind in {"stat", "bargauge", "table"}
    targets = [
        {
            "refId": chr(ord("A") + index),
            "datasource": SOURCE,
            "expr": expression,
            "legendFormat": legend,
            "instant": instant,
            "range": not instant,
            "format": "table" if panel.kind == "table" else "time_series",
        }
        for index, (expression, legend) in enumerate(panel.queries)
    ]
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.help,
        "datasource": SOURCE,
        "targets": targets,
        "fieldConfig": {"defaults": _defaults(panel), "overrides": list(_overrides(panel))},
        "options": _options(panel),
        "transformations": list(_transformations(panel)),
    }


def _defaults(panel: Panel) -> dict[str, Any]:
    defaults: dict[str, Any] = {"unit": panel.unit, "custom": _custom(panel)}
    if panel.kind in {"stat", "bargauge"}:
        del defaults["custom"]
    if panel.words:
        defaults["mappings"] = [
            {
                "type": "value",
                "options": {
                    str(value): {"text": text, "color": colour, "index": value}
                    for value, (text, colour) in enumerate(panel.words)
                },
            }
        ]
    if panel.kind != "table":
        defaults["color"] = {"mode": "thresholds" if panel.limits else "palette-classic"}
    if panel.limits:
        defaults["thresholds"] = {"mode": "absolute", "steps": list(_steps(panel))}
    return defaults


def _steps(panel: Panel) -> Iterator[dict[str, Any]]:
    first, *more = panel.limits
    yield {"value": None, "color": first[1]}
    for value, colour in more:
        yield {"value": value, "color": colour}


def _custom(panel: Panel) -> dict[str, Any]:
    match panel.kind:
        case "timeseries":
            return {
                "drawStyle": "line",
                "lineWidth": 1,
                "fillOpacity": 30 if panel.stack else 10,
                "showPoints": "never",
                "spanNulls": False,
                "stacking": {"group": "A", "mode": "normal" if panel.stack else "none"},
            }
        case "state-timeline":
            return {"fillOpacity": 80, "lineWidth": 0}
        case _:
            return {"filterable": True}


def _options(panel: Panel) -> dict[str, Any]:
    reduce = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    match panel.kind:
        case "timeseries":
            return {
                "legend": {
                    "calcs": [],
                    "displayMode": "list",
                    "placement": "bottom",
                    "showLegend": True,
                },
                "tooltip": {"mode": "multi", "sort": "desc"},
            }
        case "state-timeline":
            return {
                "mergeValues": True,
                "rowHeight": 0.8,
                "showValue": "auto",
                "legend": {
                    "calcs": [],
                    "displayMode": "list",
                    "placement": "bottom",
                    "showLegend": False,
                },
                "tooltip": {"mode": "single", "sort": "none"},
            }
        case "stat":
            return {"reduceOptions": reduce, "colorMode": "value", "graphMode": "none"}
        case "bargauge":
            return {
                "reduceOptions": reduce,
                "displayMode": "basic",
                "orientation": "horizontal",
                "showUnfilled": True,
            }
        case _:
            return {"showHeader": True, "cellHeight": "sm"}


def _overrides(panel: Panel) -> Iterator[dict[str, Any]]:
    for column, unit in panel.columns.items():
        yield {
            "matcher": {"id": "byName", "options": column},
            "properties": [{"id": "unit", "value": unit}],
        }
    if panel.leads_to:
        variables = f"var-{panel.key}=${{__value.raw}}&${{instance:queryparam}}"
        url = f"/d/headframe-{panel.leads_to}?{variables}&${{__url_time_range}}"
        yield {
            "matcher": {"id": "byName", "options": panel.key},
            "properties": [
                {"id": "links", "value": [{"title": "More of this one", "url": url}]},
            ],
        }


def _transformations(panel: Panel) -> Iterator[dict[str, Any]]:
    """Make one table of several queries: a row for each value of its label."""
    if panel.kind != "table":
        return
    yield {"id": "joinByField", "options": {"byField": panel.key, "mode": "outer"}}
    names = {f"Value #{chr(ord('A') + index)}": name for index, name in enumerate(panel.columns)}
    kept = {"include": {"names": [panel.key, *names]}}
    yield {"id": "filterFieldsByName", "options": kept}
    yield {"id": "organize", "options": {"renameByName": names}}


def main(argv: list[str]) -> int:
    """Write the dashboards, or compare them with what is there."""
    stale = []
    for name, text in files().items():
        path = FOLDER / name
        if not path.exists() or path.read_text() != text:
            stale.append(name)
            if "--check" not in argv:
                path.write_text(text)
                print(f"wrote {path.relative_to(FOLDER.parents[2])}")
    if stale and "--check" in argv:
        print(f"stale: {', '.join(stale)}; run `make docs`")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
