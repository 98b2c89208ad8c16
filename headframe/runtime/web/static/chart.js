// A hashrate over time, drawn by uPlot, in the colours of the page.

import { clock, hashrate } from "./format.js";

const HEIGHT = 220;
const GUTTER = 74;
const DAY = 86400;
const NARROW = 520;

// A colour of the page's, by the name of its variable.
export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

const two = (number) => String(number).padStart(2, "0");

// The time of day, with the day where the line is longer than two, and seconds where it is short.
function tick(seconds, span) {
  const at = new Date(seconds * 1000);
  if (span > 2 * DAY) return `${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  const time = `${two(at.getHours())}:${two(at.getMinutes())}`;
  return span < 600 ? `${time}:${two(at.getSeconds())}` : time;
}

export class Chart {
  // holder: an element; label: what the line is, for those who do not see it; unit: writes a value.
  constructor(holder, label, { unit = hashrate, height = HEIGHT } = {}) {
    Object.assign(this, { holder, label, unit, height });
    this.plot = null;
    this.data = [[], []];
    this.note = document.createElement("p");
    this.note.className = "quiet note";
    this.reading = document.createElement("p");
    this.reading.className = "quiet reading";
    this.reading.setAttribute("aria-live", "polite");
    this.canvas = document.createElement("div");
    this.canvas.className = "plot";
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "img");
    holder.append(this.note, this.canvas, this.reading);
    this.canvas.addEventListener("keydown", (event) => this.onKey(event));
    this.canvas.addEventListener("blur", () => this.plot?.setCursor({ left: -10, top: -10 }));
    new ResizeObserver(() => this.fit()).observe(holder);
    document.addEventListener("themechange", () => {
      this.plot?.destroy();
      this.plot = null;
      this.show();
    });
  }

  // points: [[seconds since 1970, hashes per second or null], ...], rising in time; null while
  // they are being asked for; empty: what to say when there are none.
  draw(points, empty = "collecting figures …") {
    const some = points ?? [];
    this.empty = points === null ? "reading the history …" : empty;
    this.data = [some.map(([at]) => at), some.map(([, value]) => value)];
    this.show();
  }

  show() {
    const told = this.summary();
    this.note.textContent = told ? "" : this.empty;
    this.holder.classList.toggle("empty", !told);
    this.canvas.ariaLabel = `${this.label}: ${told || "nothing yet"}`;
    if (!told) return;
    if (this.plot) this.plot.setData(this.data);
    else this.plot = new uPlot(this.options(), this.data, this.canvas);
    this.read();
  }

  // The line in words; "" where there are too few points for one.
  summary() {
    const values = this.data[1].filter(Number.isFinite);
    if (values.length < 2) return "";
    let [least, most] = [Infinity, 0];
    for (const value of values) [least, most] = [Math.min(least, value), Math.max(most, value)];
    return `${this.unit(values.at(-1))} at the end, between ${this.unit(least)} and ${this.unit(most)}`;
  }

  fit() {
    const width = this.canvas.clientWidth;
    if (this.plot && width > 0 && width !== this.plot.width) this.plot.setSize({ width, height: this.height });
  }

  // Left and right go from point to point, as a pointer would.
  onKey(event) {
    const steps = { ArrowLeft: -1, ArrowRight: 1, PageUp: -20, PageDown: 20, Home: -Infinity, End: Infinity }[event.key];
    if (steps === undefined || !this.plot) return;
    event.preventDefault();
    const last = this.data[0].length - 1;
    const from = this.plot.cursor.idx ?? last;
    const to = Math.min(Math.max(from + steps, 0), last);
    this.plot.setCursor({ left: this.plot.valToPos(this.data[0][to], "x"), top: 20 });
  }

  // Says what the chart tells where the pointer is; else of all of it.
  read() {
    const { idx, left } = this.plot.cursor;
    const pointed = idx !== null && idx !== undefined && left >= 0;
    this.reading.textContent = pointed ? `${clock(new Date(this.data[0][idx] * 1000))}: ${this.readAt(idx)}` : this.readAll();
  }

  readAt(index) {
    return this.unit(this.data[1][index] ?? NaN);
  }

  readAll() {
    const known = this.data[1].filter(Number.isFinite);
    return `mean of the time shown: ${this.unit(known.reduce((sum, each) => sum + each, 0) / known.length)}`;
  }

  series() {
    return [{ stroke: colour("--accent"), fill: colour("--fill"), width: 2, points: { show: false } }];
  }

  options() {
    const axis = { stroke: colour("--quiet"), font: "12px system-ui, sans-serif" };
    const quiet = { stroke: colour("--line"), width: 1 };
    const span = (plot) => plot.scales.x.max - plot.scales.x.min;
    const width = Math.max(this.canvas.clientWidth, 240);
    return {
      width,
      height: this.height,
      padding: [8, 26, 0, 0],
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { fill: colour("--accent") } },
      hooks: { setCursor: [() => this.plot && this.read()] },
      scales: { y: { range: (_plot, _least, most) => [0, most > 0 ? most * 1.1 : 1] } },
      axes: [
        { ...axis, grid: { show: false }, ticks: quiet, space: width < NARROW ? 60 : 80, values: (plot, splits) => splits.map((at) => tick(at, span(plot))) },
        { ...axis, grid: quiet, ticks: { show: false }, size: GUTTER, space: 40, values: (_plot, splits) => splits.map((value) => this.unit(value).replace(".0 ", " ")) },
      ],
      series: [{}, ...this.series()],
    };
  }
}
