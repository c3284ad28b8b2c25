/**
 * The claim that reads one stream after the other, urgent first, and stops when as many as were asked for are taken.
 * The COUNT of a plain XREADGROUP holds for each of its streams, so that one over all of them takes too many of the
 * less urgent ones where several streams have entries. What a script hands on passes through Lua's tables, though: that
 * costs Redis 4 us a call and 2 us a task, half as much again as the read itself, so it is left out where it may be.
 */
import type { CommandBatch } from "../connection/command-batch.ts";
import type { Reply } from "../connection/raw-connection.ts";
import { readStreams, type StreamEntries } from "../connection/replies.ts";
import { CANCELLED_KEY, GROUP, LEFT_TO_OTHERS_KEY, PAUSED_KEY, VOID_ENTRIES_KEY } from "../keys.ts";
import { isUnknownScript, plainScript } from "./lua.ts";

/**
 * KEYS streams, urgent first, then the marks of cancelled tasks, the set of what is paused, void entries, the streams
 * that are left to others; ARGV group, consumer, max -> streams with their entries as XREADGROUP gives them, 1 where
 * anything is marked + 2 where anything is paused + 4 where an entry is void + 8 where a stream is left, the first
 * error or "". What was read before an error is ours by then, and must be told.
 */
const CLAIM = `
local n, left = #KEYS - 4, tonumber(ARGV[3])
local marked, paused = KEYS[n + 1], KEYS[n + 2]
local some = redis.call('EXISTS', paused)
local taken, failed = {}, ''
for i = 1, n do
  local queue = some == 1 and string.match(KEYS[i], '^te%.%d+%.(.*)$')
  if not queue or redis.call('SISMEMBER', paused, 'queue:' .. queue) == 0 then
    local reply = redis.pcall('XREADGROUP', 'GROUP', ARGV[1], ARGV[2], 'COUNT', left, 'STREAMS', KEYS[i], '>')
    if reply and reply.err then
      if failed == '' then failed = reply.err end
    elseif reply then
      taken[#taken + 1] = reply[1]
      left = left - #reply[1][2]
      if left <= 0 then break end
    end
  end
end
local flags = 8 * redis.call('EXISTS', KEYS[n + 4]) + 4 * redis.call('EXISTS', KEYS[n + 3])
return { taken, flags + 2 * some + redis.call('EXISTS', marked), failed }`;

const SCRIPT = plainScript(CLAIM, 0);

/** What a claim looks at beside its streams. */
const FLAGS = [CANCELLED_KEY, PAUSED_KEY, VOID_ENTRIES_KEY, LEFT_TO_OTHERS_KEY] as const;
/** EXISTS counts a key as often as it is named: 1 for the first, 2 for the second, and so on. */
const FLAGS_BY_BIT = FLAGS.flatMap((key, index) => Array.from({ length: 2 ** index }, () => key));

export interface ClaimAnswer {
  readonly streams: readonly StreamEntries[];
  /** Whether any task is marked as cancelled, and whether anything is paused. */
  readonly someAreMarked: boolean;
  readonly somethingIsPaused: boolean;
  /** Whether any entry is void. */
  readonly someAreVoid: boolean;
  /** Whether any stream is left to executors of other programs. */
  readonly someAreLeft: boolean;
  /** The marks themselves (marks.ts), where they were asked for in the same write. */
  readonly marks?: Reply | undefined;
  /** Why a stream could not be read; "" where all could. */
  readonly failed: string;
  /** False: Redis did not know the script by its hash, and nothing was done. */
  readonly isKnown: boolean;
}

/** @param isKnown - whether this connection has had the script, so that its hash is enough. */
export function askInOrder(
  batch: CommandBatch,
  { executor, keys, max, isKnown }: { executor: string; keys: readonly string[]; max: number; isKnown: boolean },
): void {
  const call = isKnown ? (["EVALSHA", SCRIPT.sha] as const) : (["EVAL", SCRIPT.lua] as const);
  batch.add([...call, keys.length + FLAGS.length, ...keys, ...FLAGS, GROUP, executor, max]);
}

