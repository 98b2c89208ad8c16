// Counts by kind over time, one upon the other, and what each colour stands for.

import { Chart, colour } from "./chart.js";
import { digits, words } from "./format.js";

const COLOURS = ["--one", "--two", "--three", "--four", "--five", "--six"];
const HEIGHT = 150;

const aMinute = (value) => `${digits(value)} a min`;

export class Stack extends Chart {
  constructor(holder, label) {
    super(holder, label, { unit: aMinute, height: HEIGHT });
    this.rows = [];
    this.legend = document.createElement("p");
    this.legend.className = "quiet legend";
    holder.append(this.legend);
  }

  // told: { times, rows: [[name, counts in a minute], ...] }, or null while it is being asked for.
  stack(told, empty) {
    const names = (rows) => rows.map(([name]) => name).join();
    const rows = (told?.rows ?? []).slice(0, COLOURS.length);
    if (names(rows) !== names(this.rows)) {
      this.plot?.destroy();
      this.plot = null;
      this.name(rows);
    }
    this.rows = rows;
    const sums = rows.map((_, place) => told.times.map((_, at) => rows.slice(0, place + 1).reduce((sum, [, counts]) => sum + counts[at], 0)));
    this.empty = told === null ? "reading the history …" : empty;
    this.data = [told?.times ?? [], ...sums.reverse()]; // the highest is drawn first
    this.show();
  }

  name(rows) {
    const parts = rows.map(([name], place) => {
      const [part, mark] = [document.createElement("span"), document.createElement("i")];
      mark.className = COLOURS[place].slice(2);
      part.append(mark, words(name));
      return part;
    });
    this.legend.replaceChildren(...parts);
  }

  summary() {
    if (this.rows.length === 0 || this.data[0].length < 2) return "";
    return this.rows.map(([name, counts]) => `${words(name)} up to ${aMinute(Math.max(...counts))}`).join(", ");
  }

  readAt(index) {
    const here = this.rows.filter(([, counts]) => counts[index] > 0);
    return here.map(([name, counts]) => `${words(name)} ${aMinute(counts[index])}`).join(", ") || "none";
  }

  readAll() {
    return "";
  }

  series() {
    return this.rows.map((_, place) => this.rows.length - 1 - place).map((place) => ({
      stroke: colour(COLOURS[place]),
      fill: colour(COLOURS[place]),
      width: 1,
      points: { show: false },
    }));
  }
}
