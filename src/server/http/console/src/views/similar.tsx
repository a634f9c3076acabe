// Items that are similar to one.

import { get, rowsOf, type Row, type RowsAnswer, type Table as Info } from "../api";
import { value } from "../format";
import { useForm } from "../route";
import { isVector, keyOf, quoted, search, tables } from "../schema";
import { ask, BUILT_IN } from "../slate";
import { Combobox } from "../ui/combobox";
import { Choice, Empty, Failure, Field, Show, useLoad } from "../ui/parts";
import { Cell, Facts } from "../ui/table";
import { SlateTable } from "./slate";

export function Similar({ values }: { values: URLSearchParams }) {
  const known = useLoad(async (signal) => {
    const [all, models] = await Promise.all([tables(signal), get<RowsAnswer>("/v1/models", signal)]);
    const trained = models.rows.filter((row) => row["version"] !== null);
    return { items: all.filter((t) => t.role === "item"), models: trained.map((row) => value(row["name"])) };
  }, []);
  return (
    <>
      <h1 tabIndex={-1}>Similar items</h1>
      <Show of={known}>
        {({ items, models }) => {
          const table = items.find((t) => t.name === values.get("table")) ?? items[0];
          if (!table) return <Empty><p>There is no table of items yet.</p></Empty>;
          return <Ask key={table.name} table={table} all={items} models={models} values={values} />;
        }}
      </Show>
    </>
  );
}

function Ask({ table, all, models, values }: { table: Info; all: Info[]; models: string[]; values: URLSearchParams }) {
  const item = values.get("item") ?? "";
  const model = values.get("model") ?? "";
  const { entered, enter, send } = useForm("similar", values, ["table", "item", "model", "where"]);
  const to = (change: Partial<typeof entered>) => send({ table: table.name, ...change });
  return (
    <>
      <form class="row bottom" onSubmit={(event) => (event.preventDefault(), to({}))}>
        {all.length > 1 && (
          <Choice label="Items" value={table.name} options={all.map((t) => t.name)} onChange={(name) => to({ table: name, item: "" })} />
        )}
        <Combobox label={`Item in ${table.name}`} value={entered.item} find={(text, signal) => search(table, text, signal)} onPick={(key) => to({ item: key })} />
        <Choice label="Model" value={entered.model} options={[["", "as the database chooses"], ...models, ...BUILT_IN]} onChange={(chosen) => to({ model: chosen })} />
        <Field label="Where" grow>
          {(id) => (
            <input id={id} class="mono" spellcheck={false} placeholder={`a condition on ${table.name}`} value={entered.where} onInput={(event) => enter({ where: event.currentTarget.value })} />
          )}
        </Field>
        <button class="primary">Find</button>
      </form>
      {item ? (
        <Found table={table} item={item} model={model} where={values.get("where") ?? ""} />
      ) : (
        <Empty><p>Choose an item: type a part of its key or of its title, or open the list with the arrow key.</p></Empty>
      )}
    </>
  );
}

function Found({ table, item, model, where }: { table: Info; item: string; model: string; where: string }) {
  const self = useLoad(
    (signal) => rowsOf(`SELECT * FROM ${quoted(table.name)} WHERE ${quoted(table.key!)} = $1`, [keyOf(table, item)], signal),
    [table.name, item],
  );
  const slate = useLoad(
    (signal) => ask({ items: table, item: keyOf(table, item), model, where, n: 20 }, signal),
    [table.name, item, model, where],
  );
  return (
    <>
      <Show of={self}>{(rows) => (rows[0] ? <Item table={table} row={rows[0]} /> : <Empty><p>There is no {item} in {table.name}.</p></Empty>)}</Show>
      <section aria-labelledby="near">
        <h2 id="near">Similar to {item}</h2>
        {slate.problem ? (
          <Failure problem={slate.problem} source={slate.problem.document.place?.field === "where" ? where : undefined} />
        ) : (
          <Show of={slate}>{(found) => <SlateTable slate={found} items={table} model={model} />}</Show>
        )}
      </section>
    </>
  );
}

function Item({ table, row }: { table: Info; row: Row }) {
  const columns = table.columns.filter((c) => !isVector(c));
  return <Facts of={columns.map((c): [string, preact.ComponentChildren] => [c.name, <Cell of={row[c.name]} />])} />;
}
