// How the page talks to its server: requests with the key, answers as JSON, problems as one type, jobs as a
// stream. It holds no view and no state but the key.

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
export type Row = { [column: string]: Json };

export interface Place {
  line: number;
  column: number;
  end_line: number;
  end_column: number;
  field?: string;
}

export interface ProblemDocument {
  title: string;
  status: number;
  detail: string;
  code: string;
  place?: Place;
  next_step?: string;
  row?: number;
}

/** What the server says is wrong, or that it says nothing (status 0). */
export class Problem extends Error {
  constructor(readonly document: ProblemDocument) {
    super(document.detail);
  }
}

export interface RowsAnswer {
  rows: Row[];
  notices: string[];
  seconds: number;
}

export interface Column {
  name: string;
  type: string;
  dim?: number;
}

export interface Table {
  name: string;
  role: "user" | "item" | "interaction";
  rows: number;
  key?: string;
  between?: { user_column: string; user_table: string; item_column: string; item_table: string };
  columns: Column[];
}

/** One validation of a training by gradients. */
export interface Point {
  epoch: number;
  loss: number | null;
  recall: number;
}

export interface Job {
  id: number;
  kind: string;
  statement: string;
  account: string;
  state: "queued" | "running" | "done" | "failed" | "cancelled";
  stage: string;
  done: number;
  total: number;
  note: string;
  /** The learning curve so far. */
  curve: Point[];
  seconds: number;
  result: { tag?: string; rows?: Row[]; notices?: string[] } | null;
  error: ProblemDocument | null;
}

export interface StatementAnswer {
  tag: string;
  columns?: { name: string; type: string }[] | null;
  rows: Row[];
  affected: number;
  notices: string[];
  seconds: number;
}

const KEY = "tastedb.key";
const strangers = new Set<(problem: Problem) => void>();

export const key = () => sessionStorage.getItem(KEY);

export function setKey(value: string | null) {
  if (value === null) sessionStorage.removeItem(KEY);
  else sessionStorage.setItem(KEY, value);
}

/** Calls `told` whenever the server asks who is there. */
export function onStranger(told: (problem: Problem) => void) {
  strangers.add(told);
  return () => strangers.delete(told);
}

/** The address of a route with names and keys in it. */
export function at(strings: TemplateStringsArray, ...values: (string | number)[]) {
  return strings.reduce((path, part, n) => path + encodeURIComponent(values[n - 1]!) + part);
}

/** The parameters behind a question mark; what is empty is left out. */
export function query(values: Record<string, string | number | null | undefined>) {
  const entries = Object.entries(values).filter(([, v]) => v !== null && v !== undefined && v !== "");
  const text = new URLSearchParams(entries.map(([k, v]) => [k, String(v)])).toString();
  return text && `?${text}`;
}

export async function send(method: string, path: string, body?: Json, signal?: AbortSignal) {
  const headers: Record<string, string> = {};
  const known = key();
  if (known) headers["authorization"] = `Bearer ${known}`;
  if (body !== undefined) headers["content-type"] = "application/json";
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      headers,
      // Otherwise the browser would ask for a password in a window of its own.
      credentials: "omit",
      cache: "no-store",
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal ? { signal } : {}),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw silent("the server does not answer", "see whether it still runs, then try again");
  }
  if (response.ok) return response;
  const problem = await problemOf(response);
  if (response.status === 401) strangers.forEach((told) => told(problem));
  throw problem;
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return parse((await (await send("GET", path, undefined, signal)).text())) as T;
}

export async function post<T>(path: string, body: Json = {}, signal?: AbortSignal): Promise<T> {
  return parse(await (await send("POST", path, body, signal)).text()) as T;
}

/** Runs statements. */
export async function run(sql: string, params: Json[] = [], signal?: AbortSignal) {
  return (await post<{ results: StatementAnswer[] }>("/v1/sql", { sql, params }, signal)).results;
}

/** The rows of the last of some statements. */
export async function rowsOf(sql: string, params: Json[] = [], signal?: AbortSignal) {
  return (await run(sql, params, signal)).at(-1)?.rows ?? [];
}

/** Tells of every change of a job until it is over; the last report. */
export async function follow(id: number, told: (job: Job) => void): Promise<void> {
  const response = await send("GET", at`/v1/jobs/${id}/events`);
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    buffer += value;
    const events = buffer.split(/\r?\n\r?\n/);
    buffer = events.pop() ?? "";
    for (const event of events) {
      const data = event
        .split(/\r?\n/)
        .filter((line) => line.startsWith("data:"))
        .map((line) => line.slice(5).trimStart());
      if (data.length) told(parse(data.join("\n")) as unknown as Job);
    }
  }
}

export const isOver = (job: Job) => job.state !== "queued" && job.state !== "running";

async function problemOf(response: Response) {
  const text = await response.text();
  try {
    const document = JSON.parse(text) as ProblemDocument;
    if (typeof document.code === "string") return new Problem(document);
  } catch {
    // What stands between may answer with a page of its own.
  }
  const title = response.statusText || "error";
  return new Problem({ title, status: response.status, detail: text.slice(0, 300) || title, code: "" });
}

export function silent(detail: string, next_step: string) {
  return new Problem({ title: "no answer", status: 0, detail, code: "", next_step });
}

/** Whole numbers beyond 2^53 stay texts, so that no digit of a key is lost. */
function parse(text: string): Json {
  if (!/(?<![\d.])\d{16}/.test(text)) return JSON.parse(text) as Json;
  const exact = (_: string, value: Json, context?: { source?: string }) =>
    typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value)
      ? (context?.source ?? value)
      : value;
  return JSON.parse(text, exact as (key: string, value: Json) => Json) as Json;
}
