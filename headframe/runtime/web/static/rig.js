// One rig by its name, as the address says (#rig=NAME): its history, connections and events.

import { Chart } from "./chart.js";
import { makeDialog, openDialog } from "./dialogs.js";
import { eventTable } from "./events.js";
import * as format from "./format.js";
import { hasHistory, historyOver } from "./history.js";
import { askRigs, rigTable } from "./rigs.js";
import { Spans, spanTitle } from "./spans.js";
import { setText } from "./table.js";

const REFRESH_SECONDS = 2;
const MOST_CONNECTIONS = 50;

const at = (id) => document.getElementById(id);

export class RigDetail {
  constructor(operator, bans, events) {
    Object.assign(this, { operator, bans, events });
    this.user = null;
    this.rigs = [];
    this.asked = -Infinity;
    this.dialog = makeDialog(at("rig"));
    this.dialog.addEventListener("close", () => {
      if (this.user !== null) history.pushState(null, "", location.pathname);
      this.user = null;
    });
    this.table = rigTable(at("rig-table"));
    this.table.empty = "not connected now";
    this.events_ = eventTable(at("rig-events"), "nothing lately", 5);
    this.chart = new Chart(at("rig-chart"), "Hashrate of this rig");
    this.spans = new Spans(at("rig-spans"), {
      fetch: (span) => historyOver(span, { worker: this.user }),
      draw: (told, span) => this.drawHistory(told, span),
      first: "6h",
    });
    at("rig-kick").addEventListener("click", () => this.kick());
    at("rig-ban").addEventListener("click", () => bans.ban(this.addresses(), this.user));
    addEventListener("hashchange", () => this.open());
    addEventListener("popstate", () => this.open());
    this.open();
  }

  open() {
    const user = new URLSearchParams(location.hash.slice(1)).get("rig");
    if (user === this.user) return;
    this.user = user;
    if (user === null) {
      this.dialog.close();
      return;
    }
    setText(at("rig-title"), user || "without a name");
    this.rigs = [];
    this.draw();
    setText(at("rig-sums"), "");
    this.asked = -Infinity;
    openDialog(this.dialog, at("rig-close"));
    this.dialog.scrollTop = 0;
    this.chart.draw(null);
    hasHistory().then((kept) => {
      at("rig-history").hidden = !kept || user === "";
      if (kept && user) this.spans.choose(this.spans.span);
    });
    this.hear();
  }

  // Called once a second.
  hear() {
    if (this.user === null || document.hidden) return;
    at("rig-kick").hidden = !this.operator.can("kick") || this.user === "";
    at("rig-ban").hidden = !this.operator.can("ban");
    if (!at("rig-history").hidden) this.spans.hear();
    this.events_.fill(this.user ? this.events.of(this.user) : []);
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
    at("rig-kick").disabled = at("rig-ban").disabled = this.rigs.length === 0;
    const of = (key) => [...new Set(this.rigs.flatMap((rig) => rig[key] ?? []))];
    const listeners = [...new Set(this.rigs.map((rig) => rig.listener))].map((name) => `came to the listener ${name}`);
    const payouts = of("payout").filter(Boolean).map((address) => `its blocks pay ${address}`);
    const paid = [...new Set(this.rigs.map((rig) => rig.payout).filter(Boolean))].map((address) => `its blocks pay ${address}`);
    const notes = [...of("problems"), ...paid, ...payouts, ...of("quirks").map((name) => `known firmware: ${name}`), ...listeners];
    const list = at("rig-notes");
    while (list.children.length > notes.length) list.lastChild.remove();
    notes.forEach((note, index) => {
      setText(list.children[index] ?? list.appendChild(document.createElement("li")), note);
    });
  }

  drawHistory(told, span) {
    this.chart.draw(told?.points ?? null, "nothing is kept of this time");
    if (!told) return;
    const { shares_offered: offered = 0, shares_accepted: good = 0, work_accepted: work = 0 } = told.sums;
    const words = `${format.whole(good)} good shares (${format.hashes(work)}), ${format.whole(offered - good)} refused (${format.percent(offered - good, offered)})`;
    const reasons = (told.refused?.rows ?? []).map(([reason]) => `${format.words(reason)} ${format.whole(told.sums[`shares_refused_${reason}`])}`);
    setText(at("rig-sums"), offered ? `${spanTitle(span)}: ${[words, ...reasons].join(", ")}` : "");
  }

  addresses() {
    return [...new Set(this.rigs.map((rig) => rig.address.replace(/:\d+$/, "").replace(/^\[|\]$/g, "")))];
  }

  kick() {
    const [user, count] = [this.user, this.rigs.length];
    this.operator.ask("kick", {
      title: `Send ${user} away?`,
      text: `${count === 1 ? "Its connection is" : `Its ${count} connections are`} closed. It may connect again at once.`,
      verb: "Send away",
      danger: true,
      body: { user },
    });
  }
}
