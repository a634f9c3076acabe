// Try a recommendation: a user, what that one did, what is recommended and why, and what a click changes.

import { useEffect, useRef, useState } from "preact/hooks";
import { get, send, type RowsAnswer } from "../api";
import { plural, value } from "../format";
import { href, useForm } from "../route";
import { keyOf, labelOf, search, tables } from "../schema";
import { ask, BUILT_IN, click, history, likely, moves, trios, type Past, type Slate, type Trio } from "../slate";
import { Combobox } from "../ui/combobox";
import { announce } from "../ui/live";
import { Choice, Empty, Failure, Field, Show, useAction, useLoad } from "../ui/parts";
import { Cell, Table } from "../ui/table";
import { SlateTable } from "./slate";

const trioName = (trio: Trio) => trio.events.name;

export function Recommend({ values }: { values: URLSearchParams }) {
  const known = useLoad(async (signal) => {
    const [all, models] = await Promise.all([tables(signal), get<RowsAnswer>("/v1/models", signal)]);
    const trained = models.rows.filter((row) => row["version"] !== null);
    return { all: trios(all), models: trained.map((row) => value(row["name"])), learned: trained.map((row) => value(row["table_name"])) };
  }, []);
  return (
    <>
      <h1 tabIndex={-1}>Recommend</h1>
      <Show of={known}>
        {({ all, models, learned }) => {
          const users = values.get("users");
          const fitting = users ? all.filter((trio) => trio.users.name === users) : all;
          const trio =
            fitting.find((one) => trioName(one) === values.get("events")) ??
            // The table that models learn from is the one whose clicks count.
            fitting.find((one) => learned.includes(trioName(one))) ??
            fitting[0];
          if (!trio) {
            return (
              <Empty>
                <p>There are no interactions between users and items yet. <a href={href("tables")}>Tables</a> shows what there is.</p>
              </Empty>
            );
          }
          return <Try key={trioName(trio)} trio={trio} all={all} models={models} values={values} />;
        }}
      </Show>
    </>
  );
}

function Try({ trio, all, models, values }: { trio: Trio; all: Trio[]; models: string[]; values: URLSearchParams }) {
  const user = values.get("user") ?? "";
  const { entered, enter, send } = useForm("recommend", values, ["events", "user", "where", "model", "n"]);
  const to = (change: Partial<typeof entered>) => send({ events: trioName(trio), ...change });
  return (
    <>
      <form onSubmit={(event) => (event.preventDefault(), to({}))}>
        <div class="row bottom">
          {all.length > 1 && (
            <Choice
              label="Interactions"
              value={trioName(trio)}
              options={all.map(trioName)}
              onChange={(events) => to({ events, user: "" })}
            />
          )}
          <Combobox label={`User in ${trio.users.name}`} value={entered.user} find={(text, signal) => search(trio.users, text, signal)} onPick={(key) => to({ user: key })} />
          <Choice
            label="Model"
            value={entered.model}
            options={[["", "as the database chooses"], ...models, ...BUILT_IN]}
            onChange={(chosen) => to({ model: chosen })}
          />
          <Field label="Rows">
            {(id) => <input id={id} type="number" min="1" max="1000" placeholder="10" value={entered.n} onInput={(event) => enter({ n: event.currentTarget.value })} />}
          </Field>
          <Field label="Where" grow>
            {(id) => (
              <input
                id={id}
                class="mono"
                spellcheck={false}
                placeholder={`a condition on ${trio.items.name}`}
                value={entered.where}
                onInput={(event) => enter({ where: event.currentTarget.value })}
              />
            )}
          </Field>
          <button class="primary">Recommend</button>
        </div>
      </form>
      {user ? (
        <Answer
          key={user}
          trio={trio}
          user={user}
          where={values.get("where") ?? ""}
          model={values.get("model") ?? ""}
          n={Number(values.get("n") || "10")}
        />
      ) : (
        <Empty><p>Choose a user: type a part of the key, or open the list with the arrow key.</p></Empty>
      )}
    </>
  );
}

interface Clicked {
  item: string;
  /** The keys of the slate before it. */
  before: string[];
}

