// The small tables: blocks, routes, devices.

import * as format from "./format.js";
import { Table, number, setText } from "./table.js";

const at = (id) => document.getElementById(id);
const text = format.text;
const FEW = 8;

const SENSORS = { temperature_celsius: "°C", power_watts: "W" };

function sensors(readings) {
  const told = Object.entries(readings ?? {}).map(([name, value]) =>
    name === "clock_hertz" ? `${format.whole(value / 1e6)} MHz` : `${format.whole(value)} ${SENSORS[name] ?? format.words(name)}`);
  return text(told.join(", "));
}

const BLOCKS = [
  { title: "Height", kind: "number", of: (row) => row.height, show: (row) => format.whole(row.height ?? NaN) },
  { title: "Verdict", kind: "state", of: (row) => row.verdict, show: (row) => format.words(text(row.verdict)), hint: (row) => row.detail ?? "" },
  { title: "Found", of: (row) => row.time, show: (row) => format.clock(new Date(row.time * 1000)), hint: (row) => (Number.isFinite(row.time) ? new Date(row.time * 1000).toISOString() : "") },
  { title: "Age", kind: "number", of: (row) => row.time, show: (row) => format.ago(Date.now() / 1000 - row.time) },
  { title: "Found by", optional: true, of: (row) => row.worker, show: (row) => text(row.worker) },
  { title: "Upstream", optional: true, of: (row) => row.source, show: (row) => text(row.source) },
  { title: "Pays", kind: "code", optional: true, of: (row) => row.payout, show: (row) => text(row.payout) },
  { title: "Hash", kind: "code", of: (row) => row.hash, show: (row) => format.shortHash(text(row.hash)), hint: (row) => text(row.hash) },
  { title: "Why", optional: true, of: (row) => row.detail, show: (row) => text(row.detail) },
];

const ROUTES = [
  { title: "Route", of: (row) => row.name, show: (row) => text(row.name), hint: (row) => row.upstream?.detail ?? "" },
  { title: "Upstream", of: (row) => row.upstream?.source, show: (row) => text(row.upstream?.source) },
  { title: "State", kind: "state", of: (row) => row.upstream?.state, show: (row) => text(row.upstream?.state) },
  number("Hashrate", "hashrate_hps", format.hashrate),
  number("Connections", "connections", format.whole),
  { title: "Rigs at most", kind: "number", optional: true, of: (row) => row.max_rigs, show: (row) => format.whole(row.max_rigs ?? NaN) },
  { title: "Turned away", kind: "number", optional: true, of: (row) => row.turned_away || null, show: (row) => format.whole(row.turned_away ?? NaN) },
  number("Accepted", "accepted", format.whole),
  number("Rejected", "rejected", format.whole),
  number("Sent up", "forwarded", format.whole),
  number("Acknowledged", "acknowledged", format.whole),
];

const DEVICES = [
  { title: "Device", of: (row) => row.name, show: (row) => text(row.name) },
  { title: "State", kind: "state", of: (row) => row.state, show: (row) => text(row.state) },
  { title: "Kernel", of: (row) => row.kernel, show: (row) => text(row.kernel) },
  number("5 s", "hashrate_5s_hps", format.hashrate),
  number("1 min", "hashrate_hps", format.hashrate),
  number("15 min", "hashrate_15m_hps", format.hashrate),
  number("Found", "solutions", format.whole),
  number("Wrong results", "wrong", format.whole),
  number("Kernels retired", "retired", format.whole),
  { title: "Sensors", optional: true, of: (row) => Object.keys(row.sensors ?? {}).length || null, show: (row) => sensors(row.sensors) },
];

export class Tables {
  constructor() {
    this.blocks = new Table(at("blocks-table"), BLOCKS, { empty: "none found yet", first: FEW });
    this.routes = new Table(at("routes-table"), ROUTES, { empty: "no route is configured" });
    this.devices = new Table(at("devices-table"), DEVICES, { empty: "no device is at work" });
  }

  draw(status) {
    this.fill("routes", status.routes?.length > 1 ? status.routes : undefined);
    this.fill("devices", status.devices);
    at("blocks").hidden = !status.blocks;
    if (!status.blocks) return;
    const { found, accepted, list } = status.blocks;
    setText(at("blocks-count"), accepted === undefined ? "" : `${format.whole(found)} found, ${format.whole(accepted)} accepted`);
    this.blocks.fill(list ?? []);
  }

  fill(id, rows) {
    at(id).hidden = !rows;
    if (!rows) return;
    setText(at(`${id}-count`), format.whole(rows.length));
    this[id].fill(rows);
  }
}
