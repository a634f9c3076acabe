// What the server does now: requests and how long they take, connections, queues, jobs. It reads /metrics every
// two seconds while it is looked at.

import { useEffect, useState } from "preact/hooks";
import { Problem, send } from "../api";
import { count, round, seconds } from "../format";
import { look, useJobs } from "../jobs";
import { add, between, reading, total, type Between, type Reading } from "../metrics";
import { Chart, Spark } from "../ui/chart";
import { JobCard } from "../ui/job";
import { Empty, Failure } from "../ui/parts";
import { Facts, Table } from "../ui/table";

const EVERY = 2;
/** Readings that are kept: four minutes. */
const KEPT = 120;
/** Readings that a quantile looks back: ten seconds. */
const WINDOW = 5;

let readings: Reading[] = [];

/** What this page asks for by itself says nothing of the work of the server. */
const own = (route: string) => route === "/metrics";

function useReadings() {
  const [, again] = useState(0);
  const [problem, setProblem] = useState<Problem>();
  useEffect(() => {
    const stop = new AbortController();
    const read = async () => {
      if (document.hidden) return;
      try {
        const text = await (await send("GET", "/metrics", undefined, stop.signal)).text();
        const now = performance.now() / 1000;
        // After a pause the differences would say nothing of now.
        if (readings.length && now - readings.at(-1)!.at > 5 * EVERY) readings = [];
        readings = [...readings, reading(text, now)].slice(-KEPT);
        setProblem(undefined);
        // Jobs are asked for where there are some, so that looking makes few requests of its own.
        if (readings.length === 1 || total(readings.at(-1)!, "tastedb_jobs") > 0) void look().catch(() => undefined);
        again((n) => n + 1);
      } catch (error) {
        if (!stop.signal.aborted && error instanceof Problem) setProblem(error);
      }
    };
    void read();
    const timer = setInterval(read, EVERY * 1000);
    return () => {
      stop.abort();
      clearInterval(timer);
    };
  }, []);
  return problem;
}

type Which = "routes" | "statements";

/** One label, or all, over the window that ends at a reading. */
function at(n: number, which: Which, label?: string): Between | undefined {
  const [now, before] = [readings[n], readings[Math.max(0, n - WINDOW)]];
  if (!now || !before || now === before) return undefined;
  const buckets = (of: Reading) =>
    label === undefined ? add([...of[which]].filter(([name]) => !own(name)).map(([, b]) => b)) : of[which].get(label);
  const after = buckets(now);
  return after && between(buckets(before), after, now.at - before.at);
}

export function Activity() {
  const problem = useReadings();
  const jobs = useJobs();
  const now = readings.at(-1);
  const ages = readings.map((r) => r.at - (now?.at ?? 0));
  const all = readings.map((_, n) => at(n, "routes"));
  const line = (name: string, of: (b: Between) => number) => ({
    name,
    points: all.flatMap((b, n): [number, number][] => (b && Number.isFinite(of(b)) ? [[ages[n]!, of(b)]] : [])),
  });
  const last = all.at(-1);
  return (
    <>
      <h1 tabIndex={-1}>Activity</h1>
      <Failure problem={problem} />
      {now && (
        <>
          <Facts
            of={[
              ["Requests/s", last ? round(last.rate) : "–"],
              ["p50", seconds(last?.p50)],
              ["p95", seconds(last?.p95)],
              ["p99", seconds(last?.p99)],
              ["Connections", total(now, "tastedb_connections")],
              ["Statements running", total(now, "tastedb_statements_running")],
              ["Statements waiting", total(now, "tastedb_statements_waiting")],
              ["Refused (4xx)", total(now, "tastedb_http_requests_total", (l) => l["status"]!.startsWith("4"))],
              ["Failed (5xx)", total(now, "tastedb_http_requests_total", (l) => l["status"]!.startsWith("5"))],
            ]}
          />
          <div class="charts">
            <Chart
              title="Requests a second"
              x="seconds ago"
              ago
              fromZero
              range={[Math.min(-60, ages[0] ?? -60), 0]}
              lines={[line("requests/s", (b) => b.rate)]}
              text={`${last ? round(last.rate) : "no"} requests a second now`}
            />
            <Chart
              title="Latency"
              x="seconds ago"
              ago
              fromZero
              y={(s) => (s === 0 ? "0" : seconds(s).replace(/\.0+ /, " "))}
              range={[Math.min(-60, ages[0] ?? -60), 0]}
              lines={[line("p50", (b) => b.p50), line("p95", (b) => b.p95), line("p99", (b) => b.p99)]}
              text={`now p50 ${seconds(last?.p50)}, p95 ${seconds(last?.p95)}, p99 ${seconds(last?.p99)}`}
            />
          </div>
          <Routes which="routes" title="By route" name="Route" />
          <Routes which="statements" title="By statement" name="Statement" />
          <p class="quiet">
            Read every {EVERY} s while this view is open; rates and quantiles are of the last {EVERY * WINDOW} s, without
            this page's own reading of /metrics. Quantiles come from histograms: they are as exact as the buckets are narrow.
          </p>
        </>
      )}
      <section aria-labelledby="jobs">
        <h2 id="jobs">Jobs</h2>
        {jobs.length === 0 ? <Empty><p>No job has run since the server began.</p></Empty> : jobs.slice(0, 20).map((job) => <JobCard key={job.id} job={job} />)}
      </section>
    </>
  );
}

function Routes({ which, title, name }: { which: Which; title: string; name: string }) {
  const now = readings.at(-1)!;
  const end = readings.length - 1;
  const from = Math.max(0, end - 30);
  const rows = [...now[which].keys()].sort().map((label) => ({
    label,
    ever: now[which].get(label)!.at(-1)?.[1] ?? 0,
    last: at(end, which, label),
    rates: readings.slice(from).map((_, n) => at(from + n, which, label)?.rate ?? 0),
  }));
  if (!rows.length) return null;
  const time = (x: number | undefined) => (x === undefined || Number.isNaN(x) ? <span class="quiet">–</span> : seconds(x));
  return (
    <section aria-labelledby={which}>
      <h2 id={which}>{title}</h2>
      <Table
        caption={`${title}, the last ${EVERY * WINDOW} s`}
        hidden
        columns={[
          { name, head: true, cell: (r) => <code>{r.label}</code> },
          { name: "Per second", number: true, cell: (r) => (r.last ? round(r.last.rate) : "–") },
          { name: "p50", number: true, cell: (r) => time(r.last?.p50) },
          { name: "p95", number: true, cell: (r) => time(r.last?.p95) },
          { name: "p99", number: true, cell: (r) => time(r.last?.p99) },
          { name: "In all", number: true, title: "Since the server began", cell: (r) => count(r.ever) },
          { name: "Last minute", cell: (r) => <Spark values={r.rates} /> },
        ]}
        rows={rows}
      />
    </section>
  );
}
