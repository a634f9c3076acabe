// Which colour a value has: one of eight for the most frequent values, or a place between two for numbers.

import type { Json } from "./api";

export interface Point {
  key: string;
  x: number;
  y: number;
  value: Json;
  /** The class, or for numbers the place from 0 to 1; less than 0: none. */
  color: number;
}

export interface Colours {
  of: number[];
  classes: { name: string; count: number }[];
  /** The class of all other values; −1 where there is none. */
  rest: number;
  /** The least and the greatest value, where colours are places. */
  range?: [number, number];
}

const CLASSES = 8;

/** `tell` says what a value is called. */
export function colours(values: Json[], tell: (v: Json) => string): Colours {
  const name = (v: Json) => called(v, tell);
  const known = values.filter((v) => v !== null);
  const distinct = new Set(known);
  if (known.length && known.every((v) => typeof v === "number") && distinct.size > CLASSES) {
    const numbers = known as number[];
    const [low, high] = [numbers.reduce((a, b) => Math.min(a, b)), numbers.reduce((a, b) => Math.max(a, b))];
    const place = (v: Json) => (typeof v === "number" ? (v - low) / (high - low || 1) : -1);
    return { of: values.map(place), classes: [], rest: -1, range: [low, high] };
  }
  const counts = new Map<string, number>();
  for (const v of values) counts.set(name(v), (counts.get(name(v)) ?? 0) + 1);
  const ranked = [...counts].filter(([n]) => n !== "none").sort((a, b) => b[1] - a[1]);
  const shown = ranked.slice(0, ranked.length > CLASSES ? CLASSES - 1 : CLASSES);
  const at = new Map(shown.map(([n], index) => [n, index]));
  const left = values.length - shown.reduce((sum, [, n]) => sum + n, 0);
  const classes = shown.map(([n, count]) => ({ name: n, count }));
  const rest = left ? classes.push({ name: "others", count: left }) - 1 : -1;
  return { of: values.map((v) => at.get(name(v)) ?? rest), classes, rest };
}

/** What a value is called; of a list, its first member. */
function called(v: Json, tell: (v: Json) => string): string {
  if (Array.isArray(v)) return v.length ? tell(v[0]!) : "none";
  return v === null || v === "" ? "none" : tell(v);
}
