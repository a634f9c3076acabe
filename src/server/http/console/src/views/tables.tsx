// What there is: tables with their sizes, and one table with its columns and rows, a page at a time.

import { useState } from "preact/hooks";
import { at, get, query, rowsOf, type Json, type Row, type RowsAnswer, type Table as Info } from "../api";
import { bytes, count, percent, plural, seconds, value } from "../format";
import { href } from "../route";
import { isVector, keyOf, quoted, search, tables } from "../schema";
import { Combobox } from "../ui/combobox";
import { Empty, Show, useLoad } from "../ui/parts";
import { Facts, plainColumns, Table } from "../ui/table";

const BEGIN = `CREATE TABLE people (id TEXT PRIMARY KEY) WITH (role = 'user');
CREATE TABLE movies (id TEXT PRIMARY KEY, title TEXT, stock INT) WITH (role = 'item');
CREATE TABLE views (user_id TEXT REFERENCES people, item_id TEXT REFERENCES movies)
  WITH (role = 'interaction', on_unknown = 'create');
INSERT INTO movies VALUES ('m1', 'Heat', 3), ('m2', 'Ronin', 1), ('m3', 'Amélie', 5),
  ('m4', 'Thief', 2), ('m5', 'Fargo', 0);
INSERT INTO views VALUES ('ann', 'm1'), ('ann', 'm2'), ('ann', 'm4'), ('bob', 'm1'),
  ('bob', 'm4'), ('bob', 'm5'), ('cy', 'm3'), ('dee', 'm1');
CREATE MODEL taste USING ease ON views WITH (lambda = 1);
TRAIN MODEL taste;`;

const PAGE = 50;

export function Tables() {
  const list = useLoad(tables, []);
  const more = useLoad(
    async (signal) => {
      const ask = (sql: string) => rowsOf(sql, [], signal);
      const [embeddings, indexes] = await Promise.all([ask("SHOW EMBEDDINGS"), ask("SHOW INDEXES")]);
      return { embeddings, indexes };
    },
    [],
  );
  return (
    <>
      <h1 tabIndex={-1}>Tables</h1>
      <Show of={list}>
        {(all) =>
          all.length === 0 ? (
            <Begin />
          ) : (
            <Table
              caption="Tables"
              hidden
              columns={[
                { name: "Table", head: true, cell: (t) => <a href={href("tables", t.name)}>{t.name}</a> },
                { name: "Holds", cell: (t) => holds(t) },
                { name: "Rows", number: true, cell: (t) => count(t.rows) },
                { name: "Columns", cell: (t) => <span class="quiet">{t.columns.map((c) => c.name).join(", ") || "–"}</span> },
              ]}
              rows={all}
            />
          )
        }
      </Show>
      <Show of={more}>
        {({ embeddings, indexes }) => (
          <>
            {embeddings.length > 0 && <Embeddings rows={embeddings} />}
            {indexes.length > 0 && <Indexes rows={indexes} />}
          </>
        )}
      </Show>
    </>
  );
}

const holds = (t: Info) =>
  t.between ? `interactions of ${t.between.user_table} with ${t.between.item_table}` : `${t.role}s`;

function Begin() {
  return (
    <Empty>
      <p>This database has no tables yet. These statements make a small shop with a model:</p>
      <pre>{BEGIN}</pre>
      <p>
        <a class="button primary" href={href("sql", "", { sql: BEGIN })}>Put them into the SQL box</a>
      </p>
    </Empty>
  );
}

function Embeddings({ rows }: { rows: Row[] }) {
  return (
    <Table
      caption="Embeddings that the database computes"
      columns={[
        { name: "Embedding", head: true, cell: (r) => value(r["name"]) },
        { name: "Table", cell: (r) => value(r["table_name"]) },
        { name: "From", cell: (r) => value(r["sources"]) },
        { name: "Method", cell: (r) => value(r["method"]) },
        { name: "Dimensions", number: true, cell: (r) => count(r["dim"] as number) },
        { name: "Variation kept", number: true, cell: (r) => (typeof r["explained"] === "number" ? percent(r["explained"]) : "–") },
        { name: "Size", number: true, cell: (r) => bytes(r["bytes"] as number) },
      ]}
      rows={rows}
    />
  );
}

function Indexes({ rows }: { rows: Row[] }) {
  return (
    <Table
      caption="Indexes"
      columns={[
        { name: "Index", head: true, cell: (r) => value(r["name"]) },
        { name: "Of", cell: (r) => (r["model"] ? `factors of ${value(r["model"])}` : `${value(r["table_name"])}.${value(r["column_name"])}`) },
        { name: "Method", cell: (r) => value(r["method"]) },
        { name: "Covered", number: true, cell: (r) => `${count(r["covered"] as number)} of ${count(r["items"] as number)}` },
        { name: "Recall", number: true, title: "How many of the ten nearest of a sample are found", cell: (r) => (typeof r["recall"] === "number" ? r["recall"].toFixed(3) : "–") },
        { name: "Size", number: true, cell: (r) => bytes(r["bytes"] as number) },
        { name: "State", cell: (r) => value(r["state"]) },
      ]}
      rows={rows}
    />
  );
}

