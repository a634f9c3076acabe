// The jobs of the server as the page follows them: one list for all views, each running job by the stream of
// its events, or by asking again where the stream breaks.

import { useEffect, useState } from "preact/hooks";
import { at, follow, get, isOver, post, Problem, send, type Job, type Json } from "./api";
import { announce } from "./ui/live";

/** A job, and when this page last heard of it. */
export interface Followed extends Job {
  heard: number;
}

const all = new Map<number, Followed>();
const followed = new Set<number>();
const changed = new Set<() => void>();
const ended = new Set<(job: Job) => void>();

function hear(job: Job) {
  const before = all.get(job.id);
  all.set(job.id, { ...job, heard: performance.now() });
  changed.forEach((told) => told());
  if (isOver(job) && before && !isOver(before)) {
    announce(`${job.statement}: ${job.state}`);
    ended.forEach((told) => told(job));
  }
}

async function watch(id: number) {
  if (followed.has(id)) return;
  followed.add(id);
  try {
    await follow(id, hear);
  } catch {
    // Told below, by asking.
  }
  while (!isOver(all.get(id)!)) {
    try {
      hear(await get<Job>(at`/v1/jobs/${id}`));
    } catch (error) {
      if (error instanceof Problem && error.document.status !== 0) break;
    }
    await new Promise((done) => setTimeout(done, 1000));
  }
  followed.delete(id);
}

/** Starts a job by the route that makes one. */
export async function start(path: string, body?: Json): Promise<Job> {
  const job = await post<Job>(path, body);
  hear(job);
  announce(`${job.statement}: started`);
  void watch(job.id);
  return job;
}

export const cancel = async (id: number) => {
  const response = await send("DELETE", at`/v1/jobs/${id}`);
  hear((await response.json()) as Job);
};

/** Reads the list of the server, and follows what runs. */
export async function look() {
  for (const job of await get<Job[]>("/v1/jobs")) {
    hear(job);
    if (!isOver(job)) void watch(job.id);
  }
}

/** All jobs, the latest first. */
export function useJobs(): Followed[] {
  const [, again] = useState(0);
  useEffect(() => {
    const told = () => again((n) => n + 1);
    changed.add(told);
    return () => void changed.delete(told);
  }, []);
  return [...all.values()].sort((a, b) => b.id - a.id);
}

/** Reads the list again and again while a view is there: others start jobs, too. */
export function useLooking() {
  useEffect(() => {
    const timer = setInterval(() => document.hidden || void look().catch(() => undefined), 3000);
    return () => clearInterval(timer);
  }, []);
}

/** Calls `told` when a job ends. */
export function useEnded(told: (job: Job) => void) {
  useEffect(() => {
    ended.add(told);
    return () => void ended.delete(told);
  });
}
