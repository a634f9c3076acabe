// Questions for recommendations, and what their rows mean: which tables fit together, which columns are asked
// for, what reasons say, what a click has changed.

import { get, post, type Json, type Row, type RowsAnswer, type Table } from "./api";
import { factsOf, keyOf, labelOf, labels, quoted } from "./schema";
import { value } from "./format";

export const BUILT_IN = ["popular", "trending", "latest", "random"];

/** Interactions of users with items: three tables that fit together. */
export interface Trio {
  events: Table;
  users: Table;
  items: Table;
}

export function trios(all: Table[]): Trio[] {
  const find = (name: string) => all.find((table) => table.name === name);
  return all.flatMap((events) => {
    const users = events.between && find(events.between.user_table);
    const items = events.between && find(events.between.item_table);
    return users && items ? [{ events, users, items }] : [];
  });
}

export interface Reason {
  key: string;
  share: string;
}

/** `m3 (62 %), m8 (21 %)`, which may name the modality that links them. */
export function reasons(text: Json | undefined): Reason[] {
  if (typeof text !== "string") return [];
  return [...text.matchAll(/(.+?) \((\d+ %[^)]*)\)(?:, |$)/g)].map(([, key, share]) => ({ key: key!, share: share! }));
}

export interface Slate {
  rows: Row[];
  notices: string[];
  seconds: number;
  /** Seconds from the question to the answer, as the page saw it. */
  trip: number;
  label: string | undefined;
  facts: string[];
  /** Labels of the items that reasons name. */
  named: Map<string, string>;
  /** What was sent, and where. */
  path: string;
  body: Json;
}

export interface Wish {
  items: Table;
  user?: { key: Json };
  item?: Json;
  model: string;
  where: string;
  n: number;
}

export async function ask(wish: Wish, signal: AbortSignal): Promise<Slate> {
  const { items } = wish;
  const label = labelOf(items);
  const facts = factsOf(items, 3);
  const columns = ["rank", quoted(items.key!), ...(label ? [quoted(label)] : []), ...facts.map(quoted), "score", "source", "reason"];
  const common = {
    table: items.name,
    columns,
    ...(wish.where.trim() ? { where: wish.where } : {}),
    limit: wish.n,
  };
  const [path, body]: [string, Json] = wish.user
    ? ["/v1/recommend", { ...common, for: { user: wish.user.key }, ...(wish.model ? { using: [{ model: wish.model }] } : {}) }]
    : ["/v1/similar", { ...common, item: wish.item!, ...(wish.model ? { model: wish.model } : {}) }];
  const began = performance.now();
  const answer = await post<RowsAnswer>(path, body, signal);
  const trip = (performance.now() - began) / 1000;
  const keys = answer.rows.flatMap((row) => reasons(row["reason"]).map((reason) => reason.key));
  return { ...answer, trip, label, facts, named: await labels(items, keys), path, body };
}

export interface Past {
  rows: Row[];
  named: Map<string, string>;
}

/** The last interactions of a user. */
export async function history(trio: Trio, user: string, signal: AbortSignal): Promise<Past> {
  const path =
    `/v1/tables/${encodeURIComponent(trio.users.name)}/rows/${encodeURIComponent(user)}/history` +
    `?limit=50&interactions=${encodeURIComponent(trio.events.name)}`;
  const { rows } = await get<RowsAnswer>(path, signal);
  const item = trio.events.between!.item_column;
  return { rows, named: await labels(trio.items, rows.map((row) => value(row[item]))) };
}

/** What a click has besides the user and the item: like what is there already, at this moment. */
export function likely(trio: Trio, past: Row[]): Record<string, string> {
  const given: Record<string, string> = {};
  for (const column of trio.events.columns) {
    const known = past.map((row) => row[column.name]).filter((v) => v !== null && v !== undefined);
    if (/^(TIMESTAMP|DATE)/.test(column.type)) {
      const now = new Date().toISOString();
      given[column.name] = column.type === "DATE" ? now.slice(0, 10) : now.slice(0, 19);
    } else if (/^(INT|BIGINT|REAL|DOUBLE)/.test(column.type)) {
      const most = Math.max(...known.map(Number));
      given[column.name] = Number.isFinite(most) ? String(most) : "";
    } else given[column.name] = known.length ? value(known[0]!) : "";
  }
  return given;
}

/** Records an interaction; columns that are left empty have their default. */
export async function click(trio: Trio, user: string, item: string, given: Record<string, string>) {
  const { user_column, item_column } = trio.events.between!;
  const row: Record<string, Json> = {
    [user_column]: keyOf(trio.users, user),
    [item_column]: keyOf(trio.items, item),
  };
  for (const column of trio.events.columns) {
    const text = (given[column.name] ?? "").trim();
    if (!text) continue;
    const number = /^(INT|BIGINT|REAL|DOUBLE)/.test(column.type) ? Number(text) : NaN;
    row[column.name] = column.type === "BOOL" ? text === "true" : Number.isFinite(number) ? number : text;
  }
  await post(`/v1/tables/${encodeURIComponent(trio.events.name)}/rows`, row);
}

/** How the place of each key differs from an earlier slate: places gained, or `new`. */
export function moves(before: string[], after: string[]): Map<string, number | "new"> {
  const was = new Map(before.map((key, n) => [key, n]));
  return new Map(after.map((key, n) => [key, was.has(key) ? was.get(key)! - n : "new"]));
}
