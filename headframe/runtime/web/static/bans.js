// Who is not let in, and how that is changed.

import * as format from "./format.js";
import { Table, setText } from "./table.js";

const at = (id) => document.getElementById(id);
const REFRESH_SECONDS = 5;
const TIMES = [[600, "10 minutes"], [3600, "1 hour"], [86400, "1 day"], [604800, "7 days"], [0, "until a restart"]];

export class Bans {
  constructor(operator) {
    this.operator = operator;
    this.asked = -Infinity;
    this.none = false; // this program bans nobody
    this.table = new Table(at("bans-table"), [
      { title: "Address", kind: "code", of: (row) => row.address, show: (row) => row.address },
      { title: "Ends", of: (row) => row.seconds_left ?? Infinity, show: (row) => ends(row) },
      { title: "Why", of: (row) => row.why, show: (row) => format.text(row.why) },
      { title: "Change", press: (row) => this.lift(row), of: () => 1, show: (row) => (row.in_settings || !operator.can("unban") ? "" : "Let in again"), name: (row) => `let ${row.address} in again` },
    ], { empty: "nobody is banned", key: (row) => row.address });
    at("ban").addEventListener("click", () => this.ban([]));
    operator.learned = () => (at("ban").hidden = !operator.can("ban"));
  }

  // Called once a second.
  hear() {
    if (!this.none && !document.hidden && performance.now() / 1000 - this.asked > REFRESH_SECONDS) this.learn();
  }

  async learn() {
    this.asked = performance.now() / 1000;
    const answer = await fetch("/api/v1/bans").catch(() => null);
    if (!answer) return;
    this.none = answer.status === 404;
    at("bans").hidden = !answer.ok;
    if (!answer.ok) return;
    const { bans } = await answer.json();
    setText(at("bans-count"), format.whole(bans.length));
    this.table.fill(bans);
  }

  // addresses: where a rig connects from; none: to be typed in.
  ban(addresses, who = "") {
    const fields = [field("Address or range", "address", addresses[0] ?? ""), choice("For", "seconds", TIMES, 3600), field("Why", "why", "", false)];
    this.operator.ask("ban", {
      title: who ? `Ban ${who}?` : "Ban an address?",
      text: "Connections from there end at once, of all rigs that share the address, and new ones are refused.",
      verb: "Ban",
      danger: true,
      fields,
      body: (form) => ({
        address: form.get("address").trim(),
        seconds: Number(form.get("seconds")) || null,
        why: form.get("why").trim() || "by the operator",
      }),
      done: (told) => {
        this.learn();
        return `${told.ban?.address ?? ""} Connections closed: ${told.closed}.`;
      },
    });
  }

  lift(row) {
    this.operator.ask("unban", {
      title: `Let ${row.address} in again?`,
      text: "Rigs from there may connect at once.",
      verb: "Let in again",
      body: { address: row.address },
      done: () => {
        this.learn();
        return row.address;
      },
    });
  }
}

function ends(row) {
  if (row.in_settings) return "stands in the settings";
  return row.seconds_left === null ? "at a restart" : `in ${format.duration(row.seconds_left)}`;
}

function labelled(title, control) {
  const label = document.createElement("label");
  label.append(title, control);
  return label;
}

function field(title, name, value, required = true) {
  const input = document.createElement("input");
  Object.assign(input, { type: "text", name, value, required, autocomplete: "off" });
  return labelled(title, input);
}

function choice(title, name, options, chosen) {
  const select = document.createElement("select");
  select.name = name;
  select.append(...options.map(([value, words]) => new Option(words, value, false, value === chosen)));
  return labelled(title, select);
}
