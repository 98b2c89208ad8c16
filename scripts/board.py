"""Draws a dashboard that we ship from a real Prometheus, where there is no Grafana.

The panels' titles, places, units and queries are those of the JSON; the drawing is uPlot's. It is
for a picture: nothing is chosen in it. Tables are left out, and so are panels without data and
lines over a time that is longer than such a run.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from headframe.runtime.clock import wall_seconds
from tests.fakes.dashboards import BOARDS
from tests.fakes.prometheus import Prometheus

__all__ = ["board_page"]

STATIC: Final = Path(__file__).resolve().parents[1] / "headframe/runtime/web/static"
STEP_SECONDS: Final = 5
LONGEST_SECONDS: Final = 3600
MOST_SERIES: Final = 20
TOO_LONG: Final = "[1h]"
RATE: Final = "1m"
DRAWN: Final = {"stat", "timeseries"}
PAGE: Final = """<!doctype html>
<meta charset="utf-8"><title>{title}</title>
<link rel="stylesheet" href="{static}/uplot.min.css">
<style>
  body {{ margin: 0; padding: 10px 14px; background: #111217; color: #ccccdc;
    font: 13px system-ui, sans-serif; }}
  h1 {{ font-size: 17px; font-weight: 500; margin: 2px 0 10px; }}
  main {{ display: grid; grid-template-columns: repeat(24, 1fr); gap: 8px;
    grid-auto-flow: dense; }}
  section {{ background: #181b1f; border: 1px solid #2b2e34; border-radius: 3px;
    padding: 8px 10px; min-width: 0; overflow: hidden; }}
  h2 {{ font-size: 13px; font-weight: 500; margin: 0 0 4px; }}
  .stat {{ font-size: 30px; font-weight: 500; text-align: center; margin: 8px 0 10px; }}
  .legend {{ margin: 2px 0 0; font-size: 11px; line-height: 1.5; max-height: 33px;
    overflow: hidden; }}
  .legend i {{ display: inline-block; width: 12px; height: 3px; margin: 0 4px 3px 0; }}
  .legend span {{ margin-right: 10px; white-space: nowrap; }}
</style>
<h1>{title}</h1><main></main>
<script src="{static}/uplot.min.js"></script>
<script>
{functions}
const panels = {panels};
const COLOURS = ["#73bf69", "#f2cc0c", "#8ab8ff", "#ff780a", "#f2495c", "#5794f2", "#b877d9",
  "#705da0", "#37872d", "#fade2a", "#447ebc", "#c15c17", "#890f02", "#0a437c", "#6d1f62"];
const show = (value, unit) => value === null ? "-" : unit === "Hs" ? hashrate(value)
  : unit === "s" ? (value < 1 ? `${{digits(value * 1000)}} ms` : duration(value))
  : unit === "percentunit" ? percent(value, 1)
  : Number.isInteger(value) ? String(value) : digits(Number(value.toPrecision(4)));
const mix = (colour, part) => "#" + [1, 3, 5].map(at => [colour, "#181b1f"].map(each =>
  parseInt(each.slice(at, at + 2), 16))).map(([top, under]) => Math.round(
  top * part + under * (1 - part)).toString(16).padStart(2, "0")).join("");
