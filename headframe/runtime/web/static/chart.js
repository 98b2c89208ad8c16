// A line over time, as SVG made by hand: one series, a few grid lines, nothing more.

import { duration, hashrate } from "./format.js";

const NS = "http://www.w3.org/2000/svg";
const HEIGHT = 170;
const MARGIN = { left: 72, right: 4, top: 12, bottom: 20 };

function make(name, attributes, text) {
  const node = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

// The next of 1, 2, 5, 10, ... at or above a value.
function tidy(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((each) => each * power).find((each) => each >= value * 0.9999);
}

// points: [[seconds, value], ...], rising in time; only differences of time matter.
export function drawLine(svg, points) {
  const width = Math.max(svg.clientWidth, 240);
  svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
  const clean = points.filter(([at, value]) => Number.isFinite(at) && Number.isFinite(value));
  if (clean.length < 2) {
    svg.replaceChildren(
      make("text", { x: width / 2, y: HEIGHT / 2, class: "empty" }, "collecting figures …"),
    );
    return;
  }
  const first = clean[0][0];
  const last = clean[clean.length - 1][0];
  const top = Math.max(...clean.map(([, value]) => value));
  const scale = top > 0 ? top * 1.08 : 1;
  const bottomY = HEIGHT - MARGIN.bottom;
  const x = (at) =>
    MARGIN.left + ((at - first) / (last - first || 1)) * (width - MARGIN.left - MARGIN.right);
  const y = (value) => bottomY - (value / scale) * (bottomY - MARGIN.top);

  const parts = [];
  const step = tidy(scale / 4);
  for (let value = step; top > 0 && value <= scale; value += step) {
    parts.push(
      make("line", { x1: MARGIN.left, x2: width - MARGIN.right, y1: y(value), y2: y(value), class: "grid" }),
      make("text", { x: MARGIN.left - 8, y: y(value) + 4, class: "value" }, hashrate(value).replace(".0 ", " ")),
    );
  }
  const line = clean.map(([at, value]) => `${x(at).toFixed(1)},${y(value).toFixed(1)}`);
  const area = `M${x(first)},${bottomY}L${line.join("L")}L${x(last)},${bottomY}Z`;
  parts.push(
    make("line", { x1: MARGIN.left, x2: width - MARGIN.right, y1: bottomY, y2: bottomY, class: "axis" }),
    make("path", { d: area, class: "area" }),
    make("path", { d: `M${line.join("L")}`, class: "line" }),
    make("text", { x: MARGIN.left, y: HEIGHT - 5 }, `${duration(last - first)} ago`),
    make("text", { x: width - MARGIN.right, y: HEIGHT - 5, class: "end" }, "now"),
  );
  svg.replaceChildren(...parts);
}
