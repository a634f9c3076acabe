// Models side by side: what they are, how their trainings went, how well they rank.

import { useState } from "preact/hooks";
import { at, get, post, Problem, type Row, type RowsAnswer } from "../api";
import { bytes, count, seconds, value } from "../format";
import { look, useEnded, useJobs, useLooking } from "../jobs";
import { go, href } from "../route";
import { tables } from "../schema";
import { training, type Training } from "../training";
import { Curves } from "../ui/curve";
import { JobCard } from "../ui/job";
import { Choice, Empty, Failure, Field, Show, useAction, useLoad } from "../ui/parts";
import { Table } from "../ui/table";
import { Measure } from "./measure";

const ALGORITHMS = [
  "graph_filter", "ease", "ials", "item_knn", "bpr", "lightgcn", "ngcf", "vbpr", "freedom", "lattice", "bm3",
  "mmhcl", "lirdrec", "cm3", "content", "popular", "trending", "latest",
];

/** A model, and its training where there was one. */
export interface Model {
  row: Row;
  name: string;
  training: Training | undefined;
}

export async function models(signal?: AbortSignal): Promise<Model[]> {
  const { rows } = await get<RowsAnswer>("/v1/models", signal);
  const read = async (row: Row) => {
    const name = value(row["name"]);
    if (row["version"] === null) return { row, name, training: undefined };
    try {
      const told = await get<RowsAnswer>(at`/v1/models/${name}/training`, signal);
      return { row, name, training: training(told.rows) };
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      return { row, name, training: undefined };
    }
  };
  return Promise.all(rows.map(read));
}

export function Models() {
  const list = useLoad(async (signal) => {
    const [all, known] = await Promise.all([models(signal), tables(signal), look()]);
    return { all, events: known.filter((table) => table.between).map((table) => table.name) };
  }, []);
  useEnded(list.again);
  useLooking();
  const running = useJobs().filter((job) => job.kind.endsWith("MODEL") && ["queued", "running"].includes(job.state));
  return (
    <>
      <h1 tabIndex={-1}>Models</h1>
      {running.map((job) => <JobCard key={job.id} job={job} />)}
      <Show of={list}>
        {({ all, events }) => (
          <>
            {all.length === 0 ? (
              <Empty>
                <p>
                  There are no models yet. A model learns from a table of interactions
                  {events.length ? "; make one below, then train it." : <>, of which there is none: <a href={href("tables")}>Tables</a> says how to begin.</>}
                </p>
              </Empty>
            ) : (
              <>
                <List models={all} />
                <Trainings models={all} />
                {events.length > 0 && <Measure models={all} events={events} />}
                <Settings models={all} />
              </>
            )}
            {events.length > 0 && <NewModel events={events} made={list.again} />}
          </>
        )}
      </Show>
    </>
  );
}

function List({ models }: { models: Model[] }) {
  const n = (name: string) => (m: Model) => count(m.row[name] as number | null);
  return (
    <Table
      caption="Models"
      hidden
      columns={[
        { name: "Model", head: true, cell: (m) => <a href={href("models", m.name)}>{m.name}</a> },
        { name: "Algorithm", cell: (m) => value(m.row["algorithm"]) },
        { name: "Learns from", cell: (m) => value(m.row["table_name"]) },
        { name: "Version", number: true, cell: (m) => (m.row["version"] === null ? <span class="quiet">not trained</span> : n("version")(m)) },
        { name: "Users", number: true, cell: n("users") },
        { name: "Items", number: true, cell: n("items") },
        { name: "Pairs", number: true, cell: n("pairs") },
        { name: "Size", number: true, cell: (m) => bytes(m.row["bytes"] as number | null) },
        { name: "Fit", number: true, title: "What the fit of the version took", cell: (m) => seconds(m.row["fit_seconds"] as number | null) },
        { name: "Refresh", cell: (m) => value(m.row["refresh"]) },
        { name: "Given options", cell: (m) => <code>{m.row["options"] === null ? "–" : value(m.row["options"])}</code> },
      ]}
      rows={models}
    />
  );
}

function Trainings({ models }: { models: Model[] }) {
  const drawn = models.flatMap(({ name, training }) => {
    const kept = training?.curve.find((p) => p.kept)?.epoch;
    return training && training.curve.length > 1 ? [{ name, points: training.curve, kept }] : [];
  });
  if (!drawn.length) return null;
  return (
    <section aria-labelledby="curves">
      <h2 id="curves">Training curves</h2>
      <Curves of={drawn} />
      <p class="quiet">The ring marks the state that was kept. Hidden pairs differ from model to model only where their data do.</p>
    </section>
  );
}

function Settings({ models }: { models: Model[] }) {
  const trained = models.filter((m) => m.training);
  const names = [...new Set(trained.flatMap((m) => m.training!.settings.map(([name]) => name)))].sort();
  if (!names.length) return null;
  return (
    <details>
      <summary>Settings side by side</summary>
      <Table
        caption="Every setting that was in force at the last training"
        columns={[
          { name: "Setting", head: true, cell: (name: string) => name },
          ...trained.map((m) => ({
            name: m.name,
            cell: (name: string) => <code>{m.training!.settings.find(([n]) => n === name)?.[1] ?? ""}</code>,
          })),
        ]}
        rows={names}
      />
    </details>
  );
}

function NewModel({ events, made }: { events: string[]; made: () => void }) {
  const [name, setName] = useState("");
  const [algorithm, setAlgorithm] = useState("graph_filter");
  const [table, setTable] = useState(events[0]!);
  const create = useAction(async () => {
    await post("/v1/models", { name, algorithm, on: [table] });
    made();
    go(href("models", name));
  });
  return (
    <details>
      <summary>New model</summary>
      <form class="row bottom" onSubmit={(event) => (event.preventDefault(), void create.run())}>
        <Field label="Name">
          {(id) => <input id={id} required value={name} onInput={(event) => setName(event.currentTarget.value)} />}
        </Field>
        <Choice label="Algorithm" value={algorithm} options={ALGORITHMS} onChange={setAlgorithm} />
        <Choice label="Learns from" value={table} options={events} onChange={setTable} />
        <button class="primary" disabled={create.busy}>Create</button>
      </form>
      <p class="quiet">
        Options, weights and conditions are given in SQL:{" "}
        <a href={href("sql", "", { sql: `CREATE MODEL ${name || "name"} USING ${algorithm} ON ${table} WITH ();` })}>CREATE MODEL</a>.
      </p>
      <Failure problem={create.problem} />
    </details>
  );
}

