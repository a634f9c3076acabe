// Lines over an axis, as SVG. A chart is a picture with a text that says the same; it holds no data of its own.

import { useEffect, useRef, useState } from "preact/hooks";
import { round } from "../format";

export interface Line {
  name: string;
  points: [x: number, y: number][];
  /** One point that is told apart. */
  mark?: [x: number, y: number];
  /** Which colour of the palette. */
  color?: number;
  /** Points without a line between them. */
  dots?: boolean;
}

/** Round numbers that cover a range. */
export function ticks(low: number, high: number, most: number): number[] {
  const span = high - low || Math.abs(high) || 1;
  const raw = span / Math.max(1, most);
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((n) => n * power).find((n) => n >= raw)!;
  const all: number[] = [];
  for (let at = Math.ceil(low / step - 1e-9); at * step <= high + step * 1e-9; at += 1) {
    all.push(Number((at * step).toPrecision(12)));
  }
  return all;
}

const tick = (x: number) => (Math.abs(x) >= 1000 ? `${round(x / 1000)}k` : String(Number(x.toPrecision(4))));

function useWidth(fallback: number) {
  const ref = useRef<HTMLElement>(null);
  const [width, set] = useState(fallback);
  useEffect(() => {
    const watch = new ResizeObserver(([entry]) => set(Math.max(220, entry!.contentRect.width)));
    watch.observe(ref.current!);
    return () => watch.disconnect();
  }, []);
  return [ref, width] as const;
}

export function Chart(props: {
  title: string;
  /** What the picture shows, in words. */
  text: string;
  lines: Line[];
  x: string;
  /** Whether x is a time before now. */
  ago?: boolean;
  fromZero?: boolean;
  y?: (value: number) => string;
  range?: [low: number, high: number];
  height?: number;
}) {
  const [box, width] = useWidth(480);
  const height = props.height ?? 200;
  const points = props.lines.flatMap((line) => line.points);
  const label = props.y ?? tick;
  const legend = props.lines.length > 1;
  let body = null;
  if (points.length) {
    const xs = props.range ?? extent(points.map(([x]) => x));
    const [low, high] = extent(points.map(([, y]) => y));
    const spread = high - low || Math.abs(high) || 1;
    const ys = ticks(props.fromZero ? 0 : low - spread * 0.08, high + spread * 0.08, 5);
    const floor = props.fromZero ? 0 : Math.min(low - spread * 0.08, ys[0] ?? low);
    const roof = Math.max(high + spread * 0.08, ys.at(-1) ?? high);
    const left = 10 + 7 * Math.max(...ys.map((y) => label(y).length));
    const right = 12, top = 8, bottom = 34;
    const px = (x: number) => left + ((x - xs[0]) / (xs[1] - xs[0] || 1)) * (width - left - right);
    const py = (y: number) => top + (1 - (y - floor) / (roof - floor || 1)) * (height - top - bottom);
    body = (
      <svg width={width} height={height} role="img" aria-label={props.text}>
        {ys.map((y) => (
          <g class="grid">
            <line x1={left} x2={width - right} y1={py(y)} y2={py(y)} />
            <text x={left - 6} y={py(y) + 4} text-anchor="end">{label(y)}</text>
          </g>
        ))}
        {ticks(xs[0], xs[1], Math.min(8, (width - left) / 60)).map((x) => (
          <text class="tick" x={px(x)} y={height - bottom + 16} text-anchor="middle">{tick(props.ago ? Math.abs(x) : x)}</text>
        ))}
        <text class="tick" x={width - right} y={height - 4} text-anchor="end">{props.x}</text>
        {props.lines.map((line, n) => {
          const color = `var(--c${(line.color ?? n) % 8})`;
          const path = line.points.map(([x, y], at) => `${at ? "L" : "M"}${px(x).toFixed(1)} ${py(y).toFixed(1)}`);
          return (
            <g style={{ color }}>
              {!line.dots && <path d={path.join("")} class="line" />}
              {(line.dots || line.points.length === 1) &&
                line.points.map(([x, y]) => <circle class="dot" cx={px(x)} cy={py(y)} r="3" />)}
              {line.mark && <circle class="mark" cx={px(line.mark[0])} cy={py(line.mark[1])} r="4.5" />}
            </g>
          );
        })}
      </svg>
    );
  }
  return (
    <figure class="chart" ref={box}>
      <figcaption>
        {props.title}
        {legend && (
          <span class="legend">
            {props.lines.map((line, n) => (
              <span><i style={{ background: `var(--c${(line.color ?? n) % 8})` }} />{line.name}</span>
            ))}
          </span>
        )}
      </figcaption>
      {body ?? <p class="quiet">Nothing yet.</p>}
    </figure>
  );
}

/** A line as high as a word; the numbers beside it say the same. */
export function Spark({ values }: { values: number[] }) {
  const high = Math.max(...values, 1e-12);
  const step = 96 / Math.max(1, values.length - 1);
  const path = values.map((v, n) => `${n ? "L" : "M"}${(n * step).toFixed(1)} ${(19 - (v / high) * 17).toFixed(1)}`);
  return (
    <svg class="spark" width="96" height="20" aria-hidden="true">
      <path d={path.join("")} class="line" />
    </svg>
  );
}

function extent(values: number[]): [number, number] {
  return [Math.min(...values), Math.max(...values)];
}