export function OneTable({ name }: { name: string }) {
  const info = useLoad((signal) => get<Info>(at`/v1/tables/${name}`, signal), [name]);
  return (
    <>
      <p class="crumbs"><a href={href("tables")}>Tables</a></p>
      <h1 tabIndex={-1}>{name}</h1>
      <Show of={info}>
        {(table) => (
          <>
            <Facts
              of={[
                ["Holds", holds(table)],
                ["Rows", table.rows],
                ...(table.key ? [["Key", <code>{table.key}</code>] as [string, preact.ComponentChildren]] : []),
              ]}
            />
            <p class="row">
              {table.role === "user" && <a href={href("recommend", "", { users: table.name })}>Try a recommendation</a>}
              {table.role === "item" && <a href={href("similar", "", { table: table.name })}>Similar items</a>}
              {table.role === "item" && table.columns.some(isVector) && <a href={href("map", "", { table: table.name })}>Map of embeddings</a>}
            </p>
            <Columns table={table} />
            <Rows key={table.name} table={table} />
          </>
        )}
      </Show>
    </>
  );
}

function Columns({ table }: { table: Info }) {
  const links = table.between
    ? [
        { name: table.between.user_column, type: `a key of ${table.between.user_table}` },
        { name: table.between.item_column, type: `a key of ${table.between.item_table}` },
      ]
    : [];
  return (
    <Table
      caption="Columns"
      columns={[
        { name: "Column", head: true, cell: (c) => c.name },
        { name: "Type", cell: (c) => <code>{c.type}</code> },
        { name: "Key", silent: true, cell: (c) => (c.name === table.key ? "key" : "") },
      ]}
      rows={[...links, ...table.columns]}
    />
  );
}

/** A page of rows: by key where there are keys, else by place. */
async function page(table: Info, from: Json, signal: AbortSignal): Promise<RowsAnswer> {
  if (table.key) {
    const after = from === null ? undefined : String(from);
    return get<RowsAnswer>(at`/v1/tables/${table.name}/rows` + query({ limit: PAGE, after }), signal);
  }
  const sql = `SELECT * FROM ${quoted(table.name)} LIMIT ${PAGE} OFFSET ${Number(from ?? 0)}`;
  return { rows: await rowsOf(sql, [], signal), notices: [], seconds: 0 };
}

function Rows({ table }: { table: Info }) {
  // Where each page that was seen begins; the last one is shown.
  const [starts, setStarts] = useState<Json[]>([null]);
  const [only, setOnly] = useState("");
  const shown = useLoad(
    async (signal) => {
      if (!only) return page(table, starts.at(-1)!, signal);
      const sql = `SELECT * FROM ${quoted(table.name)} WHERE ${quoted(table.key!)} = $1`;
      return { rows: await rowsOf(sql, [keyOf(table, only)], signal), notices: [], seconds: 0 };
    },
    [table.name, starts, only],
  );
  const names = table.between
    ? [table.between.user_column, table.between.item_column, ...table.columns.map((c) => c.name)]
    : table.columns.map((c) => c.name);
  const first = (starts.length - 1) * PAGE + 1;
  return (
    <section aria-labelledby="rows">
      <h2 id="rows">Rows</h2>
      {table.key && (
        <div class="row bottom">
          <Combobox label="Find a row" value={only} find={(text, signal) => search(table, text, signal)} onPick={setOnly} />
          {only && <button type="button" onClick={() => setOnly("")}>Show all</button>}
        </div>
      )}
      <Show of={shown}>
        {({ rows }) => (
          <>
            {rows.length === 0 ? (
              <Empty><p>{only ? `No row with the key ${only}.` : "No rows."}</p></Empty>
            ) : (
              <Table
                caption={only ? `The row ${only}` : `Rows ${count(first)} to ${count(first + rows.length - 1)} of ${count(table.rows)}`}
                columns={plainColumns(names.map((name) => ({ name })), rows)}
                rows={rows}
              />
            )}
            {!only && (
              <nav class="row" aria-label="Pages of rows">
                <button type="button" disabled={starts.length === 1} onClick={() => setStarts(starts.slice(0, -1))}>
                  Previous
                </button>
                <button
                  type="button"
                  disabled={rows.length < PAGE || first + rows.length > table.rows}
                  onClick={() => setStarts([...starts, table.key ? rows.at(-1)![table.key]! : first + rows.length - 1])}
                >
                  Next
                </button>
                <span class="quiet">{plural(table.rows, "row")}{shown.value && shown.value.seconds > 0 && `, read in ${seconds(shown.value.seconds)}`}</span>
              </nav>
            )}
          </>
        )}
      </Show>
    </section>
  );
}
