// Draws whatever /api/v1/events tells, once a second. Everything that comes from outside
// is set as text, never as markup.

import { Chart } from "./chart.js";
import * as format from "./format.js";
import { hashrateOver } from "./history.js";
import { Operator } from "./operator.js";
import { RigDetail } from "./rig.js";
import { Rigs } from "./rigs.js";
import { Spans } from "./spans.js";
import { Table, number, setText } from "./table.js";

const HISTORY_SECONDS = 600;
const STALE_SECONDS = 5;
const RETRY_SECONDS = 3;

const at = (id) => document.getElementById(id);
const text = format.text;
const title = document.title;

let live = [];
let lastHeard = performance.now();

const chart = new Chart(at("chart"), "Hashrate");
const spans = new Spans(at("spans"), { live: true, fetch: (span) => hashrateOver(span), draw: (points) => chart.draw(points) });
const operator = new Operator();
const rigs = new Rigs();
const rig = new RigDetail(operator);

const blocks = new Table(at("blocks-table"), [
  { title: "Height", of: (row) => row.height, show: (row) => text(row.height) },
  {
    title: "Hash",
    kind: "code",
    of: (row) => row.hash,
    show: (row) => format.shortHash(text(row.hash)),
    hint: (row) => text(row.hash),
  },
  {
    title: "Found",
    of: (row) => row.time,
    show: (row) => format.ago(Date.now() / 1000 - row.time),
    hint: (row) => (Number.isFinite(row.time) ? new Date(row.time * 1000).toISOString() : ""),
  },
  {
    title: "Verdict",
    kind: "state",
    of: (row) => row.verdict,
    show: (row) => format.words(text(row.verdict)),
    hint: (row) => row.detail ?? "",
  },
  { title: "Found by", optional: true, of: (row) => row.worker, show: (row) => text(row.worker) },
], { empty: "none found yet" });

const routes = new Table(at("routes-table"), [
  { title: "Route", of: (row) => row.name, show: (row) => text(row.name), hint: (row) => row.upstream?.detail ?? "" },
  { title: "Upstream", of: (row) => row.upstream?.source, show: (row) => text(row.upstream?.source) },
  { title: "State", kind: "state", of: (row) => row.upstream?.state, show: (row) => text(row.upstream?.state) },
  number("Hashrate", "hashrate_hps", format.hashrate),
  number("Connections", "connections", format.whole),
  number("Accepted", "accepted", format.whole),
  number("Rejected", "rejected", format.whole),
  number("Sent up", "forwarded", format.whole),
  number("Acknowledged", "acknowledged", format.whole),
], { empty: "no route is configured" });

const pools = new Table(at("pools-table"), [
  { title: "Upstream", of: (row) => row.source, show: (row) => text(row.source), hint: (row) => text(row.user) },
  { title: "State", kind: "state", of: (row) => row.state, show: (row) => text(row.state), hint: (row) => row.detail ?? "" },
  { title: "In use", of: (row) => row.in_use, show: (row) => (row.in_use ? "yes" : "–") },
  { title: "Address", kind: "code", of: (row) => row.url, show: (row) => text(row.url) },
  number("Difficulty", "difficulty", format.difficulty),
  number("Newest job", "job_age_seconds", format.ago),
  number("Answer", "answer_seconds", format.milliseconds),
  number("Accepted", "accepted", format.whole),
  number("Rejected", "rejected", format.whole),
  number("Lost", "lost", format.whole),
  number("Connections", "connects", format.whole),
  { title: "Last share", kind: "number", of: (row) => row.last_share_time, show: (row) => format.since(secondsAgo(row.last_share_time)) },
], { empty: "no upstream is configured" });

const devices = new Table(at("devices-table"), [
  { title: "Device", of: (row) => row.name, show: (row) => text(row.name) },
  { title: "State", kind: "state", of: (row) => row.state, show: (row) => text(row.state) },
  { title: "Kernel", of: (row) => row.kernel, show: (row) => text(row.kernel) },
  number("5 s", "hashrate_5s_hps", format.hashrate),
  number("1 min", "hashrate_hps", format.hashrate),
  number("15 min", "hashrate_15m_hps", format.hashrate),
  number("Found", "solutions", format.whole),
  number("Wrong results", "wrong", format.whole),
  number("Kernels retired", "retired", format.whole),
  { title: "Sensors", optional: true, of: (row) => Object.keys(row.sensors ?? {}).length, show: (row) => sensors(row.sensors) },
], { empty: "no device is at work" });

function secondsAgo(time) {
  return Number.isFinite(time) ? Math.max(Date.now() / 1000 - time, 0) : null;
}

const SENSORS = { temperature_celsius: "°C", power_watts: "W", clock_hertz: "MHz" };

function sensors(readings) {
  const told = Object.entries(readings ?? {}).map(([name, value]) =>
    name === "clock_hertz" ? `${format.whole(value / 1e6)} MHz` : `${format.whole(value)} ${SENSORS[name] ?? format.words(name)}`);
  return text(told.join(", "));
}

function draw(status) {
  const about = [status.program, status.version, status.uptime_seconds === undefined ? "" : `up ${format.duration(status.uptime_seconds)}`];
  setText(at("about"), about.filter(Boolean).join(" · "));
  drawUpstream(status);
  drawHashrate(status);
  drawShares(status.shares, status.lost_hashes);
  drawBlocks(status.blocks);
  drawPool(status.pool);
  fillTable("pools", pools, status.pools);
  fillTable("routes", routes, status.routes?.length > 1 ? status.routes : undefined);
  rigs.hear(status.rigs_total);
  rig.hear();
  fillTable("devices", devices, status.devices);
  at("join").hidden = !status.stratum_url;
  setText(at("join-line"), status.stratum_url ?? "");
  showProblem("history", status.lifetime?.problem);
}

