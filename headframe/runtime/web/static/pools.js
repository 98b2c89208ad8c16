// The upstreams, and which of them is wanted first.

import * as format from "./format.js";
import { Table, number, setText } from "./table.js";

const at = (id) => document.getElementById(id);
const text = format.text;
const REFRESH_SECONDS = 10;

export class Pools {
  constructor(operator) {
    this.operator = operator;
    this.order = new Map(); // of a pool: whether it can be switched to, its route, and so on
    this.asked = -Infinity;
    this.table = new Table(at("pools-table"), this.columns(), { empty: "no upstream is configured", key: (row) => row.source });
  }

  columns() {
    return [
      { title: "Upstream", of: (row) => row.source, show: (row) => text(row.source), hint: (row) => text(row.user) },
      { title: "Route", optional: true, of: (row) => this.routeOf(row), show: (row) => text(this.routeOf(row)) },
      { title: "State", kind: "state", of: (row) => row.state, show: (row) => text(row.state), hint: (row) => row.detail ?? "" },
      { title: "In use", of: (row) => row.in_use, show: (row) => (row.in_use ? "yes" : "–") },
      { title: "Address", kind: "code", of: (row) => row.url, show: (row) => text(row.url).replace("stratum+tcp://", ""), hint: (row) => text(row.url) },
      number("Difficulty", "difficulty", (value) => format.difficulty(value || NaN)),
      number("Newest job", "job_age_seconds", format.ago),
      number("Answer", "answer_seconds", format.milliseconds),
      number("Accepted", "accepted", format.whole),
      number("Rejected", "rejected", format.whole),
      number("Lost", "lost", format.whole),
      { title: "Last share", kind: "number", of: (row) => row.last_share_time, show: (row) => format.since(secondsAgo(row.last_share_time)) },
      {
        title: "Order",
        optional: true,
        of: (row) => (this.switchable() ? row.source : null),
        show: (row) => this.verb(row),
        name: (row) => `${this.verb(row)} ${row.source}`,
        press: (row) => this.switchTo(row),
      },
    ];
  }

  draw(pools) {
    at("pools").hidden = !pools;
    if (!pools) return;
    setText(at("pools-count"), format.whole(pools.length));
    if (performance.now() / 1000 - this.asked > REFRESH_SECONDS) this.learn();
    this.table.fill(pools);
  }

  // Names are unique over all routes, so that a pool alone says which route is meant.
  async learn() {
    this.asked = performance.now() / 1000;
    const answer = await fetch("/api/v1/pools").catch(() => null);
    if (!answer?.ok) return;
    const told = await answer.json();
    this.routes = told.routes;
    this.order = new Map(told.routes.flatMap((route) =>
      route.pools.map((each) => [each.pool, { route: route.route, can: route.switchable && route.pools.length > 1, preferred: route.preferred }])));
  }

  routeOf(row) {
    const named = this.routes?.length > 1 ? this.order.get(row.source)?.route : null;
    return named ?? null;
  }

  switchable() {
    return this.operator.can("pools/switch") && [...this.order.values()].some((each) => each.can);
  }

  verb(row) {
    const known = this.order.get(row.source);
    if (!known?.can || !this.operator.can("pools/switch")) return "";
    return known.preferred === row.source ? "" : "Switch to";
  }

  switchTo(row) {
    const { route, preferred } = this.order.get(row.source);
    const where = this.routes.length > 1 ? ` of the route ${route}` : "";
    this.operator.ask("pools/switch", {
      title: `Switch to ${row.source}?`,
      text: `It comes first among the upstreams${where}, before ${preferred}, and its work is taken as soon as there is some. This lasts until the settings are read again, or a restart.`,
      verb: `Switch to ${row.source}`,
      body: { pool: row.source },
      done: (told) => {
        this.learn();
        return told.in_use === told.pool ? "It is in use." : `In use until it has work: ${told.in_use ?? "none"}.`;
      },
    });
  }
}

function secondsAgo(time) {
  return Number.isFinite(time) ? Math.max(Date.now() / 1000 - time, 0) : null;
}
