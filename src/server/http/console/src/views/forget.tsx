// Forgetting: somebody or something is forgotten, tickets say how far that is, receipts what was looked at.

import { useState } from "preact/hooks";
import { at, get, isOver, post, rowsOf, type Json, type Row, type RowsAnswer, type Table as Info } from "../api";
import { count, moment, plural, value } from "../format";
import { look, start, useEnded, useJobs } from "../jobs";
import { keyOf, labels, quoted, search, tables } from "../schema";
import { Combobox } from "../ui/combobox";
import { JobCard } from "../ui/job";
import { announce } from "../ui/live";
import { Choice, Copy, Dialog, Empty, Failure, Notices, Show, useAction, useLoad } from "../ui/parts";
import { Table } from "../ui/table";

const STATES = ["masked", "erased", "unlearned", "verified"] as const;

export function Forget() {
  const all = useLoad(async (signal) => {
    const [list, tickets, receipts] = await Promise.all([
      tables(signal),
      get<RowsAnswer>("/v1/forgets", signal),
      rowsOf("SELECT * FROM receipts ORDER BY number DESC", [], signal),
      look(),
    ]);
    return { list, tickets: tickets.rows, receipts };
  }, []);
  useEnded(all.again);
  return (
    <>
      <h1 tabIndex={-1}>Forget</h1>
      <Show of={all}>
        {({ list, tickets, receipts }) => (
          <>
            <Whom all={list} done={all.again} />
            <Vacuum open={tickets.filter((t) => t["state"] === "masked" || t["state"] === "erased").length} />
            <Tickets tickets={tickets} verified={all.again} />
            <Receipts receipts={receipts} />
          </>
        )}
      </Show>
    </>
  );
}

interface Subject {
  table: Info;
  key: string;
  label: string | undefined;
  interactions: [table: string, count: number][];
}

/** What would go. */
async function subject(all: Info[], table: Info, key: string): Promise<Subject> {
  const touching = all.filter((t) => t.between && (t.between.user_table === table.name || t.between.item_table === table.name));
  // A key that is not there is told before anything is asked.
  await get(at`/v1/tables/${table.name}/rows/${key}`);
  const counts = touching.map(async (t): Promise<[string, number]> => {
    const column = t.between!.user_table === table.name ? t.between!.user_column : t.between!.item_column;
    const rows = await rowsOf(`SELECT count(*) AS n FROM ${quoted(t.name)} WHERE ${quoted(column)} = $1`, [keyOf(table, key)]);
    return [t.name, Number(rows[0]?.["n"] ?? 0)];
  });
  return { table, key, label: (await labels(table, [key])).get(key), interactions: await Promise.all(counts) };
}

function Whom({ all, done }: { all: Info[]; done: () => void }) {
  const entities = all.filter((t) => t.key);
  const [name, setName] = useState("");
  const [key, setKey] = useState("");
  const [asked, setAsked] = useState<Subject>();
  const [ticket, setTicket] = useState<string>();
  const table = entities.find((t) => t.name === name) ?? entities.find((t) => t.role === "user") ?? entities[0];
  const question = useAction(async () => setAsked(await subject(all, table!, key)));
  const forget = useAction(async (whom: Subject) => {
    const written = await post<{ ticket: string | null }>("/v1/forgets", { table: whom.table.name, key: keyOf(whom.table, whom.key) });
    setAsked(undefined);
    setKey("");
    setTicket(written.ticket ?? "");
    announce(`${whom.key} is deleted; the ticket is ${written.ticket}`);
    done();
  });
  if (!table) return <Empty><p>There is nobody and nothing to forget: no tables of users or items.</p></Empty>;
  return (
    <section aria-labelledby="whom">
      <h2 id="whom">Forget a user or an item</h2>
      <form class="row bottom" onSubmit={(event) => (event.preventDefault(), void question.run())}>
        <Choice label="Table" value={table.name} options={entities.map((t) => t.name)} onChange={(to) => (setName(to), setKey(""))} />
        <Combobox key={table.name} label="Key" value={key} find={(text, signal) => search(table, text, signal)} onPick={setKey} required />
        <button class="danger" disabled={question.busy}>Forget …</button>
      </form>
      <Failure problem={question.problem} />
      {ticket !== undefined && (
        <p class="told">Deleted; no answer shows it any more. The ticket is <code>{ticket}</code>: models and files follow within the hour, or with Vacuum now.</p>
      )}
      {asked && (
        <Dialog title={`Forget ${asked.key}?`} onClose={() => setAsked(undefined)}>
          <p>
            <strong>{asked.key}</strong>
            {asked.label && <> ({asked.label})</>} is deleted from {asked.table.name}
            {asked.interactions.length > 0 && <>, with {asked.interactions.map(([of, n]) => `${plural(n, "interaction")} in ${of}`).join(", ")}</>}.
            Models that have learned from it are made anew and files are rewritten without it. This cannot be undone.
          </p>
          <Failure problem={forget.problem} />
          <div class="row end">
            <button type="button" autofocus onClick={() => setAsked(undefined)}>Keep it</button>
            <button type="button" class="danger" disabled={forget.busy} onClick={() => forget.run(asked)}>Forget {asked.key}</button>
          </div>
        </Dialog>
      )}
    </section>
  );
}

function Vacuum({ open }: { open: number }) {
  const jobs = useJobs().filter((job) => job.kind === "VACUUM");
  const running = jobs.some((job) => !isOver(job));
  const vacuum = useAction(() => start("/v1/vacuum"));
  return (
    <section aria-labelledby="vacuum">
      <h2 id="vacuum">Vacuum</h2>
      <div class="row">
        <button type="button" disabled={running || vacuum.busy} onClick={() => vacuum.run()}>Vacuum now</button>
        <span class="quiet">
          {open ? `${plural(open, "ticket")} to carry out: ` : "No ticket is open. "}Vacuum makes models anew and rewrites every file without what was deleted.
        </span>
      </div>
      <Failure problem={vacuum.problem} />
      {jobs.slice(0, 1).map((job) => <JobCard key={job.id} job={job} />)}
    </section>
  );
}

