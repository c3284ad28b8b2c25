/**
 * The most common end of a task that keeps a record: done, with a result, and nothing else to tell. A batch of them goes
 * to Redis as one script a stream: three commands a task, each with a reply of its own, cost the executor as much as
 * everything else together (20 of 40 microseconds), and Redis half of its time.
 */
import { createHash } from "node:crypto";
import { MOVES } from "../../task/state.ts";
import type { Outcome } from "../broker.ts";
import type { RedisDelivery } from "./delivery.ts";
import { doneKey, GROUP, RECORD_PREFIX } from "./keys.ts";
import { keepUntil, type RedisCommand } from "./outcome-commands.ts";

/**
 * KEYS stream, index; ARGV group, record prefix, executor, now, then 6 of each task: entry, id, attempt, started at, keep
 * until, result.
 */
const KEEP_DONE = `
local scored, entries = {}, {}
for i = 5, #ARGV, 6 do
  local id = ARGV[i + 1]
  local key = ARGV[2] .. id
  redis.call('HSET', key, 'attempt', ARGV[i + 2], 'executor', ARGV[3], 'started_at', ARGV[i + 3],
    'state', '${MOVES.complete.to}', 'finished_at', ARGV[4], 'progress', '1', 'result', ARGV[i + 5])
  redis.call('HINCRBY', key, 'completions', '1')
  entries[#entries + 1] = ARGV[i]
  scored[#scored + 1] = ARGV[i + 4]
  scored[#scored + 1] = id
end
redis.call('ZADD', KEYS[2], unpack(scored))
redis.call('XACK', KEYS[1], ARGV[1], unpack(entries))
redis.call('XDEL', KEYS[1], unpack(entries))
return #entries`;

const SHA = createHash("sha1").update(KEEP_DONE).digest("hex");

export interface KeptDone {
  readonly outcome: Extract<Outcome, { kind: "done" }> & { readonly startedAt: number };
  readonly delivery: RedisDelivery;
}

/** Whether this end is of that kind: its record is there from the enqueue, and nothing but the end is to be written. */
export function isKeptDone(entry: { readonly outcome: Outcome; readonly delivery: RedisDelivery }): entry is KeptDone {
  const { outcome, delivery } = entry;
  return (
    outcome.kind === "done" &&
    outcome.retentionMs > 0 &&
    outcome.recorded &&
    outcome.told === null &&
    outcome.uniqueKey === null &&
    outcome.startedAt !== null &&
    delivery.deliveries === 1
  );
}

/** The script's arguments, a list for each stream of the batch. */
export function keepDoneArguments(
  entries: readonly KeptDone[],
  { executor, now }: { readonly executor: string; readonly now: number },
): (string | number)[][] {
  const byStream = new Map<string, (string | number)[]>();
  for (const { outcome, delivery } of entries) {
    let args = byStream.get(delivery.stream);
    if (args === undefined) {
      args = [2, delivery.stream, doneKey(delivery.queue), GROUP, RECORD_PREFIX, executor, Math.round(now)];
      byStream.set(delivery.stream, args);
    }
    const { id, attempt, startedAt, retentionMs, result } = outcome;
    args.push(delivery.entry, id, attempt, Math.round(startedAt), keepUntil(now, retentionMs), result ?? "");
  }
  return [...byStream.values()];
}

/** Calls the script by its hash. */
export function bySha(args: readonly (string | number)[]): RedisCommand {
  return ["EVALSHA", SHA, ...args];
}

/** Calls it whole, where Redis has forgotten it: it then knows it again. */
export function whole(args: readonly (string | number)[]): RedisCommand {
  return ["EVAL", KEEP_DONE, ...args];
}
