/**
 * The mixed tasks of the long soak: such as keep nothing, keep a result, tell progress and log, wait, fail and are tried
 * again, die, hold a unique key, are cancelled. All that is kept goes soon, so that what is there is the same after the
 * first minutes.
 */
import type { EnqueueRequest } from "../../../src/broker/broker.ts";
import type { EnqueueOptions } from "../../../src/task/enqueue-options.ts";
import { prepareTask, requestOf } from "../../../src/task/new-task.ts";
import type { Random } from "../random.ts";

export const TYPE = "mixed";
/** How long records are kept, in ms. */
export const RETENTION_MS = 15_000;
/** How many dead tasks are kept. */
export const DEAD_LIMIT = 1_000;

const UNIQUE_MS = 5_000;
/** How many unique keys there are: a few tasks in a hundred of those meet a key that is held. */
const UNIQUE_KEYS = 100_000;

/** What a task does, and its share; what is left is `bare`: it does nothing and keeps nothing. */
const SHARES = [
  ["result", 0.25],
  ["tells", 0.04],
  ["works", 0.05],
  ["waits", 0.05],
  ["fails-once", 0.04],
  ["dies", 0.01],
  ["unique", 0.03],
  ["cancelled", 0.02],
] as const;

export type Kind = (typeof SHARES)[number][0] | "bare";

export interface MixedTask {
  readonly kind: Kind;
  readonly request: EnqueueRequest;
}

/** As a client makes it. @param now - Unix ms on the broker's clock. */
export function mixedTask(random: Random, now: number): MixedTask {
  const kind = kindOf(random.next());
  const options: EnqueueOptions = {
    priority: random.chance(0.1) ? 1 : 0,
    retentionMs: kind === "bare" ? 0 : RETENTION_MS,
    attempts: kind === "dies" ? 1 : 3,
    backoff: { kind: "fixed", delay_ms: 200 },
    ...(kind === "waits" || kind === "cancelled" ? { delayMs: random.between(500, 3_000) } : {}),
    ...(kind === "unique"
      ? {
          unique: { key: `key-${random.between(1, UNIQUE_KEYS)}`, ...(random.chance(0.5) ? { forMs: UNIQUE_MS } : {}) },
        }
      : {}),
  };
  const task = prepareTask(TYPE, { kind, ms: random.between(5, 50) }, options, { now, retentionMs: RETENTION_MS });
  return { kind, request: requestOf(task, now) };
}

function kindOf(drawn: number): Kind {
  let from = 0;
  for (const [kind, share] of SHARES) {
    from += share;
    if (drawn < from) return kind;
  }
  return "bare";
}
