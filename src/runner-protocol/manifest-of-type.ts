/** What a runner tells of a type in its hello -> the options of its handler, as the executor knows them. */
import type { HandlerOptions } from "../handlers/handler.ts";
import type { TypeManifest } from "./messages.ts";

export function optionsOfType(told: TypeManifest): HandlerOptions {
  const { unique } = told;
  return {
    attempts: told.attempts,
    backoff: told.backoff,
    crashBudget: told.crash_budget,
    timeoutMs: told.timeout_ms,
    retentionMs: told.retention_ms,
    ...(told.on_done !== undefined && { onDone: told.on_done }),
    ...(told.on_dead !== undefined && { onDead: told.on_dead }),
    ...(told.on_cancelled !== undefined && { onCancelled: told.on_cancelled }),
    queue: told.queue,
    priority: told.priority,
    delayMs: told.delay_ms,
    deadlineMs: told.deadline_ms,
    unique: unique && { key: unique.key, forMs: unique.for_ms },
    isolation: told.isolation,
  };
}

/** The same the other way round, for a hello. */
export function typeOfOptions(type: string, options: HandlerOptions): TypeManifest {
  const { unique } = options;
  return {
    type,
    attempts: options.attempts,
    backoff: options.backoff,
    crash_budget: options.crashBudget,
    timeout_ms: options.timeoutMs,
    retention_ms: options.retentionMs,
    on_done: options.onDone,
    on_dead: options.onDead,
    on_cancelled: options.onCancelled,
    queue: options.queue,
    priority: options.priority,
    delay_ms: options.delayMs,
    deadline_ms: options.deadlineMs,
    unique: unique && { key: unique.key, for_ms: unique.forMs },
    isolation: options.isolation,
  };
}
