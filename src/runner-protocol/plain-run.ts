/**
 * A run as our own executors write it, checked by hand: it comes for each attempt, and a schema takes long. Whatever is
 * unusual is for the schema to look at.
 */
import type { ToRunner } from "./messages.ts";

type Run = Extract<ToRunner, { kind: "run" }>;

/** Names that are within every bound. */
const NAME = /^[\w.:@/-]{1,64}$/;

/** A trace as our own executors write it, without other systems' state. */
const TRACE = /^00-[\da-f]{32}-[\da-f]{16}-[\da-f]{2}$/;

/** @returns what the schema would give; null: the schema must look at it. */
export function plainRun(value: Readonly<Record<string, unknown>>): Run | null {
  const { run, attempt, crashes, asks_for_delay: asks, payload, task, trace } = value;
  if (!isCount(run, 1) || !isCount(attempt, 1) || !isCount(crashes, 0) || typeof asks !== "boolean") return null;
  if ("deadline_in_ms" in value || "tracestate" in value || payload === undefined || !isRecord(task)) return null;
  if (trace !== undefined && (typeof trace !== "string" || !TRACE.test(trace))) return null;
  const { id, type, queue, priority, queued_at: queuedAt } = task;
  if (!isName(id) || !isName(type) || !isName(queue) || !isCount(priority, 0) || "message" in task) return null;
  if (queuedAt !== null && typeof queuedAt !== "number") return null;
  const about = { id, type, queue, priority, queued_at: queuedAt };
  const plain = { kind: "run", run, task: about, attempt, crashes, payload, asks_for_delay: asks } as const;
  return trace === undefined ? plain : { ...plain, trace };
}

function isCount(value: unknown, least: number): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= least;
}

function isName(value: unknown): value is string {
  return typeof value === "string" && NAME.test(value);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
