// What SHOW TRAINING tells, taken apart: settings, choices, the curve of a training by gradients, the settings
// that a search has tried.

import type { Row } from "./api";
import { value } from "./format";

export interface Training {
  /** The lines that are one value each. */
  facts: Map<string, string>;
  settings: [name: string, value: string][];
  choices: string[];
  /** Loss and recall@20 by epoch. */
  curve: { epoch: number; loss: number; recall: number; kept: boolean }[];
  /** What was tried in order, with how good it was. */
  tried: { what: string; reached: number }[];
}

/** Lines that are no option of the algorithm. */
const FACTS = new Set([
  "algorithm", "version", "statement", "seed", "users", "items", "pairs", "model size", "reading", "fitting",
  "refreshed from", "trained as", "new", "interactions", "table", "memory", "device", "error", "last error",
]);

export function training(rows: Row[]): Training {
  const told: Training = { facts: new Map(), settings: [], choices: [], curve: [], tried: [] };
  for (const row of rows) {
    const [name, text] = [value(row["property"]), value(row["value"])];
    const epoch = /^epoch (\d+)$/.exec(name);
    const point = /loss (-?[\d.]+), recall@20 ([\d.]+)/.exec(text);
    if (epoch && point) {
      const kept = text.includes("kept");
      told.curve.push({ epoch: Number(epoch[1]), loss: Number(point[1]), recall: Number(point[2]), kept });
    } else if (name === "choice") {
      told.choices.push(text);
      const tried = /^tried: (.*): ([\d.]+)$/.exec(text);
      if (tried) told.tried.push({ what: tried[1]!, reached: Number(tried[2]) });
    } else if (FACTS.has(name)) told.facts.set(name, text);
    else told.settings.push([name, text]);
  }
  return told;
}
