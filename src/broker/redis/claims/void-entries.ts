/**
 * Entries of tasks that are gone: a purge or a retry by hand took the task of an entry that nobody had claimed. Such an
 * entry is not deleted (scripts/leave-stream.ts): whoever claims it drops it, and no list or count has it.
 */
import type { RedisConnections } from "../connection/connections.ts";
import type { RawEntry, StreamEntries } from "../connection/replies.ts";
import { VOID_ENTRIES_KEY } from "../keys.ts";
import { DROP_VOID, FORGET_VOID } from "../scripts/leave-stream.ts";
import { runScript } from "../scripts/lua.ts";

/** How many entries one script call looks at, and how many such calls one clean-up makes for a stream. */
const CHUNK = 200;
const CALLS = 50;

/** Drops those of these entries that are void; all of them are ours. Gives the rest. */
export async function withoutVoid(
  connections: RedisConnections,
  streams: readonly StreamEntries[],
): Promise<StreamEntries[]> {
  const left: StreamEntries[] = [];
  for (const [stream, entries] of streams) left.push([stream, await entriesLeft(connections, String(stream), entries)]);
  return left;
}

/** The same for the entries of one stream. */
export async function entriesLeft(
  connections: RedisConnections,
  stream: string,
  entries: readonly RawEntry[],
): Promise<readonly RawEntry[]> {
  const dropped = new Set<string>();
  for (let at = 0; at < entries.length; at += CHUNK) {
    const words = entries.slice(at, at + CHUNK).flatMap(([entry]) => [stream, entry]);
    const reply = await connections.run((redis) => runScript(redis, DROP_VOID, VOID_ENTRIES_KEY, ...words));
    for (const member of Array.isArray(reply) ? reply : []) dropped.add(String(member));
  }
  return dropped.size === 0 ? entries : entries.filter(([entry]) => !dropped.has(memberOf(stream, entry)));
}

/** Whether a read brought entries, and none of them is left. */
export function areAllVoid(read: readonly StreamEntries[], left: readonly StreamEntries[]): boolean {
  return read.some(([, entries]) => entries.length > 0) && left.every(([, entries]) => entries.length === 0);
}

/** Which of these entries of a stream are void. */
export async function voidAmong(
  connections: RedisConnections,
  stream: string,
  entries: readonly string[],
): Promise<ReadonlySet<string>> {
  if (entries.length === 0) return new Set();
  return connections.run(async (redis) => {
    if ((await redis.exists(VOID_ENTRIES_KEY)) === 0) return new Set();
    const scores = await redis.zmscore(VOID_ENTRIES_KEY, ...entries.map((entry) => memberOf(stream, entry)));
    return new Set(entries.filter((_, index) => scores[index] !== null));
  });
}

/** Forgets those that another program has had; bounded. */
export async function forgetVoid(
  connections: RedisConnections,
  streams: readonly { readonly key: string }[],
): Promise<void> {
  if ((await connections.run((redis) => redis.exists(VOID_ENTRIES_KEY))) === 0) return;
  for (const { key } of streams) {
    for (let call = 0; call < CALLS; call++) {
      const gone = await connections.run((redis) => runScript(redis, FORGET_VOID, VOID_ENTRIES_KEY, key, CHUNK));
      if (Number(gone) < CHUNK) break;
    }
  }
}

/** Between which members those of a stream stand, as ZLEXCOUNT takes it. */
export function voidRange(stream: string): [from: string, to: string] {
  return [`[${stream} `, `(${stream}!`];
}

function memberOf(stream: string, entry: string): string {
  return `${stream} ${entry}`;
}
