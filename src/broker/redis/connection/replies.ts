/** Reads the replies of the stream commands: the border where Redis' untyped arrays become our types. */

import type { RefusedTask } from "../../broker.ts";
import { plainAnswer } from "../scripts/lua.ts";

/** One stream entry: its id and its flat field list; null for one that was deleted while it was pending. */
export type RawEntry = readonly [id: string, fields: unknown];

/** What was read from one stream. */
export type StreamEntries = readonly [stream: string, entries: readonly RawEntry[]];

/** The reply of XREADGROUP: entries by stream, in the order of the streams asked for; null where there were none. */
export function readStreams(reply: unknown): readonly StreamEntries[] {
  return Array.isArray(reply) ? reply : [];
}

/** The reply of XCLAIM and XRANGE. */
export function readEntries(reply: unknown): readonly RawEntry[] {
  if (!Array.isArray(reply)) return [];
  return reply.filter((entry) => Array.isArray(entry)).map(([id, fields]) => [String(id), fields] as const);
}

export interface PendingEntry {
  readonly entry: string;
  readonly consumer: string;
  readonly idleMs: number;
  readonly deliveries: number;
}

/** The reply of the extended XPENDING. */
export function readPending(reply: unknown): PendingEntry[] {
  if (!Array.isArray(reply)) return [];
  return reply
    .filter((row) => Array.isArray(row))
    .map(([entry, consumer, idleMs, deliveries]) => ({
      entry: String(entry),
      consumer: String(consumer),
      idleMs: Number(idleMs),
      deliveries: Number(deliveries),
    }));
}

/** One group's figures out of XINFO GROUPS; null where the group does not exist. A null lag stays null. */
export function readGroup(reply: unknown, group: string): { pending: number; lag: number | null } | null {
  if (!Array.isArray(reply)) return null;
  for (const row of reply) {
    const fields = readPairs(row);
    if (fields.get("name") !== group) continue;
    const lag = fields.get("lag");
    return { pending: Number(fields.get("pending") ?? 0), lag: typeof lag === "number" ? lag : null };
  }
  return null;
}

/** A flat list of names and values, or an object, as a map. */
export function readPairs(reply: unknown): Map<string, unknown> {
  const pairs = new Map<string, unknown>();
  if (Array.isArray(reply)) {
    for (let i = 0; i + 1 < reply.length; i += 2) pairs.set(String(reply[i]), reply[i + 1]);
  } else if (typeof reply === "object" && reply !== null) {
    for (const [name, value] of Object.entries(reply)) pairs.set(name, value);
  }
  return pairs;
}

/** Ids and reasons in turn: the tasks that a script left where they were. */
export function readRefused(reply: readonly unknown[]): RefusedTask[] {
  const refused: RefusedTask[] = [];
  for (let i = 0; i + 1 < reply.length; i += 2) {
    refused.push({ id: String(reply[i]), reason: plainAnswer(String(reply[i + 1])) });
  }
  return refused;
}
