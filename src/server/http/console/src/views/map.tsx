// Embeddings on a plane: what is alike lies together. The picture has a table that says the same.

import { useEffect, useMemo, useState } from "preact/hooks";
import { at, get, query, type Json, type Table as Info } from "../api";
import { percent, plural, value } from "../format";
import { go, href } from "../route";
import { isVector, labels, search, tables } from "../schema";
import { colours, type Colours, type Point } from "../colours";
import { Combobox } from "../ui/combobox";
import { Choice, Empty, Show, useLoad } from "../ui/parts";
import { Plane } from "../ui/plane";
import { Table } from "../ui/table";

interface MapAnswer {
  points: { key: string; x: number; y: number; value: Json }[];
  explained: [number, number];
}

/** Columns that points can be coloured by. */
const colouring = (table: Info) => table.columns.filter((c) => !isVector(c) && c.name !== table.key).map((c) => c.name);

/** How values of a column are told: the server gives days and microseconds since 1970 as numbers. */
function teller(table: Info, column: string): (v: Json) => string {
  const type = table.columns.find((c) => c.name === column)?.type ?? "";
  const moment = type === "DATE" ? (n: number) => n * 86_400_000 : type.startsWith("TIMESTAMP") ? (n: number) => n / 1000 : undefined;
  return (v) => {
    if (!moment || typeof v !== "number") return value(v);
    const told = new Date(moment(v)).toISOString();
    return type === "DATE" ? told.slice(0, 10) : told.slice(0, 19).replace("T", " ");
  };
}

/** A column of few values says most. */
function first(table: Info): string {
  const named = table.columns.find((c) => /genre|categor|type|kind|brand|colou?r/i.test(c.name) && !isVector(c));
  const list = table.columns.find((c) => c.type === "TEXT[]");
  const number = table.columns.find((c) => /^(INT|REAL|DOUBLE|BIGINT|BOOL)/.test(c.type) && c.name !== table.key);
  return (named ?? list ?? number)?.name ?? "";
}

export function MapView({ values }: { values: URLSearchParams }) {
  const known = useLoad(async (signal) => (await tables(signal)).filter((t) => t.key && t.columns.some(isVector)), []);
  return (
    <>
      <h1 tabIndex={-1}>Map of embeddings</h1>
      <Show of={known}>
        {(all) => {
          const table = all.find((t) => t.name === values.get("table")) ?? all[0];
          if (!table) {
            const sql = "CREATE EMBEDDING text ON movies FROM (title) USING tfidf_svd;";
            return (
              <Empty>
                <p>No table has a column of vectors yet. Bring your own by COPY, or compute them from text:</p>
                <pre>{sql}</pre>
                <p><a class="button" href={href("sql", "", { sql })}>Put it into the SQL box</a></p>
              </Empty>
            );
          }
          return <Chosen table={table} all={all} values={values} />;
        }}
      </Show>
    </>
  );
}

function Chosen({ table, all, values }: { table: Info; all: Info[]; values: URLSearchParams }) {
  const vectors = table.columns.filter(isVector).map((c) => c.name);
  const column = vectors.find((name) => name === values.get("column")) ?? vectors[0]!;
  const color = values.has("color") ? values.get("color")! : first(table);
  const limit = values.get("limit") ?? "2000";
  const to = (change: Record<string, string>) => {
    const next = { table: table.name, column, color, limit, ...change };
    // No colour is a choice, too.
    go(href("map", "", next) + (next.color ? "" : "&color="));
  };
  const [picked, setPicked] = useState("");
  useEffect(() => setPicked(""), [table.name]);
  const map = useLoad(
    (signal) => get<MapAnswer>(at`/v1/tables/${table.name}/map` + query({ column, color, limit }), signal),
    [table.name, column, color, limit],
  );
  return (
    <>
      <div class="row bottom">
        {all.length > 1 && <Choice label="Table" value={table.name} options={all.map((t) => t.name)} onChange={(name) => go(href("map", "", { table: name }))} />}
        <Choice label="Embedding" value={column} options={vectors} onChange={(name) => to({ column: name })} />
        <Choice label="Colour" value={color} options={[["", "none"], ...colouring(table)]} onChange={(name) => to({ color: name })} />
        <Choice label="Points at most" value={limit} options={["500", "2000", "5000", "20000"]} onChange={(name) => to({ limit: name })} />
        <Combobox label="Find" value={picked} find={(text, signal) => search(table, text, signal)} onPick={setPicked} />
      </div>
      <Show of={map}>
        {(answer) =>
          answer.points.length ? (
            <Drawn answer={answer} table={table} column={column} color={color} picked={picked} onPick={setPicked} />
          ) : (
            <Empty><p>No row has a vector in {column}.</p></Empty>
          )
        }
      </Show>
    </>
  );
}

