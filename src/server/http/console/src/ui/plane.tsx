// Points on a canvas that is moved and zoomed. It knows nothing of where they come from.

import { useEffect, useRef, useState } from "preact/hooks";
import type { Json, Table } from "../api";
import type { Colours, Point } from "../colours";
import { labels } from "../schema";

interface View {
  x: number;
  y: number;
  scale: number;
}

/** Where all points are seen. */
function whole(points: Point[], width: number, height: number): View {
  const xs = points.map((p) => p.x), ys = points.map((p) => p.y);
  const [x0, x1] = [xs.reduce((a, b) => Math.min(a, b)), xs.reduce((a, b) => Math.max(a, b))];
  const [y0, y1] = [ys.reduce((a, b) => Math.min(a, b)), ys.reduce((a, b) => Math.max(a, b))];
  const scale = 0.92 * Math.min(width / (x1 - x0 || 1), height / (y1 - y0 || 1));
  return { x: (x0 + x1) / 2, y: (y0 + y1) / 2, scale };
}

function mix(from: string, to: string, at: number): string {
  const part = (text: string, n: number) => parseInt(text.slice(1 + 2 * n, 3 + 2 * n), 16);
  return `rgb(${[0, 1, 2].map((n) => Math.round(part(from, n) + (part(to, n) - part(from, n)) * at)).join(" ")})`;
}