// A line above everything, while there is something to tell.
function showProblem(id, problem) {
  at(id).hidden = !problem;
  setText(at(id), problem ?? "");
}

function drawUpstream(status) {
  const upstream = status.upstream;
  at("upstream").hidden = !upstream;
  const state = upstream?.state ?? "running";
  setText(at("state"), format.words(state));
  at("state").dataset.state = state;
  showProblem("detail", upstream?.detail);
  if (!upstream) return;
  const facts = [
    ["Source", upstream.source],
    ["Address", upstream.url],
    ["Network", upstream.network],
    ["Height", upstream.height],
    ["Difficulty", status.difficulty ? format.difficulty(status.difficulty) : ""],
    ["Best share", status.best_difficulty ? format.difficulty(status.best_difficulty) : ""],
    ["Newest job", Number.isFinite(status.job_age_seconds) ? format.ago(status.job_age_seconds) : ""],
  ];
  fillFacts(at("upstream-facts"), facts.filter(([, value]) => text(value) !== "–"));
}

function fillFacts(list, facts) {
  while (list.children.length > facts.length * 2) list.lastChild.remove();
  facts.forEach(([name, value], index) => {
    while (list.children.length <= index * 2 + 1) {
      list.append(document.createElement(list.children.length % 2 ? "dd" : "dt"));
    }
    setText(list.children[index * 2], name);
    setText(list.children[index * 2 + 1], String(value));
  });
}

function drawHashrate(status) {
  at("hashrate").hidden = status.hashrate_hps === undefined;
  if (status.hashrate_hps === undefined) return;
  const now = Date.now() / 1000;
  live = live.filter(([when]) => when > now - HISTORY_SECONDS && when < now);
  live.push([now, status.hashrate_hps]);
  setText(at("hashrate-now"), format.hashrate(status.hashrate_hps));
  const means = [["5 s", status.hashrate_5s_hps], ["1 min", status.hashrate_hps], ["15 min", status.hashrate_15m_hps]];
  const told = means.every(([, hps]) => hps !== undefined);
  setText(at("hashrate-spans"), told ? means.map(([span, hps]) => `${span}: ${format.hashrate(hps)}`).join(" · ") : "");
  document.title = `${format.hashrate(status.hashrate_hps)} – ${title}`;
  at("spans").hidden = status.lifetime === undefined; // there is no history to be asked for
  spans.hear(live);
}

function drawShares(shares, lostHashes) {
  at("shares").hidden = !shares;
  if (!shares) return;
  const accepted = shares.accepted ?? 0;
  const rejected = shares.rejected ?? 0;
  setText(at("shares-accepted"), `${format.whole(accepted)} accepted`);
  setText(at("shares-rejected"), `${format.whole(rejected)} rejected (${format.percent(rejected, accepted + rejected)})`);
  const dropped = Object.entries(shares.dropped ?? {}).map(([cause, count]) => [`not sent: ${cause}`, count]);
  const reasons = [...Object.entries(shares.by_reason ?? {}), ["lost with a connection", shares.lost ?? 0], ...dropped]
    .filter(([reason, count]) => count > 0 && reason !== "accepted")
    .sort(([, a], [, b]) => b - a);
  drawReasons(at("reasons"), reasons, reasons.reduce((sum, [, count]) => sum + count, 0));
  const idle = lostHashes > 0 ? `${format.hashes(lostHashes)} not done for lack of work` : "";
  showProblem("shares-idle", idle);
}

function drawReasons(list, reasons, all) {
  while (list.children.length > reasons.length) list.lastChild.remove();
  reasons.forEach(([reason, count], index) => {
    if (!list.children[index]) {
      const item = document.createElement("li");
      const bar = document.createElement("div");
      bar.append(document.createElement("i"));
      item.append(document.createElement("span"), document.createElement("b"), bar);
      list.append(item);
    }
    const [name, times, bar] = list.children[index].children;
    setText(name, format.words(reason));
    setText(times, format.whole(count));
    bar.firstChild.style.width = `${(100 * count) / Math.max(all, count)}%`;
  });
}

function drawPool(pool) {
  at("pool").hidden = !pool;
  if (!pool) return;
  const counts = Object.entries(pool).filter(([, value]) => Number.isFinite(value));
  const refused = Object.entries(pool.refused ?? {}).filter(([, value]) => value > 0);
  fillFacts(
    at("pool-facts"),
    [...counts, ...refused.map(([reason, value]) => [`refused: ${reason}`, value])].map(
      ([name, value]) => [format.words(name), format.whole(value)],
    ),
  );
}

function drawBlocks(found) {
  at("blocks").hidden = !found;
  if (!found) return;
  setText(at("blocks-count"), found.accepted === undefined ? "" : `${format.whole(found.accepted)} accepted`);
  blocks.fill(found.list ?? []);
}

function fillTable(id, table, rows, total) {
  at(id).hidden = !rows;
  if (!rows) return;
  setText(at(`${id}-count`), format.whole(total ?? rows.length));
  table.fill(rows);
}

function listen() {
  const source = new EventSource("/api/v1/events");
  source.onmessage = (event) => {
    lastHeard = performance.now();
    draw(JSON.parse(event.data));
  };
  source.onerror = () => {
    // A browser tries again by itself, except after an answer that is not an event stream.
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, RETRY_SECONDS * 1000);
  };
}

setInterval(() => {
  const silent = (performance.now() - lastHeard) / 1000;
  at("stale").hidden = silent < STALE_SECONDS;
  document.body.classList.toggle("stale", silent >= STALE_SECONDS);
  setText(at("stale"), `No word from the program for ${format.duration(silent)}: is it running?`);
}, 1000);

listen();