function Drawn(props: { answer: MapAnswer; table: Info; column: string; color: string; picked: string; onPick: (key: string) => void }) {
  const { answer, table, color, picked } = props;
  const tell = teller(table, color);
  const palette: Colours = useMemo(() => colours(answer.points.map((p) => p.value), tell), [answer]);
  const points: Point[] = useMemo(() => answer.points.map((p, n) => ({ ...p, color: palette.of[n]! })), [answer, palette]);
  const chosen = points.find((p) => p.key === picked);
  const named = useLoad(() => labels(table, picked ? [picked] : []), [table.name, picked]);
  const [one, two] = answer.explained;
  const summary =
    `${plural(points.length, "row")} of ${table.name} by ${props.column}; the two directions hold ` +
    `${percent(one)} and ${percent(two)} of the variation`;
  return (
    <>
      <div class="map">
        <Plane points={points} palette={palette} picked={picked} onPick={props.onPick} text={`${summary}.`} table={table} tell={tell} />
        <div class="beside">
          <p class="quiet">{summary}.</p>
          {color && <Legend palette={palette} name={color} tell={tell} />}
          {picked && (
            <div class="picked" aria-live="polite">
              <p>
                <strong>{picked}</strong> {named.value?.get(picked) ?? ""}
                {!chosen && <span class="quiet"> is not among these points</span>}
                {chosen && color && <> · {color}: {tell(chosen.value)}</>}
              </p>
              <p><a href={href("similar", "", { table: table.name, item: picked })}>Similar items</a></p>
            </div>
          )}
          <p class="quiet">Drag to move, turn the wheel to zoom, click a point to choose it. Keys: arrows, + and −, 0 for all.</p>
        </div>
      </div>
      <details>
        <summary>The points as a table</summary>
        <Table
          caption={points.length > 200 ? "The first 200 points" : "Points"}
          columns={[
            { name: table.key!, head: true, cell: (p) => p.key },
            ...(color ? [{ name: color, cell: (p: Point) => tell(p.value) }] : []),
            { name: "x", number: true, cell: (p) => p.x.toFixed(3) },
            { name: "y", number: true, cell: (p) => p.y.toFixed(3) },
          ]}
          rows={points.slice(0, 200)}
        />
      </details>
    </>
  );
}

function Legend({ palette, name, tell }: { palette: Colours; name: string; tell: (v: Json) => string }) {
  if (palette.range) {
    return (
      <div class="ramp">
        <span>{name}</span>
        <span class="row"><span>{tell(palette.range[0])}</span><i aria-hidden="true" /><span>{tell(palette.range[1])}</span></span>
      </div>
    );
  }
  return (
    <ul class="legend column" aria-label={`Colours of ${name}`}>
      {palette.classes.map(({ name, count }, n) => (
        <li><i style={{ background: `var(--${palette.rest === n ? "rest" : `c${n}`})` }} />{name} <span class="quiet">{count}</span></li>
      ))}
    </ul>
  );
}
