/**
 * Which of our entries may be the last one that the group has delivered of a stream, and which was left standing for
 * that (scripts/leave-stream.ts). What is not the latest of ours cannot be the latest of all: so most ends need no
 * look at the group, and only one entry of a batch ever does.
 */
import type { RedisConnections } from "../connection/connections.ts";
import { LEFT_ENTRIES_KEY } from "../keys.ts";
import { SETTLE } from "../scripts/leave-stream.ts";
import { runScript } from "../scripts/lua.ts";

/** How many streams one look at what was left by all takes, at random. */
const LOOKED_AT = 100;

export class LastDelivered {
  readonly #connections: RedisConnections;
  /** The latest entry that we were given of each stream. */
  readonly #latest = new Map<string, string>();
  /** The streams in which we may have left one. */
  readonly #left = new Set<string>();

  constructor(connections: RedisConnections) {
    this.#connections = connections;
  }

  /** An entry was given to us. */
  given(stream: string, entry: string): void {
    const latest = this.#latest.get(stream);
    if (latest === undefined || isBefore(latest, entry)) this.#latest.set(stream, entry);
  }

  /** The group was set back: any of ours may be the last by now. */
  setBack(stream: string): void {
    this.#latest.delete(stream);
  }

  /** The one of these that may be the last delivered; null where none is. */
  lastAmong(stream: string, entries: readonly string[]): string | null {
    const latest = this.#latest.get(stream);
    let last: string | null = null;
    for (const entry of entries) {
      if (entry === latest) return entry;
      if (latest === undefined && (last === null || isBefore(last, entry))) last = entry;
    }
    return last;
  }

  /** Whether we may have left one in it, to be looked at again. */
  mayHaveLeft(stream: string): boolean {
    return this.#left.size > 0 && this.#left.has(stream);
  }

  mayLeave(stream: string): void {
    this.#left.add(stream);
  }

  /** As Redis has told. */
  settled(stream: string, isLeft: boolean): void {
    if (isLeft) this.#left.add(stream);
    else if (this.#left.size > 0) this.#left.delete(stream);
  }

  /** Removes what we have left where that may be by now. */
  async settle(): Promise<void> {
    if (this.#left.size > 0) await this.#settle([...this.#left]);
  }

  /** The same for what anybody has left, a bounded number of streams at a time. */
  async settleSome(): Promise<void> {
    const streams = await this.#connections.run((redis) => redis.hrandfield(LEFT_ENTRIES_KEY, LOOKED_AT));
    if (Array.isArray(streams) && streams.length > 0) await this.#settle(streams.map(String));
  }

  async #settle(streams: readonly string[]): Promise<void> {
    const reply = await this.#connections.run((redis) => runScript(redis, SETTLE, LEFT_ENTRIES_KEY, ...streams));
    const still = new Set(Array.isArray(reply) ? reply.map(String) : []);
    for (const stream of streams) if (!still.has(stream)) this.#left.delete(stream);
  }
}

/** Whether an entry, `{ms}-{number}`, stands before another one. */
function isBefore(one: string, other: string): boolean {
  if (one.length !== other.length) return isBeforeAsNumbers(one, other);
  const dash = one.indexOf("-");
  return dash === other.indexOf("-") ? one < other : isBeforeAsNumbers(one, other);
}

function isBeforeAsNumbers(one: string, other: string): boolean {
  const [[ms = 0n, number = 0n], [otherMs = 0n, otherNumber = 0n]] = [one, other].map((entry) =>
    entry.split("-").map(BigInt),
  ) as [bigint[], bigint[]];
  return ms < otherMs || (ms === otherMs && number < otherNumber);
}
