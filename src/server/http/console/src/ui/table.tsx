// Rows as a table: numbers to the right, what is missing told apart from what is empty, long values cut.

import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";
import type { Json, Row } from "../api";
import { count, isVector, value } from "../format";

export interface Shown<R> {
  name: string;
  title?: string;
  number?: boolean;
  /** Whether the heading is for screen readers only. */
  silent?: boolean;
  /** More for the style sheet: `text` is wide, `extra` goes where there is no room. */
  class?: string;
  /** Whether this column names the row. */
  head?: boolean;
  cell: (row: R) => ComponentChildren;
}

/** A table in a region that scrolls by itself. */
export function Table<R>(props: {
  caption: string;
  hidden?: boolean;
  columns: Shown<R>[];
  rows: R[];
  row?: (row: R) => Record<string, unknown>;
  foot?: ComponentChildren;
}) {
  const id = useId();
  return (
    <div class="scroll" role="region" aria-labelledby={id} tabIndex={0}>
      <table>
        <caption id={id} class={props.hidden ? "unseen" : ""}>{props.caption}</caption>
        <thead>
          <tr>
            {props.columns.map((column) => (
              <th scope="col" class={looks(column)} title={column.title}>
                {column.silent ? <span class="unseen">{column.name}</span> : column.name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {props.rows.map((row) => (
            <tr {...props.row?.(row)}>
              {props.columns.map((column) =>
                column.head ? (
                  <th scope="row" class={looks(column)}>{column.cell(row)}</th>
                ) : (
                  <td class={looks(column)}>{column.cell(row)}</td>
                ),
              )}
            </tr>
          ))}
        </tbody>
      </table>
      {props.foot}
    </div>
  );
}

const looks = <R,>(column: Shown<R>) => [column.number ? "number" : "", column.class ?? ""].join(" ").trim();

/** One value of the database. */
export function Cell({ of }: { of: Json | undefined }) {
  if (of === null || of === undefined) return <span class="null">NULL</span>;
  if (of === "") return <span class="null">empty</span>;
  const text = value(of);
  if (isVector(of) || /^\d{4}-\d\d-\d\d[T ][\d:.]+$/.test(text)) return <span class="whole">{text}</span>;
  if (text.length <= 80) return <>{text}</>;
  return <span title={text.slice(0, 2000)}>{text.slice(0, 78)}…</span>;
}

/** Columns for rows of any query. */
export function plainColumns(names: { name: string; title?: string }[], rows: Row[]): Shown<Row>[] {
  const keys = distinct(names.map(({ name }) => name));
  return names.map(({ name, title }, n) => {
    const key = keys[n]!;
    const known = rows.map((row) => row[key]).filter((v) => v !== null && v !== undefined);
    const number = known.length > 0 && known.every((v) => typeof v === "number");
    return { name, ...(title ? { title } : {}), number, cell: (row) => <Cell of={row[key]} /> };
  });
}

/** The names that an object has where two columns have one name: the server numbers the later ones. */
export function distinct(names: string[]): string[] {
  const taken: string[] = [];
  for (const name of names) {
    let free = name;
    for (let n = 2; taken.includes(free); n += 1) free = `${name}_${n}`;
    taken.push(free);
  }
  return taken;
}

/** Facts as pairs. */
export function Facts({ of }: { of: [name: string, value: ComponentChildren][] }) {
  return (
    <dl class="facts">
      {of.map(([name, shown]) => (
        <div>
          <dt>{name}</dt>
          <dd>{typeof shown === "number" ? count(shown) : shown}</dd>
        </div>
      ))}
    </dl>
  );
}
