// Numbers and times as people read them. Pure: text in, text out.

const STEPS = ["", "k", "M", "G", "T", "P", "E", "Z"];

export function text(value) {
  return value === null || value === undefined || value === "" ? "–" : String(value);
}

export function hashrate(hps) {
  return withPrefix(hps, "H/s");
}

export function hashes(count) {
  return count < 999.5 ? `${digits(Math.max(count, 0))} hashes` : withPrefix(count, "H");
}

function withPrefix(number, unit) {
  if (!Number.isFinite(number)) return "–";
  let value = Math.max(number, 0);
  let step = 0;
  while (value >= 999.5 && step < STEPS.length - 1) {
    value /= 1000;
    step += 1;
  }
  return `${digits(value)} ${STEPS[step]}${unit}`;
}

// Three significant digits, and no exponent between a millionth and a thousand.
export function digits(value) {
  if (value === 0) return "0";
  if (value >= 100) return value.toFixed(0);
  if (value >= 10) return value.toFixed(1);
  if (value >= 0.000001) return String(Number(value.toPrecision(3)));
  return value.toExponential(1);
}

export function difficulty(value) {
  if (!Number.isFinite(value)) return "–";
  if (value < 1000) return digits(value);
  let shown = value;
  let step = 0;
  while (shown >= 999.5 && step < STEPS.length - 1) {
    shown /= 1000;
    step += 1;
  }
  return `${digits(shown)} ${STEPS[step]}`;
}

export function whole(value) {
  return Number.isFinite(value) ? Math.round(value).toLocaleString("en").replaceAll(",", "\u202f") : "–";
}

export function duration(seconds) {
  if (!Number.isFinite(seconds)) return "–";
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

export function milliseconds(seconds) {
  return Number.isFinite(seconds) ? `${digits(seconds * 1000)} ms` : "–";
}

export function ago(seconds) {
  if (!Number.isFinite(seconds)) return "never";
  return seconds < 1 ? "now" : `${duration(seconds)} ago`;
}

export function since(seconds) {
  return seconds === null || seconds === undefined ? "never" : ago(seconds);
}

export function percent(part, all) {
  if (!all) return "0 %";
  const value = (100 * part) / all;
  return value > 0 && value < 0.01 ? "< 0.01 %" : `${digits(value)} %`;
}

// The end of a block's hash is what differs; its start is zeros.
export function shortHash(hash) {
  return hash.length > 20 ? `…${hash.slice(-16)}` : hash;
}

// The same of any long hash in a text.
export function shortHashes(words) {
  return words.replaceAll(/\b[0-9a-f]{40,}\b/g, shortHash);
}

export function words(name) {
  return String(name).replaceAll("_", " ");
}

const two = (number) => String(number).padStart(2, "0");

// A moment on this machine's clock; with its day unless it is today.
export function clock(moment, now = new Date()) {
  if (Number.isNaN(moment.getTime())) return "–";
  const time = [moment.getHours(), moment.getMinutes(), moment.getSeconds()].map(two).join(":");
  if (moment.toDateString() === now.toDateString()) return time;
  return `${moment.getFullYear()}-${two(moment.getMonth() + 1)}-${two(moment.getDate())} ${time}`;
}
