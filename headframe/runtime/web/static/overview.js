// The figures at the top, and the hashrate over time.

import { Chart } from "./chart.js";
import * as format from "./format.js";
import { hasHistory, historyOver } from "./history.js";
import { Spans, spanTitle } from "./spans.js";
import { fillFacts, setText } from "./table.js";

const LIVE = "1h"; // the shortest time shown ends in the figures of now
const LIVE_SECONDS = 3600;
const MINUTE = 60;
const title = document.title;

const at = (id) => document.getElementById(id);
const text = format.text;

export class Overview {
  // onHistory: (what is told of the time shown or null, its name, program) => ...
  constructor(onHistory) {
    this.onHistory = onHistory;
    this.live = [];
    this.program = "proxy";
    this.chart = new Chart(at("chart"), "Hashrate");
    this.spans = new Spans(at("spans"), {
      fetch: (span) => historyOver(span, { program: this.program }),
      draw: (told, span) => this.drawHistory(told, span),
    });
    this.kept = false;
  }

  draw(status) {
    const about = [status.program, status.version, status.uptime_seconds === undefined ? "" : `up ${format.duration(status.uptime_seconds)}`];
    setText(at("about"), about.filter(Boolean).join(" · "));
    this.drawUpstream(status);
    this.drawHashrate(status);
    this.drawRigs(status.rigs_by_state);
    this.drawDevices(status.devices);
    this.drawShares(status.shares);
    this.drawBlocks(status.blocks);
    this.drawPool(status.pool);
  }

  drawUpstream(status) {
    const { upstream, pools } = status;
    const used = pools?.find((each) => each.in_use) ?? null;
    for (const id of ["upstream", "tile-upstream"]) at(id).hidden = !upstream;
    const state = upstream?.state ?? "running";
    setText(at("state"), format.words(state));
    at("state").dataset.state = state;
    showProblem("detail", upstream?.detail);
    if (!upstream) return;
    setText(at("upstream-now"), text(used?.source ?? upstream.source));
    const age = Number.isFinite(status.job_age_seconds) ? `newest job ${format.ago(status.job_age_seconds)}` : "no job yet";
    setText(at("upstream-job"), age);
    const facts = [
      ["Source", upstream.source],
      ["Address", upstream.url],
      ["Network", upstream.network],
      ["Height", Number.isFinite(upstream.height) ? format.whole(upstream.height) : ""],
      ["Difficulty", status.difficulty ? format.difficulty(status.difficulty) : ""],
      ["Best share", status.best_difficulty ? format.difficulty(status.best_difficulty) : ""],
      ["Newest job", Number.isFinite(status.job_age_seconds) ? format.ago(status.job_age_seconds) : ""],
    ];
    fillFacts(at("upstream-facts"), facts.filter(([, value]) => text(value) !== "–"));
  }

  drawHashrate(status) {
    const known = status.hashrate_hps !== undefined;
    for (const id of ["hashrate", "tile-hashrate"]) at(id).hidden = !known;
    if (!known) return;
    this.program = status.program;
    const now = Date.now() / 1000;
    this.live = this.live.filter(([when]) => when > now - LIVE_SECONDS && when < now);
    this.live.push([now, status.hashrate_hps]);
    setText(at("hashrate-now"), format.hashrate(status.hashrate_hps));
    const means = [["5 s", status.hashrate_5s_hps], ["15 min", status.hashrate_15m_hps]];
    const told = means.every(([, hps]) => hps !== undefined);
    setText(at("hashrate-spans"), told ? means.map(([span, hps]) => `${span}: ${format.hashrate(hps)}`.replaceAll(" ", "\u00a0")).join(" · ") : "estimated from good shares");
    document.title = `${format.hashrate(status.hashrate_hps)} – ${title}`;
    this.asHistory();
    if (this.spans.span === LIVE) this.chart.draw(this.joined());
  }

  async asHistory() {
    if (!this.kept) {
      this.kept = await hasHistory();
      at("spans").hidden = !this.kept;
      if (this.kept && this.program === "miner") this.spans.offer("1d");
    }
    if (this.kept && !document.hidden) this.spans.hear();
  }

  drawHistory(told, span) {
    this.onHistory(told, spanTitle(span), this.program);
    if (span !== LIVE) this.chart.draw(told?.points ?? null, "nothing is kept of this time");
    else this.chart.draw(this.joined());
  }

  // What was kept before this page was opened, or while it slept, and then what it saw itself.
  joined() {
    const stored = this.spans.told?.points ?? [];
    if (stored.length === 0) return this.live;
    const seen = new Set(this.live.map(([when]) => Math.floor(when / MINUTE)));
    const before = stored.filter(([when]) => !seen.has(Math.floor(when / MINUTE)));
    return [...before, ...this.live].sort(([a], [b]) => a - b);
  }

  drawRigs(counts) {
    at("tile-rigs").hidden = !counts;
    if (!counts) return;
    const all = Object.values(counts).reduce((sum, count) => sum + count, 0);
    setText(at("rigs-now"), format.whole(counts.hashing ?? 0));
    setText(at("rigs-all"), `of ${format.whole(all)}`);
    drawParts(at("rigs-rest"), Object.entries(counts).filter(([state, count]) => state !== "hashing" && count > 0), all ? "all are well" : "none is connected");
  }

  drawDevices(devices) {
    at("tile-devices").hidden = !devices;
    if (!devices) return;
    const working = devices.filter((each) => each.state === "hashing").length;
    setText(at("devices-now"), format.whole(working));
    setText(at("devices-all"), `of ${format.whole(devices.length)}`);
    setText(at("devices-kernels"), [...new Set(devices.map((each) => each.kernel).filter(Boolean))].join(", "));
  }

  drawShares(shares) {
    at("tile-shares").hidden = !shares;
    if (!shares) return;
    const { accepted = 0, rejected = 0 } = shares;
    setText(at("shares-accepted"), format.whole(accepted));
    setText(at("shares-rejected"), `${format.whole(rejected)} rejected (${format.percent(rejected, accepted + rejected)})`);
  }

  drawBlocks(blocks) {
    at("tile-blocks").hidden = !blocks;
    if (!blocks) return;
    setText(at("blocks-now"), format.whole(blocks.accepted ?? 0));
    const last = blocks.list?.[0];
    setText(at("blocks-last"), last ? `the last one ${format.ago(Date.now() / 1000 - last.time)}` : "none found yet");
  }

  drawPool(pool) {
    at("pool").hidden = !pool;
    if (!pool) return;
    const counts = Object.entries(pool).filter(([, value]) => Number.isFinite(value));
    fillFacts(at("pool-facts"), counts.map(([name, value]) => [format.words(name), format.whole(value)]));
  }
}

// A line above everything, while there is something to tell.
export function showProblem(id, problem) {
  at(id).hidden = !problem;
  setText(at(id), problem ?? "");
}

// "2 silent · 1 invalid only", each in its colour.
function drawParts(holder, parts, none) {
  const wanted = parts.map(([state, count]) => `${format.whole(count)} ${format.words(state)}`);
  if (holder.dataset.told === wanted.join()) return;
  holder.dataset.told = wanted.join();
  const spans = wanted.map((words, index) => {
    const span = document.createElement("span");
    span.textContent = words.replaceAll(" ", "\u00a0");
    span.dataset.state = format.words(parts[index][0]);
    return span;
  });
  holder.replaceChildren(...(spans.length ? spans.flatMap((span, index) => (index ? [" · ", span] : [span])) : [none]));
}
