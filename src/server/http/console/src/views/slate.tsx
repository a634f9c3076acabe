// A slate as a table: scores with bars, where each row comes from, what it rests on, what has moved.

import type { Row, Table as Info } from "../api";
import { plural, score, seconds, value } from "../format";
import { href } from "../route";
import { reasons, type Slate } from "../slate";
import { Copy, Empty, Notices } from "../ui/parts";
import { Cell, Table, type Shown } from "../ui/table";

export function SlateTable(props: {
  slate: Slate;
  items: Info;
  moved?: Map<string, number | "new"> | undefined;
  onClick?: (item: string) => void;
  busy?: boolean;
  model: string;
}) {
  const { slate, items, moved } = props;
  const key = (row: Row) => value(row[items.key!]);
  const most = Math.max(...slate.rows.map((row) => Math.abs(Number(row["score"] ?? 0))), 1e-12);
  const columns: Shown<Row>[] = [
    { name: "Rank", number: true, cell: (row) => value(row["rank"]) },
    ...(moved ? [{ name: "Moved", cell: (row: Row) => <Move by={moved.get(key(row))} /> }] : []),
    {
      name: items.key!,
      head: true,
      cell: (row) => (
        <a href={href("similar", "", { table: items.name, item: key(row), model: props.model })} title={`Similar to ${key(row)}`}>
          {key(row)}
        </a>
      ),
    },
    ...(slate.label ? [{ name: slate.label, class: "text", cell: (row: Row) => <Cell of={row[slate.label!]} /> }] : []),
    ...slate.facts.map((name) => ({
      name,
      class: "extra",
      number: slate.rows.some((row) => typeof row[name] === "number"),
      cell: (row: Row) => <Cell of={row[name]} />,
    })),
    {
      name: "Score",
      number: true,
      cell: (row) => (
        <span class="bar">
          <i style={{ width: `${Math.max(0, Number(row["score"] ?? 0) / most) * 36}px` }} aria-hidden="true" />
          {score(row["score"] ?? null)}
        </span>
      ),
    },
    ...(props.onClick
      ? [
          {
            name: "Actions",
            silent: true,
            cell: (row: Row) => (
              <button
                type="button"
                class="small"
                disabled={props.busy}
                aria-label={`Record a click on ${key(row)}`}
                onClick={() => props.onClick!(key(row))}
              >
                Record a click
              </button>
            ),
          },
        ]
      : []),
    { name: "Source", cell: (row) => <Cell of={row["source"]} /> },
    ...(slate.rows.some((row) => row["reason"] !== null)
      ? [{ name: "Rests on", cell: (row: Row) => <Rests on={row} named={slate.named} /> }]
      : []),
  ];
  return (
    <>
      <Notices texts={slate.notices} />
      {slate.rows.length === 0 ? (
        <Empty><p>No row fits.</p></Empty>
      ) : (
        <Table
          caption={`${plural(slate.rows.length, "row")}, made in ${seconds(slate.seconds)}; the round trip took ${seconds(slate.trip)}`}
          columns={columns}
          rows={slate.rows}
          row={(row) => (moved?.get(key(row)) === "new" ? { class: "fresh" } : {})}
        />
      )}
      <details>
        <summary>As a request</summary>
        <pre>{curl(slate)}</pre>
        <Copy text={curl(slate)} label="Copy" />
      </details>
    </>
  );
}

function Move({ by }: { by: number | "new" | undefined }) {
  if (by === "new") return <span class="move up">new</span>;
  if (!by) return <span class="quiet">=</span>;
  return by > 0 ? <span class="move up">▲ {by}</span> : <span class="move down">▼ {-by}</span>;
}

function Rests({ on, named }: { on: Row; named: Map<string, string> }) {
  const all = reasons(on["reason"]);
  if (!all.length) return <Cell of={on["reason"]} />;
  return (
    <ul class="reasons">
      {all.map(({ key, share }) => (
        <li title={named.get(key) ?? key}>
          <span class="share">{share}</span> {named.get(key) ?? key}
        </li>
      ))}
    </ul>
  );
}

function curl(slate: Slate) {
  const body = JSON.stringify(slate.body, null, 2).replaceAll("'", "'\\''");
  return `curl ${location.origin}${slate.path} \\\n  -H 'authorization: Bearer KEY' -H 'content-type: application/json' \\\n  -d '${body}'`;
}
