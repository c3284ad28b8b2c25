/**
 * The tasks of the soak: what kinds there are, how often each comes, and how a task of each must end. Which task is of
 * which kind depends on the seed alone. All are held to the default crash budget: `poison` must be convicted by it, and
 * of all others the end is known exactly, however often their executor is killed under them, by whomever.
 */
import type { EnqueueRequest } from "../../src/broker/broker.ts";
import { formatMessage } from "../../src/task/message/message.ts";
import type { TaskOptions } from "../../src/task/message/message-schema.ts";
import { type Random, randomOf } from "./random.ts";

const HOUR_MS = 3_600_000;
/** One task in so many is poison: it kills every executor that runs it. */
const POISON_EVERY = 2_000;
/** The share of the tasks that somebody cancels, soon after they were enqueued. */
const CANCELLED = 0.02;

/** Kinds and their shares; what is left is `plain`. */
const SHARES = [
  ["fails-once", 0.025],
  ["fails-always", 0.025],
  ["kills-once", 0.0095],
  ["works", 0.1],
  ["sleeps", 0.01],
  ["bare", 0.05],
] as const;

/** `bare` keeps no record: only the ledger knows of it. */
export type Kind = (typeof SHARES)[number][0] | "poison" | "plain";
export const KINDS: readonly Kind[] = ["plain", ...SHARES.map(([kind]) => kind), "poison"];

export interface PlannedTask {
  readonly id: string;
  readonly kind: Kind;
  /** How many attempts there may be. */
  readonly attempts: number;
  /** When it is cancelled, in ms after its enqueue; null: never. */
  readonly cancelAfterMs: number | null;
  readonly request: EnqueueRequest;
}

/** All tasks of a soak, in the order in which they are enqueued. */
export function planTasks(count: number, seed: number): PlannedTask[] {
  const random = randomOf(seed);
  return Array.from({ length: count }, (_, index) => planTask(index, random));
}

function planTask(index: number, random: Random): PlannedTask {
  const id = `soak-${index}`;
  const kind = index % POISON_EVERY === 7 ? "poison" : kindOf(random.next());
  const attempts = kind === "fails-always" ? random.between(1, 3) : 3;
  const ms = kind === "works" ? random.between(5, 100) : kind === "sleeps" ? random.between(500, 2_500) : 0;
  const retentionMs = kind === "bare" ? 0 : HOUR_MS;
  const options: TaskOptions = {
    attempts,
    backoff: { kind: "exponential", delay_ms: 200, max_ms: 1_000 },
    retention_ms: retentionMs,
  };
  const request: EnqueueRequest = {
    id,
    type: "soak",
    queue: "common",
    priority: random.chance(0.2) ? 1 : 0,
    message: formatMessage({ id, type: "soak", payload: { kind, ms }, options }),
    retentionMs,
    ...(kind !== "bare" && random.chance(0.1) ? { delayMs: random.between(1, 3_000) } : {}),
  };
  const cancelled = random.chance(CANCELLED) && kind !== "poison" && kind !== "bare";
  return { id, kind, attempts, request, cancelAfterMs: cancelled ? random.between(0, 1_500) : null };
}

function kindOf(drawn: number): Kind {
  let from = 0;
  for (const [kind, share] of SHARES) {
    from += share;
    if (drawn < from) return kind;
  }
  return "plain";
}
