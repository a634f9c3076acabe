// EVALUATE as a form: models and metrics beside each other, on interactions that were held out.

import { useState } from "preact/hooks";
import { isOver, type Json, type Row } from "../api";
import { count, value } from "../format";
import { start, useJobs, type Followed } from "../jobs";
import { JobCard } from "../ui/job";
import { Choice, Failure, Field, Notices, useAction } from "../ui/parts";
import { Table } from "../ui/table";
import type { Model } from "./models";

const METRICS = ["recall", "ndcg", "precision", "hit", "map", "mrr", "coverage"];
const BUILT_IN = ["popular", "trending", "latest", "random"];

function Checks(props: { legend: string; all: string[]; chosen: string[]; onChange: (chosen: string[]) => void }) {
  const toggle = (name: string) =>
    props.onChange(props.all.filter((n) => (n === name ? !props.chosen.includes(n) : props.chosen.includes(n))));
  return (
    <fieldset class="checks">
      <legend>{props.legend}</legend>
      {props.all.map((name) => (
        <label>
          <input type="checkbox" checked={props.chosen.includes(name)} onChange={() => toggle(name)} />
          {name}
        </label>
      ))}
    </fieldset>
  );
}

export function Measure({ models, events }: { models: Model[]; events: string[] }) {
  const trained = models.filter((m) => m.training).map((m) => m.name);
  const learned = new Set(models.map((m) => value(m.row["table_name"])));
  const [chosen, setChosen] = useState<string[]>();
  const [metrics, setMetrics] = useState(["recall", "ndcg", "coverage"]);
  const [k, setK] = useState("20");
  const [on, setOn] = useState("");
  const who = chosen ?? [...trained, "popular"];
  // Best is a table that no model learns from.
  const table = on || (events.find((name) => !learned.has(name)) ?? events[0]!);
  const measure = useAction(() =>
    start("/v1/evaluate", { models: who, on: table, metrics: metrics.map((m) => `${m}(${Number(k)})`) as Json[] }),
  );
  const jobs = useJobs().filter((job) => job.kind === "EVALUATE");
  const running = jobs.filter((job) => !isOver(job));
  const last = jobs.find(isOver);
  if (!trained.length) return null;
  return (
    <section aria-labelledby="measure">
      <h2 id="measure">Metrics</h2>
      <form onSubmit={(event) => (event.preventDefault(), void measure.run())}>
        <Checks legend="Models" all={[...trained, ...BUILT_IN]} chosen={who} onChange={setChosen} />
        <Checks legend="Metrics" all={METRICS} chosen={metrics} onChange={setMetrics} />
        <div class="row bottom">
          <Choice label="Held-out interactions" value={table} options={events} onChange={setOn} />
          <Field label="k">
            {(id) => <input id={id} type="number" min="1" max="1000" required value={k} onInput={(event) => setK(event.currentTarget.value)} />}
          </Field>
          <button class="primary" disabled={measure.busy || !who.length || !metrics.length}>Measure</button>
        </div>
      </form>
      {learned.has(table) && (
        <p class="warning">Models have learned from {table}: what they know already counts as seen, and is not asked for again.</p>
      )}
      <Failure problem={measure.problem} />
      {running.map((job) => <JobCard key={job.id} job={job} />)}
      {last && (last.state === "done" ? <Measured job={last} /> : <JobCard job={last} />)}
    </section>
  );
}

/** Values with a bar that compares them down the column. */
function Measured({ job }: { job: Followed }) {
  const rows = job.result?.rows ?? [];
  const names = Object.keys(rows[0] ?? {});
  const metric = (name: string) => /\(\d+\)$/.test(name);
  const most = (name: string) => Math.max(...rows.map((row) => Number(row[name] ?? 0)), 1e-12);
  return (
    <>
      <Table
        caption={`Measured: ${job.statement}`}
        columns={names.map((name) => ({
          name,
          head: name === "model",
          number: metric(name) || typeof rows[0]?.[name] === "number",
          cell: (row: Row) => {
            const v = row[name];
            if (!metric(name) || typeof v !== "number") return typeof v === "number" ? count(v) : value(v);
            const best = v === most(name) && rows.length > 1;
            return (
              <span class={best ? "bar best" : "bar"}>
                <i style={{ width: `${(v / most(name)) * 64}px` }} aria-hidden="true" />
                {v.toFixed(4)}
              </span>
            );
          },
        }))}
        rows={rows}
      />
      <Notices texts={job.result?.notices} />
    </>
  );
}