for (const panel of panels) {{
  const section = document.createElement("section");
  section.style.gridColumn = `span ${{panel.width}}`;
  const title = document.createElement("h2");
  title.textContent = panel.title;
  section.append(title);
  document.querySelector("main").append(section);
  if (panel.kind === "stat") {{
    const figure = document.createElement("p");
    figure.className = "stat";
    const colour = value => [...panel.limits].reverse().find(([from]) => value >= from)?.[1];
    const [value] = panel.series.map(each => each.values.findLast(one => one !== null));
    figure.textContent = show(value ?? null, panel.unit);
    figure.style.color = {{ green: "#73bf69", red: "#f2495c" }}[colour(value)] ?? "#73bf69";
    section.append(figure);
    continue;
  }}
  const holder = document.createElement("div");
  section.append(holder);
  let rows = panel.series.map(each => each.values);
  if (panel.stack) {{
    rows = rows.map((_, place) => panel.times.map((_, at) =>
      rows.slice(0, place + 1).reduce((sum, row) => sum + (row[at] ?? 0), 0)));
  }}
  const axis = {{ stroke: "#9a9aa8", font: "11px system-ui", grid: {{ stroke: "#24272d" }},
    ticks: {{ show: false }} }};
  const lines = panel.series.map((each, place) => ({{
    stroke: COLOURS[place % COLOURS.length], width: 1.5, points: {{ show: false }},
    fill: mix(COLOURS[place % COLOURS.length], panel.stack ? 0.45 : 0.12) }}));
  const order = panel.stack ? lines.map((_, place) => lines.length - 1 - place)
    : lines.map((_, place) => place);
  new uPlot({{
    width: section.clientWidth - 20, height: 175, legend: {{ show: false }},
    cursor: {{ show: false }}, padding: [6, 8, 0, 0],
    scales: {{ y: {{ range: (_, least, most) => [0, most > 0 ? most * 1.1 : 1] }} }},
    axes: [{{ ...axis, size: 26, space: 70, values: (_, splits) => splits.map(at =>
        new Date(at * 1000).toTimeString().slice(0, 5)) }},
      {{ ...axis, size: 72, values: (_, splits) => splits.map(value =>
        show(value, panel.unit).replace(".0 ", " ")) }}],
    series: [{{}}, ...order.map(place => lines[place])],
  }}, [panel.times, ...order.map(place => rows[place])], holder);
  const legend = document.createElement("p");
  legend.className = "legend";
  for (const [place, each] of panel.series.entries()) {{
    const [entry, mark] = [document.createElement("span"), document.createElement("i")];
    mark.style.background = COLOURS[place % COLOURS.length];
    entry.append(mark, each.name);
    legend.append(entry);
  }}
  section.append(legend);
}}
</script>
"""


async def board_page(watch: Prometheus, name: str = "fleet") -> str:
    """Draw a dashboard as an HTML page.

    Args:
        watch: where its queries are answered.
        name: of the dashboard's file in `deploy/grafana/dashboards`.
    """
    board = BOARDS[name]
    shown = [each for each in board["panels"] if each["type"] in DRAWN]
    panels = [await _panel(watch, each) for each in shown]
    panels = [each for each in panels if each["series"]]
    functions = (STATIC / "format.js").read_text(encoding="utf-8").replace("export ", "")
    return PAGE.format(
        title=board["title"],
        static=STATIC.as_uri(),
        functions=functions,  # a page of a file may not import a module
        panels=json.dumps(panels),
    )


async def _panel(watch: Prometheus, panel: Mapping[str, Any]) -> dict[str, Any]:
    """Ask a panel's queries, and put what it needs together."""
    end = wall_seconds() // STEP_SECONDS * STEP_SECONDS
    found: list[tuple[str, dict[float, float]]] = []
    for target in panel["targets"]:
        if TOO_LONG in target["expr"]:
            continue
        query = target["expr"].replace("$__rate_interval", RATE).replace("$instance", ".*")
        data = await watch.ask(
            "query_range",
            query=query,
            start=str(end - LONGEST_SECONDS),
            end=str(end),
            step=str(STEP_SECONDS),
        )
        for each in data["result"]:
            points = {at: float(value) for at, value in each["values"] if value != "NaN"}
            found.append((_called(target.get("legendFormat", ""), each["metric"]), points))
    found = sorted(found, key=lambda each: -max(each[1].values(), default=0))[:MOST_SERIES]
    times = sorted({at for _, points in found for at in points})
    defaults = panel["fieldConfig"]["defaults"]
    steps = defaults.get("thresholds", {}).get("steps", [])
    return {
        "title": panel["title"],
        "kind": panel["type"],
        "unit": defaults.get("unit", "short"),
        "width": panel["gridPos"]["w"],
        "stack": defaults.get("custom", {}).get("stacking", {}).get("mode") == "normal",
        "limits": [[each["value"] or 0, each["color"]] for each in steps],
        "times": times,
        "series": [
            {"name": name, "values": [points.get(at) for at in times]} for name, points in found
        ],
    }


def _called(legend: str, labels: Mapping[str, str]) -> str:
    """Name a series as Grafana does."""
    return re.sub(r"{{ *(\w+) *}}", lambda found: labels.get(found[1], ""), legend)
