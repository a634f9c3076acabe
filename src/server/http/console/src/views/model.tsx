// One model: what its version is, how it was trained, and the buttons that train and refresh it.

import { at, get, type Row, type RowsAnswer } from "../api";
import { bytes, count, seconds, value } from "../format";
import { isOver } from "../api";
import { look, start, useEnded, useJobs, useLooking, type Followed } from "../jobs";
import { href } from "../route";
import { training, type Training } from "../training";
import { Chart } from "../ui/chart";
import { Curves } from "../ui/curve";
import { JobCard } from "../ui/job";
import { Empty, Failure, Field, Show, useAction, useLoad } from "../ui/parts";
import { Facts, Table } from "../ui/table";
import { useState } from "preact/hooks";

export function OneModel({ name }: { name: string }) {
  const model = useLoad(async (signal) => {
    await look();
    const row = await get<Row>(at`/v1/models/${name}`, signal);
    if (row["version"] === null) return { row, told: undefined };
    const { rows } = await get<RowsAnswer>(at`/v1/models/${name}/training`, signal);
    return { row, told: training(rows) };
  }, [name]);
  useEnded(model.again);
  useLooking();
  const jobs = useJobs().filter((job) => isOf(job, name));
  const running = jobs.filter((job) => !isOver(job));
  const shown = running.length ? running : jobs.slice(0, 1);
  return (
    <>
      <p class="crumbs"><a href={href("models")}>Models</a></p>
      <h1 tabIndex={-1}>{name}</h1>
      <Show of={model}>
        {({ row, told }) => (
          <>
            <About row={row} told={told} />
            <Buttons name={name} trained={told !== undefined} busy={running.length > 0} />
            {shown.map((job) => <JobCard key={job.id} job={job} />)}
            {told ? <Went told={told} /> : <Empty><p>This model has not been trained yet. RECOMMEND cannot use it before.</p></Empty>}
          </>
        )}
      </Show>
    </>
  );
}

/** Statements of the server quote the name. */
const isOf = (job: Followed, name: string) =>
  job.kind.endsWith("MODEL") && (job.statement.includes(` "${name.replaceAll('"', '""')}"`) || job.statement.split(/\s+/)[2] === name);

function About({ row, told }: { row: Row; told: Training | undefined }) {
  const n = (name: string) => count(row[name] as number | null);
  const told_ = (name: string): [string, string][] => (told?.facts.has(name) ? [[name, told.facts.get(name)!]] : []);
  return (
    <Facts
      of={[
        ["Algorithm", value(row["algorithm"])],
        ["Learns from", value(row["table_name"])],
        ...(row["weight"] === null ? [] : [["Weight", <code>{value(row["weight"])}</code>] as [string, preact.ComponentChildren]]),
        ...(row["condition"] === null ? [] : [["Where", <code>{value(row["condition"])}</code>] as [string, preact.ComponentChildren]]),
        ["Version", row["version"] === null ? "none" : n("version")],
        ["Users", n("users")],
        ["Items", n("items")],
        ["Pairs", n("pairs")],
        ["Size", bytes(row["bytes"] as number | null)],
        ["Fit", seconds(row["fit_seconds"] as number | null)],
        ["Refresh", value(row["refresh"])],
        ...told_("statement"),
        ...told_("refreshed from"),
        ...told_("trained as"),
        ...told_("new"),
      ]}
    />
  );
}

function Buttons({ name, trained, busy }: { name: string; trained: boolean; busy: boolean }) {
  const [seed, setSeed] = useState("");
  const act = useAction((what: "train" | "refresh") =>
    start(at`/v1/models/${name}/` + what, { with: seed.trim() ? { seed: Number(seed) } : {} }),
  );
  return (
    <>
      <div class="row bottom">
        <button type="button" class="primary" disabled={busy || act.busy} onClick={() => act.run("train")}>Train</button>
        <button type="button" disabled={busy || act.busy || !trained} onClick={() => act.run("refresh")}>Refresh</button>
        <Field label="Seed">
          {(id) => <input id={id} type="number" step="1" placeholder="0" value={seed} onInput={(event) => setSeed(event.currentTarget.value)} />}
        </Field>
        {trained && <a href={href("recommend", "", { model: name })}>Try it</a>}
      </div>
      <p class="quiet">
        Train learns from the data as they are now and chooses settings anew; Refresh takes in what is new and keeps
        them. The version before serves meanwhile.
      </p>
      <Failure problem={act.problem} />
    </>
  );
}

function Went({ told }: { told: Training }) {
  const kept = told.curve.find((p) => p.kept);
  const best = told.tried.reduce((most, t) => Math.max(most, t.reached), 0);
  let so_far = 0;
  const climbed = told.tried.map((t, n): [number, number] => [n + 1, (so_far = Math.max(so_far, t.reached))]);
  return (
    <>
      {told.curve.length > 1 && (
        <section aria-labelledby="curve">
          <h2 id="curve">Training curve</h2>
          <Curves of={[{ name: "training", points: told.curve, kept: kept?.epoch }]} />
          <details>
            <summary>The curve in numbers</summary>
            <Table
              caption="Loss and recall@20 by epoch"
              hidden
              columns={[
                { name: "Epoch", number: true, head: true, cell: (p) => p.epoch },
                { name: "Loss", number: true, cell: (p) => p.loss.toFixed(4) },
                { name: "recall@20", number: true, cell: (p) => p.recall.toFixed(4) },
                { name: "Kept", silent: true, cell: (p) => (p.kept ? "kept" : "") },
              ]}
              rows={told.curve}
            />
          </details>
        </section>
      )}
      {told.tried.length > 1 && (
        <section aria-labelledby="tried">
          <h2 id="tried">Settings that were tried</h2>
          <Chart
            title="recall + ndcg at 20 of what was hidden"
            x="trial"
            lines={[
              { name: "tried", dots: true, points: told.tried.map((t, n): [number, number] => [n + 1, t.reached]) },
              { name: "best so far", color: 1, points: climbed },
            ]}
            text={`${told.tried.length} trials, the best reached ${best}`}
          />
        </section>
      )}
      {told.choices.length > 0 && (
        <details open={told.tried.length < 2}>
          <summary>What it chose and why</summary>
          <ul class="plain">{told.choices.map((choice) => <li>{choice}</li>)}</ul>
        </details>
      )}
      {told.settings.length > 0 && (
        <section aria-labelledby="settings">
          <h2 id="settings">Settings</h2>
          <Table
            caption="Settings that were in force"
            hidden
            columns={[
              { name: "Setting", head: true, cell: ([name]) => name },
              { name: "Value", cell: ([, text]) => <code>{text}</code> },
            ]}
            rows={told.settings}
          />
        </section>
      )}
    </>
  );
}
