// Small parts that every view uses: what is loading, wrong, empty; buttons, progress, dialogs.

import type { ComponentChildren } from "preact";
import { useCallback, useEffect, useId, useRef, useState } from "preact/hooks";
import { Problem, silent, type Place } from "../api";
import { announce } from "./live";

/** What was asked for: a value, a problem, or neither yet. */
export interface Loaded<T> {
  value: T | undefined;
  problem: Problem | undefined;
  loading: boolean;
  again: () => void;
}

const problemOf = (error: unknown) =>
  error instanceof Problem ? error : silent(String(error), "this is a mistake of the page: load it again");

/** Asks whenever `inputs` change; the value before stays until the next one is there. */
export function useLoad<T>(ask: (signal: AbortSignal) => Promise<T>, inputs: unknown[]): Loaded<T> {
  const [state, set] = useState<{ value?: T; problem?: Problem; loading: boolean }>({ loading: true });
  const [round, next] = useState(0);
  useEffect(() => {
    const stop = new AbortController();
    set(({ value }) => ({ ...(value === undefined ? {} : { value }), loading: true }));
    ask(stop.signal).then(
      (value) => stop.signal.aborted || set({ value, loading: false }),
      (error) => stop.signal.aborted || set({ problem: problemOf(error), loading: false }),
    );
    return () => stop.abort();
  }, [...inputs, round]);
  const again = useCallback(() => next((n) => n + 1), []);
  return { value: state.value, problem: state.problem, loading: state.loading, again };
}

/** Something a click does: it runs once at a time, and its problem is shown. */
export function useAction<A extends unknown[]>(act: (...given: A) => Promise<unknown>) {
  const [state, set] = useState<{ busy: boolean; problem?: Problem }>({ busy: false });
  const run = async (...given: A) => {
    set({ busy: true });
    try {
      await act(...given);
      set({ busy: false });
    } catch (error) {
      set({ busy: false, problem: problemOf(error) });
    }
  };
  const forget = () => set({ busy: false });
  return { run, busy: state.busy, problem: state.problem, forget };
}

/** A problem: its code, what is wrong, where, and what to do. `source` is the text that a place is in. */
export function Failure({ problem, source }: { problem: Problem | undefined; source?: string | undefined }) {
  if (!problem) return null;
  const { code, detail, place, next_step, row, title } = problem.document;
  return (
    <div class="failure" role="alert">
      <p>
        <strong>{code || title}</strong> {detail}
      </p>
      {place && source !== undefined && <Caret source={source} place={place} />}
      {place && source === undefined && (
        <p>
          {place.field && <>In <code>{place.field}</code>, </>}line {place.line}, column {place.column}
        </p>
      )}
      {row !== undefined && <p>Row {row + 1} of what was sent.</p>}
      {next_step && <p class="next">{next_step}</p>}
    </div>
  );
}

function Caret({ source, place }: { source: string; place: Place }) {
  const line = [...(source.split("\n")[place.line - 1] ?? "")];
  const start = place.column - 1;
  const end = place.end_line === place.line ? Math.max(place.end_column - 1, start + 1) : line.length;
  // A long line is shown around the place.
  const from = Math.max(0, Math.min(start - 30, line.length - 70));
  const shown = line.slice(from, from + 90).join("");
  const carets = "^".repeat(Math.max(1, Math.min(end, from + 90) - start));
  return (
    <pre class="caret" role="group" tabIndex={0} aria-label={`line ${place.line}, column ${place.column}`}>
      <span class="gutter">{place.line}</span> {from > 0 ? "…" : ""}
      {shown}
      {"\n"}
      <span class="gutter">{" ".repeat(String(place.line).length)}</span>{" "}
      {" ".repeat(start - from + (from > 0 ? 1 : 0))}
      <mark>{carets}</mark>
    </pre>
  );
}

/** Nothing yet, a problem, or the value. */
export function Show<T>(props: { of: Loaded<T>; children: (value: T) => ComponentChildren }) {
  const { value, problem, loading, again } = props.of;
  if (problem) {
    return (
      <>
        <Failure problem={problem} />
        <button type="button" onClick={again}>Try again</button>
      </>
    );
  }
  if (value === undefined) return <p class="quiet" aria-busy="true">Loading …</p>;
  return <div class={loading ? "stale" : ""} aria-busy={loading}>{props.children(value)}</div>;
}

export function Notices({ texts }: { texts: string[] | undefined }) {
  if (!texts?.length) return null;
  return (
    <ul class="notices">
      {texts.map((text) => <li>{text}</li>)}
    </ul>
  );
}

export function Empty({ children }: { children: ComponentChildren }) {
  return <div class="empty">{children}</div>;
}

/** A label over what it names. */
export function Field(props: { label: string; hint?: string; grow?: boolean; children: (id: string, hint?: string) => ComponentChildren }) {
  const id = useId();
  const hint = props.hint ? `${id}-hint` : undefined;
  return (
    <div class={props.grow ? "field grow" : "field"}>
      <label for={id}>{props.label}</label>
      {props.children(id, hint)}
      {props.hint && <small id={hint}>{props.hint}</small>}
    </div>
  );
}

export function Choice(props: {
  label: string;
  value: string;
  options: (string | [value: string, shown: string])[];
  onChange: (value: string) => void;
}) {
  return (
    <Field label={props.label}>
      {(id) => (
        <select id={id} value={props.value} onChange={(e) => props.onChange(e.currentTarget.value)}>
          {props.options.map((option) => {
            const [value, shown] = typeof option === "string" ? [option, option] : option;
            return <option value={value} selected={value === props.value}>{shown}</option>;
          })}
        </select>
      )}
    </Field>
  );
}

/** A question that must be answered before anything else. */
export function Dialog(props: { title: string; onClose: () => void; children: ComponentChildren }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const title = useId();
  useEffect(() => {
    const before = document.activeElement;
    dialog.current?.showModal();
    return () => (before as HTMLElement | null)?.focus?.();
  }, []);
  return (
    <dialog ref={dialog} aria-labelledby={title} onClose={props.onClose}>
      <h2 id={title}>{props.title}</h2>
      {props.children}
    </dialog>
  );
}

/** A button that puts a text on the clipboard. */
export function Copy({ text, label }: { text: string; label: string }) {
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      announce("Copied");
    } catch {
      announce("The browser does not let this page copy");
    }
  };
  return <button type="button" class="small" onClick={copy}>{label}</button>;
}
