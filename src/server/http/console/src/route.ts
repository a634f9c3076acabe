// Where the page is: `#/view/argument?name=value`, so that every view can be linked and the buttons of the
// browser work.

import { useEffect, useRef, useState } from "preact/hooks";

export interface Route {
  view: string;
  argument: string;
  values: URLSearchParams;
}

export function parse(hash: string): Route {
  const [path = "", search = ""] = hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  const [view = "", ...rest] = path.split("/");
  return { view: view || "tables", argument: decode(rest.join("/")), values: new URLSearchParams(search) };
}

function decode(text: string) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The address of a view; values that are empty are left out. */
export function href(view: string, argument = "", values: Record<string, string> = {}) {
  const kept = Object.entries(values).filter(([, value]) => value !== "");
  const search = new URLSearchParams(kept).toString();
  return `#/${view}${argument && `/${encodeURIComponent(argument)}`}${search && `?${search}`}`;
}

export const go = (to: string) => {
  location.hash = to;
};

/** A form over the values of a view's address: what is entered, and the address that says so. */
export function useForm<N extends string>(view: string, values: URLSearchParams, names: N[]) {
  const read = () => Object.fromEntries(names.map((name) => [name, values.get(name) ?? ""])) as Record<N, string>;
  // Not a state: a field that is left because a button is pressed must count for the button.
  const entered = useRef(read());
  const [, again] = useState(0);
  useEffect(() => {
    entered.current = read();
    again((n) => n + 1);
  }, [values.toString()]);
  const enter = (change: Partial<Record<N, string>>) => {
    Object.assign(entered.current, change);
    again((n) => n + 1);
  };
  const send = (change: Partial<Record<N, string>> = {}) => {
    enter(change);
    go(href(view, "", entered.current));
  };
  return { entered: entered.current, enter, send };
}

export function useRoute(): Route {
  const [route, set] = useState(() => parse(location.hash));
  useEffect(() => {
    const changed = () => set(parse(location.hash));
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  return route;
}
