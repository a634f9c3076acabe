// Numbers, times and values as people read them. Units are always said.

import type { Json } from "./api";

const grouped = new Intl.NumberFormat("en");

export const count = (n: number | null | undefined) => (n === null || n === undefined ? "–" : grouped.format(n));

export function seconds(s: number | null | undefined): string {
  if (s === null || s === undefined || !Number.isFinite(s)) return "–";
  if (s < 0.001) return `${round(s * 1e6)} µs`;
  if (s < 1) return `${round(s * 1e3)} ms`;
  if (s < 120) return `${round(s)} s`;
  const minutes = Math.floor(s / 60);
  return minutes < 120 ? `${minutes} min ${Math.round(s % 60)} s` : `${(s / 3600).toFixed(1)} h`;
}

export function bytes(b: number | null | undefined): string {
  if (b === null || b === undefined) return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  while (b >= 1024 && at < units.length - 1) (b /= 1024), (at += 1);
  return `${at === 0 ? b : round(b)} ${units[at]}`;
}

/** Three significant digits, no exponent. */
export function round(x: number): string {
  const a = Math.abs(x);
  return x.toFixed(a >= 100 ? 0 : a >= 10 ? 1 : 2);
}

/** A score: four places, more where that would leave nothing. */
export function score(x: Json): string {
  if (typeof x !== "number") return value(x);
  return x !== 0 && Math.abs(x) < 0.001 ? x.toPrecision(2) : x.toFixed(4);
}

export const percent = (x: number) => `${(x * 100).toFixed(x < 0.1 ? 1 : 0)} %`;

/** A moment that the server tells in UTC. */
export const moment = (text: Json) =>
  typeof text === "string" ? text.replace("T", " ").replace(/\.\d+$/, "") : "–";

/** Whether a value is one of many numbers, which is told by its first ones. */
export const isVector = (v: Json) => Array.isArray(v) && v.length > 8 && typeof v[0] === "number";

/** Any value as one line of text. */
export function value(v: Json | undefined): string {
  if (v === null || v === undefined) return "NULL";
  if (typeof v === "string") return v;
  if (Array.isArray(v)) {
    if (isVector(v)) {
      const first = v.slice(0, 3).map((x) => (typeof x === "number" ? round(x) : value(x)));
      return `[${first.join(", ")}, … ${v.length}]`;
    }
    const members = v.map(value).join(", ");
    return typeof v[0] === "number" ? `[${members}]` : members;
  }
  if (typeof v === "object") return JSON.stringify(v);
  return String(v);
}

export const plural = (n: number, one: string, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;