function Answer({ trio, user, where, model, n }: { trio: Trio; user: string; where: string; model: string; n: number }) {
  const question = JSON.stringify([trioName(trio), user, where, model, n]);
  const past = useLoad((signal) => history(trio, user, signal), [question]);
  const slate = useLoad(
    (signal) => ask({ items: trio.items, user: { key: keyOf(trio.users, user) }, where, model, n }, signal),
    [question],
  );
  const [clicked, setClicked] = useState<Clicked>();
  const [given, setGiven] = useState<Record<string, string>>();
  useEffect(() => {
    setClicked(undefined);
    setGiven(undefined);
  }, [question]);
  const values = given ?? likely(trio, past.value?.rows ?? []);
  const keys = (of: Slate) => of.rows.map((row) => value(row[trio.items.key!]));

  const told = useRef<Slate | undefined>(undefined);
  useEffect(() => {
    if (!slate.value || slate.value === told.current) return;
    told.current = slate.value;
    if (!clicked) announce(`${plural(slate.value.rows.length, "row")} for ${user}`);
    else {
      const other = [...moves(clicked.before, keys(slate.value)).values()].filter((m) => m !== 0).length;
      announce(`${clicked.item} is recorded; ${plural(other, "place")} of the slate changed`);
    }
  }, [slate.value]);

  const record = useAction(async (item: string) => {
    const before = slate.value ? keys(slate.value) : [];
    await click(trio, user, item, values);
    setClicked({ item, before });
    past.again();
    slate.again();
  });
  const undo = useAction(async () => {
    const path = `/v1/tables/${encodeURIComponent(trioName(trio))}/interactions`;
    await send("DELETE", `${path}?${new URLSearchParams({ user, item: clicked!.item })}`);
    announce(`${clicked!.item} is taken back`);
    setClicked(undefined);
    past.again();
    slate.again();
  });

  return (
    <div class="split">
      <section aria-labelledby="slate">
        <h2 id="slate">Slate for {user}</h2>
        {clicked && (
          <p class="row told">
            <span>A click on <code>{clicked.item}</code> is recorded; the slate below was made with it, and nothing was trained.</span>
            <button type="button" class="small" disabled={undo.busy} onClick={() => undo.run()}>Take it back</button>
          </p>
        )}
        <Failure problem={record.problem ?? undo.problem} />
        {slate.problem ? (
          <Failure problem={slate.problem} source={slate.problem.document.place?.field === "where" ? where : undefined} />
        ) : (
          <Show of={slate}>
            {(value) => (
              <SlateTable
                slate={value}
                items={trio.items}
                moved={clicked ? moves(clicked.before, keys(value)) : undefined}
                onClick={(item) => void record.run(item)}
                busy={record.busy}
                model={model}
              />
            )}
          </Show>
        )}
        <ClickValues trio={trio} values={values} onChange={setGiven} />
      </section>
      <section aria-labelledby="history">
        <h2 id="history">History of {user}</h2>
        <Show of={past}>{(value) => <History trio={trio} past={value} fresh={clicked?.item} />}</Show>
      </section>
    </div>
  );
}

function ClickValues(props: { trio: Trio; values: Record<string, string>; onChange: (values: Record<string, string>) => void }) {
  const columns = props.trio.events.columns;
  if (!columns.length) return null;
  return (
    <details>
      <summary>What a click records</summary>
      <p class="quiet">
        A row of {trioName(props.trio)} with the user, the item and these values; one that is left empty has its default.
      </p>
      <div class="row bottom">
        {columns.map((column) => (
          <Field label={`${column.name} (${column.type})`}>
            {(id) => (
              <input
                id={id}
                value={props.values[column.name] ?? ""}
                onInput={(event) => props.onChange({ ...props.values, [column.name]: event.currentTarget.value })}
              />
            )}
          </Field>
        ))}
      </div>
    </details>
  );
}

function History({ trio, past, fresh }: { trio: Trio; past: Past; fresh: string | undefined }) {
  const item = trio.events.between!.item_column;
  if (!past.rows.length) return <Empty><p>Nothing yet: whoever has no history gets what is popular.</p></Empty>;
  return (
    <Table
      caption={past.rows.length < 50 ? plural(past.rows.length, "interaction") : "The last 50 interactions"}
      columns={[
        {
          name: trio.items.name,
          head: true,
          cell: (row) => <a href={href("similar", "", { table: trio.items.name, item: value(row[item]) })}>{value(row[item])}</a>,
        },
        ...(past.named.size ? [{ name: labelOf(trio.items)!, class: "text", cell: (row: Past["rows"][number]) => past.named.get(value(row[item])) ?? "" }] : []),
        ...trio.events.columns.map((column) => ({
          name: column.name,
          number: /^(INT|BIGINT|REAL|DOUBLE)/.test(column.type),
          cell: (row: Past["rows"][number]) => {
            const v = row[column.name];
            return <Cell of={/^TIMESTAMP/.test(column.type) && typeof v === "string" ? v.replace("T", " ") : v} />;
          },
        })),
      ]}
      rows={past.rows}
      row={(row) => (fresh !== undefined && value(row[item]) === fresh ? { class: "fresh" } : {})}
    />
  );
}
