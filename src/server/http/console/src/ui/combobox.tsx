// A field with suggestions: the combobox with a list that WAI-ARIA describes. Text that is no suggestion is
// taken as it is.

import { useEffect, useId, useRef, useState } from "preact/hooks";
import type { Found } from "../schema";

export function Combobox(props: {
  label: string;
  value: string;
  find: (text: string, signal: AbortSignal) => Promise<Found[]>;
  onPick: (key: string) => void;
  hint?: string;
  required?: boolean;
}) {
  const id = useId();
  const [text, setText] = useState(props.value);
  const [open, setOpen] = useState(false);
  const [found, setFound] = useState<Found[]>([]);
  const [at, setAt] = useState(-1);
  const list = useRef<HTMLUListElement>(null);
  const typed = useRef(false);

  useEffect(() => setText(props.value), [props.value]);
  useEffect(() => {
    if (!open) return;
    const stop = new AbortController();
    // What was picked is no search: all are offered then.
    const wanted = typed.current ? text : "";
    const wait = setTimeout(async () => {
      try {
        const rows = await props.find(wanted, stop.signal);
        if (!stop.signal.aborted) setFound(rows), setAt(-1);
      } catch {
        if (!stop.signal.aborted) setFound([]);
      }
    }, typed.current ? 120 : 0);
    return () => {
      clearTimeout(wait);
      stop.abort();
    };
  }, [text, open]);
  useEffect(() => {
    list.current?.children[at]?.scrollIntoView({ block: "nearest" });
  }, [at]);

  const pick = (key: string) => {
    typed.current = false;
    setText(key);
    setOpen(false);
    props.onPick(key);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (!open) setOpen(true);
      else if (found.length) {
        const step = event.key === "ArrowDown" ? 1 : -1;
        setAt((at + step + found.length + (at < 0 && step < 0 ? 1 : 0)) % found.length);
      }
    } else if (event.key === "Enter") {
      if (open && found[at]) {
        event.preventDefault();
        pick(found[at].key);
      } else if (text.trim()) {
        event.preventDefault();
        pick(text.trim());
      }
    } else if (event.key === "Escape" && open) {
      event.preventDefault();
      setOpen(false);
    }
  };
  const shown = open && found.length > 0;
  return (
    <div class="field combobox">
      <label for={id}>{props.label}</label>
      <input
        id={id}
        type="text"
        role="combobox"
        autocomplete="off"
        spellcheck={false}
        required={props.required}
        aria-expanded={shown}
        aria-controls={`${id}-list`}
        aria-autocomplete="list"
        aria-activedescendant={shown && at >= 0 ? `${id}-${at}` : undefined}
        aria-describedby={props.hint ? `${id}-hint` : undefined}
        value={text}
        onInput={(event) => {
          typed.current = true;
          setText(event.currentTarget.value);
          setOpen(true);
        }}
        onClick={(event) => {
          event.currentTarget.select();
          setOpen(true);
        }}
        onBlur={() => {
          setOpen(false);
          if (text.trim() && text.trim() !== props.value) pick(text.trim());
        }}
        onKeyDown={onKeyDown}
      />
      <ul id={`${id}-list`} role="listbox" aria-label={props.label} ref={list} hidden={!shown}>
        {found.map((row, n) => (
          <li
            id={`${id}-${n}`}
            role="option"
            aria-selected={n === at}
            onMouseDown={(event) => {
              event.preventDefault();
              pick(row.key);
            }}
          >
            <span class="key">{row.key}</span>
            {row.label !== null && <span class="label">{row.label}</span>}
          </li>
        ))}
      </ul>
      {props.hint && <small id={`${id}-hint`}>{props.hint}</small>}
    </div>
  );
}
