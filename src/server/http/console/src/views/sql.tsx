// Statements and their results. What was run is remembered until the tab is closed, in this browser only.

import { useEffect, useRef, useState } from "preact/hooks";
import { Problem, run, type StatementAnswer } from "../api";
import { plural, seconds, value } from "../format";
import { announce } from "../ui/live";
import { Failure, Notices } from "../ui/parts";
import { distinct, plainColumns, Table } from "../ui/table";

const KEPT = "tastedb.statements";
const MOST = 50;
/** Rows of a result that are shown at first. */
const SHOWN = 200;
const EXAMPLES = ["SHOW TABLES", "SHOW MODELS", "SHOW INDEXES", "SHOW FORGETS", "SHOW GRAPHS"];

const remembered = (): string[] => {
  try {
    return JSON.parse(sessionStorage.getItem(KEPT) ?? "[]") as string[];
  } catch {
    return [];
  }
};

interface Ran {
  sql: string;
  results?: StatementAnswer[];
  problem?: Problem;
  took: number;
}

export function Sql({ given }: { given: string }) {
  const [text, setText] = useState(given || remembered()[0] || "SHOW TABLES;");
  const [ran, setRan] = useState<Ran>();
  const [busy, setBusy] = useState<AbortController>();
  const [past, setPast] = useState(remembered);
  const box = useRef<HTMLTextAreaElement>(null);

  useEffect(() => {
    if (given) setText(given);
  }, [given]);

  const execute = async (sql: string) => {
    if (busy || !sql.trim()) return;
    const stop = new AbortController();
    setBusy(stop);
    const kept = [sql, ...past.filter((other) => other !== sql)].slice(0, MOST);
    setPast(kept);
    sessionStorage.setItem(KEPT, JSON.stringify(kept));
    const began = performance.now();
    const took = () => (performance.now() - began) / 1000;
    try {
      const results = await run(sql, [], stop.signal);
      setRan({ sql, results, took: took() });
      announce(results.map((result) => result.tag).join(", ") || "nothing to do");
    } catch (error) {
      if (stop.signal.aborted) announce("Stopped waiting");
      else if (error instanceof Problem) {
        setRan({ sql, problem: error, took: took() });
        select(box.current, sql, error);
      }
    }
    setBusy(undefined);
  };

  return (
    <>
      <h1 tabIndex={-1}>SQL</h1>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void execute(text);
        }}
      >
        <label for="sql">Statements</label>
        <textarea
          id="sql"
          ref={box}
          rows={Math.min(18, Math.max(6, text.split("\n").length + 1))}
          spellcheck={false}
          autocapitalize="off"
          aria-describedby="sql-hint"
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
              event.preventDefault();
              void execute(text);
            }
          }}
        />
        <div class="row">
          <button class="primary" disabled={!!busy}>{busy ? "Running …" : "Run"}</button>
          {busy && <button type="button" onClick={() => busy.abort()}>Stop waiting</button>}
          <span id="sql-hint" class="quiet">Ctrl+Enter runs all statements; they end with a semicolon.</span>
        </div>
      </form>
      <div class="row chips" role="group" aria-label="Examples">
        {EXAMPLES.map((example) => (
          <button type="button" class="small" disabled={!!busy} onClick={() => (setText(`${example};`), void execute(`${example};`))}>
            {example}
          </button>
        ))}
      </div>
      {ran?.problem && <Failure problem={ran.problem} source={ran.sql} />}
      {ran?.results?.map((result, n) => <Result key={`${ran.took} ${n}`} result={result} />)}
      {past.length > 0 && (
        <details class="past">
          <summary>{plural(past.length, "statement")} run in this tab</summary>
          <ul>
            {past.map((sql) => (
              <li>
                <button type="button" class="statement" onClick={() => (setText(sql), box.current?.focus())}>
                  {sql}
                </button>
              </li>
            ))}
          </ul>
          <button
            type="button"
            class="small"
            onClick={() => (sessionStorage.removeItem(KEPT), setPast([]))}
          >
            Forget them
          </button>
        </details>
      )}
    </>
  );
}

/** Puts the selection where the problem is. Columns count characters, a text field counts UTF-16 units. */
function select(box: HTMLTextAreaElement | null, sql: string, problem: Problem) {
  const place = problem.document.place;
  if (!box || !place) return;
  const lines = sql.split("\n");
  const offset = (line: number, column: number) =>
    lines.slice(0, line - 1).reduce((sum, text) => sum + text.length + 1, 0) +
    [...(lines[line - 1] ?? "")].slice(0, column - 1).join("").length;
  box.focus();
  box.setSelectionRange(offset(place.line, place.column), offset(place.end_line, place.end_column));
}

function Result({ result }: { result: StatementAnswer }) {
  const [all, setAll] = useState(false);
  const rows = all ? result.rows : result.rows.slice(0, SHOWN);
  const columns = result.columns ?? [];
  return (
    <section class="result" aria-label={result.tag}>
      <div class="row">
        <strong>{result.tag}</strong>
        <span class="quiet">{seconds(result.seconds)}</span>
        {result.rows.length > 0 && (
          <button type="button" class="small" onClick={() => save(result)}>Save as CSV</button>
        )}
      </div>
      <Notices texts={result.notices} />
      {columns.length > 0 && (
        <Table
          caption={`Rows of ${result.tag}`}
          hidden
          columns={plainColumns(columns.map((c) => ({ name: c.name, title: c.type })), rows)}
          rows={rows}
        />
      )}
      {rows.length < result.rows.length && (
        <button type="button" onClick={() => setAll(true)}>Show all {plural(result.rows.length, "row")}</button>
      )}
    </section>
  );
}

/** The rows as a file; a missing value is an empty field, an empty text two quotes. */
function save(result: StatementAnswer) {
  const names = (result.columns ?? []).map((c) => c.name);
  const keys = distinct(names);
  const quote = (text: string) => (text === "" || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const field = (v: StatementAnswer["rows"][number][string] | undefined) =>
    v === null || v === undefined ? "" : quote(typeof v === "object" ? JSON.stringify(v) : value(v));
  const lines = [names.map(quote), ...result.rows.map((row) => keys.map((key) => field(row[key])))];
  const blob = new Blob([lines.map((line) => `${line.join(",")}\r\n`).join("")], { type: "text/csv" });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = "result.csv";
  link.click();
  URL.revokeObjectURL(link.href);
}