export function readInOrder([first = NO_REPLY]: readonly Reply[]): ClaimAnswer {
  const [error, reply] = first;
  const [streams, flags, failed]: unknown[] = Array.isArray(reply) ? reply : [];
  const isKnown = !isUnknownScript(error);
  return {
    streams: readStreams(streams),
    ...readFlags(flags),
    failed: isKnown ? (error?.message ?? String(failed ?? "")) : "",
    isKnown,
  };
}

const NO_REPLY: Reply = [null, null];

export interface PlainQuestion {
  readonly executor: string;
  readonly keys: readonly string[];
  readonly max: number;
}

/** The plain read: up to `max` from each stream. */
export function askAtOnce(batch: CommandBatch, { executor, keys, max }: PlainQuestion): void {
  batch.add(["XREADGROUP", "GROUP", GROUP, executor, "COUNT", max, "STREAMS", ...keys, ...keys.map(() => ">")]);
  askFlags(batch);
}

/**
 * The read that waits until any stream has an entry, and takes one from each that has. Where Redis gives it an ordinary
 * one although an urgent one came in the same instant, that has come when the second read behind it is carried out.
 *
 * @param urgent - what the second read takes from, up to `max`; a single stream needs no script.
 * @param blockMs - how long the first may wait.
 */
export function askToWake(batch: CommandBatch, { executor, keys, urgent, max, blockMs, isKnown }: WakeQuestion): void {
  const streams = ["STREAMS", ...keys, ...keys.map(() => ">")];
  batch.add(["XREADGROUP", "GROUP", GROUP, executor, "COUNT", 1, "BLOCK", blockMs, ...streams]);
  if (urgent.length > 1) askInOrder(batch, { executor, keys: urgent, max, isKnown });
  const [only] = urgent;
  if (urgent.length === 1 && only !== undefined) {
    batch.add(["XREADGROUP", "GROUP", GROUP, executor, "COUNT", max, "STREAMS", only, ">"]);
  }
  askFlags(batch);
}

export interface WakeQuestion extends PlainQuestion {
  readonly urgent: readonly string[];
  readonly blockMs: number;
  /** Whether this connection has had the script. */
  readonly isKnown: boolean;
}

/** Asked behind a read, so that a cancel or a pause which came before its entries were taken is surely seen. */
function askFlags(batch: CommandBatch): void {
  batch.add(["EXISTS", ...FLAGS_BY_BIT]);
}

type Flags = Pick<ClaimAnswer, "someAreMarked" | "somethingIsPaused" | "someAreVoid" | "someAreLeft">;

function readFlags(reply: unknown): Flags {
  const flags = Number(reply ?? 0);
  return {
    ...{ someAreMarked: flags % 2 === 1, somethingIsPaused: flags % 4 >= 2 },
    ...{ someAreVoid: flags % 8 >= 4, someAreLeft: flags >= 8 },
  };
}

export function readAtOnce([read = NO_REPLY, flags = NO_REPLY]: readonly Reply[]): ClaimAnswer {
  const [error, streams] = read;
  return { streams: readStreams(streams), ...readFlags(flags[1]), failed: error?.message ?? "", isKnown: true };
}

export function readWoken(replies: readonly Reply[], { urgent }: Pick<WakeQuestion, "urgent">): ClaimAnswer {
  const flags = replies.at(-1) ?? NO_REPLY;
  const woken = readAtOnce([replies[0] ?? NO_REPLY, flags]);
  if (urgent.length === 0) return woken;
  const second = replies.slice(1, 2);
  const behind = urgent.length > 1 ? readInOrder(second) : readAtOnce(second);
  return {
    streams: [...woken.streams, ...behind.streams],
    ...readFlags(flags[1]),
    failed: woken.failed || behind.failed,
    isKnown: behind.isKnown,
  };
}