function Tickets({ tickets, verified }: { tickets: Row[]; verified: () => void }) {
  const [receipt, setReceipt] = useState<{ of: string; answer: RowsAnswer }>();
  const verify = useAction(async (id: string) => {
    const answer = await post<RowsAnswer>(at`/v1/forgets/${id}/verify`);
    setReceipt({ of: id, answer });
    const failed = answer.rows.filter((row) => row["passed"] !== true).length;
    announce(failed ? `${id}: ${plural(failed, "check")} did not pass` : `${id}: all checks passed`);
    verified();
  });
  const newest = [...tickets].reverse();
  return (
    <section aria-labelledby="tickets">
      <h2 id="tickets">Tickets</h2>
      {newest.length === 0 ? (
        <Empty><p>Nothing was forgotten yet. A deletion that is to be forgotten makes a ticket.</p></Empty>
      ) : (
        <Table
          caption="Tickets, the latest first"
          hidden
          columns={[
            { name: "Ticket", head: true, cell: (t) => value(t["id"]) },
            { name: "Forgotten", class: "text", cell: (t) => forgotten(t) },
            { name: "State", cell: (t) => <Steps ticket={t} /> },
            {
              name: "Actions",
              silent: true,
              cell: (t) => (
                <button type="button" class="small" disabled={verify.busy} aria-label={`Verify ${value(t["id"])}`} onClick={() => verify.run(value(t["id"]))}>
                  Verify
                </button>
              ),
            },
            { name: "Asked for (UTC)", cell: (t) => <span class="whole">{moment(t["requested"] ?? null)}</span> },
            { name: "Deadline (UTC)", cell: (t) => <span class="whole">{moment(t["deadline"] ?? null)}</span> },
            { name: "How models unlearned", class: "text", cell: (t) => value(t["methods"] ?? "") },
            ...(newest.some((t) => Array.isArray(t["behaviour"]) && t["behaviour"].length > 0)
              ? [{ name: "What models gave away", class: "text", cell: (t: Row) => value(t["behaviour"] ?? "") }]
              : []),
          ]}
          rows={newest}
        />
      )}
      <Failure problem={verify.problem} />
      {receipt && (
        <div class="receipt">
          <Table
            caption={`What was looked at for ${receipt.of}`}
            columns={[
              { name: "Check", head: true, cell: (row) => value(row["check"]) },
              { name: "Passed", cell: (row) => <Passed of={row["passed"]} /> },
              { name: "Seen", cell: (row) => value(row["detail"]) },
            ]}
            rows={receipt.answer.rows}
          />
          <Notices texts={receipt.answer.notices} />
        </div>
      )}
    </section>
  );
}

/** What a ticket is about, in numbers. Where values were forgotten, the rows that had them stay. */
function forgotten(ticket: Row): string {
  const scope = value(ticket["scope"]);
  if (!["user", "item", "interactions"].includes(scope)) {
    const rows = Number(ticket["rows"] ?? 0) || Number(ticket["interactions"] ?? 0) || Number(ticket["embeddings"] ?? 0);
    return `${scope} of ${value(ticket["table_name"])}${rows ? `, ${plural(rows, "row")}` : ""}`;
  }
  const parts: [Json | undefined, string][] = [
    [ticket["rows"], `row of ${value(ticket["table_name"])}`],
    [ticket["interactions"], "interaction"],
    [ticket["embeddings"], "embedding"],
  ];
  const told = parts.flatMap(([n, what]) => {
    if (typeof n !== "number" || n === 0) return [];
    return n === 1 ? [`1 ${what}`] : [`${count(n)} ${what.replace(/^\w+/, "$&s")}`];
  });
  return told.join(", ") || scope;
}

const Passed = ({ of }: { of: Json | undefined }) =>
  of === true ? <span class="state done">passed</span> : <span class="state failed">not passed</span>;

/** How far a ticket is: what has been reached, with its time. */
function Steps({ ticket }: { ticket: Row }) {
  return (
    <ol class="steps">
      {STATES.map((state) => {
        const reached = ticket[state];
        const at = reached === null || reached === undefined ? undefined : moment(reached);
        return (
          <li class={at ? "reached" : ""} title={at ? `${at} UTC` : "not yet"}>
            {state}
            {!at && <span class="unseen"> not yet</span>}
          </li>
        );
      })}
    </ol>
  );
}

function Receipts({ receipts }: { receipts: Row[] }) {
  if (!receipts.length) return null;
  return (
    <section aria-labelledby="receipts">
      <h2 id="receipts">Receipts</h2>
      <ul class="plain">
        {receipts.map((receipt) => (
          <li>
            <details>
              <summary>
                Receipt {value(receipt["number"])} for {value(receipt["forget_id"])}, {moment(receipt["at"] ?? null)} UTC{" "}
                <Passed of={receipt["passed"]} />
              </summary>
              <ul>
                {(Array.isArray(receipt["lines"]) ? receipt["lines"] : []).map((line) => <li>{value(line)}</li>)}
              </ul>
              <p class="row">
                <span>Hash <code class="hash">{value(receipt["hash"])}</code></span>
                <Copy text={value(receipt["hash"])} label="Copy" />
              </p>
              <p class="quiet">Keep the hash elsewhere: a receipt that is changed later has another one.</p>
            </details>
          </li>
        ))}
      </ul>
    </section>
  );
}
