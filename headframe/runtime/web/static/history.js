// The history that a program keeps, as points of a line and as sums.

const UNFINISHED_SECONDS = 90; // what is newer may still grow

let kept; // whether there is a history: a promise, asked for once, and again where nobody answered

export function hasHistory() {
  kept ??= fetch("/api/v1/history?limit=1").then((answer) => answer.ok, () => {
    kept = undefined;
    return false;
  });
  return kept;
}

// span: as in the API, "6h"; worker: one alone, or null for all; program: whose history it is.
// Where nothing is kept of a time: a worker did nothing, the program may not have run.
export async function historyOver(span, { worker = null, program = "proxy" } = {}) {
  const query = new URLSearchParams({ from: span });
  if (worker !== null) query.set("worker", worker);
  else if (program === "proxy") query.set("by", "route");
  query.set("limit", "100000");
  const answer = await fetch(`/api/v1/history?${query}`);
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.error);
  return { points: pointsOf(told, worker === null ? null : 0), sums: sumsOf(told.rows), refused: refusedOf(told) };
}

function pointsOf(told, gap) {
  const step = told.step === "hour" ? 3600 : 60;
  const sums = new Map();
  for (const row of told.rows) {
    const at = Date.parse(row.time) / 1000;
    sums.set(at, (sums.get(at) ?? 0) + Number(row.hashes ?? row.work_accepted));
  }
  if (sums.size === 0) return [];
  const points = [];
  const last = told.to - Math.max(step, UNFINISHED_SECONDS);
  for (let at = Math.min(...sums.keys()); at <= last; at += step) {
    points.push([at + step / 2, sums.has(at) ? sums.get(at) / step : gap]);
  }
  return points;
}

const REASON = /^shares_refused_(?!upstream$)/;

// The shares refused here in a minute, by reason, those of most shares first; beginning and end
// are those of the points.
function refusedOf(told) {
  const step = told.step === "hour" ? 3600 : 60;
  const found = new Map();
  const starts = told.rows.map((row) => Date.parse(row.time) / 1000);
  const last = told.to - Math.max(step, UNFINISHED_SECONDS);
  const [first, times] = [Math.min(...starts), []];
  for (let at = first; at <= last; at += step) times.push(at + step / 2);
  told.rows.forEach((row, index) => {
    const place = (starts[index] - first) / step;
    for (const [name, count] of Object.entries(row)) {
      if (!count || place >= times.length || !REASON.test(name)) continue;
      const reason = name.replace(REASON, "");
      if (!found.has(reason)) found.set(reason, new Array(times.length).fill(0));
      found.get(reason)[place] += (count * 60) / step;
    }
  });
  const all = (counts) => counts.reduce((sum, each) => sum + each, 0);
  return { times, rows: [...found].sort(([, a], [, b]) => all(b) - all(a)) };
}

// Every column of numbers, added up. Beyond 2^53 the last digits are lost, which no reader sees.
function sumsOf(rows) {
  const sums = {};
  for (const row of rows) {
    for (const [name, value] of Object.entries(row)) {
      if (/^(shares|work|hashes)/.test(name) && !name.endsWith("_hps")) sums[name] = (sums[name] ?? 0) + Number(value);
    }
  }
  return sums;
}
