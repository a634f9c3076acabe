// The OpenMetrics text of the server: its samples, and what two readings of a histogram say of the time between.

export interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

export function parse(text: string): Sample[] {
  const samples: Sample[] = [];
  for (const line of text.split("\n")) {
    if (!line || line.startsWith("#")) continue;
    const match = /^([\w:]+)(?:\{(.*)\})? (\S+)/.exec(line);
    if (!match) continue;
    const labels: Record<string, string> = {};
    for (const [, name, quoted] of (match[2] ?? "").matchAll(/(\w+)="((?:\\.|[^"\\])*)"/g)) {
      labels[name!] = quoted!.replace(/\\(.)/g, (_, c: string) => (c === "n" ? "\n" : c));
    }
    samples.push({ name: match[1]!, labels, value: Number(match[3]) });
  }
  return samples;
}

/** One reading: cumulative counts of buckets by the value of a label, and all other samples. */
export interface Reading {
  /** Seconds of the page's clock. */
  at: number;
  samples: Sample[];
  /** By route: upper bounds in seconds, and how many were at or below. */
  routes: Map<string, [le: number, count: number][]>;
  statements: Map<string, [le: number, count: number][]>;
}

export function reading(text: string, at: number): Reading {
  const samples = parse(text);
  const histogram = (name: string, label: string) => {
    const by = new Map<string, [number, number][]>();
    for (const { name: n, labels, value } of samples) {
      if (n !== `${name}_bucket`) continue;
      const le = labels["le"] === "+Inf" ? Infinity : Number(labels["le"]);
      const of = labels[label] ?? "";
      if (!by.has(of)) by.set(of, []);
      by.get(of)!.push([le, value]);
    }
    by.forEach((buckets) => buckets.sort((a, b) => a[0] - b[0]));
    return by;
  };
  return {
    at,
    samples,
    routes: histogram("tastedb_http_request_seconds", "route"),
    statements: histogram("tastedb_statement_seconds", "statement"),
  };
}

/** Sum of the samples of a name. */
export const total = (of: Reading, name: string, keep: (labels: Record<string, string>) => boolean = () => true) =>
  of.samples.filter((s) => s.name === name && keep(s.labels)).reduce((sum, s) => sum + s.value, 0);

export interface Between {
  /** How many a second. */
  rate: number;
  count: number;
  p50: number;
  p95: number;
  p99: number;
}

type Buckets = [le: number, count: number][];

/** What was counted from one reading to another; the buckets of several labels may be added before. */
export function between(before: Buckets | undefined, after: Buckets, seconds: number): Between {
  const old = new Map(before);
  const buckets = after.map(([le, n]): [number, number] => [le, n - (old.get(le) ?? 0)]);
  const count = buckets.at(-1)?.[1] ?? 0;
  const q = (part: number) => quantile(buckets, part);
  return { rate: count / seconds, count, p50: q(0.5), p95: q(0.95), p99: q(0.99) };
}

export function add(all: Iterable<Buckets>): Buckets {
  const sums = new Map<number, number>();
  for (const buckets of all) for (const [le, n] of buckets) sums.set(le, (sums.get(le) ?? 0) + n);
  return [...sums].sort((a, b) => a[0] - b[0]);
}

/** The quantile as Prometheus tells it: evenly within a bucket, the last bound at most. */
export function quantile(buckets: Buckets, part: number): number {
  const count = buckets.at(-1)?.[1] ?? 0;
  if (count <= 0) return NaN;
  const wanted = part * count;
  let [low, below] = [0, 0];
  for (const [le, n] of buckets) {
    if (n >= wanted) {
      if (le === Infinity) return low;
      return low + (le - low) * (n > below ? (wanted - below) / (n - below) : 1);
    }
    [low, below] = [le, n];
  }
  return low;
}
