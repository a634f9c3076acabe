// A learning curve: what was found again of what had been hidden, and the loss, epoch after epoch, while the
// training goes or after it.

import type { Point } from "../api";
import { Chart } from "./chart";

export interface Named {
  name: string;
  points: Point[];
  /** The epoch whose state was kept. */
  kept?: number | undefined;
}

/** Both curves of some trainings side by side, each with a text that says the same. */
export function Curves({ of }: { of: Named[] }) {
  const line = (what: "loss" | "recall") =>
    of.map(({ name, points, kept }) => {
      const known = points.flatMap((p): [number, number][] => (p[what] === null ? [] : [[p.epoch, p[what]]]));
      const mark = known.find(([epoch]) => epoch === kept);
      return { name: of.length > 1 ? name : what, points: known, ...(mark ? { mark } : {}) };
    });
  const said = (what: "loss" | "recall") => of.map((one) => span(one, what)).join("; ");
  return (
    <div class="charts">
      <Chart title="recall@20 of what was hidden" x="epoch" lines={line("recall")} text={said("recall")} />
      <Chart title="loss" x="epoch" lines={line("loss")} text={said("loss")} />
    </div>
  );
}

/** From where to where a curve goes, and what was kept of it. */
function span({ name, points, kept }: Named, what: "loss" | "recall") {
  const label = what === "recall" ? "recall@20" : "loss";
  const [first, last] = [points[0], points.at(-1)];
  if (!first || !last) return `${name}: nothing yet`;
  const value = (p: Point) => p[what]?.toFixed(4) ?? "no number";
  const found = points.find((p) => p.epoch === kept);
  return `${name}: ${label} from ${value(first)} at epoch ${first.epoch} to ${value(last)} at epoch ${last.epoch}${found ? `; kept: ${value(found)} at epoch ${found.epoch}` : ""}`;
}
