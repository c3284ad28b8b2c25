/**
 * The mixed tasks of the long soak: such as keep nothing, keep a result, tell progress and log, wait, fail and are
 * tried again, die, hold a unique key, are cancelled. All that is kept goes soon, so that what is there is the same
 * after the first minutes.
 */
import type { EnqueueRequest } from "../../../src/broker/broker.ts";
import { formatMessage } from "../../../src/task/message/message.ts";
import type { TaskOptions } from "../../../src/task/message/message-schema.ts";
import { newId } from "../../../src/task/message/new-task.ts";
import type { Random } from "../random.ts";

export const TYPE = "mixed";
/** How long records are kept, in ms. */
export const RETENTION_MS = 15_000;
/** How many dead tasks are kept. */
export const DEAD_LIMIT = 1_000;

const UNIQUE_MS = 5_000;
const BACKOFF = { kind: "fixed", delay_ms: 200 } as const;
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

/** With the message that a client would make, but without its checks: they cost more than all else of the producer. */
export function mixedTask(random: Random): MixedTask {
  const kind = kindOf(random.next());
  const id = newId();
  const retentionMs = kind === "bare" ? 0 : RETENTION_MS;
  const unique =
    kind === "unique"
      ? { key: `key-${random.between(1, UNIQUE_KEYS)}`, ttlMs: random.chance(0.5) ? UNIQUE_MS : null }
      : null;
  const options: TaskOptions = {
    ...{ attempts: kind === "dies" ? 1 : 3, backoff: BACKOFF, retention_ms: retentionMs },
    // Whoever ends the task must know its key.
    ...(unique === null ? {} : { unique_key: unique.key }),
    ...(unique === null || unique.ttlMs === null ? {} : { unique_for_ms: unique.ttlMs }),
  };
  const request: EnqueueRequest = {
    ...{ id, type: TYPE, queue: "common", priority: random.chance(0.1) ? 1 : 0, retentionMs },
    message: formatMessage({ id, type: TYPE, payload: { kind, ms: random.between(5, 50) }, options }),
    ...(kind === "waits" || kind === "cancelled" ? { delayMs: random.between(500, 3_000) } : {}),
    ...(unique === null ? {} : { unique }),
  };
  return { kind, request };
}

function kindOf(drawn: number): Kind {
  let from = 0;
  for (const [kind, share] of SHARES) {
    from += share;
    if (drawn < from) return kind;
  }
  return "bare";
}
