// The frame of the page: navigation, the view that the address names, who is signed in, what is announced.

import { useEffect, useRef, useState } from "preact/hooks";
import { isOver, key, onStranger, type Problem } from "./api";
import { plural } from "./format";
import { useJobs } from "./jobs";
import { href, useRoute, type Route } from "./route";
import { useAnnouncement } from "./ui/live";
import { Activity } from "./views/activity";
import { Forget } from "./views/forget";
import { MapView } from "./views/map";
import { OneModel } from "./views/model";
import { Models } from "./views/models";
import { Recommend } from "./views/recommend";
import { SignIn } from "./views/signin";
import { Similar } from "./views/similar";
import { Sql } from "./views/sql";
import { OneTable, Tables } from "./views/tables";

const VIEWS = [
  ["tables", "Tables"],
  ["models", "Models"],
  ["recommend", "Recommend"],
  ["similar", "Similar items"],
  ["map", "Map"],
  ["sql", "SQL"],
  ["forget", "Forget"],
  ["activity", "Activity"],
] as const;

function View({ route }: { route: Route }) {
  const { view, argument, values } = route;
  switch (view) {
    case "tables":
      return argument ? <OneTable key={argument} name={argument} /> : <Tables />;
    case "models":
      return argument ? <OneModel key={argument} name={argument} /> : <Models />;
    case "recommend":
      return <Recommend values={values} />;
    case "similar":
      return <Similar values={values} />;
    case "map":
      return <MapView values={values} />;
    case "sql":
      return <Sql given={values.get("sql") ?? ""} />;
    case "forget":
      return <Forget />;
    case "activity":
      return <Activity />;
    default:
      return (
        <>
          <h1 tabIndex={-1}>Nothing here</h1>
          <p>There is no view “{view}”. <a href={href("tables")}>Tables</a> is where to begin.</p>
        </>
      );
  }
}

export function App() {
  const route = useRoute();
  const main = useRef<HTMLElement>(null);
  const [stranger, setStranger] = useState<Problem>();
  const [session, setSession] = useState(0);
  const announced = useAnnouncement();
  const running = useJobs().filter((job) => !isOver(job)).length;
  const title = VIEWS.find(([view]) => view === route.view)?.[1] ?? "Nothing here";

  useEffect(() => void onStranger(setStranger), []);
  // A new view begins at its heading, for the eye and for the keyboard.
  const shown = `${route.view}/${route.argument}`;
  const first = useRef(true);
  useEffect(() => {
    document.querySelector("header [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
    document.title = `${route.argument || title} – TasteDB`;
    if (first.current) first.current = false;
    else {
      scrollTo(0, 0);
      main.current?.querySelector("h1")?.focus({ preventScroll: true });
    }
  }, [shown]);

  return (
    <>
      <a
        class="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault();
          main.current?.querySelector("h1")?.focus();
        }}
      >
        Skip to the content
      </a>
      <header>
        <a class="brand" href={href("tables")}>TasteDB</a>
        <nav aria-label="Views">
          <ul>
            {VIEWS.map(([view, name]) => (
              <li>
                <a href={href(view)} aria-current={route.view === view ? "page" : undefined}>{name}</a>
              </li>
            ))}
          </ul>
        </nav>
        <div class="foot">
          {running > 0 && <a href={href("activity")}>{plural(running, "job")} running</a>}
          {key() && !stranger && (
            <button
              type="button"
              class="small"
              onClick={() => {
                // Everything that was seen with the key goes with it.
                sessionStorage.clear();
                location.hash = "";
                location.reload();
              }}
            >
              Sign out
            </button>
          )}
        </div>
      </header>
      <main ref={main} id="main">
        {stranger ? (
          <SignIn asked={stranger} done={() => (setStranger(undefined), setSession(session + 1))} />
        ) : (
          <View key={session} route={route} />
        )}
      </main>
      <div class="unseen" role="status" aria-live="polite">{announced}</div>
    </>
  );
}
