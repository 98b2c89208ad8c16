// The history that the proxy keeps, as points of a line.

const UNFINISHED_SECONDS = 90; // what is newer may still grow

// span: as in the API, "6h"; worker: one alone, or null for all.
// Where nothing is kept of a time: a worker did nothing, the proxy may not have run.
export async function hashrateOver(span, worker = null) {
  const query = new URLSearchParams({ from: span, limit: "100000" });
  if (worker === null) query.set("by", "route");
  else query.set("worker", worker);
  const answer = await fetch(`/api/v1/history?${query}`);
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.error);
  return pointsOf(told, worker === null ? null : 0);
}

function pointsOf(told, gap) {
  const step = told.step === "hour" ? 3600 : 60;
  const sums = new Map();
  for (const row of told.rows) {
    const at = Date.parse(row.time) / 1000;
    sums.set(at, (sums.get(at) ?? 0) + Number(row.work_accepted));
  }
  if (sums.size === 0) return [];
  const points = [];
  const last = told.to - Math.max(step, UNFINISHED_SECONDS);
  for (let at = Math.min(...sums.keys()); at <= last; at += step) {
    points.push([at, sums.has(at) ? sums.get(at) / step : gap]);
  }
  return points;
}
