// One rig by its name, as the address says (#rig=NAME): its history and its connections.

import { Chart } from "./chart.js";
import { hashrateOver } from "./history.js";
import { askRigs, rigTable } from "./rigs.js";
import { Spans } from "./spans.js";
import { setText } from "./table.js";

const REFRESH_SECONDS = 2;
const MOST_CONNECTIONS = 50;
const BAN_SECONDS = 3600;

const at = (id) => document.getElementById(id);

export class RigDetail {
  constructor(operator) {
    this.operator = operator;
    this.user = null;
    this.rigs = [];
    this.asked = -Infinity;
    this.table = rigTable(at("rig-table"));
    this.table.empty = "not connected now";
    this.chart = new Chart(at("rig-chart"), "Hashrate of this rig");
    this.spans = new Spans(at("rig-spans"), {
      live: false,
      fetch: (span) => hashrateOver(span, this.user),
      draw: (points) => this.chart.draw(points),
    });
    at("rig-kick").addEventListener("click", () => operator.act("kick", { user: this.user }));
    at("rig-ban").addEventListener("click", () => this.ban());
    addEventListener("hashchange", () => this.open());
    this.open();
  }

  open() {
    const user = new URLSearchParams(location.hash.slice(1)).get("rig");
    if (user === this.user) return;
    this.user = user;
    at("rig").hidden = user === null;
    if (user === null) return;
    setText(at("rig-title"), user || "without a name");
    this.rigs = [];
    this.table.fill([]);
    this.asked = -Infinity;
    this.spans.choose(this.spans.span);
    this.hear();
    at("rig").focus();
    at("rig").scrollIntoView({ block: "nearest" });
  }

  // Called once a second.
  hear() {
    if (this.user === null || document.hidden) return;
    at("rig-actions").hidden = !this.operator.can("kick");
    this.spans.hear([]);
    if (performance.now() / 1000 - this.asked > REFRESH_SECONDS) this.ask();
  }

  async ask() {
    this.asked = performance.now() / 1000;
    const user = this.user;
    let problem = "";
    try {
      const told = await askRigs({ user, limit: MOST_CONNECTIONS });
      if (user !== this.user) return;
      this.rigs = told.rigs;
    } catch (error) {
      problem = `This rig cannot be shown: ${error.message}`;
    }
    at("rig-problem").hidden = !problem;
    setText(at("rig-problem"), problem);
    this.draw();
  }

  draw() {
    this.table.fill(this.rigs);
    at("rig-ban").disabled = this.rigs.length === 0;
    const of = (key) => [...new Set(this.rigs.flatMap((rig) => rig[key] ?? []))];
    const notes = [...of("problems"), ...of("quirks").map((name) => `known firmware: ${name}`)];
    const list = at("rig-notes");
    while (list.children.length > notes.length) list.lastChild.remove();
    notes.forEach((note, index) => {
      setText(list.children[index] ?? list.appendChild(document.createElement("li")), note);
    });
  }

  async ban() {
    for (const address of new Set(this.rigs.map((rig) => rig.address.replace(/:\d+$/, "").replace(/^\[|\]$/g, "")))) {
      await this.operator.act("ban", { address, seconds: BAN_SECONDS, why: "on the page" });
    }
  }
}
