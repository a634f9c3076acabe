// What the page knows of tables: which column names a row for people, how names are quoted, how rows are
// searched. It sends statements, and nothing else does for rows that are looked up.

import { get, rowsOf, type Column, type Json, type Row, type Table } from "./api";

export const tables = (signal?: AbortSignal) => get<Table[]>("/v1/tables", signal);

export const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;
export const isVector = (column: Column) => column.dim !== undefined && column.dim !== null;
const isNumber = (column: Column) => /^(INT|BIGINT|REAL|DOUBLE)/.test(column.type);

/** The column that tells people what a row is; none where there is no text but the key. */
export function labelOf(table: Table): string | undefined {
  const texts = table.columns.filter((c) => c.type === "TEXT" && c.name !== table.key);
  const named = texts.find((c) => /^(title|name|label|display_name)$/i.test(c.name));
  return (named ?? texts[0])?.name;
}

/** Columns that are short enough to stand beside a recommendation. */
export function factsOf(table: Table, most: number): string[] {
  const label = labelOf(table);
  const rest = table.columns.filter((c) => c.name !== table.key && c.name !== label && !isVector(c));
  const short = rest.filter((c) => c.type !== "TEXT");
  return short.slice(0, most).map((c) => c.name);
}

/** A key as the server takes it: a number where the column has numbers. */
export function keyOf(table: Table, text: string): Json {
  const numeric = table.columns.find((c) => c.name === table.key)?.type === "BIGINT";
  const value = Number(text);
  return numeric && /^-?\d+$/.test(text.trim()) && Number.isSafeInteger(value) ? value : text;
}

export interface Found {
  key: string;
  label: string | null;
}

/** Rows whose key or label has the text in it; those whose key is the text first. */
export async function search(table: Table, text: string, signal?: AbortSignal): Promise<Found[]> {
  const key = quoted(table.key!);
  const label = labelOf(table);
  const shown = `${key} AS key, ${label ? quoted(label) : "NULL"} AS label`;
  const from = `FROM ${quoted(table.name)}`;
  const wanted = text.trim().toLowerCase();
  if (!wanted) return found(await rowsOf(`SELECT ${shown} ${from} ORDER BY ${key} LIMIT 12`, [], signal));
  const lower = `lower(CAST(${key} AS TEXT))`;
  const hits = [`strpos(${lower}, $1) > 0`];
  if (label) hits.push(`strpos(lower(${quoted(label)}), $1) > 0`);
  const order = `ORDER BY CASE WHEN ${lower} = $1 THEN 0 WHEN strpos(${lower}, $1) = 1 THEN 1 ELSE 2 END, ${key}`;
  const sql = `SELECT ${shown} ${from} WHERE ${hits.join(" OR ")} ${order} LIMIT 12`;
  return found(await rowsOf(sql, [wanted], signal));
}

/** Labels by key. */
export async function labels(table: Table, keys: string[]): Promise<Map<string, string>> {
  const label = labelOf(table);
  const wanted = [...new Set(keys)];
  if (!label || !wanted.length) return new Map();
  const marks = wanted.map((_, n) => `$${n + 1}`).join(", ");
  const sql =
    `SELECT ${quoted(table.key!)} AS key, ${quoted(label)} AS label ` +
    `FROM ${quoted(table.name)} WHERE ${quoted(table.key!)} IN (${marks})`;
  const rows = found(await rowsOf(sql, wanted.map((key) => keyOf(table, key))));
  return new Map(rows.filter((row) => row.label !== null).map((row) => [row.key, row.label!]));
}

const found = (rows: Row[]) =>
  rows.map((row) => ({ key: String(row["key"]), label: row["label"] === null ? null : String(row["label"]) }));

export const numbers = (table: Table) => table.columns.filter(isNumber).map((c) => c.name);
