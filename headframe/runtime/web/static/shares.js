// Shares by reason, and where the work of a time went.

import * as format from "./format.js";
import { Stack } from "./stack.js";
import { Table, fillFacts, setText } from "./table.js";

const RECENT_SECONDS = 600;
const SAMPLE_SECONDS = 5;

const at = (id) => document.getElementById(id);

export class Shares {
  constructor() {
    this.samples = []; // [time, counts by key], the oldest first
    this.past = null; // what the history tells of the time shown, and the name of that
    this.chart = new Stack(at("shares-chart"), "Shares refused here, by reason");
    this.table = new Table(at("shares-table"), [
      { title: "Reason", of: (row) => row.reason, show: (row) => format.words(row.reason) },
      { title: "Refused by", optional: true, of: (row) => row.who, show: (row) => format.text(row.who) },
      { title: "Lately", kind: "number", of: (row) => row.lately, show: (row) => format.whole(row.lately ?? NaN) },
      { title: "In all", kind: "number", of: (row) => row.count, show: (row) => format.whole(row.count) },
      { title: "Of all shares", kind: "number", of: (row) => row.part, show: (row) => format.percent(row.count, row.all) },
    ], { sortBy: 3, empty: "no share was refused", key: (row) => row.key, find: false });
    this.lately = this.table.heads[2].firstChild;
  }

  draw(status) {
    const { shares, pool } = status;
    at("shares").hidden = !shares;
    if (!shares) return;
    const all = shares.submitted ?? (shares.accepted ?? 0) + (shares.rejected ?? 0);
    const rows = rowsOf(shares, pool, status.program).filter((row) => row.count > 0);
    const before = this.sample(rows);
    for (const row of rows) {
      const lately = this.past ? this.past.sums[row.column] : row.count - (before.get(row.key) ?? 0);
      Object.assign(row, { all, lately });
    }
    this.table.fill(rows);
    const idle = status.lost_hashes > 0 ? `${format.hashes(status.lost_hashes)} not done for lack of work` : "";
    at("shares-idle").hidden = !idle;
    setText(at("shares-idle"), idle);
  }

  // The counts of ten minutes ago, or of when this page was opened.
  sample(rows) {
    const now = performance.now() / 1000;
    if (this.samples.length === 0 || now - this.samples.at(-1)[0] >= SAMPLE_SECONDS) {
      this.samples.push([now, new Map(rows.map((row) => [row.key, row.count]))]);
      while (now - this.samples[0][0] > RECENT_SECONDS) this.samples.shift();
    }
    const since = `Last ${format.duration(Math.max(now - this.samples[0][0], 1))}`;
    setText(this.lately, this.past ? this.past.span : since);
    return this.samples[0][1];
  }

  // What became of the shares and of the work of the time that the chart shows.
  drawHistory(told, span, program) {
    const byReason = program === "proxy";
    at("shares-chart").hidden = !byReason;
    if (byReason) this.chart.stack(told?.refused ?? null, "no share was refused in this time");
    if (byReason && told) this.past = { sums: told.sums, span };
    if (told) this.drawSums(told.sums, span, program);
  }

  drawSums(sums, span, program) {
    const facts = program === "miner" ? minerFacts(sums) : proxyFacts(sums);
    at("efficiency").hidden = facts.length === 0;
    setText(at("efficiency-span"), span);
    fillFacts(at("efficiency-facts"), facts.slice(1));
    setText(at("efficiency-now"), facts[0]?.[1] ?? "");
    setText(at("efficiency-what"), facts[0]?.[0] ?? "");
  }
}

function rowsOf(shares, pool, program) {
  const here = program === "proxy" ? "the proxy" : "the upstream";
  const row = (who, reason, count, column = "") => ({ key: `${who}/${reason}`, who, reason, count, column });
  return [
    ...Object.entries(shares.by_reason ?? {}).map(([reason, count]) => row(here, reason, count, `shares_refused_${reason}`)),
    row("", "lost with a connection", shares.lost ?? pool?.lost ?? 0, "shares_lost"),
    ...Object.entries(shares.dropped ?? {}).map(([cause, count]) => row("not sent", cause, count)),
    ...Object.entries(pool?.refused ?? {}).map(([reason, count]) => row("the upstream", reason, count)),
  ].filter(({ reason }) => reason !== "accepted");
}

const shares = (count, all) => `${format.whole(count)} (${format.percent(count, all)})`;
const parted = (work, all) => `${format.hashes(work)} (${format.percent(work, all)})`;

function proxyFacts(sums) {
  const { work_offered: offered, work_accepted: accepted, work_forwarded: sent, work_acknowledged: taken } = sums;
  if (!offered) return [];
  const [refused, lost] = [sums.work_refused_upstream ?? 0, sums.work_lost ?? 0];
  const answered = taken + refused + lost;
  const credited = (accepted / offered) * (answered > 0 ? taken / answered : 1);
  return [
    ["of the work that rigs sent was credited", format.percent(credited, 1)],
    ["Rigs sent", `${format.hashes(offered)} in ${format.whole(sums.shares_offered)} shares`],
    ["Refused here", parted(offered - accepted, offered)],
    ["Good", parted(accepted, offered)],
    ["Sent up", `${format.hashes(sent)} in ${format.whole(sums.shares_forwarded)} shares`],
    ["Refused upstream", parted(refused, answered)],
    ["Lost on the way", parted(lost, answered)],
    ["Acknowledged", answered > 0 ? parted(taken, answered) : "–"],
  ];
}

function minerFacts(sums) {
  const { shares_accepted: accepted = 0, shares_refused: refused = 0, hashes = 0, work_accepted: work = 0 } = sums;
  if (!hashes) return [];
  return [
    ["of the shares were accepted", accepted + refused ? format.percent(accepted, accepted + refused) : "–"],
    ["Hashed", format.hashes(hashes)],
    ["Accepted", shares(accepted, accepted + refused)],
    ["Refused", shares(refused, accepted + refused)],
    ["Work of the accepted", `${format.hashes(work)} (luck ${format.percent(work, hashes)})`],
  ];
}
