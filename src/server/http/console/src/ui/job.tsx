// A job as it goes: how far it is, what it says, a button that stops it, what came of it.

import { useEffect, useState } from "preact/hooks";
import { isOver } from "../api";
import { count, seconds } from "../format";
import { cancel, type Followed } from "../jobs";
import { Curves } from "./curve";
import { Failure, Notices, useAction } from "./parts";
import { Problem } from "../api";

/** Seconds that the job has run, counted on while nothing is heard. */
function useElapsed(job: Followed) {
  const [, again] = useState(0);
  const running = job.state === "running";
  useEffect(() => {
    if (!running) return;
    const timer = setInterval(() => again((n) => n + 1), 250);
    return () => clearInterval(timer);
  }, [running]);
  return running ? job.seconds + (performance.now() - job.heard) / 1000 : job.seconds;
}

export function JobCard({ job, quiet }: { job: Followed; quiet?: boolean }) {
  const elapsed = useElapsed(job);
  const stop = useAction(() => cancel(job.id));
  const over = isOver(job);
  return (
    <section class={`job ${job.state}`} aria-label={`Job ${job.id}: ${job.statement}`}>
      <div class="row">
        <code>{job.statement}</code>
        <span class={`state ${job.state}`}>{job.state}</span>
        <span class="quiet">{seconds(elapsed)}</span>
        {!over && (
          <button type="button" class="small" disabled={stop.busy} onClick={() => stop.run()}>
            Cancel
          </button>
        )}
      </div>
      {!over && (
        <div class="row">
          <progress
            aria-label={job.stage || "waiting"}
            {...(job.total > 0 ? { value: job.done, max: job.total } : {})}
          />
          <span class="quiet">
            {job.stage || (job.state === "queued" ? "waiting for other jobs" : "starting")}
            {job.total > 0 && ` ${count(job.done)} of ${count(job.total)}`}
            {job.note && ` · ${job.note}`}
          </span>
        </div>
      )}
      {!over && job.curve.length > 1 && <Curves of={[{ name: "so far", points: job.curve }]} />}
      {job.error && <Failure problem={new Problem(job.error)} />}
      {job.state === "cancelled" && <p class="quiet">Stopped; nothing of it stays.</p>}
      {!quiet && job.state === "done" && <Notices texts={job.result?.notices} />}
      <Failure problem={stop.problem} />
    </section>
  );
}
