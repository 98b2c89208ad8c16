// A hashrate over time, drawn by uPlot, in the colours of the page.

import { hashrate } from "./format.js";

const HEIGHT = 190;
const GUTTER = 78;
const DAY = 86400;

const two = (number) => String(number).padStart(2, "0");

// The time of day, with the day where the line is longer than two, and seconds where it is short.
function clock(seconds, span) {
  const at = new Date(seconds * 1000);
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  if (span > 2 * DAY) return day.slice(5);
  const time = `${two(at.getHours())}:${two(at.getMinutes())}`;
  return span < 1200 ? `${time}:${two(at.getSeconds())}` : time;
}

export class Chart {
  // holder: an element; label: what the line is, for those who do not see it.
  constructor(holder, label) {
    this.holder = holder;
    this.label = label;
    this.plot = null;
    this.data = [[], []];
    this.note = document.createElement("p");
    this.note.className = "quiet";
    holder.append(this.note);
    holder.setAttribute("role", "img");
    new ResizeObserver(() => this.fit()).observe(holder);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.plot?.destroy();
      this.plot = null;
      this.show();
    });
  }

  // points: [[seconds since 1970, hashes per second or null], ...], rising in time.
  draw(points) {
    this.data = [points.map(([at]) => at), points.map(([, value]) => value)];
    this.show();
  }

  show() {
    const values = this.data[1].filter(Number.isFinite);
    const enough = values.length > 1;
    this.note.textContent = enough ? "" : "collecting figures …";
    this.holder.classList.toggle("empty", !enough);
    if (!enough) {
      this.holder.ariaLabel = `${this.label}: nothing yet`;
      return;
    }
    const [least, most] = [Math.min(...values), Math.max(...values)];
    this.holder.ariaLabel = `${this.label}: ${hashrate(values.at(-1))} at the end, between ${hashrate(least)} and ${hashrate(most)}`;
    if (this.plot) this.plot.setData(this.data);
    else this.plot = new uPlot(this.options(), this.data, this.holder);
  }

  fit() {
    const width = this.holder.clientWidth;
    if (this.plot && width > 0 && width !== this.plot.width) this.plot.setSize({ width, height: HEIGHT });
  }

  options() {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const axis = { stroke: colour("--quiet"), font: "12px system-ui, sans-serif" };
    const quiet = { stroke: colour("--line"), width: 1 };
    const span = (plot) => plot.scales.x.max - plot.scales.x.min;
    return {
      width: Math.max(this.holder.clientWidth, 240),
      height: HEIGHT,
      scales: { y: { range: (_plot, _least, most) => [0, most > 0 ? most * 1.08 : 1] } },
      axes: [
        { ...axis, grid: { show: false }, ticks: quiet, space: 70, values: (plot, splits) => splits.map((at) => clock(at, span(plot))) },
        { ...axis, grid: quiet, ticks: { show: false }, size: GUTTER, values: (_plot, splits) => splits.map((value) => hashrate(value).replace(".0 ", " ")) },
      ],
      series: [
        { label: "time", value: (plot, at) => (at === null ? "–" : clock(at, span(plot))) },
        {
          label: "hashrate",
          stroke: colour("--accent"),
          fill: colour("--fill"),
          width: 2,
          points: { show: false },
          value: (_plot, value) => (value === null ? "–" : hashrate(value)),
        },
      ],
    };
  }
}