export function Plane(props: {
  points: Point[];
  palette: Colours;
  picked: string;
  onPick: (key: string) => void;
  text: string;
  table: Table;
  /** How a value is told. */
  tell: (value: Json) => string;
}) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [size, setSize] = useState({ width: 0, height: 0 });
  const [view, setView] = useState<View>();
  const [over, setOver] = useState<Point>();
  const [dark, setDark] = useState(matchMedia("(prefers-color-scheme: dark)").matches);
  const [label, setLabel] = useState<string>();
  const drag = useRef<{ x: number; y: number; moved: boolean } | undefined>(undefined);
  const { points } = props;

  useEffect(() => {
    const watch = new ResizeObserver(([entry]) => {
      const { width, height } = entry!.contentRect;
      setSize({ width, height });
    });
    watch.observe(canvas.current!);
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    const changed = () => setDark(scheme.matches);
    scheme.addEventListener("change", changed);
    return () => {
      watch.disconnect();
      scheme.removeEventListener("change", changed);
    };
  }, []);
  useEffect(() => {
    if (size.width) setView(whole(points, size.width, size.height));
  }, [points, size.width, size.height]);
  useEffect(() => {
    setLabel(undefined);
    if (!over) return;
    let gone = false;
    const wait = setTimeout(async () => {
      const known = await labels(props.table, [over.key]).catch(() => new Map<string, string>());
      if (!gone) setLabel(known.get(over.key));
    }, 120);
    return () => {
      gone = true;
      clearTimeout(wait);
    };
  }, [over]);

  const at = (p: Point, v: View) => [
    size.width / 2 + (p.x - v.x) * v.scale,
    size.height / 2 - (p.y - v.y) * v.scale,
  ] as const;

  useEffect(() => {
    const context = canvas.current?.getContext("2d");
    if (!context || !view || !size.width) return;
    const style = getComputedStyle(canvas.current!);
    const variable = (name: string) => style.getPropertyValue(name).trim();
    const palette = [...Array(8).keys()].map((n) => variable(`--c${n}`));
    const [low, high, rest, ink] = [variable("--low"), variable("--high"), variable("--rest"), variable("--ink")];
    const ratio = devicePixelRatio || 1;
    canvas.current!.width = Math.round(size.width * ratio);
    canvas.current!.height = Math.round(size.height * ratio);
    context.scale(ratio, ratio);
    context.clearRect(0, 0, size.width, size.height);
    const radius = points.length > 5000 ? 2 : points.length > 1000 ? 2.8 : 4;
    context.globalAlpha = points.length > 5000 ? 0.6 : 0.8;
    for (const p of points) {
      const [x, y] = at(p, view);
      if (x < -9 || y < -9 || x > size.width + 9 || y > size.height + 9) continue;
      context.fillStyle = props.palette.range
        ? p.color < 0 ? rest : mix(low, high, p.color)
        : p.color < 0 || p.color === props.palette.rest ? rest : palette[p.color]!;
      context.beginPath();
      context.arc(x, y, radius, 0, 2 * Math.PI);
      context.fill();
    }
    context.globalAlpha = 1;
    const ringed = [over, points.find((p) => p.key === props.picked)];
    for (const p of ringed) {
      if (!p) continue;
      const [x, y] = at(p, view);
      context.strokeStyle = ink;
      context.lineWidth = 2;
      context.beginPath();
      context.arc(x, y, radius + 4, 0, 2 * Math.PI);
      context.stroke();
    }
  }, [points, view, size, over, props.picked, props.palette, dark]);

  const nearest = (x: number, y: number) => {
    if (!view) return undefined;
    let best: Point | undefined, least = 12 ** 2;
    for (const p of points) {
      const [px, py] = at(p, view);
      const far = (px - x) ** 2 + (py - y) ** 2;
      if (far < least) (least = far), (best = p);
    }
    return best;
  };
  const zoom = (factor: number, x = size.width / 2, y = size.height / 2) =>
    setView((v) => {
      if (!v) return v;
      const scale = v.scale * factor;
      const dx = (x - size.width / 2) * (1 / v.scale - 1 / scale), dy = (y - size.height / 2) * (1 / v.scale - 1 / scale);
      return { x: v.x + dx, y: v.y - dy, scale };
    });
  const move = (dx: number, dy: number) => setView((v) => v && { ...v, x: v.x - dx / v.scale, y: v.y + dy / v.scale });

  // The wheel must not scroll the page, which only a listener that is not passive can prevent.
  useEffect(() => {
    const wheel = (event: WheelEvent) => {
      event.preventDefault();
      zoom(Math.exp(-event.deltaY / 400), event.offsetX, event.offsetY);
    };
    const element = canvas.current!;
    element.addEventListener("wheel", wheel, { passive: false });
    return () => element.removeEventListener("wheel", wheel);
  }, [size]);

  const steps: Record<string, () => void> = {
    ArrowLeft: () => move(40, 0),
    ArrowRight: () => move(-40, 0),
    ArrowUp: () => move(0, 40),
    ArrowDown: () => move(0, -40),
    "+": () => zoom(1.3),
    "=": () => zoom(1.3),
    "-": () => zoom(1 / 1.3),
    "0": () => setView(whole(points, size.width, size.height)),
  };
  const [tipX, tipY] = over && view ? at(over, view) : [0, 0];
  return (
    <div class="plane">
      <canvas
        ref={canvas}
        tabIndex={0}
        role="img"
        aria-label={props.text}
        onKeyDown={(event) => {
          const step = event.ctrlKey || event.metaKey ? undefined : steps[event.key];
          if (step) event.preventDefault(), step();
        }}
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          drag.current = { x: event.clientX, y: event.clientY, moved: false };
        }}
        onPointerMove={(event) => {
          const from = drag.current;
          if (from) {
            const [dx, dy] = [event.clientX - from.x, event.clientY - from.y];
            if (!from.moved && Math.hypot(dx, dy) < 4) return;
            drag.current = { x: event.clientX, y: event.clientY, moved: true };
            move(dx, dy);
          } else setOver(nearest(event.offsetX, event.offsetY));
        }}
        onPointerUp={(event) => {
          if (drag.current && !drag.current.moved) {
            const point = nearest(event.offsetX, event.offsetY);
            if (point) props.onPick(point.key);
          }
          drag.current = undefined;
        }}
        onPointerLeave={() => setOver(undefined)}
      />
      {over && (
        <div class="tip" style={{ left: `${Math.min(tipX, size.width - 180)}px`, top: `${tipY + 14}px` }}>
          <strong>{over.key}</strong> {label}
          {over.value !== null && <div class="quiet">{props.tell(over.value).slice(0, 80)}</div>}
        </div>
      )}
      <div class="zoom" role="group" aria-label="Zoom">
        <button type="button" aria-label="Zoom in" onClick={() => zoom(1.5)}>+</button>
        <button type="button" aria-label="Zoom out" onClick={() => zoom(1 / 1.5)}>−</button>
        <button type="button" aria-label="Show all points" onClick={steps["0"]}>⤢</button>
      </div>
    </div>
  );
}
