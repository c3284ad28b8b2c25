/**
 * The most common end of a task that keeps a record: done, with a result, and nothing else to tell. A batch of them goes
 * to Redis as one script a stream: three commands a task, each with a reply of its own, cost the executor as much as
 * everything else together (20 of 40 microseconds), and Redis half of its time. What is known of the end stands in one
 * field, `end`: with a field for each the hash would grow past the 16 that it has room for at first. It stands for one
 * completion, too: `completions` counts only what comes besides, which saves the script half of its calls.
 */
import { MOVES } from "../../task/state.ts";
import type { Outcome } from "../broker.ts";
import type { RedisDelivery } from "./delivery.ts";
import { doneKey, GROUP, RECORD_PREFIX } from "./keys.ts";
import { keepUntil, type RedisCommand } from "./outcome-commands.ts";
import { script } from "./scripts.ts";

/** KEYS stream, index; ARGV group, record prefix, keep until, then 4 of each task: entry, id, end, result ("": none). */
const KEEP_DONE = `
local scored, entries = {}, {}
for i = 4, #ARGV, 4 do
  local id = ARGV[i + 1]
  local key = ARGV[2] .. id
  local isNew
  if ARGV[i + 3] == '' then
    isNew = redis.call('HSET', key, 'state', '${MOVES.complete.to}', 'end', ARGV[i + 2]) >= 1
  else
    isNew = redis.call('HSET', key, 'state', '${MOVES.complete.to}', 'end', ARGV[i + 2], 'result', ARGV[i + 3]) >= 2
  end
  if not isNew then redis.call('HINCRBY', key, 'completions', '1') end
  entries[#entries + 1] = ARGV[i]
  scored[#scored + 1] = ARGV[3]
  scored[#scored + 1] = id
end
redis.call('ZADD', KEYS[2], unpack(scored))
redis.call('XACK', KEYS[1], ARGV[1], unpack(entries))
redis.call('XDEL', KEYS[1], unpack(entries))
return #entries`;

const SCRIPT = script(KEEP_DONE, 2);

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
    !outcome.resultOmitted &&
    outcome.uniqueKey === null &&
    outcome.startedAt !== null &&
    delivery.deliveries === 1
  );
}

/** The script's arguments, a list for each stream and each time until which records are kept. */
export function keepDoneArguments(
  entries: readonly KeptDone[],
  { executor, now }: { readonly executor: string; readonly now: number },
): (string | number)[][] {
  const lists = new Map<string, (string | number)[]>();
  for (const { outcome, delivery } of entries) {
    const { id, attempt, startedAt, retentionMs, result } = outcome;
    const name = `${retentionMs} ${delivery.stream}`;
    let args = lists.get(name);
    if (args === undefined) {
      const until = keepUntil(now, retentionMs);
      args = [SCRIPT.keys, delivery.stream, doneKey(delivery.queue), GROUP, RECORD_PREFIX, until];
      lists.set(name, args);
    }
    const end = `${attempt} ${Math.round(startedAt)} ${Math.round(now)} ${executor}`;
    args.push(delivery.entry, id, end, result ?? "");
  }
  return [...lists.values()];
}

/** What the field `end` tells. */
export interface DoneEnd {
  readonly attempt: number;
  readonly startedAt: number;
  readonly finishedAt: number;
  readonly executor: string;
}

/** Reads it; null where there is none. */
export function readEnd(text: string | null | undefined): DoneEnd | null {
  const match = /^(\d+) (\d+) (\d+) (.*)$/s.exec(text ?? "");
  if (match === null) return null;
  const [, attempt, startedAt, finishedAt, executor = ""] = match;
  return { attempt: Number(attempt), startedAt: Number(startedAt), finishedAt: Number(finishedAt), executor };
}

/** Calls the script by its hash. */
export function bySha(args: readonly (string | number)[]): RedisCommand {
  return ["EVALSHA", SCRIPT.sha, ...args];
}

/** Calls it whole, where Redis has forgotten it: it then knows it again. */
export function whole(args: readonly (string | number)[]): RedisCommand {
  return ["EVAL", SCRIPT.lua, ...args];
}
