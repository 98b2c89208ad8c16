// What happened: as it comes, the newest first, found by words, level and kind.

import * as format from "./format.js";
import { Table, setText } from "./table.js";

const at = (id) => document.getElementById(id);
const MOST = 1000;
const FIRST = 6;

// By the beginnings of their names; what fits none is "program".
const KINDS = [
  ["blocks", /^block_/],
  ["changes", /^(address_banned|ban_lifted|rigs_kicked|config_|action_|pool_preferred)/],
  ["upstreams", /^(source_|upstream_|connection_|pool_|shares_|work_|job_|share_)/],
  ["rigs", /^(rigs?_|worker_)/],
  ["devices", /^(device_|kernel_)/],
];
const LEVELS = { info: 0, warning: 1, error: 2 };

export const kindOf = (event) => KINDS.find(([, names]) => names.test(event.event))?.[0] ?? "program";

const COLUMNS = [
  { title: "Time", plain: true, kind: "when", of: (row) => row.time, show: (row) => format.clock(new Date(row.time)), hint: (row) => row.time },
  { title: "Level", plain: true, kind: "state", of: (row) => row.level, show: (row) => row.level },
  { title: "Event", plain: true, kind: "event", of: (row) => row.event, show: (row) => format.words(row.event), hint: (row) => row.logger },
  { title: "What", plain: true, kind: "text", of: (row) => row.text, show: (row) => format.shortHashes(format.text(row.text)), hint: (row) => row.text },
];

export function eventTable(holder, empty, first = FIRST) {
  return new Table(holder, COLUMNS, { empty, first, key: (row) => row.serial, find: false });
}

export class Events {
  constructor() {
    this.all = []; // the newest first
    this.table = eventTable(at("events-table"), "nothing has happened yet");
    for (const id of ["events-find", "events-level", "events-kind"]) at(id).addEventListener("input", () => this.draw());
    at("events-form").addEventListener("submit", (event) => event.preventDefault());
    at("events-kind").append(...[...KINDS.map(([kind]) => kind), "program"].map((kind) => new Option(kind, kind)));
  }

  hear(event) {
    this.all.unshift(event);
    if (this.all.length > MOST) this.all.pop();
    if (this.waiting) return; // many come at once when the page is opened
    this.waiting = true;
    setTimeout(() => {
      this.waiting = false;
      this.draw();
    }, 50);
  }

  draw() {
    at("events").hidden = false;
    const [level, kind] = [LEVELS[at("events-level").value], at("events-kind").value];
    const wanted = at("events-find").value.trim().toLowerCase();
    const found = this.all.filter((each) =>
      LEVELS[each.level] >= level &&
      (!kind || kindOf(each) === kind) &&
      (!wanted || `${format.words(each.event)} ${each.event} ${each.text}`.toLowerCase().includes(wanted)));
    this.table.empty = this.all.length ? "none found" : "nothing has happened yet";
    this.table.fill(found);
    setText(at("events-count"), found.length === this.all.length ? format.whole(found.length) : `${format.whole(found.length)} of ${format.whole(this.all.length)}`);
  }

  // Those that name somebody in one of their fields.
  of(name) {
    return this.all.filter((each) => Object.values(each.fields ?? {}).includes(name));
  }
}
