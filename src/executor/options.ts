/** What an executor needs to know. The command line fills it from the configuration; tests fill it by hand. */

import type { Backoff } from "../task/options/run-options.ts";
import type { AttemptsAs } from "../tracing/spans.ts";
import type { MovedSource } from "./intake/source-figures.ts";

export interface ExecutorOptions {
  /** Unique in the fleet; the owner of what it claims. */
  readonly name: string;
  readonly version: string;
  /** What it claims from, for its heartbeats: those of its broker. Absent: they do not tell. */
  readonly queues?: readonly string[];
  /** Works off what is due, and then drains by itself. Default: it stays until it is told to leave. */
  readonly once?: boolean;
  /** Writes what others have kept back for the broker, before it is closed at the end of a drain. */
  readonly beforeClose?: () => Promise<void>;
  /** How many tasks run at once. */
  readonly concurrency: number;
  /** How long a drain waits for running tasks, and how long a cancelled task may take to end, in ms. */
  readonly graceMs: number;
  /** Between two heartbeats, in ms; default 30 000. */
  readonly heartbeatMs?: number;
  /** After how long without a beat an executor of another program is gone, in ms; default 120 000. */
  readonly heartbeatTimeoutMs?: number;
  /** Attempts of a task whose message and handler say nothing. Default 3. */
  readonly attempts?: number;
  /** The same for a message of another producer. Default 1. */
  readonly foreignAttempts?: number;
  /** Backoff of such a task. Default: exponential from 1 s, at most 10 min. */
  readonly backoff?: Backoff;
  /** How long one attempt of such a task may take, in ms; null (the default): no limit. */
  readonly timeoutMs?: number | null;
  /** How often an executor may die over a task before it is quarantined. Default 3. */
  readonly crashBudget?: number;
  /** How often in a row a handler may ask for its task to be tried later, at no cost of attempts. Default 100. */
  readonly retryLaterLimit?: number;
  /** How long a record is kept, in ms. Default one day. */
  readonly retentionMs?: number;
  /** The types that follow the ends of tasks whose message and handler say nothing. Default: none does. */
  readonly onDone?: string | null;
  readonly onDead?: string | null;
  readonly onCancelled?: string | null;
  /** From which tasks are moved in. Default: none. */
  readonly sources?: readonly MovedSource[];
  /** How many priorities the fleet has. Default 2. */
  readonly priorities?: number;
  /** How long the record of a dead task is kept, in ms. Default 30 days. */
  readonly deadRetentionMs?: number;
  /** How many tasks may ignore their cancel before the executor drains and fails. Default 10. */
  readonly abandonedLimit?: number;
  /** How attempts belong to the traces of whoever has sent their tasks. Default: by a link. */
  readonly traceAttempts?: AttemptsAs;
  /** The address that heartbeats carry; default: this machine's first outside IPv4 address. */
  readonly ipAddress?: string;
}

/** Those that may change while it runs. */
export type ChangeableOptions = Pick<
  ExecutorOptions,
  | "concurrency"
  | "graceMs"
  | "attempts"
  | "backoff"
  | "timeoutMs"
  | "crashBudget"
  | "retryLaterLimit"
  | "retentionMs"
  | "abandonedLimit"
  | "onDone"
  | "onDead"
  | "onCancelled"
>;

/** How many outcomes may wait for the broker before no more is claimed: this often the concurrency, at least 1 000. */
const OUTCOMES_PER_SLOT = 4;
const LEAST_OUTCOMES = 1_000;

export function outcomesFor(concurrency: number): number {
  return Math.max(LEAST_OUTCOMES, concurrency * OUTCOMES_PER_SLOT);
}

export const DEFAULT_BACKOFF: Backoff = { kind: "exponential", delay_ms: 1_000, max_ms: 600_000 };
export const DEFAULT_ATTEMPTS = 3;
export const DEFAULT_FOREIGN_ATTEMPTS = 1;
export const DEFAULT_CRASH_BUDGET = 3;
export const DEFAULT_RETRY_LATER_LIMIT = 100;
export const DEFAULT_RETENTION_MS = 24 * 3_600_000;
export const DEFAULT_DEAD_RETENTION_MS = 30 * 24 * 3_600_000;
export const DEFAULT_ABANDONED_LIMIT = 10;
export const DEFAULT_HEARTBEAT_MS = 30_000;
