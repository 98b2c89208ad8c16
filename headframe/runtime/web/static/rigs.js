// The connected rigs, a page at a time: the server finds, sorts and counts them.

import * as format from "./format.js";
import { Table, number, setText } from "./table.js";

const ROWS = matchMedia("(max-width: 46rem)").matches ? 15 : 50; // a row is a list there
const REFRESH_SECONDS = 2;
const TYPING_MILLISECONDS = 200;

const at = (id) => document.getElementById(id);

export const rigLink = (user) => `#rig=${encodeURIComponent(user)}`;

// `sort` is the API's name of the column.
const COLUMNS = [
  { title: "Rig", sort: "name", of: (row) => row.name, show: (row) => row.name || "no name yet", link: (row) => rigLink(row.user) },
  {
    title: "State",
    sort: "state",
    kind: "state",
    of: (row) => row.state,
    show: (row) => format.words(row.state),
    hint: (row) => (row.problems ?? []).join("\n"),
  },
  { ...number("Hashrate", "hashrate_hps", format.hashrate), sort: "hashrate" },
  { title: "Difficulty", sort: "difficulty", kind: "number", of: (row) => row.difficulty, show: (row) => format.difficulty(row.difficulty || NaN) },
  { ...number("Accepted", "accepted", format.whole), sort: "accepted" },
  { ...number("Rejected", "rejected", format.whole), sort: "rejected" },
  { title: "Last share", sort: "last_share", kind: "number", of: (row) => row.last_share_seconds, show: (row) => format.since(row.last_share_seconds) },
  { title: "Route", sort: "route", optional: true, of: (row) => (row.route === "default" ? undefined : row.route), show: (row) => format.text(row.route) },
  { title: "Software", sort: "agent", optional: true, of: (row) => row.agent, show: (row) => format.text(row.agent) },
  { title: "Address", sort: "address", kind: "code", optional: true, of: (row) => row.address, show: (row) => format.text(row.address) },
];
const BY_HASHRATE = 2;

export async function askRigs(parameters) {
  const answer = await fetch(`/api/v1/rigs?${new URLSearchParams(parameters)}`);
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.error);
  return told;
}

export function rigTable(holder, order = null) {
  return new Table(holder, COLUMNS, { sortBy: BY_HASHRATE, empty: "no rig is connected", order, key: (row) => row.address });
}

export class Rigs {
  constructor() {
    this.wanted = { search: "", state: "", route: "", listener: "", sort: "hashrate", desc: "1", offset: 0, limit: ROWS };
    this.turn = 0;
    this.asked = -Infinity;
    this.table = rigTable(at("rigs-table"), (column, falling) => this.want({ sort: column.sort, desc: falling ? "1" : "0" }));
    this.table.empty = "none found";
    this.states = new Map();
    at("rigs-form").addEventListener("submit", (event) => event.preventDefault());
    at("rigs-search").addEventListener("input", (event) => {
      clearTimeout(this.typing);
      this.typing = setTimeout(() => this.want({ search: event.target.value.trim() }), TYPING_MILLISECONDS);
    });
    at("rigs-before").addEventListener("click", () => this.turnBy(-ROWS));
    at("rigs-after").addEventListener("click", () => this.turnBy(ROWS));
    for (const name of ["route", "listener"]) {
      at(`rigs-${name}`).addEventListener("change", (event) => this.want({ [name]: event.target.value }));
    }
    at("rigs-sort").append(...COLUMNS.map(({ title, sort }) => new Option(title, sort, false, sort === "hashrate")));
    at("rigs-sort").addEventListener("change", (event) => {
      this.table.heads[COLUMNS.findIndex(({ sort }) => sort === event.target.value)].firstChild.click();
    });
  }

  // Called once a second, with the number of rigs; without one, this program has none.
  hear(total) {
    for (const id of ["rigs", "nav-rigs"]) at(id).hidden = total === undefined;
    if (total === undefined || document.hidden) return;
    if (performance.now() / 1000 - this.asked > REFRESH_SECONDS) this.ask();
  }

  want(changes) {
    this.wanted = { ...this.wanted, offset: 0, ...changes };
    this.ask();
  }

  turnBy(rows) {
    this.want({ offset: Math.max(0, this.wanted.offset + rows) });
  }

  async ask() {
    this.asked = performance.now() / 1000;
    const turn = ++this.turn;
    let told = null;
    let problem = "";
    try {
      told = await askRigs(this.wanted);
    } catch (error) {
      problem = `The rigs cannot be listed: ${error.message}`;
    }
    if (turn !== this.turn) return; // something else is wanted by now
    at("rigs-problem").hidden = !problem;
    setText(at("rigs-problem"), problem);
    if (told) this.draw(told);
  }

  draw(told) {
    if (told.rigs.length === 0 && told.offset > 0) {
      this.want({ offset: Math.floor(Math.max(told.found - 1, 0) / ROWS) * ROWS }); // the last page
      return;
    }
    setText(at("rigs-count"), format.whole(told.total));
    this.drawStates(told.by_state);
    this.drawChoice("route", told.by_route);
    this.drawChoice("listener", told.by_listener);
    this.table.fill(told.rigs);
    const last = told.offset + told.rigs.length;
    at("rigs-pages").hidden = told.found <= told.limit;
    setText(at("rigs-place"), `${format.whole(told.offset + 1)} to ${format.whole(last)} of ${format.whole(told.found)}`);
    at("rigs-before").disabled = told.offset === 0;
    at("rigs-after").disabled = last >= told.found;
  }

  drawStates(counts) {
    const all = Object.values(counts).reduce((sum, count) => sum + count, 0);
    for (const [state, count] of [["", all], ...Object.entries(counts)]) {
      if (!this.states.has(state)) this.states.set(state, this.addState(state));
      const button = this.states.get(state);
      setText(button, `${format.words(state) || "all"} ${format.whole(count)}`);
      button.ariaPressed = String(this.wanted.state === state);
    }
  }

  addState(state) {
    const button = document.createElement("button");
    button.type = "button";
    button.addEventListener("click", () => this.want({ state }));
    at("rigs-states").append(button);
    return button;
  }

  // A list to choose from, where there is more than one.
  drawChoice(name, counts = {}) {
    const select = at(`rigs-${name}`);
    const names = Object.keys(counts).sort();
    select.parentElement.hidden = names.length < 2 && !this.wanted[name];
    const wanted = [["", `all ${name}s`], ...names.map((each) => [each, `${each} (${format.whole(counts[each])})`])];
    if (this.wanted[name] && !names.includes(this.wanted[name])) wanted.push([this.wanted[name], `${this.wanted[name]} (0)`]);
    if (wanted.map(String).join("\n") === select.dataset.told) return;
    select.dataset.told = wanted.map(String).join("\n");
    select.replaceChildren(...wanted.map(([value, words]) => new Option(words, value, false, value === this.wanted[name])));
  }
}
